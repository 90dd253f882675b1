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
    /// An escrow, packed so that a night touches few slots.
    struct Record {
        address payer;
        uint64 closeRequestedAt;
        bool finalized;
        /// Whether the one batch after the request was posted.
        bool lastBatchPosted;
        address payee;
        /// When the pending batch was posted; zero where none is.
        uint64 postedAt;
        uint8 openDemands;
        /// Demands ever made on the pending batch.
        uint24 demands;
        address token;
        /// Of the last final batch.
        uint64 epoch;
        address authorizedSigner;
        uint128 deposit;
        uint128 settled;
        /// The pending batch, or the last one.
        bytes32 batchId;
        /// The last batch whose leaves are established.
        bytes32 establishedId;
        address watcher;
    }

    /// Seconds between a request to close and the withdrawal.
    uint64 public constant CLOSE_GRACE_PERIOD = 24 hours;

    mapping(bytes32 escrowId => Record) internal _escrows;

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
        Record storage escrow = _escrows[channelId];
        if (escrow.payer != address(0)) revert ChannelAlreadyExists();
        escrow.payer = msg.sender;
        escrow.payee = payee;
        escrow.token = token;
        if (authorizedSigner != address(0)) escrow.authorizedSigner = authorizedSigner;
        escrow.deposit = deposit;
        emit ChannelOpened(channelId, msg.sender, payee, token, authorizedSigner, deposit);
        emit ChannelSalt(channelId, salt);
        _pull(token, deposit);
    }

    /// Raises the deposit, and cancels a pending request to close.
    function topUp(bytes32 channelId, uint128 additionalDeposit) external nonReentrant {
        Record storage escrow = _ofPayer(channelId);
        if (additionalDeposit == 0) revert ZeroDeposit();
        if (additionalDeposit > type(uint128).max - escrow.deposit) revert DepositOverflow();
        uint128 deposit = escrow.deposit + additionalDeposit;
        escrow.deposit = deposit;
        if (escrow.closeRequestedAt != 0) {
            escrow.closeRequestedAt = 0;
            escrow.lastBatchPosted = false;
            emit CloseRequestCancelled(channelId, escrow.payer, escrow.payee);
        }
        emit TopUp(channelId, escrow.payer, escrow.payee, additionalDeposit, deposit);
        _pull(escrow.token, additionalDeposit);
    }

    /// Pays the payee up to a total the signer has signed.
    function settle(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external nonReentrant {
        Record storage escrow = _ofPayee(channelId);
        _checkVoucher(escrow, channelId, cumulativeAmount, signature);
        _payUpTo(escrow, channelId, cumulativeAmount);
    }

    /// Pays up to a total the signer has signed, or forfeits what is above `settled`; the rest returns to the payer.
    function close(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external nonReentrant {
        Record storage escrow = _ofPayee(channelId);
        if (cumulativeAmount > escrow.settled) {
            _checkVoucher(escrow, channelId, cumulativeAmount, signature);
            // Final before any money moves, the payee's included.
            escrow.finalized = true;
            _payUpTo(escrow, channelId, cumulativeAmount);
        }
        _refund(escrow, channelId);
    }

    /// Announces the payer's exit.
    function requestClose(bytes32 channelId) external nonReentrant {
        Record storage escrow = _ofPayer(channelId);
        if (escrow.closeRequestedAt != 0) revert CloseAlreadyRequested();
        escrow.closeRequestedAt = uint64(block.timestamp);
        emit CloseRequested(channelId, escrow.payer, escrow.payee, block.timestamp + CLOSE_GRACE_PERIOD);
    }

    /// Returns to the payer what is not settled, after the grace period.
    function withdraw(bytes32 channelId) external nonReentrant {
        Record storage escrow = _ofPayer(channelId);
        if (escrow.postedAt != 0) revert BatchPending();
        uint256 requestedAt = escrow.closeRequestedAt;
        if (requestedAt == 0 || block.timestamp < requestedAt + CLOSE_GRACE_PERIOD) revert CloseNotReady();
        _refund(escrow, channelId);
    }

    function getChannel(bytes32 channelId) external view returns (Channel memory) {
        Record storage escrow = _escrows[channelId];
        return Channel({
            payer: escrow.payer,
            payee: escrow.payee,
            token: escrow.token,
            authorizedSigner: escrow.authorizedSigner,
            deposit: escrow.deposit,
            settled: escrow.settled,
            closeRequestedAt: escrow.closeRequestedAt,
            finalized: escrow.finalized
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

    function _live(bytes32 escrowId) internal view returns (Record storage escrow) {
        escrow = _escrows[escrowId];
        if (escrow.payer == address(0)) revert ChannelNotFound();
        if (escrow.finalized) revert ChannelFinalized();
    }

    function _ofPayer(bytes32 escrowId) internal view returns (Record storage escrow) {
        escrow = _live(escrowId);
        if (msg.sender != escrow.payer) revert NotPayer();
    }

    /// The payee's escrow, with no batch pending.
    function _ofPayee(bytes32 escrowId) internal view returns (Record storage escrow) {
        escrow = _live(escrowId);
        if (msg.sender != escrow.payee) revert NotPayee();
        if (escrow.postedAt != 0) revert BatchPending();
    }

    function _signer(Record storage escrow) internal view returns (address) {
        address named = escrow.authorizedSigner;
        return named == address(0) ? escrow.payer : named;
    }

    function _checkVoucher(Record storage escrow, bytes32 escrowId, uint128 total, bytes calldata signature)
        internal
        view
    {
        bytes32 digest = _hashTypedDataV4(TypedData.voucher(escrowId, total));
        if (!Signatures.byKeyOrWallet(_signer(escrow), digest, signature)) revert InvalidSignature();
    }

    function _checkTotal(Record storage escrow, uint128 total) internal view {
        if (total <= escrow.settled) revert AmountNotIncreasing();
        if (total > escrow.deposit) revert AmountExceedsDeposit();
    }

    /// Raises what is settled to `total` and pays the difference: the one way by which a payee is paid.
    function _payUpTo(Record storage escrow, bytes32 escrowId, uint128 total) internal {
        _checkTotal(escrow, total);
        uint128 delta = total - escrow.settled;
        escrow.settled = total;
        emit Settled(escrowId, escrow.payer, escrow.payee, total, delta, total);
        _payOut(escrow.payee, escrow.token, delta);
    }

    /// Makes the escrow final and returns the rest: the one way by which a payer is paid.
    function _refund(Record storage escrow, bytes32 escrowId) private {
        escrow.finalized = true;
        uint128 refund = escrow.deposit - escrow.settled;
        emit ChannelClosed(escrowId, escrow.payer, escrow.payee, escrow.settled, refund);
        _payOut(escrow.payer, escrow.token, refund);
    }
}
