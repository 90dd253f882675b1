// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Approval, NetTypedData} from "./NetForms.sol";
import {Signatures} from "./Signatures.sol";

/// Who takes part, who approves for whom, and where money goes: rules N1, N2 and N5.
abstract contract Participants is EIP712 {
    /// A list of approvers has 2 to 32 of them, strictly ascending, none of them a participant.
    error BadApprovers();
    /// Not the zero address, not an approver, and a participant stays one.
    error BadAccount();
    /// A label has 1 to 64 bytes.
    error BadLabel();
    /// The revision is not the next one.
    error WrongRevision();
    /// Signed by one that does not approve for the account.
    error NotAnApprover(address signer);
    /// Both signatures are by one approver.
    error SameApprover();
    /// Approvals for another account than the one they are for.
    error WrongApproval();
    /// Not signed by the account.
    error NotTheAccount();
    /// Neither hub nor provider.
    error NotAParticipant(address account);
    /// Only a provider names a payout address.
    error NotAProvider();

    event AccountRegistered(address indexed account, uint8 kind, string label);
    event ParticipantSet(address indexed account, uint128 netDebitCap, address[] approvers);
    event PayoutChanged(address indexed account, address payout, uint64 effective);

    uint8 public constant PAYER = 0;
    uint8 public constant HUB = 1;
    uint8 public constant PROVIDER = 2;

    uint256 public constant APPROVERS_MAX = 32;
    uint256 public constant LABEL_BYTES_MAX = 64;
    /// Seconds before a new payout address receives money.
    uint64 public constant PAYOUT_DELAY = 48 hours;

    struct Participant {
        uint8 kind;
        /// Whether `netDebitCap` holds.
        bool capped;
        uint128 netDebitCap;
        uint64 registrations;
        /// Changes of cap and approvers so far.
        uint64 settings;
        uint64 payoutChanges;
        /// When `payoutNext` takes the place of `payout`.
        uint64 payoutEffective;
        /// Zero stands for the account itself.
        address payout;
        address payoutNext;
        /// Its own approvers; empty where the contract's approve for it.
        address[] approvers;
    }

    mapping(address account => Participant) internal _participants;
    /// Whether one approves for an account; for zero, the contract's approvers.
    mapping(address account => mapping(address approver => bool)) public isApprover;
    /// For how many accounts one approves.
    mapping(address approver => uint256) private _approvesFor;

    constructor(address[] memory approvers) EIP712("EVM Payment Channel", "1") {
        _addApprovers(address(0), approvers);
    }

    /// Makes an account a hub or provider, or changes its label or kind.
    function registerAccount(
        address account,
        uint8 kind,
        string calldata label,
        uint64 revision,
        Approval calldata approval
    ) external {
        Participant storage participant = _participants[account];
        bool known = kind == HUB || kind == PROVIDER || (kind == PAYER && participant.kind == PAYER);
        if (account == address(0) || account == address(this) || !known) revert BadAccount();
        if (kind != PAYER && _approvesFor[account] != 0) revert BadAccount();
        if (bytes(label).length == 0 || bytes(label).length > LABEL_BYTES_MAX) revert BadLabel();
        if (revision != participant.registrations + 1) revert WrongRevision();
        if (approval.account != address(0)) revert WrongApproval();
        _checkApproval(NetTypedData.registerAccount(account, kind, label, revision), approval);
        participant.registrations = revision;
        participant.kind = kind;
        emit AccountRegistered(account, kind, label);
    }

    /// Gives a participant approvers of its own (none: the contract's again) and a cap on its net debit in one batch.
    function setParticipant(
        address account,
        uint128 netDebitCap,
        address[] calldata approvers,
        uint64 revision,
        Approval calldata approval
    ) external {
        Participant storage participant = _participant(account);
        if (revision != participant.settings + 1) revert WrongRevision();
        if (approval.account != _approving(account)) revert WrongApproval();
        _checkApproval(NetTypedData.setParticipant(account, netDebitCap, approvers, revision), approval);
        participant.settings = revision;
        participant.capped = true;
        participant.netDebitCap = netDebitCap;
        address[] memory former = participant.approvers;
        for (uint256 place = 0; place < former.length; place++) {
            isApprover[account][former[place]] = false;
            _approvesFor[former[place]] -= 1;
        }
        participant.approvers = approvers;
        if (approvers.length != 0) _addApprovers(account, approvers);
        emit ParticipantSet(account, netDebitCap, approvers);
    }

    /// Names where a provider's money goes from `PAYOUT_DELAY` on, by its own signature.
    function setPayout(address account, address payout, uint64 revision, bytes calldata signature) external {
        Participant storage participant = _participant(account);
        if (participant.kind != PROVIDER) revert NotAProvider();
        if (payout == address(0) || payout == address(this)) revert BadAccount();
        if (revision != participant.payoutChanges + 1) revert WrongRevision();
        bytes32 digest = _hashTypedDataV4(NetTypedData.setPayout(account, payout, revision));
        if (!Signatures.byKeyOrWallet(account, digest, signature)) revert NotTheAccount();
        participant.payoutChanges = revision;
        participant.payout = payoutOf(account);
        participant.payoutNext = payout;
        participant.payoutEffective = uint64(block.timestamp) + PAYOUT_DELAY;
        emit PayoutChanged(account, payout, participant.payoutEffective);
    }

    /// What is known of a participant.
    function getParticipant(address account) external view returns (Participant memory) {
        return _participants[account];
    }

    /// Where an account's money goes now.
    function payoutOf(address account) public view returns (address) {
        Participant storage participant = _participants[account];
        address payout = participant.payout;
        uint64 effective = participant.payoutEffective;
        if (effective != 0 && block.timestamp >= effective) payout = participant.payoutNext;
        return payout == address(0) ? account : payout;
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _participant(address account) internal view returns (Participant storage participant) {
        participant = _participants[account];
        if (participant.kind == PAYER) revert NotAParticipant(account);
    }

    /// Whose approvers approve for `account`: its own, or the contract's (zero).
    function _approving(address account) internal view returns (address) {
        return _participants[account].approvers.length == 0 ? address(0) : account;
    }

    /// Two different approvers of `approval.account` have signed.
    function _checkApproval(bytes32 structHash, Approval calldata approval) internal view {
        bytes32 digest = _hashTypedDataV4(structHash);
        address first = ECDSA.recoverCalldata(digest, approval.first);
        address second = ECDSA.recoverCalldata(digest, approval.second);
        if (!isApprover[approval.account][first]) revert NotAnApprover(first);
        if (!isApprover[approval.account][second]) revert NotAnApprover(second);
        if (first == second) revert SameApprover();
    }

    function _addApprovers(address account, address[] memory approvers) private {
        if (approvers.length < 2 || approvers.length > APPROVERS_MAX) revert BadApprovers();
        address last = address(0);
        for (uint256 place = 0; place < approvers.length; place++) {
            address approver = approvers[place];
            if (approver <= last || _participants[approver].kind != PAYER) revert BadApprovers();
            isApprover[account][approver] = true;
            _approvesFor[approver] += 1;
            last = approver;
        }
    }
}
