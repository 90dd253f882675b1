// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Credits} from "./Credits.sol";
import {TypedData} from "./Forms.sol";
import {IEscrow} from "./IEscrow.sol";
import {Identities} from "./Identities.sol";
import {Signatures} from "./Signatures.sol";

/// The draft's core: rules C1 to C8.
abstract contract EscrowCore is IEscrow, Credits, EIP712 {
    /// Where an escrow stands.
    enum Phase {
        Open,
        /// Its payer has asked to leave.
        Closing,
        /// Nothing moves any more.
        Final
    }

    /// What is found by an escrow's id alone: whose it is, and when its payer leaves.
    struct Entry {
        address payee;
        /// When the payer asked to leave; zero where it did not, or took it back.
        uint64 closeRequestedAt;
        /// Whether the one batch after the request was posted.
        bool lastBatchPosted;
    }

    /// An escrow, packed by what is read together. `settle` by the payer's own key takes the first two slots, a night three.
    struct Record {
        address payer;
        /// When the pending batch was posted; zero where none is.
        uint40 postedAt;
        /// Number of the till that its payee is paid from.
        uint40 till;
        Phase phase;
        /// Whether the signer is another than the payer.
        bool signerNamed;
        uint128 deposit;
        uint128 settled;
        /// Who agrees to totals: as named, or the payer.
        address signer;
        /// Of the last final batch.
        uint64 epoch;
        uint8 openDemands;
        /// Demands ever made on the pending batch.
        uint24 demands;
        /// The pending batch, or the last one.
        bytes32 batchId;
        /// The last batch whose leaves are established.
        bytes32 establishedId;
        address watcher;
    }

    /// Seconds between a request to close and the withdrawal.
    uint64 public constant CLOSE_GRACE_PERIOD = 24 hours;

    mapping(bytes32 escrowId => Entry) internal _entries;
    /// An escrow lies where only its payee's address leads: a payee that finds it is the right one, and its address need not be
    /// read to be compared.
    mapping(address payee => mapping(bytes32 escrowId => Record)) private _escrows;

    constructor() EIP712("EVM Payment Channel", "1") {}

    /// Opens an escrow that the caller funds.
    function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner)
        external
        nonReentrant
        returns (bytes32 channelId)
    {
        if (payee == address(0) || token == address(0)) revert ZeroAddress();
        if (deposit == 0) revert ZeroDeposit();
        channelId = Identities.escrow(msg.sender, payee, token, salt, authorizedSigner, address(this));
        if (_entries[channelId].payee != address(0)) revert ChannelAlreadyExists();
        _entries[channelId].payee = payee;
        bool signerNamed = authorizedSigner != address(0);
        Record storage escrow = _escrows[payee][channelId];
        escrow.payer = msg.sender;
        escrow.till = _tillOf(payee, token);
        escrow.signerNamed = signerNamed;
        escrow.deposit = deposit;
        escrow.signer = signerNamed ? authorizedSigner : msg.sender;
        emit ChannelOpened(channelId, msg.sender, payee, token, authorizedSigner, deposit);
        emit ChannelSalt(channelId, salt);
        _pull(token, deposit);
    }

    /// Raises the deposit, and cancels a pending request to close.
    function topUp(bytes32 channelId, uint128 additionalDeposit) external nonReentrant {
        (Record storage escrow, Entry storage entry) = _ofPayer(channelId);
        if (additionalDeposit == 0) revert ZeroDeposit();
        if (additionalDeposit > type(uint128).max - escrow.deposit) revert DepositOverflow();
        uint128 deposit = escrow.deposit + additionalDeposit;
        escrow.deposit = deposit;
        address payee = entry.payee;
        if (escrow.phase == Phase.Closing) {
            escrow.phase = Phase.Open;
            entry.closeRequestedAt = 0;
            entry.lastBatchPosted = false;
            emit CloseRequestCancelled(channelId, msg.sender, payee);
        }
        emit TopUp(channelId, msg.sender, payee, additionalDeposit, deposit);
        _pull(_tills[escrow.till].token, additionalDeposit);
    }

    /// Pays the payee up to a total the signer has signed.
    function settle(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external nonReentrant {
        Record storage escrow = _ofPayee(channelId);
        _checkVoucher(escrow, channelId, cumulativeAmount, signature);
        _payUpTo(escrow, msg.sender, channelId, cumulativeAmount);
    }

    /// Pays up to a total the signer has signed, or forfeits what is above `settled`; the rest returns to the payer.
    function close(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external nonReentrant {
        Record storage escrow = _ofPayee(channelId);
        // Final before any money moves, the payee's included.
        escrow.phase = Phase.Final;
        if (cumulativeAmount > escrow.settled) {
            _checkVoucher(escrow, channelId, cumulativeAmount, signature);
            _payUpTo(escrow, msg.sender, channelId, cumulativeAmount);
        }
        _refund(escrow, msg.sender, channelId);
    }

    /// Announces the payer's exit.
    function requestClose(bytes32 channelId) external nonReentrant {
        (Record storage escrow, Entry storage entry) = _ofPayer(channelId);
        if (escrow.phase == Phase.Closing) revert CloseAlreadyRequested();
        escrow.phase = Phase.Closing;
        entry.closeRequestedAt = uint64(block.timestamp);
        emit CloseRequested(channelId, msg.sender, entry.payee, block.timestamp + CLOSE_GRACE_PERIOD);
    }

    /// Returns to the payer what is not settled, after the grace period.
    function withdraw(bytes32 channelId) external nonReentrant {
        (Record storage escrow, Entry storage entry) = _ofPayer(channelId);
        if (escrow.postedAt != 0) revert BatchPending();
        uint256 requestedAt = entry.closeRequestedAt;
        if (requestedAt == 0 || block.timestamp < requestedAt + CLOSE_GRACE_PERIOD) revert CloseNotReady();
        escrow.phase = Phase.Final;
        _refund(escrow, entry.payee, channelId);
    }

    function getChannel(bytes32 channelId) external view returns (Channel memory) {
        Entry memory entry = _entries[channelId];
        Record storage escrow = _escrows[entry.payee][channelId];
        return Channel({
            payer: escrow.payer,
            payee: entry.payee,
            token: _tills[escrow.till].token,
            authorizedSigner: escrow.signerNamed ? escrow.signer : address(0),
            deposit: escrow.deposit,
            settled: escrow.settled,
            closeRequestedAt: entry.closeRequestedAt,
            finalized: escrow.phase == Phase.Final
        });
    }

    function computeChannelId(address payer, address payee, address token, bytes32 salt, address authorizedSigner)
        external
        view
        returns (bytes32)
    {
        return Identities.escrow(payer, payee, token, salt, authorizedSigner, address(this));
    }

    function getVoucherDigest(bytes32 channelId, uint128 cumulativeAmount) external view returns (bytes32) {
        return _hashTypedDataV4(TypedData.voucher(channelId, cumulativeAmount));
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// An escrow whatever its state; of one that was never opened, everything is zero.
    function _escrow(bytes32 escrowId) internal view returns (Record storage) {
        return _escrows[_entries[escrowId].payee][escrowId];
    }

    function _live(bytes32 escrowId) internal view returns (Record storage escrow) {
        escrow = _escrow(escrowId);
        if (escrow.payer == address(0)) revert ChannelNotFound();
        if (escrow.phase == Phase.Final) revert ChannelFinalized();
    }

    function _ofPayer(bytes32 escrowId) internal view returns (Record storage escrow, Entry storage entry) {
        escrow = _live(escrowId);
        if (msg.sender != escrow.payer) revert NotPayer();
        entry = _entries[escrowId];
    }

    /// The caller's escrow to be paid from, with no batch pending.
    function _ofPayee(bytes32 escrowId) internal view returns (Record storage escrow) {
        escrow = _escrows[msg.sender][escrowId];
        if (escrow.payer == address(0)) {
            _live(escrowId);
            revert NotPayee();
        }
        if (escrow.phase == Phase.Final) revert ChannelFinalized();
        if (escrow.postedAt != 0) revert BatchPending();
    }

    function _signer(Record storage escrow) internal view returns (address) {
        return escrow.signerNamed ? escrow.signer : escrow.payer;
    }

    function _checkVoucher(Record storage escrow, bytes32 escrowId, uint128 total, bytes calldata signature)
        internal
        view
    {
        bytes32 digest = _hashTypedDataV4(TypedData.voucher(escrowId, total));
        if (!Signatures.byKeyOrWallet(_signer(escrow), digest, signature)) revert InvalidSignature();
    }

    function _checkTotal(Record storage escrow, uint128 total) internal view returns (uint128 settled) {
        settled = escrow.settled;
        if (total <= settled) revert AmountNotIncreasing();
        if (total > escrow.deposit) revert AmountExceedsDeposit();
    }

    /// Raises what is settled to `total` and pays the difference: the one way by which a payee is paid.
    function _payUpTo(Record storage escrow, address payee, bytes32 escrowId, uint128 total) internal {
        uint128 settled = _checkTotal(escrow, total);
        uint128 delta;
        unchecked {
            delta = total - settled;
        }
        escrow.settled = total;
        emit Settled(escrowId, escrow.payer, payee, total, delta, total);
        Till storage till = _tills[escrow.till];
        _payOut(payee, till.token, till.toVault, delta);
    }

    /// Returns the rest of an escrow that is final: the one way by which a payer is paid.
    function _refund(Record storage escrow, address payee, bytes32 escrowId) private {
        uint128 settled = escrow.settled;
        uint128 refund = escrow.deposit - settled;
        emit ChannelClosed(escrowId, escrow.payer, payee, settled, refund);
        if (refund == 0) return;
        (address payer, address token) = (escrow.payer, _tills[escrow.till].token);
        _payOut(payer, token, vaults[payer][token] != address(0), refund);
    }
}
