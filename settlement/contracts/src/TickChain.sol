// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AnchorTerms} from "./Forms.sol";

/// Hash chains: the link at `index - 1` is `SHA256(link || laneTag[16] || u16 index)`, and index 0 is the anchor's root.
library TickChain {
    /// Something is zero that may not be, or the chain is too long.
    error BadAnchorTerms();
    /// A total that does not fit 64 bits.
    error TickOverflow();

    /// Longest chain; bounds what an answer costs.
    uint16 internal constant LENGTH_MAX = 4096;

    /// What index `index` makes the lane's total, in whole base units.
    function worth(AnchorTerms calldata terms, uint16 index) internal pure returns (uint128) {
        if (terms.ticksPerAmount == 0) revert BadAnchorTerms();
        // 64 bits of ticks times 32 bits of price stay far below 256.
        uint256 ticks = uint256(terms.baseTicks) + index;
        uint256 amount = terms.baseAmount + ticks * terms.tickAmount / terms.ticksPerAmount;
        if (amount > type(uint64).max) revert TickOverflow();
        return uint128(amount);
    }

    /// Whether the terms are those that hubs accept: nothing zero, 1 to 4096 links, a top value within 64 bits.
    function check(AnchorTerms calldata terms) internal pure {
        if (terms.tickAmount == 0 || terms.ticksPerAmount == 0) revert BadAnchorTerms();
        if (terms.length == 0 || terms.length > LENGTH_MAX) revert BadAnchorTerms();
        worth(terms, terms.length);
    }

    /// The chain's root, from the link at `index`.
    function root(bytes32 link, bytes32 laneId, uint16 index) internal view returns (bytes32 found) {
        // 50 bytes lie beyond the free memory pointer: the link, the lane's first 16 bytes, the index. Each hash is
        // written over the link.
        assembly ("memory-safe") {
            let input := mload(0x40)
            let tag := and(laneId, not(0xffffffffffffffffffffffffffffffff))
            mstore(input, link)
            for {} index { index := sub(index, 1) } {
                mstore(add(input, 0x20), or(tag, shl(112, index)))
                if iszero(staticcall(gas(), 2, input, 50, input, 32)) { revert(0, 0) }
            }
            found := mload(input)
        }
    }
}
