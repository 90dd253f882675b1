// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {AnchorTerms, Batch, ChannelLeaf, LaneLeaf, LaneProof, SumNode, SumProof, TypedData} from "../src/Forms.sol";
import {Identities} from "../src/Identities.sol";
import {MandateTree} from "../src/MandateTree.sol";
import {JournalCursor, Leg, NetTypedData} from "../src/NetForms.sol";
import {Signatures} from "../src/Signatures.sol";
import {SumTree} from "../src/SumTree.sol";
import {TickChain} from "../src/TickChain.sol";

/// The contracts' forms from outside, so that they can be held against golden vectors one by one.
contract FormsHarness is EIP712 {
    constructor() EIP712("EVM Payment Channel", "1") {}

    function separator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function digest(bytes32 structHash) external view returns (bytes32) {
        return _hashTypedDataV4(structHash);
    }

    function byKey(address signer, bytes32 hash, bytes calldata signature) external pure returns (bool) {
        return Signatures.byKey(signer, hash, signature);
    }

    function escrowId(address payer, address payee, address token, bytes32 salt, address signer, address here)
        external
        view
        returns (bytes32)
    {
        return Identities.escrow(payer, payee, token, salt, signer, here);
    }

    function channelId(bytes32 escrow, address device) external pure returns (bytes32) {
        return Identities.channel(escrow, device);
    }

    function laneId(bytes32 channel, address payee, uint32 group) external pure returns (bytes32) {
        return Identities.lane(channel, payee, group);
    }

    function payeesHash(address[] calldata payees) external pure returns (bytes32) {
        return Identities.payees(payees);
    }

    function voucher(bytes32 lane, uint128 amount) external pure returns (bytes32) {
        return TypedData.voucher(lane, amount);
    }

    function anchor(bytes32 lane, AnchorTerms calldata terms) external pure returns (bytes32) {
        return TypedData.anchor(lane, terms);
    }

    function mandate(bytes32 escrow, ChannelLeaf calldata leaf, bytes32 payees) external pure returns (bytes32) {
        return TypedData.mandate(escrow, leaf, payees);
    }

    function mandateRoot(bytes32 escrow, bytes32 root) external pure returns (bytes32) {
        return TypedData.mandateRoot(escrow, root);
    }

    function revokeMandate(bytes32 escrow, address device, uint64 serial) external pure returns (bytes32) {
        return TypedData.revokeMandate(escrow, device, serial);
    }

    function settleBatch(Batch calldata batch) external pure returns (bytes32) {
        return TypedData.settleBatch(batch);
    }

    function registerAccount(address account, uint8 kind, string calldata label, uint64 revision)
        external
        pure
        returns (bytes32)
    {
        return NetTypedData.registerAccount(account, kind, label, revision);
    }

    function setParticipant(address account, uint128 cap, address[] calldata approvers, uint64 revision)
        external
        pure
        returns (bytes32)
    {
        return NetTypedData.setParticipant(account, cap, approvers, revision);
    }

    function payout(bytes32 paymentReference, address account, uint128 amount) external pure returns (bytes32) {
        return NetTypedData.payout(paymentReference, account, amount);
    }

    function setPayout(address account, address payout, uint64 revision) external pure returns (bytes32) {
        return NetTypedData.setPayout(account, payout, revision);
    }

    function transferBatch(bytes32 proposal, uint64 epoch, Leg[] calldata legs) external pure returns (bytes32) {
        return NetTypedData.transferBatch(proposal, epoch, legs);
    }

    function closeEpoch(
        address hub,
        uint64 epoch,
        bytes32 proposal,
        JournalCursor[] calldata cursors,
        bytes32 journalRoot
    ) external pure returns (bytes32) {
        return NetTypedData.closeEpoch(hub, epoch, proposal, cursors, journalRoot);
    }

    function laneHash(LaneLeaf calldata leaf) external pure returns (bytes32) {
        return SumTree.laneHash(leaf);
    }

    function channelHash(ChannelLeaf calldata leaf) external pure returns (bytes32) {
        return SumTree.channelHash(leaf);
    }

    function climb(uint8 tag, uint32 count, SumNode memory leaf, SumProof calldata proof)
        external
        pure
        returns (SumNode memory top, uint128 before)
    {
        return SumTree.climb(tag, count, leaf, proof);
    }

    function checkPlace(uint32 channels, bytes32 root, uint128 total, LaneProof calldata leaf)
        external
        pure
        returns (uint128)
    {
        return SumTree.checkChannel(leaf.channel, leaf.channelProof, channels, root, total)
            + SumTree.checkLane(leaf.lane, leaf.laneProof, leaf.channel);
    }

    function mandateTreeRoot(bytes32 structHash, uint64 index, bytes32[] calldata siblings)
        external
        pure
        returns (bytes32)
    {
        return MandateTree.root(structHash, index, siblings);
    }

    function checkAnchor(AnchorTerms calldata terms) external pure {
        TickChain.check(terms);
    }

    function worth(AnchorTerms calldata terms, uint16 index) external pure returns (uint128) {
        return TickChain.worth(terms, index);
    }

    function walk(bytes32 link, bytes32 lane, uint16 index) external view returns (bytes32) {
        return TickChain.root(link, lane, index);
    }
}
