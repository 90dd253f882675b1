// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// A contract wallet that says yes to what its owner signs, until it changes its mind. It does whatever it is told.
contract ChangingWallet is IERC1271 {
    bool public agrees = true;

    function changeMind() external {
        agrees = !agrees;
    }

    function isValidSignature(bytes32, bytes calldata signature) external view returns (bytes4) {
        return agrees && signature.length == 1 ? IERC1271.isValidSignature.selector : bytes4(0);
    }

    function act(address target, bytes calldata call) external returns (bytes memory) {
        (bool success, bytes memory result) = target.call(call);
        require(success, "refused");
        return result;
    }
}
