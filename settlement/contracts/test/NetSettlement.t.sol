// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Approval, JournalCursor, Leg} from "../src/NetForms.sol";
import {IVaultSource, NetSettlement} from "../src/NetSettlement.sol";
import {Participants} from "../src/Participants.sol";
import {NetWorld} from "./NetWorld.sol";
import {FeeToken} from "./Tokens.sol";

/// Legs, collateral, caps, defaults, epochs: rules N3, N4 and N6 to N8.
contract NetSettlementTest is NetWorld {
    bytes32 private constant PROPOSAL = keccak256("proposal");

    function test_legsHappenTogetherOnce() public {
        Leg[] memory legs = legsOf(4);
        Approval[] memory approvals = one(approved(batchHash(PROPOSAL, 1, legs)));
        net.settleNet(PROPOSAL, 1, legs, approvals);
        vm.assertEq(net.balances(hub), 1_000_000 - 1000);
        vm.assertEq(net.balances(provider(3)), 400);
        vm.expectRevert(NetSettlement.ProposalExecuted.selector);
        net.settleNet(PROPOSAL, 1, legs, approvals);
    }

    function test_approvalsCoverEveryLeg() public {
        Leg[] memory legs = legsOf(2);
        Approval[] memory approvals = one(approved(batchHash(PROPOSAL, 1, legs)));
        legs[1].amount += 1;
        vm.expectRevert();
        net.settleNet(PROPOSAL, 1, legs, approvals);
        legs[1].amount -= 1;
        (legs[0], legs[1]) = (legs[1], legs[0]);
        vm.expectRevert();
        net.settleNet(PROPOSAL, 1, legs, approvals);
        vm.chainId(5);
        vm.expectRevert();
        net.settleNet(PROPOSAL, 1, legsOf(2), approvals);
    }

    function test_twoDifferentApproversOfTheDebtor() public {
        Leg[] memory legs = legsOf(2);
        bytes32 hash = batchHash(PROPOSAL, 1, legs);
        Approval[] memory approvals = one(approval(address(0), approverKeys[0], approverKeys[0], hash));
        vm.expectRevert(Participants.SameApprover.selector);
        net.settleNet(PROPOSAL, 1, legs, approvals);
        approvals = one(approval(address(0), approverKeys[0], HUB_KEY, hash));
        vm.expectRevert(abi.encodeWithSelector(Participants.NotAnApprover.selector, hub));
        net.settleNet(PROPOSAL, 1, legs, approvals);
        vm.expectRevert(abi.encodeWithSelector(NetSettlement.NotApproved.selector, address(0)));
        net.settleNet(PROPOSAL, 1, legs, new Approval[](0));
    }

    /// Every operator approves what it pays: another operator's approvers are none for it.
    function test_eachOperatorApprovesForItself() public {
        uint256[] memory own = ascending(0xF0, 2);
        address[] memory listed = addresses(own);
        net.setParticipant(provider(0), 500, listed, 1, approved(settingsHash(provider(0), 500, listed, 1)));
        fund(provider(0), 1000);
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(hub, provider(1), 100);
        legs[1] = Leg(provider(0), provider(1), 100);
        bytes32 hash = batchHash(PROPOSAL, 1, legs);
        Approval[] memory alone = one(approved(hash));
        vm.expectRevert(abi.encodeWithSelector(NetSettlement.NotApproved.selector, provider(0)));
        net.settleNet(PROPOSAL, 1, legs, alone);
        // Nor can an operator's approvers use up an id alone.
        alone = one(approval(provider(0), own[0], own[1], hash));
        vm.expectRevert(abi.encodeWithSelector(NetSettlement.NotApproved.selector, address(0)));
        net.settleNet(PROPOSAL, 1, legs, alone);
        Approval[] memory both = new Approval[](2);
        both[0] = approved(hash);
        both[1] = approval(provider(0), own[0], own[1], hash);
        net.settleNet(PROPOSAL, 1, legs, both);
        vm.assertEq(net.balances(provider(1)), 200);
    }

    /// A defaulter is named and nothing has moved; the batch is made again without it.
    function test_aDefaulterIsExcludedAndTheRestSettles() public {
        Leg[] memory legs = new Leg[](2);
        legs[0] = Leg(hub, provider(1), 100);
        legs[1] = Leg(provider(0), provider(1), 700);
        fund(provider(0), 600);
        Approval[] memory approvals = one(approved(batchHash(PROPOSAL, 1, legs)));
        vm.expectRevert(abi.encodeWithSelector(NetSettlement.Defaulted.selector, provider(0), 100));
        net.settleNet(PROPOSAL, 1, legs, approvals);
        vm.assertEq(net.balances(hub), 1_000_000);
        vm.assertEq(net.balances(provider(1)), 0);
        vm.assertFalse(net.executed(PROPOSAL));
        Leg[] memory rest = new Leg[](1);
        rest[0] = legs[0];
        bytes32 again = keccak256("again");
        net.settleNet(again, 1, rest, one(approved(batchHash(again, 1, rest))));
        vm.assertEq(net.balances(provider(1)), 100);
    }

    function test_aNetDebitStaysWithinItsCap() public {
        address[] memory none = new address[](0);
        net.setParticipant(hub, 250, none, 1, approved(settingsHash(hub, 250, none, 1)));
        Leg[] memory legs = legsOf(2);
        Approval[] memory approvals = one(approved(batchHash(PROPOSAL, 1, legs)));
        vm.expectRevert(abi.encodeWithSelector(NetSettlement.OverCap.selector, hub, 300));
        net.settleNet(PROPOSAL, 1, legs, approvals);
        // What comes in within the batch counts against what goes out.
        Leg[] memory with = new Leg[](3);
        (with[0], with[1]) = (legs[0], legs[1]);
        with[2] = Leg(provider(2), hub, 50);
        fund(provider(2), 50);
        net.settleNet(PROPOSAL, 1, with, one(approved(batchHash(PROPOSAL, 1, with))));
        vm.assertEq(net.balances(hub), 1_000_000 - 250);
    }

    /// A ring passes on what it receives in the same batch; no money is needed, and none appears.
    function testFuzz_legsKeepTheSum(uint128[6] memory amounts, uint8[6] memory routes) public {
        address[5] memory all = [hub, provider(0), provider(1), provider(2), provider(3)];
        uint256 before = sum(all);
        Leg[] memory legs = new Leg[](6);
        for (uint256 n = 0; n < 6; n++) {
            uint256 from = routes[n] % 5;
            uint256 to = (from + 1 + (routes[n] / 5) % 4) % 5;
            legs[n] = Leg(all[from], all[to], uint128(bound(amounts[n], 1, 400_000)));
        }
        try net.settleNet(PROPOSAL, 1, legs, one(approved(batchHash(PROPOSAL, 1, legs)))) {
            vm.assertTrue(net.executed(PROPOSAL));
        } catch {
            vm.assertEq(net.balances(hub), 1_000_000);
        }
        vm.assertEq(sum(all), before);
    }

    function sum(address[5] memory all) private view returns (uint256 total) {
        for (uint256 n = 0; n < all.length; n++) {
            total += net.balances(all[n]);
        }
    }

    function test_legsHaveAForm() public {
        Leg[] memory legs = legsOf(1);
        vm.expectRevert(NetSettlement.BadLegs.selector);
        net.settleNet(PROPOSAL, 1, new Leg[](0), new Approval[](0));
        legs[0].amount = 0;
        Approval[] memory approvals = one(approved(batchHash(PROPOSAL, 1, legs)));
        vm.expectRevert(NetSettlement.BadLegs.selector);
        net.settleNet(PROPOSAL, 1, legs, approvals);
        legs[0] = Leg(hub, stranger, 5);
        approvals = one(approved(batchHash(PROPOSAL, 1, legs)));
        vm.expectRevert(abi.encodeWithSelector(Participants.NotAParticipant.selector, stranger));
        net.settleNet(PROPOSAL, 1, legs, approvals);
    }

    /// Two batches in one transaction: nothing noted for the first is found by the second.
    function test_nothingIsLeftBetweenBatches() public {
        Leg[] memory legs = legsOf(2);
        net.settleNet(PROPOSAL, 1, legs, one(approved(batchHash(PROPOSAL, 1, legs))));
        vm.expectRevert(abi.encodeWithSelector(NetSettlement.NotApproved.selector, address(0)));
        net.settleNet(keccak256("other"), 2, legs, new Approval[](0));
        bytes32 second = keccak256("second");
        net.settleNet(second, 2, legs, one(approved(batchHash(second, 2, legs))));
        vm.assertEq(net.balances(provider(1)), 400);
        vm.assertEq(net.balances(hub), 1_000_000 - 600);
    }

    function test_aParticipantsMoneyLeavesByTwoApprovals() public {
        vm.prank(hub);
        vm.expectRevert(NetSettlement.ParticipantMoney.selector);
        net.withdraw(1);
        Approval memory both = approved(payoutHash(PROPOSAL, hub, 300));
        net.payOut(PROPOSAL, hub, 300, both);
        vm.assertEq(token.balanceOf(hub), 300);
        vm.expectRevert(NetSettlement.ReferenceUsed.selector);
        net.payOut(PROPOSAL, hub, 300, both);
        both = approved(payoutHash(keccak256("more"), hub, 1_000_000));
        vm.expectRevert(NetSettlement.InsufficientBalance.selector);
        net.payOut(keccak256("more"), hub, 1_000_000, both);
    }

    function test_othersWithdrawForThemselves() public {
        fund(stranger, 70);
        vm.startPrank(stranger);
        vm.expectRevert(NetSettlement.InsufficientBalance.selector);
        net.withdraw(71);
        net.withdraw(70);
        vm.assertEq(token.balanceOf(stranger), 70);
    }

    /// From an escrow to the hub's collateral, past the hub's key.
    function test_aVaultCollects() public {
        uint256 payerKey = 0xA1;
        address payer = vm.addr(payerKey);
        token.mint(payer, 1000);
        vm.startPrank(payer);
        token.approve(address(escrow), 1000);
        bytes32 id = escrow.open(hub, address(token), 1000, bytes32(0), address(0));
        vm.stopPrank();
        bytes memory voucher = signed(payerKey, escrow.getVoucherDigest(id, 600));
        vm.startPrank(hub);
        escrow.setVault(address(token), address(net));
        escrow.settle(id, 600, voucher);
        vm.stopPrank();
        net.collect(hub);
        vm.assertEq(net.balances(hub), 1_000_600);
        vm.assertEq(token.balanceOf(address(net)), 1_000_600);
        vm.expectRevert();
        net.collect(hub);
    }

    function test_depositsAreWhatCameIn() public {
        FeeToken fee = new FeeToken();
        NetSettlement other = new NetSettlement(fee, IVaultSource(address(escrow)), addresses(approverKeys));
        fee.mint(address(this), 1000);
        fee.approve(address(other), 1000);
        vm.expectRevert(NetSettlement.TransferMismatch.selector);
        other.deposit(hub, 1000);
    }

    // Epochs.

    function cursors(uint64 term, uint64 sequence) private pure returns (JournalCursor[] memory list) {
        list = new JournalCursor[](2);
        list[0] = JournalCursor(0, term, sequence, keccak256(abi.encode(term, sequence)));
        list[1] = JournalCursor(3, term, 9, keccak256(abi.encode(term, uint64(9))));
    }

    function close(uint64 epoch, JournalCursor[] memory now_, JournalCursor[] memory last) private {
        Approval memory both = approved(closeHash(epoch, bytes32(0), now_, bytes32(uint256(1))));
        net.closeEpoch(hub, epoch, bytes32(0), now_, bytes32(uint256(1)), last, both);
    }

    function test_epochsCountUpAndNeverGoBack() public {
        close(1, cursors(1, 10), new JournalCursor[](0));
        refusedClose(1, cursors(1, 11), cursors(1, 10), NetSettlement.WrongEpoch.selector);
        refusedClose(2, cursors(1, 9), cursors(1, 10), NetSettlement.BadCursors.selector);
        refusedClose(2, cursors(1, 11), cursors(1, 9), NetSettlement.BadCursors.selector);
        JournalCursor[] memory fewer = new JournalCursor[](1);
        fewer[0] = cursors(1, 11)[0];
        refusedClose(2, fewer, cursors(1, 10), NetSettlement.BadCursors.selector);
        close(2, cursors(1, 10), cursors(1, 10));
        close(3, cursors(2, 1), cursors(1, 10));
    }

    function refusedClose(uint64 epoch, JournalCursor[] memory now_, JournalCursor[] memory last, bytes4 why) private {
        Approval memory both = approved(closeHash(epoch, bytes32(0), now_, bytes32(uint256(1))));
        vm.expectRevert(why);
        net.closeEpoch(hub, epoch, bytes32(0), now_, bytes32(uint256(1)), last, both);
    }

    function test_anEpochsProposalWasExecuted() public {
        JournalCursor[] memory now_ = cursors(1, 1);
        Approval memory both = approved(closeHash(1, PROPOSAL, now_, bytes32(0)));
        vm.expectRevert(NetSettlement.ProposalUnknown.selector);
        net.closeEpoch(hub, 1, PROPOSAL, now_, bytes32(0), new JournalCursor[](0), both);
    }
}
