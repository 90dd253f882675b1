// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batch, TypedData} from "./Forms.sol";
import {LeafRules} from "./LeafRules.sol";
import {Signatures} from "./Signatures.sol";

/// A night's claim on an escrow: rules B1 to B4, and what a void batch costs.
abstract contract Batches is LeafRules {
    /// What was settled before is another total.
    error WrongPrevSettled();
    /// An epoch before the last final batch's.
    error StaleEpoch();
    /// A batch without agreement has no channels.
    error NoLeaves();
    /// The one batch after the request to close was posted already.
    error LastBatchPosted();
    /// The grace period after the request to close is over.
    error GraceOver();
    /// Not the batch that is pending.
    error NotPending();
    /// The window is open, or a demand is.
    error NotDecided();
    /// The window is over.
    error WindowOver();

    event BatchPosted(bytes32 indexed escrowId, bytes32 indexed batchId, Batch batch, uint64 postedAt);
    /// `agreed` where the signer's signature made it final, `established` where its leaves count as carried from now on.
    event BatchFinal(bytes32 indexed escrowId, bytes32 indexed batchId, bool agreed, bool established);
    event BatchVoided(bytes32 indexed escrowId, bytes32 indexed batchId);

    /// Seconds in which a batch may be challenged.
    uint64 public constant CHALLENGE_WINDOW = 12 hours;
    /// The bond's part in the escrow's token is the claimed increase divided by this.
    uint128 public constant BOND_DIVISOR = 10;
    /// The bond's part in the chain's own currency.
    uint256 public immutable bondWei;

    /// What an escrow's batches stand at.
    struct BatchState {
        /// The pending batch, or the last one where `postedAt` is zero.
        bytes32 batchId;
        uint64 postedAt;
        uint256 openDemands;
        uint256 demands;
        bytes32 establishedId;
        uint64 epoch;
        bool lastBatchPosted;
        address watcher;
    }

    constructor(uint256 bondWei_) {
        bondWei = bondWei_;
    }

    /// Claims `batch.total`. With the signer's agreement (over the batch, or a voucher for its total) it is paid at
    /// once; with none it waits for the challenge window, behind a bond.
    function settleBatch(Batch calldata batch, bytes calldata agreement) external nonReentrant {
        Record storage escrow = _ofPayee(batch.escrowId);
        if (batch.prevSettled != escrow.settled) revert WrongPrevSettled();
        // What it returns was compared already.
        // slither-disable-next-line unused-return
        _checkTotal(escrow, batch.total);
        if (batch.epoch < escrow.epoch) revert StaleEpoch();
        if (escrow.phase == Phase.Closing) _admitLast(batch.escrowId);
        bytes32 batchId = _batchId(batch, uint64(block.timestamp));
        escrow.batchId = batchId;
        emit BatchPosted(batch.escrowId, batchId, batch, uint64(block.timestamp));
        if (agreement.length > 0) {
            bool established = _checkAgreement(escrow, batch, agreement);
            emit BatchFinal(batch.escrowId, batchId, true, established);
            _conclude(escrow, msg.sender, batch, established);
            return;
        }
        if (batch.channels == 0) revert NoLeaves();
        escrow.postedAt = uint40(block.timestamp);
        escrow.demands = 0;
        _lockBond(msg.sender, _tills[escrow.till].token, _bondOf(batch));
        _lockBond(msg.sender, address(0), bondWei);
    }

    /// Pays a batch whose window passed and whose demands are all answered. Anybody may call.
    function finalizeBatch(Batch calldata batch) external nonReentrant {
        Record storage escrow = _pending(batch);
        bool decided = block.timestamp >= uint256(escrow.postedAt) + CHALLENGE_WINDOW;
        if (!decided || escrow.openDemands != 0) revert NotDecided();
        escrow.postedAt = 0;
        address payee = _entries[batch.escrowId].payee;
        mapping(address token => uint256) storage free = bonds[payee];
        free[_tills[escrow.till].token] += _bondOf(batch);
        free[address(0)] += bondWei;
        emit BatchFinal(batch.escrowId, escrow.batchId, false, true);
        _conclude(escrow, payee, batch, true);
    }

    /// What an escrow's batches stand at.
    function batchState(bytes32 escrowId) external view returns (BatchState memory) {
        Record storage escrow = _escrow(escrowId);
        return BatchState({
            batchId: escrow.batchId,
            postedAt: escrow.postedAt,
            openDemands: escrow.openDemands,
            demands: escrow.demands,
            establishedId: escrow.establishedId,
            epoch: escrow.epoch,
            lastBatchPosted: _entries[escrowId].lastBatchPosted,
            watcher: escrow.watcher
        });
    }

    /// The pending batch's escrow.
    function _pending(Batch calldata batch) internal view returns (Record storage escrow) {
        escrow = _live(batch.escrowId);
        if (escrow.postedAt == 0 || _batchId(batch, escrow.postedAt) != escrow.batchId) revert NotPending();
    }

    /// The payee lied, or kept silent: the batch is gone, and its bond is the payer's.
    function _void(Record storage escrow, Batch calldata batch) internal {
        escrow.postedAt = 0;
        escrow.openDemands = 0;
        emit BatchVoided(batch.escrowId, escrow.batchId);
        _credit(escrow.payer, _tills[escrow.till].token, _bondOf(batch));
        _credit(escrow.payer, address(0), bondWei);
    }

    /// The one batch after a request to close.
    function _admitLast(bytes32 escrowId) private {
        Entry storage entry = _entries[escrowId];
        if (block.timestamp >= uint256(entry.closeRequestedAt) + CLOSE_GRACE_PERIOD) revert GraceOver();
        if (entry.lastBatchPosted) revert LastBatchPosted();
        entry.lastBatchPosted = true;
    }

    /// Whether the signer agreed to the leaves, and not to the total alone.
    function _checkAgreement(Record storage escrow, Batch calldata batch, bytes calldata agreement)
        private
        view
        returns (bool)
    {
        bytes32 digest = _hashTypedDataV4(TypedData.settleBatch(batch));
        if (Signatures.byKeyOrWallet(_signer(escrow), digest, agreement)) return batch.channels > 0;
        _checkVoucher(escrow, batch.escrowId, batch.total, agreement);
        return false;
    }

    function _conclude(Record storage escrow, address payee, Batch calldata batch, bool established) private {
        if (established) escrow.establishedId = escrow.batchId;
        escrow.epoch = batch.epoch;
        _payUpTo(escrow, payee, batch.escrowId, batch.total);
    }

    function _bondOf(Batch calldata batch) private pure returns (uint128) {
        return (batch.total - batch.prevSettled) / BOND_DIVISOR;
    }
}
