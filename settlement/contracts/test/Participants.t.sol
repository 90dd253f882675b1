// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Approval, Leg, NetTypedData} from "../src/NetForms.sol";
import {IVaultSource, NetSettlement} from "../src/NetSettlement.sol";
import {Participants} from "../src/Participants.sol";
import {NetWorld} from "./NetWorld.sol";

/// Who takes part, who approves, where money goes: rules N1, N2 and N5.
contract ParticipantsTest is NetWorld {
    function registerHash(address account, uint8 kind, uint64 revision) private pure returns (bytes32) {
        return keccak256(abi.encode(NetTypedData.REGISTER_ACCOUNT, account, kind, keccak256("somebody"), revision));
    }

    function refusedRegister(address account, uint8 kind, uint64 revision, bytes4 why) private {
        Approval memory both = approved(registerHash(account, kind, revision));
        vm.expectRevert(why);
        net.registerAccount(account, kind, "somebody", revision, both);
    }

    function test_registration() public {
        refusedRegister(stranger, 2, 2, Participants.WrongRevision.selector);
        refusedRegister(hub, 0, 2, Participants.BadAccount.selector);
        refusedRegister(stranger, 3, 1, Participants.BadAccount.selector);
        refusedRegister(address(0), 2, 1, Participants.BadAccount.selector);
        refusedRegister(vm.addr(approverKeys[0]), 2, 1, Participants.BadAccount.selector);
        Approval memory both = approved(registerHash(stranger, 2, 1));
        vm.expectRevert(Participants.BadLabel.selector);
        net.registerAccount(stranger, 2, "", 1, both);
        net.registerAccount(stranger, 2, "somebody", 1, both);
        vm.expectRevert(Participants.WrongRevision.selector);
        net.registerAccount(stranger, 2, "somebody", 1, both);
    }

    function test_approversAreTwoOrMoreAscendingAndNoParticipants() public {
        address[] memory list = new address[](1);
        list[0] = stranger;
        vm.expectRevert(Participants.BadApprovers.selector);
        new NetSettlement(token, IVaultSource(address(escrow)), list);
        list = new address[](2);
        (list[0], list[1]) = (stranger, stranger);
        vm.expectRevert(Participants.BadApprovers.selector);
        new NetSettlement(token, IVaultSource(address(escrow)), list);
        list = hub < stranger ? pair(hub, stranger) : pair(stranger, hub);
        Approval memory both = approved(settingsHash(provider(0), 5, list, 1));
        vm.expectRevert(Participants.BadApprovers.selector);
        net.setParticipant(provider(0), 5, list, 1, both);
    }

    function pair(address first, address second) private pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (first, second);
    }

    function test_ownApproversTakeOverAndGiveBack() public {
        uint256[] memory own = ascending(0xF0, 2);
        address[] memory listed = addresses(own);
        net.setParticipant(hub, 500, listed, 1, approved(settingsHash(hub, 500, listed, 1)));
        address[] memory none = new address[](0);
        bytes32 back = settingsHash(hub, 900, none, 2);
        Approval memory former = approved(back);
        vm.expectRevert(Participants.WrongApproval.selector);
        net.setParticipant(hub, 900, none, 2, former);
        Approval memory posing = approval(hub, approverKeys[0], approverKeys[1], back);
        vm.expectRevert(abi.encodeWithSelector(Participants.NotAnApprover.selector, vm.addr(approverKeys[0])));
        net.setParticipant(hub, 900, none, 2, posing);
        refusedRegister(listed[0], 2, 1, Participants.BadAccount.selector);
        net.setParticipant(hub, 900, none, 2, approval(hub, own[0], own[1], back));
        vm.assertFalse(net.isApprover(hub, listed[0]));
        register(listed[0], 2, 1);
        Leg[] memory legs = legsOf(2);
        net.settleNet(bytes32(uint256(1)), 1, legs, one(approved(batchHash(bytes32(uint256(1)), 1, legs))));
    }

    function payoutSignature(uint256 key, address account, address payout, uint64 revision)
        private
        view
        returns (bytes memory)
    {
        return signed(key, digest(keccak256(abi.encode(NetTypedData.SET_PAYOUT, account, payout, revision))));
    }

    /// A new payout address receives money 48 hours later, named by the provider's own key alone.
    function test_aPayoutAddressWaits() public {
        address account = provider(0);
        bytes memory others = payoutSignature(approverKeys[0], account, stranger, 1);
        vm.expectRevert(Participants.NotTheAccount.selector);
        net.setPayout(account, stranger, 1, others);
        bytes memory own = payoutSignature(providerKey(0), account, stranger, 1);
        net.setPayout(account, stranger, 1, own);
        vm.expectRevert(Participants.WrongRevision.selector);
        net.setPayout(account, stranger, 1, own);
        vm.warp(vm.getBlockTimestamp() + net.PAYOUT_DELAY() - 1);
        vm.assertEq(net.payoutOf(account), account);
        pay(1);
        vm.assertEq(net.balances(account), 100);
        vm.warp(vm.getBlockTimestamp() + 1);
        pay(2);
        vm.assertEq(net.balances(account), 100);
        vm.assertEq(net.balances(stranger), 100);
        // A second change leaves the first in force until its own time.
        net.setPayout(account, vm.addr(0x77), 2, payoutSignature(providerKey(0), account, vm.addr(0x77), 2));
        vm.assertEq(net.payoutOf(account), stranger);
        vm.prank(stranger);
        net.withdraw(100);
        vm.assertEq(token.balanceOf(stranger), 100);
    }

    function pay(uint256 proposal) private {
        Leg[] memory legs = legsOf(1);
        net.settleNet(bytes32(proposal), 1, legs, one(approved(batchHash(bytes32(proposal), 1, legs))));
    }

    function test_aHubsMoneyGoesNowhereElse() public {
        bytes memory own = payoutSignature(HUB_KEY, hub, stranger, 1);
        vm.expectRevert(Participants.NotAProvider.selector);
        net.setPayout(hub, stranger, 1, own);
        own = payoutSignature(0xD4, stranger, hub, 1);
        vm.expectRevert(abi.encodeWithSelector(Participants.NotAParticipant.selector, stranger));
        net.setPayout(stranger, hub, 1, own);
    }
}
