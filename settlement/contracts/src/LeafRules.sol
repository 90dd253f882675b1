// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batch, ChannelLeaf, Evidence, LaneLeaf, LaneProof, MandateProof, TypedData} from "./Forms.sol";
import {Identities} from "./Identities.sol";
import {MandateTree} from "./MandateTree.sol";
import {Mandates} from "./Mandates.sol";
import {Signatures} from "./Signatures.sol";
import {SumTree} from "./SumTree.sol";
import {TickChain} from "./TickChain.sol";

/// What makes a leaf right: rules L1 to L6.
abstract contract LeafRules is Mandates {
    /// Not the lane of this escrow, device, payee and group; no total; or no or too many lanes in its channel.
    error BadLeaf();
    /// The channel's total is above its mandate's limit.
    error AboveMandate();
    /// The mandate is not the signer's.
    error BadMandate();
    /// The mandate does not allow the lane's payee.
    error PayeeNotAllowed();
    /// The mandate ended too long before the batch was posted.
    error MandateEnded();
    /// The evidence does not hold, or is worth less than the lane's total.
    error BadEvidence();
    /// Not the last established batch, or another lane, or a lower total in it.
    error NotCarried();

    /// Seconds after its end in which totals under a mandate may still grow.
    uint64 public constant MANDATE_END_GRACE = 48 hours;
    /// Lanes of one channel.
    uint32 public constant LANES_PER_CHANNEL_MAX = 64;
    /// Payees a mandate may name.
    uint256 public constant PAYEES_PER_MANDATE_MAX = 32;

    /// L1: the leaf stands in the batch. Returns the sum before it.
    function _checkPlace(Batch calldata batch, LaneProof calldata leaf) internal pure returns (uint256) {
        uint256 before = SumTree.checkChannel(leaf.channel, leaf.channelProof, batch.channels, batch.root, batch.total);
        return before + SumTree.checkLane(leaf.lane, leaf.laneProof, leaf.channel);
    }

    /// L2 to L4: the leaf's form, its limit and its mandate.
    function _checkLeaf(bytes32 escrowId, LaneProof calldata leaf, MandateProof calldata mandate) internal view {
        ChannelLeaf calldata channel = leaf.channel;
        LaneLeaf calldata lane = leaf.lane;
        bytes32 channelId = Identities.channel(escrowId, channel.device);
        bool rightLane = lane.laneId == Identities.lane(channelId, lane.payee, lane.ratingGroup);
        if (!rightLane || lane.total == 0 || channel.lanes > LANES_PER_CHANNEL_MAX) revert BadLeaf();
        if (channel.total > channel.limit) revert AboveMandate();
        _checkMandate(escrowId, channel, mandate);
    }

    function _checkMandate(bytes32 escrowId, ChannelLeaf calldata channel, MandateProof calldata mandate) private view {
        if (mandate.payees.length > PAYEES_PER_MANDATE_MAX) revert BadMandate();
        bytes32 signed = TypedData.mandate(escrowId, channel, Identities.payees(mandate.payees));
        if (mandate.inTree) {
            bytes32 root = MandateTree.root(signed, mandate.index, mandate.siblings);
            if (mandate.signature.length == 0) {
                if (!registeredRoots[escrowId][root]) revert BadMandate();
                return;
            }
            signed = TypedData.mandateRoot(escrowId, root);
        }
        // The key alone counts: a wallet could say yes to the hub today and no to this contract tomorrow.
        if (!Signatures.byKey(_escrow(escrowId).signer, _hashTypedDataV4(signed), mandate.signature)) {
            revert BadMandate();
        }
    }

    /// L5: the device proved the lane's total, to a payee the mandate allows, in time.
    function _checkGrowth(
        bytes32 escrowId,
        LaneProof calldata leaf,
        address[] calldata payees,
        Evidence calldata evidence,
        uint256 postedAt
    ) internal view {
        ChannelLeaf calldata channel = leaf.channel;
        if (!_allows(payees, leaf.lane.payee)) revert PayeeNotAllowed();
        uint256 end = channel.expiry;
        uint256 revoked = revokedAt(escrowId, channel.device, channel.serial);
        if (revoked != 0 && revoked < end) end = revoked;
        if (postedAt >= end + MANDATE_END_GRACE) revert MandateEnded();
        if (_worth(leaf.lane.laneId, channel.device, evidence) < leaf.lane.total) revert BadEvidence();
    }

    function _allows(address[] calldata payees, address payee) private pure returns (bool) {
        if (payees.length == 0) return true;
        for (uint256 place = 0; place < payees.length; place++) {
            if (payees[place] == payee) return true;
        }
        return false;
    }

    /// What `evidence` by the key `device` makes a lane's total.
    function _worth(bytes32 laneId, address device, Evidence calldata evidence) internal view returns (uint128) {
        if (!evidence.isTick) {
            bytes32 voucher = _hashTypedDataV4(TypedData.voucher(laneId, evidence.amount));
            if (!Signatures.byKey(device, voucher, evidence.signature)) revert BadEvidence();
            return evidence.amount;
        }
        TickChain.check(evidence.anchor);
        if (evidence.index > evidence.anchor.length) revert BadEvidence();
        bytes32 anchor = _hashTypedDataV4(TypedData.anchor(laneId, evidence.anchor));
        if (!Signatures.byKey(device, anchor, evidence.signature)) revert BadEvidence();
        if (TickChain.root(evidence.link, laneId, evidence.index) != evidence.anchor.root) revert BadEvidence();
        return TickChain.worth(evidence.anchor, evidence.index);
    }

    /// L6: the lane stands with at least its total in the last established batch.
    function _checkCarried(
        bytes32 escrowId,
        LaneLeaf calldata lane,
        Batch calldata last,
        uint64 lastPostedAt,
        LaneProof calldata lastLeaf
    ) internal view {
        bool established = _batchId(last, lastPostedAt) == _escrow(escrowId).establishedId;
        bool enough = lastLeaf.lane.laneId == lane.laneId && lastLeaf.lane.total >= lane.total;
        if (!established || !enough) revert NotCarried();
        _checkPlace(last, lastLeaf);
    }

    /// A batch posted at a time.
    function _batchId(Batch calldata batch, uint64 postedAt) internal pure returns (bytes32) {
        return keccak256(abi.encode(batch, postedAt));
    }
}
