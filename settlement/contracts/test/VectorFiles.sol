// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Cheats} from "./Cheats.sol";
import {FormsHarness} from "./FormsHarness.sol";

/// Reads the golden vectors that the Rust side reads, made by implementations that are neither's.
abstract contract VectorFiles is Cheats {
    FormsHarness internal forms = new FormsHarness();

    function field(string memory list, uint256 place, string memory rest) internal pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(place), "]", rest);
    }

    /// The field of an entry as an address: some files write it without the prefix.
    function account(string memory json, string memory key) internal pure returns (address) {
        return address(bytes20(vm.parseJsonBytes(json, key)));
    }

    function same(bytes32 ours, string memory json, string memory key) internal pure {
        vm.assertEq(ours, vm.parseJsonBytes32(json, key), key);
    }

    function number(string memory json, string memory key, string memory name) internal pure returns (uint256) {
        return vm.parseJsonUint(json, string.concat(key, name));
    }
}
