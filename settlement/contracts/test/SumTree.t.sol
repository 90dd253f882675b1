// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SumNode, SumProof} from "../src/Forms.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {Cheats} from "./Cheats.sol";
import {FormsHarness} from "./FormsHarness.sol";

/// Paths in trees of any shape: rule L1.
contract SumTreeTest is Cheats {
    FormsHarness private forms = new FormsHarness();

    function leaves(uint256 count, uint256 seed) private pure returns (SumNode[] memory nodes) {
        nodes = new SumNode[](count);
        for (uint256 n = 0; n < count; n++) {
            nodes[n] = SumNode(keccak256(abi.encode(seed, n)), uint128(uint64(uint256(keccak256(abi.encode(n, seed))))));
        }
    }

    function testFuzz_everyLeafLeadsToTheRoot(uint8 width, uint8 place, uint256 seed) public view {
        uint256 count = bound(width, 1, 70);
        uint32 index = uint32(bound(place, 0, count - 1));
        SumNode[] memory nodes = leaves(count, seed);
        SumNode memory root = BatchTrees.root(3, leaves(count, seed));
        SumProof memory proof = BatchTrees.prove(3, leaves(count, seed), index);
        (SumNode memory top, uint128 before) = forms.climb(3, uint32(count), nodes[index], proof);
        vm.assertEq(top.hash, root.hash);
        vm.assertEq(top.sum, root.sum);
        uint128 expected = 0;
        for (uint256 n = 0; n < index; n++) {
            expected += nodes[n].sum;
        }
        vm.assertEq(before, expected);
    }

    /// Whatever is changed of a path leads elsewhere, or nowhere.
    function testFuzz_aChangedPathLeadsElsewhere(uint8 width, uint8 place, uint256 seed, uint8 what, uint128 delta)
        public
        view
    {
        uint256 count = bound(width, 2, 70);
        uint32 index = uint32(bound(place, 0, count - 1));
        SumNode memory leaf = leaves(count, seed)[index];
        SumNode memory root = BatchTrees.root(3, leaves(count, seed));
        SumProof memory proof = BatchTrees.prove(3, leaves(count, seed), index);
        delta = uint128(bound(delta, 1, type(uint64).max));
        uint8 tag = 3;
        uint32 said = uint32(count);
        what = uint8(bound(what, 0, 6));
        if (what == 0) leaf.sum += delta;
        if (what == 1) leaf.hash = keccak256(abi.encode(leaf.hash));
        if (what == 2) proof.index = uint32((index + 1) % count);
        if (what == 3) proof.siblings = shortened(proof.siblings);
        if (what == 4) tag = 2;
        if (what == 5) proof.siblings[delta % proof.siblings.length].sum ^= 1;
        if (what == 6) proof.index = said + index;
        (bool success, bytes memory result) =
            address(forms).staticcall(abi.encodeCall(forms.climb, (tag, said, leaf, proof)));
        if (!success) return;
        (SumNode memory top,) = abi.decode(result, (SumNode, uint128));
        vm.assertFalse(top.hash == root.hash && top.sum == root.sum);
    }

    function shortened(SumNode[] memory siblings) private pure returns (SumNode[] memory rest) {
        rest = new SumNode[](siblings.length - 1);
        for (uint256 n = 0; n < rest.length; n++) {
            rest[n] = siblings[n];
        }
    }

    /// A path is as good for one number of leaves as the shape says, and for no number of another shape.
    function testFuzz_theShapeFollowsFromTheCount(uint8 width, uint8 other, uint256 seed) public view {
        uint256 count = bound(width, 1, 64);
        uint256 said = bound(other, 1, 64);
        vm.assume(said > 2 * count || 2 * said <= count);
        SumProof memory proof = BatchTrees.prove(3, leaves(count, seed), 0);
        SumNode memory root = BatchTrees.root(3, leaves(count, seed));
        bytes memory call = abi.encodeCall(forms.climb, (3, uint32(said), leaves(count, seed)[0], proof));
        (bool success, bytes memory result) = address(forms).staticcall(call);
        if (!success) return;
        (SumNode memory top,) = abi.decode(result, (SumNode, uint128));
        vm.assertFalse(top.hash == root.hash);
    }
}
