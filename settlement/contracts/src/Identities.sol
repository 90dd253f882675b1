// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// How identities are derived from what they stand for.
library Identities {
    /// The escrow of these terms, at `contract_` on this chain.
    function escrow(
        address payer,
        address payee,
        address token,
        bytes32 salt,
        address authorizedSigner,
        address contract_
    ) internal view returns (bytes32) {
        return keccak256(abi.encode(payer, payee, token, salt, authorizedSigner, contract_, block.chainid));
    }

    /// The channel of `device` under an escrow.
    function channel(bytes32 escrowId, address device) internal pure returns (bytes32) {
        return keccak256(abi.encode(escrowId, device));
    }

    /// The lane from a channel to `payee` for `ratingGroup`.
    function lane(bytes32 channelId, address payee, uint32 ratingGroup) internal pure returns (bytes32) {
        return keccak256(abi.encode(channelId, payee, ratingGroup));
    }

    /// Over the payees as words; zero for an empty list, which allows anyone.
    function payees(address[] calldata listed) internal pure returns (bytes32) {
        return listed.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(listed));
    }
}
