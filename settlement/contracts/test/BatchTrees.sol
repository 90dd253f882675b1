// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ChannelLeaf, LaneLeaf, LaneProof, SumNode, SumProof} from "../src/Forms.sol";

/// Builds the tree of a batch the long way, from all leaves: what a hub does, written apart from what the contract checks.
library BatchTrees {
    /// A channel with its lanes; `lanes`, `total` and `lanesRoot` of the leaf are filled in by `seal`.
    struct Channel {
        ChannelLeaf leaf;
        LaneLeaf[] lanes;
    }

    function node(uint8 tag, SumNode memory left, SumNode memory right) internal pure returns (SumNode memory) {
        bytes32 hash = keccak256(abi.encodePacked(tag, left.hash, left.sum, right.hash, right.sum));
        return SumNode(hash, left.sum + right.sum);
    }

    function padding() internal pure returns (SumNode memory) {
        return SumNode(keccak256(hex"04"), 0);
    }

    function above(uint8 tag, SumNode[] memory nodes) internal pure returns (SumNode[] memory next) {
        next = new SumNode[]((nodes.length + 1) / 2);
        for (uint256 place = 0; place < next.length; place++) {
            SumNode memory right = 2 * place + 1 < nodes.length ? nodes[2 * place + 1] : padding();
            next[place] = node(tag, nodes[2 * place], right);
        }
    }

    function root(uint8 tag, SumNode[] memory nodes) internal pure returns (SumNode memory) {
        if (nodes.length == 0) return padding();
        while (nodes.length > 1) {
            nodes = above(tag, nodes);
        }
        return nodes[0];
    }

    function prove(uint8 tag, SumNode[] memory nodes, uint32 index) internal pure returns (SumProof memory path) {
        SumNode[] memory found = new SumNode[](33);
        uint256 count = 0;
        uint256 place = index;
        while (nodes.length > 1) {
            if (place ^ 1 < nodes.length) found[count++] = nodes[place ^ 1];
            nodes = above(tag, nodes);
            place >>= 1;
        }
        path.index = index;
        path.siblings = new SumNode[](count);
        for (uint256 level = 0; level < count; level++) {
            path.siblings[level] = found[level];
        }
    }

    function laneNode(LaneLeaf memory leaf) internal pure returns (SumNode memory) {
        bytes memory body = abi.encodePacked(uint8(0), leaf.laneId, leaf.payee, leaf.ratingGroup, leaf.total);
        return SumNode(keccak256(body), leaf.total);
    }

    function channelNode(ChannelLeaf memory leaf) internal pure returns (SumNode memory) {
        bytes memory body = abi.encodePacked(
            uint8(1), leaf.device, leaf.limit, leaf.expiry, leaf.serial, leaf.lanes, leaf.total, leaf.lanesRoot
        );
        return SumNode(keccak256(body), leaf.total);
    }

    function laneNodes(Channel memory channel) internal pure returns (SumNode[] memory nodes) {
        nodes = new SumNode[](channel.lanes.length);
        for (uint256 place = 0; place < nodes.length; place++) {
            nodes[place] = laneNode(channel.lanes[place]);
        }
    }

    function channelNodes(Channel[] memory channels) internal pure returns (SumNode[] memory nodes) {
        nodes = new SumNode[](channels.length);
        for (uint256 place = 0; place < nodes.length; place++) {
            nodes[place] = channelNode(channels[place].leaf);
        }
    }

    /// Fills in what a channel's leaf says of its lanes.
    function seal(Channel memory channel) internal pure {
        SumNode memory top = root(2, laneNodes(channel));
        channel.leaf.lanes = uint32(channel.lanes.length);
        channel.leaf.total = top.sum;
        channel.leaf.lanesRoot = top.hash;
    }

    function batchRoot(Channel[] memory channels) internal pure returns (SumNode memory) {
        return root(3, channelNodes(channels));
    }

    function proof(Channel[] memory channels, uint32 channel, uint32 lane) internal pure returns (LaneProof memory) {
        return LaneProof({
            lane: channels[channel].lanes[lane],
            laneProof: prove(2, laneNodes(channels[channel]), lane),
            channel: channels[channel].leaf,
            channelProof: prove(3, channelNodes(channels), channel)
        });
    }

    /// The leaf that covers a base unit of the total: its channel and its lane.
    function covering(Channel[] memory channels, uint128 offset) internal pure returns (uint32, uint32) {
        uint128 before = 0;
        for (uint32 n = 0; n < channels.length; n++) {
            for (uint32 m = 0; m < channels[n].lanes.length; m++) {
                before += channels[n].lanes[m].total;
                if (offset < before) return (n, m);
            }
        }
        revert("no leaf");
    }

    /// A path of `depth` invented siblings, a base unit each, from `leaf` at `index` of a full tree.
    function invent(uint8 tag, SumNode memory leaf, uint32 index, uint256 depth)
        internal
        pure
        returns (SumProof memory path, bytes32 hash, uint128 sum)
    {
        path.index = index;
        path.siblings = new SumNode[](depth);
        for (uint256 level = 0; level < depth; level++) {
            SumNode memory sibling = SumNode(keccak256(abi.encode(tag, level)), 1);
            path.siblings[level] = sibling;
            leaf = (index >> level) & 1 == 0 ? node(tag, leaf, sibling) : node(tag, sibling, leaf);
        }
        return (path, leaf.hash, leaf.sum);
    }

    /// Puts lanes into ascending order of id.
    function sort(LaneLeaf[] memory lanes) internal pure {
        for (uint256 place = 1; place < lanes.length; place++) {
            for (uint256 down = place; down > 0 && lanes[down].laneId < lanes[down - 1].laneId; down--) {
                (lanes[down], lanes[down - 1]) = (lanes[down - 1], lanes[down]);
            }
        }
    }
}
