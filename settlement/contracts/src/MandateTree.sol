// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// Many mandates under one root: leaf `keccak256(0x00 || structHash)`, node `keccak256(0x01 || left || right)`.
library MandateTree {
    /// The path is too long, or the index does not belong to it.
    error BadMandatePath();

    /// Deepest tree.
    uint256 internal constant DEPTH_MAX = 32;

    function root(bytes32 structHash, uint64 index, bytes32[] calldata siblings) internal pure returns (bytes32 hash) {
        if (siblings.length > DEPTH_MAX) revert BadMandatePath();
        hash = keccak256(abi.encodePacked(uint8(0), structHash));
        for (uint256 level = 0; level < siblings.length; level++) {
            bytes32 sibling = siblings[level];
            (bytes32 left, bytes32 right) = index & 1 == 0 ? (hash, sibling) : (sibling, hash);
            hash = keccak256(abi.encodePacked(uint8(1), left, right));
            index >>= 1;
        }
        // What is left of the index must be nothing, or one leaf would have many places.
        if (index != 0) revert BadMandatePath();
    }
}
