// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {Approval, JournalCursor, Leg, NetTypedData} from "../src/NetForms.sol";
import {IVaultSource, NetSettlement} from "../src/NetSettlement.sol";
import {Cheats} from "./Cheats.sol";
import {PlainToken} from "./Tokens.sol";

/// A net settlement with three approvers, a hub and providers, and what each can sign.
abstract contract NetWorld is Cheats {
    uint256 internal constant HUB_KEY = 0xB2;

    Escrow internal escrow = new Escrow(0.01 ether, 1 gwei);
    PlainToken internal token = new PlainToken();
    NetSettlement internal net;
    uint256[] internal approverKeys;
    address internal hub = vm.addr(HUB_KEY);
    address internal stranger = vm.addr(0xD4);

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        approverKeys = ascending(0xAA, 3);
        net = new NetSettlement(token, IVaultSource(address(escrow)), addresses(approverKeys));
        register(hub, 1, 1);
        for (uint256 n = 0; n < 4; n++) {
            register(provider(n), 2, 1);
        }
        fund(hub, 1_000_000);
    }

    function providerKey(uint256 n) internal pure returns (uint256) {
        return 0x9000 + n;
    }

    function provider(uint256 n) internal pure returns (address) {
        return vm.addr(providerKey(n));
    }

    function ascending(uint256 first, uint256 count) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](count);
        for (uint256 n = 0; n < count; n++) {
            keys[n] = first + n;
            for (uint256 m = n; m > 0 && vm.addr(keys[m]) < vm.addr(keys[m - 1]); m--) {
                (keys[m], keys[m - 1]) = (keys[m - 1], keys[m]);
            }
        }
    }

    function addresses(uint256[] memory keys) internal pure returns (address[] memory listed) {
        listed = new address[](keys.length);
        for (uint256 n = 0; n < keys.length; n++) {
            listed[n] = vm.addr(keys[n]);
        }
    }

    function fund(address account, uint256 amount) internal {
        token.mint(address(this), amount);
        token.approve(address(net), amount);
        net.deposit(account, amount);
    }

    function digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", net.domainSeparator(), structHash));
    }

    /// Two keys' approval, as approvers of `account` (zero: the contract's).
    function approval(address account, uint256 first, uint256 second, bytes32 structHash)
        internal
        view
        returns (Approval memory)
    {
        return Approval(account, signed(first, digest(structHash)), signed(second, digest(structHash)));
    }

    /// By the first two of the contract's approvers.
    function approved(bytes32 structHash) internal view returns (Approval memory) {
        return approval(address(0), approverKeys[0], approverKeys[1], structHash);
    }

    function register(address account, uint8 kind, uint64 revision) internal {
        bytes32 label = keccak256("somebody");
        bytes32 hash = keccak256(abi.encode(NetTypedData.REGISTER_ACCOUNT, account, kind, label, revision));
        net.registerAccount(account, kind, "somebody", revision, approved(hash));
    }

    function settingsHash(address account, uint128 cap, address[] memory approvers, uint64 revision)
        internal
        pure
        returns (bytes32)
    {
        bytes32 listed = keccak256(abi.encodePacked(approvers));
        return keccak256(abi.encode(NetTypedData.SET_PARTICIPANT, account, cap, listed, revision));
    }

    function batchHash(bytes32 proposal, uint64 epoch, Leg[] memory legs) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](legs.length);
        for (uint256 n = 0; n < legs.length; n++) {
            hashes[n] = keccak256(abi.encode(NetTypedData.LEG, legs[n]));
        }
        bytes32 all = keccak256(abi.encodePacked(hashes));
        return keccak256(abi.encode(NetTypedData.TRANSFER_BATCH, proposal, epoch, all));
    }

    function payoutHash(bytes32 paymentReference, address account, uint128 amount) internal pure returns (bytes32) {
        return keccak256(abi.encode(NetTypedData.PAYOUT, paymentReference, account, amount));
    }

    function one(Approval memory only) internal pure returns (Approval[] memory list) {
        list = new Approval[](1);
        list[0] = only;
    }

    /// The hub pays each of `count` providers 100, 200, …
    function legsOf(uint256 count) internal view returns (Leg[] memory legs) {
        legs = new Leg[](count);
        for (uint256 n = 0; n < count; n++) {
            legs[n] = Leg(hub, provider(n), uint128(100 * (n + 1)));
        }
    }

    function closeHash(uint64 epoch, bytes32 proposal, JournalCursor[] memory cursors, bytes32 journalRoot)
        internal
        view
        returns (bytes32)
    {
        bytes32[] memory hashes = new bytes32[](cursors.length);
        for (uint256 n = 0; n < cursors.length; n++) {
            hashes[n] = keccak256(abi.encode(NetTypedData.JOURNAL_CURSOR, cursors[n]));
        }
        bytes32 all = keccak256(abi.encodePacked(hashes));
        return keccak256(abi.encode(NetTypedData.CLOSE_EPOCH, hub, epoch, proposal, all, journalRoot));
    }
}
