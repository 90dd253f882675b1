// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// A payment channel as plain as one can be: one payer, one payee, one token, one signed total. What every settlement costs
/// at least, for comparison: the same voucher, checked by the same library, and the draft's own event.
contract PlainChannel is EIP712 {
    using SafeERC20 for IERC20;

    struct Channel {
        address payer;
        address payee;
        IERC20 token;
        uint128 deposit;
        uint128 settled;
    }

    event Settled(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 cumulativeAmount,
        uint256 deltaPaid,
        uint256 newSettled
    );

    mapping(bytes32 id => Channel) public channels;

    constructor() EIP712("Plain Channel", "1") {}

    function open(address payee, IERC20 token, uint128 deposit, bytes32 salt) external returns (bytes32 id) {
        id = keccak256(abi.encode(msg.sender, payee, token, salt));
        require(channels[id].payer == address(0), "exists");
        channels[id] = Channel(msg.sender, payee, token, deposit, 0);
        token.safeTransferFrom(msg.sender, address(this), deposit);
    }

    function settle(bytes32 id, uint128 total, bytes calldata signature) external {
        Channel storage channel = channels[id];
        require(msg.sender == channel.payee, "not payee");
        uint128 settled = channel.settled;
        require(total > settled && total <= channel.deposit, "total");
        bytes32 voucher =
            keccak256(abi.encode(keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)"), id, total));
        address payer = channel.payer;
        require(ECDSA.recoverCalldata(_hashTypedDataV4(voucher), signature) == payer, "signature");
        uint128 delta = total - settled;
        channel.settled = total;
        emit Settled(id, payer, msg.sender, total, delta, total);
        channel.token.safeTransfer(msg.sender, delta);
    }

    function voucherDigest(bytes32 id, uint128 total) external view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(abi.encode(keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)"), id, total))
        );
    }
}
