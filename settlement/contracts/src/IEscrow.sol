// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// The mandatory core of the EVM `session` method of the HTTP "Payment" authentication drafts, with the events and errors
/// of its reference interface. What the draft calls a channel is an escrow here; any wallet that speaks the draft can
/// open one.
interface IEscrow {
    /// An escrow as the draft shows it.
    struct Channel {
        address payer;
        address payee;
        address token;
        address authorizedSigner;
        uint128 deposit;
        uint128 settled;
        uint64 closeRequestedAt;
        bool finalized;
    }

    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        address token,
        address authorizedSigner,
        uint256 deposit
    );
    /// The one part of an escrow's identity that `ChannelOpened` does not tell.
    event ChannelSalt(bytes32 indexed channelId, bytes32 salt);
    event Settled(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 cumulativeAmount,
        uint256 deltaPaid,
        uint256 newSettled
    );
    event CloseRequested(
        bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 closeGraceEnd
    );
    event CloseRequestCancelled(bytes32 indexed channelId, address indexed payer, address indexed payee);
    event TopUp(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 additionalDeposit,
        uint256 newDeposit
    );
    event ChannelClosed(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 settledToPayee,
        uint256 refundedToPayer
    );

    error ChannelAlreadyExists();
    error ChannelNotFound();
    error ChannelFinalized();
    error NotPayee();
    error NotPayer();
    error AmountNotIncreasing();
    error AmountExceedsDeposit();
    error InvalidSignature();
    error CloseNotReady();
    error ZeroDeposit();
    error DepositOverflow();
    /// The payee or the token is the zero address.
    error ZeroAddress();
    /// A close is requested already.
    error CloseAlreadyRequested();
    /// A batch is pending; what counts from `settled` waits for it.
    error BatchPending();

    function CLOSE_GRACE_PERIOD() external view returns (uint64);

    function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner)
        external
        returns (bytes32 channelId);

    function settle(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external;

    function topUp(bytes32 channelId, uint128 additionalDeposit) external;

    function close(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external;

    function requestClose(bytes32 channelId) external;

    function withdraw(bytes32 channelId) external;

    function getChannel(bytes32 channelId) external view returns (Channel memory);

    function computeChannelId(address payer, address payee, address token, bytes32 salt, address authorizedSigner)
        external
        view
        returns (bytes32);

    function getVoucherDigest(bytes32 channelId, uint128 cumulativeAmount) external view returns (bytes32);

    function domainSeparator() external view returns (bytes32);
}
