// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ChannelLeaf, LaneLeaf, SumNode, SumProof} from "./Forms.sol";

/// The tree of a batch. Every node hashes both children with both their sums, so whoever checks one path also checks
/// that the sums on it add up. The shape follows from the number of leaves: each level pairs its nodes from the left, and
/// a last one without a partner is paired with padding.
library SumTree {
    /// The proof has not the shape that the number of leaves fixes, or leads elsewhere.
    error BadSumProof();

    /// Tags of nodes; a node of one level never passes for one of the other.
    uint8 internal constant LANES = 2;
    uint8 internal constant CHANNELS = 3;

    bytes32 internal constant PADDING = keccak256(hex"04");

    function laneHash(LaneLeaf calldata leaf) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(0), leaf.laneId, leaf.payee, leaf.ratingGroup, leaf.total));
    }

    function channelHash(ChannelLeaf calldata leaf) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                uint8(1), leaf.device, leaf.limit, leaf.expiry, leaf.serial, leaf.lanes, leaf.total, leaf.lanesRoot
            )
        );
    }

    /// Follows `proof` from `leaf` as one of `count` leaves. Returns the root it leads to, and the sum of all
    /// leaves before this one.
    function climb(uint8 tag, uint32 count, SumNode memory leaf, SumProof calldata proof)
        internal
        pure
        returns (SumNode memory top, uint128 before)
    {
        if (proof.index >= count) revert BadSumProof();
        (bytes32 hash, uint128 sum) = (leaf.hash, leaf.sum);
        uint256 place = proof.index;
        uint256 next = 0;
        for (uint256 width = count; width > 1; width = (width + 1) >> 1) {
            if (place & 1 == 0 && place + 1 == width) {
                hash = keccak256(abi.encodePacked(tag, hash, sum, PADDING, uint128(0)));
            } else {
                if (next == proof.siblings.length) revert BadSumProof();
                SumNode calldata sibling = proof.siblings[next++];
                if (place & 1 == 1) {
                    hash = keccak256(abi.encodePacked(tag, sibling.hash, sibling.sum, hash, sum));
                    before += sibling.sum;
                } else {
                    hash = keccak256(abi.encodePacked(tag, hash, sum, sibling.hash, sibling.sum));
                }
                sum += sibling.sum;
            }
            place >>= 1;
        }
        if (next != proof.siblings.length) revert BadSumProof();
        return (SumNode(hash, sum), before);
    }

    /// Checks that a channel's leaf stands in the tree of `count` channels under `(root, total)`. Returns the sum before it.
    function checkChannel(ChannelLeaf calldata leaf, SumProof calldata proof, uint32 count, bytes32 root, uint128 total)
        internal
        pure
        returns (uint128)
    {
        (SumNode memory top, uint128 before) = climb(CHANNELS, count, SumNode(channelHash(leaf), leaf.total), proof);
        if (top.hash != root || top.sum != total) revert BadSumProof();
        return before;
    }

    /// Checks that a lane's leaf stands under `channel`. Returns the sum before it within the channel.
    function checkLane(LaneLeaf calldata leaf, SumProof calldata proof, ChannelLeaf calldata channel)
        internal
        pure
        returns (uint128)
    {
        (SumNode memory top, uint128 before) = climb(LANES, channel.lanes, SumNode(laneHash(leaf), leaf.total), proof);
        if (top.hash != channel.lanesRoot || top.sum != channel.total) revert BadSumProof();
        return before;
    }
}
