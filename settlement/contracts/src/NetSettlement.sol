// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SlotDerivation} from "@openzeppelin/contracts/utils/SlotDerivation.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";

import {Approval, JournalCursor, Leg, NetTypedData} from "./NetForms.sol";
import {Participants} from "./Participants.sol";

/// What NetSettlement needs of the escrow: to fetch what is credited to an account that named it its vault.
interface IVaultSource {
    function claim(address account, address token) external returns (uint256 amount);
}

/// What participants own in one token, and its movement between them: rules N3, N4 and N6 to N8 of SPECIFICATION.md.
contract NetSettlement is Participants, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SlotDerivation for bytes32;
    using TransientSlot for *;

    /// A batch has 1 to 4096 legs, none of them empty or to its own payer.
    error BadLegs();
    /// The proposal was executed before.
    error ProposalExecuted();
    /// The proposal was not executed.
    error ProposalUnknown();
    /// Two approvals are missing for what this account pays; for zero, the contract's own for the batch.
    error NotApproved(address account);
    /// The account cannot cover what it pays: it is out, and the batch is made again.
    error Defaulted(address account, uint256 missing);
    /// The account's net debit is above its cap.
    error OverCap(address account, uint256 netDebit);
    /// A participant's money moves only with two approvals.
    error ParticipantMoney();
    /// The account holds too little.
    error InsufficientBalance();
    /// The reference was used before.
    error ReferenceUsed();
    /// The balance did not rise by exactly what was to come in.
    error TransferMismatch();
    /// Not the hub's next epoch, or not a hub's.
    error WrongEpoch();
    /// Cursors do not ascend by thread, go back, or are not those of the last epoch.
    error BadCursors();

    event Deposited(address indexed account, uint256 amount);
    event Collected(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, address to, uint256 amount, bytes32 paymentReference);
    event Transferred(
        bytes32 indexed proposalId,
        address indexed from,
        address indexed to,
        uint64 epoch,
        uint256 leg,
        address credited,
        uint128 amount
    );
    event EpochClosed(
        address indexed hub, uint64 indexed epoch, bytes32 proposalId, JournalCursor[] cursors, bytes32 journalRoot
    );

    uint256 public constant LEGS_MAX = 4096;
    uint256 public constant EPOCH_CURSORS_MAX = 256;

    bytes32 private constant CHANGES = keccak256("NetSettlement.changes");
    bytes32 private constant APPROVED = keccak256("NetSettlement.approved");

    /// The one token this instance serves.
    IERC20 public immutable token;
    IVaultSource public immutable escrow;

    mapping(address account => uint256) public balances;
    mapping(bytes32 proposalId => bool) public executed;
    mapping(bytes32 paymentReference => bool) public paid;

    /// A hub's last closed epoch.
    struct Epoch {
        uint64 epoch;
        /// Over the epoch's cursors.
        bytes32 cursorsHash;
    }

    mapping(address hub => Epoch) public epochs;

    constructor(IERC20 token_, IVaultSource escrow_, address[] memory approvers) Participants(approvers) {
        token = token_;
        escrow = escrow_;
    }

    /// Adds to an account's balance out of the caller's tokens.
    function deposit(address account, uint256 amount) external nonReentrant {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        if (token.balanceOf(address(this)) - before != amount) revert TransferMismatch();
        balances[account] += amount;
        emit Deposited(account, amount);
    }

    /// Fetches what the escrow holds for an account that named this contract its vault. The escrow is fixed and trusted, and
    /// the lock keeps every other entrance shut while it is called.
    // slither-disable-next-line reentrancy-balance,reentrancy-benign
    function collect(address account) external nonReentrant {
        uint256 before = token.balanceOf(address(this));
        uint256 amount = escrow.claim(account, address(token));
        if (token.balanceOf(address(this)) - before != amount) revert TransferMismatch();
        balances[account] += amount;
        emit Collected(account, amount);
    }

    /// Takes the caller's money out, unless it is a participant's.
    function withdraw(uint256 amount) external nonReentrant {
        if (_participants[msg.sender].kind != PAYER) revert ParticipantMoney();
        _withdraw(msg.sender, msg.sender, amount, bytes32(0));
    }

    /// Takes a participant's money out to its payout address, under two approvals.
    function payOut(bytes32 paymentReference, address account, uint128 amount, Approval calldata approval)
        external
        nonReentrant
    {
        _participant(account);
        if (paid[paymentReference]) revert ReferenceUsed();
        paid[paymentReference] = true;
        if (approval.account != _approving(account)) revert WrongApproval();
        _checkApproval(NetTypedData.payout(paymentReference, account, amount), approval);
        _withdraw(account, payoutOf(account), amount, paymentReference);
    }

    /// Carries out all legs at once, or none.
    function settleNet(bytes32 proposalId, uint64 epoch, Leg[] calldata legs, Approval[] calldata approvals)
        external
        nonReentrant
    {
        if (legs.length == 0 || legs.length > LEGS_MAX) revert BadLegs();
        if (executed[proposalId]) revert ProposalExecuted();
        executed[proposalId] = true;
        bytes32 structHash = NetTypedData.transferBatch(proposalId, epoch, legs);
        for (uint256 place = 0; place < approvals.length; place++) {
            _checkApproval(structHash, approvals[place]);
            _approvedSlot(proposalId, approvals[place].account).asBoolean().tstore(true);
        }
        // Without these, one operator's approvers could use up the ids of everybody's batches.
        if (!_isApproved(proposalId, address(0))) revert NotApproved(address(0));
        address[] memory touched = new address[](2 * legs.length);
        for (uint256 place = 0; place < legs.length; place++) {
            Leg calldata leg = legs[place];
            address credited = _checkLeg(proposalId, leg);
            _change(leg.from, -int256(uint256(leg.amount)));
            _change(credited, int256(uint256(leg.amount)));
            touched[2 * place] = leg.from;
            touched[2 * place + 1] = credited;
            emit Transferred(proposalId, leg.from, leg.to, epoch, place, credited, leg.amount);
        }
        for (uint256 place = 0; place < touched.length; place++) {
            _apply(touched[place]);
        }
    }

    /// Records that a hub's epoch is settled, up to these places of its journal.
    function closeEpoch(
        address hub,
        uint64 epoch,
        bytes32 proposalId,
        JournalCursor[] calldata cursors,
        bytes32 journalRoot,
        JournalCursor[] calldata lastCursors,
        Approval calldata approval
    ) external {
        Epoch storage last = epochs[hub];
        if (_participants[hub].kind != HUB || epoch != last.epoch + 1) revert WrongEpoch();
        if (proposalId != bytes32(0) && !executed[proposalId]) revert ProposalUnknown();
        bytes32 known = lastCursors.length == 0 ? bytes32(0) : keccak256(abi.encode(lastCursors));
        if (known != last.cursorsHash) revert BadCursors();
        _checkCursors(cursors, lastCursors);
        if (approval.account != _approving(hub)) revert WrongApproval();
        _checkApproval(NetTypedData.closeEpoch(hub, epoch, proposalId, cursors, journalRoot), approval);
        last.epoch = epoch;
        last.cursorsHash = keccak256(abi.encode(cursors));
        emit EpochClosed(hub, epoch, proposalId, cursors, journalRoot);
    }

    /// Where the leg's money goes, if it may.
    function _checkLeg(bytes32 proposalId, Leg calldata leg) private view returns (address) {
        if (leg.amount == 0 || leg.from == leg.to) revert BadLegs();
        _participant(leg.from);
        _participant(leg.to);
        if (!_isApproved(proposalId, _approving(leg.from))) revert NotApproved(leg.from);
        return payoutOf(leg.to);
    }

    /// Adds to what the batch changes for an account.
    function _change(address account, int256 amount) private {
        TransientSlot.Int256Slot slot = CHANGES.deriveMapping(account).asInt256();
        slot.tstore(slot.tload() + amount);
    }

    /// Makes an account's change, once, and forgets it.
    function _apply(address account) private {
        TransientSlot.Int256Slot slot = CHANGES.deriveMapping(account).asInt256();
        int256 change = slot.tload();
        if (change == 0) return;
        slot.tstore(0);
        uint256 balance = balances[account];
        if (change > 0) {
            balances[account] = balance + uint256(change);
            return;
        }
        uint256 debit = uint256(-change);
        Participant storage participant = _participants[account];
        if (participant.capped && debit > participant.netDebitCap) revert OverCap(account, debit);
        if (debit > balance) revert Defaulted(account, debit - balance);
        balances[account] = balance - debit;
    }

    function _isApproved(bytes32 proposalId, address account) private view returns (bool) {
        return _approvedSlot(proposalId, account).asBoolean().tload();
    }

    /// Ids are used once, so what is noted under one is never read for another.
    function _approvedSlot(bytes32 proposalId, address account) private pure returns (bytes32) {
        return APPROVED.deriveMapping(proposalId).deriveMapping(account);
    }

    function _withdraw(address account, address to, uint256 amount, bytes32 paymentReference) private {
        uint256 balance = balances[account];
        if (amount == 0 || amount > balance) revert InsufficientBalance();
        balances[account] = balance - amount;
        emit Withdrawn(account, to, amount, paymentReference);
        token.safeTransfer(to, amount);
    }

    /// Threads strictly ascending, and every thread of the last epoch there again, none behind its place then.
    function _checkCursors(JournalCursor[] calldata cursors, JournalCursor[] calldata former) private pure {
        if (cursors.length == 0 || cursors.length > EPOCH_CURSORS_MAX) revert BadCursors();
        uint256 met = 0;
        for (uint256 place = 0; place < cursors.length; place++) {
            JournalCursor calldata cursor = cursors[place];
            if (place > 0 && cursor.thread <= cursors[place - 1].thread) revert BadCursors();
            if (met < former.length && former[met].thread == cursor.thread) {
                if (!_reaches(cursor, former[met])) revert BadCursors();
                met++;
            }
        }
        if (met != former.length) revert BadCursors();
    }

    /// In a later term, or further in the same one, or at the very block.
    function _reaches(JournalCursor calldata cursor, JournalCursor calldata former) private pure returns (bool) {
        if (cursor.term != former.term) return cursor.term > former.term;
        if (cursor.sequence != former.sequence) return cursor.sequence > former.sequence;
        return cursor.blockHash == former.blockHash;
    }
}
