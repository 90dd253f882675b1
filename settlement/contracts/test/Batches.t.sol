// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batches} from "../src/Batches.sol";
import {Credits} from "../src/Credits.sol";
import {Batch} from "../src/Forms.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {EscrowWorld} from "./EscrowWorld.sol";

/// A night's claim, and how it stands beside exits: rules B1 to B4 and B8, C4 to C6.
contract BatchesTest is EscrowWorld {
    using BatchTrees for BatchTrees.Channel[];

    function test_aNightIsPaidAfterItsWindow() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        uint256 bond = escrow.bonds(hub, address(token));
        post(batch);
        vm.assertEq(escrow.bonds(hub, address(token)), bond - bondOf(batch));
        vm.assertEq(escrow.bonds(hub, address(0)), 1 ether - BOND_WEI);
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW() - 1);
        vm.expectRevert(Batches.NotDecided.selector);
        escrow.finalizeBatch(batch);
        vm.warp(vm.getBlockTimestamp() + 1);
        vm.prank(stranger);
        escrow.finalizeBatch(batch);
        vm.assertEq(token.balanceOf(hub), batch.total);
        vm.assertEq(escrow.bonds(hub, address(token)), bond);
        vm.assertEq(escrow.bonds(hub, address(0)), 1 ether);
        vm.expectRevert(Batches.NotPending.selector);
        escrow.finalizeBatch(batch);
    }

    function test_theSecondNightPaysTheDifference() public {
        settleNight(plan(5, 2, 1000), 1);
        Batch memory second = settleNight(plan(6, 2, 1500), 2);
        vm.assertEq(token.balanceOf(hub), second.total);
        vm.assertEq(settled(), second.total);
    }

    /// Stale state: an older total, an older starting point, an older epoch, the same batch again.
    function test_whatIsStaleIsRefused() public {
        Batch memory first = settleNight(plan(5, 2, 1000), 5);
        vm.startPrank(hub);
        vm.expectRevert(Batches.WrongPrevSettled.selector);
        escrow.settleBatch(first, "");
        Batch memory again = first;
        again.prevSettled = first.total;
        vm.expectRevert(IEscrow.AmountNotIncreasing.selector);
        escrow.settleBatch(again, "");
        Batch memory older = claim(plan(5, 2, 2000), 4);
        vm.expectRevert(Batches.StaleEpoch.selector);
        escrow.settleBatch(older, "");
        Batch memory above = claim(plan(5, 2, DEPOSIT / 10), 6);
        vm.expectRevert(IEscrow.AmountExceedsDeposit.selector);
        escrow.settleBatch(above, "");
    }

    function test_onlyThePayeePostsAndOnlyOne() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        vm.prank(stranger);
        vm.expectRevert(IEscrow.NotPayee.selector);
        escrow.settleBatch(batch, "");
        post(batch);
        Batch memory other = claim(plan(5, 2, 900), 1);
        vm.prank(hub);
        vm.expectRevert(IEscrow.BatchPending.selector);
        escrow.settleBatch(other, "");
        vm.expectRevert(Batches.NotPending.selector);
        escrow.finalizeBatch(other);
    }

    function test_noBatchWithoutBondOrLeaves() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        vm.startPrank(hub);
        escrow.takeBond(address(0), 1 ether);
        vm.expectRevert(Credits.BondTooSmall.selector);
        escrow.settleBatch(batch, "");
        batch.channels = 0;
        vm.expectRevert(Batches.NoLeaves.selector);
        escrow.settleBatch(batch, "");
    }

    function test_anAgreedBatchIsFinalAtOnce() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        bytes memory agreed = agreement(PAYER_KEY, batch);
        vm.prank(hub);
        escrow.settleBatch(batch, agreed);
        vm.assertEq(token.balanceOf(hub), batch.total);
        vm.assertEq(escrow.batchState(escrowId).establishedId, escrow.batchState(escrowId).batchId);

        batch = claim(plan(5, 2, 2000), 2);
        bytes32 before = escrow.batchState(escrowId).establishedId;
        agreed = voucher(PAYER_KEY, escrowId, batch.total);
        vm.prank(hub);
        escrow.settleBatch(batch, agreed);
        vm.assertEq(settled(), batch.total);
        vm.assertEq(escrow.batchState(escrowId).establishedId, before, "a voucher establishes no leaf");
    }

    function test_agreementIsTheSignersAndForThisBatch() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        bytes memory own = agreement(HUB_KEY, batch);
        Batch memory more = claim(plan(5, 2, 2000), 1);
        bytes memory forMore = agreement(PAYER_KEY, more);
        bytes memory less = voucher(PAYER_KEY, escrowId, batch.total - 1);
        vm.startPrank(hub);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settleBatch(batch, own);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settleBatch(batch, forMore);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settleBatch(batch, less);
    }

    // Exits.

    function test_nothingElsePaysWhileABatchIsPending() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        bytes memory also = voucher(PAYER_KEY, escrowId, batch.total + 5);
        post(batch);
        vm.startPrank(hub);
        vm.expectRevert(IEscrow.BatchPending.selector);
        escrow.settle(escrowId, batch.total + 5, also);
        vm.expectRevert(IEscrow.BatchPending.selector);
        escrow.close(escrowId, batch.total + 5, also);
        vm.expectRevert(IEscrow.BatchPending.selector);
        escrow.close(escrowId, 0, "");
    }

    /// An exit requested while a batch is pending, and a batch posted just before the grace period ends: the money waits for
    /// both, and for no more.
    function test_exitAndBatchDoNotRace() public {
        Batch memory first = claim(plan(5, 2, 1000), 1);
        post(first);
        vm.prank(payer);
        escrow.requestClose(escrowId);
        uint256 requestedAt = vm.getBlockTimestamp();
        vm.warp(requestedAt + escrow.CHALLENGE_WINDOW());
        escrow.finalizeBatch(first);
        vm.warp(requestedAt + escrow.CLOSE_GRACE_PERIOD() - 1);
        Batch memory last = claim(plan(5, 2, 2000), 2);
        post(last);
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        vm.prank(payer);
        vm.expectRevert(IEscrow.BatchPending.selector);
        escrow.withdraw(escrowId);
        vm.prank(payer);
        escrow.finalizeBatch(last);
        Batch memory more = claim(plan(5, 2, 3000), 3);
        vm.prank(hub);
        vm.expectRevert(Batches.GraceOver.selector);
        escrow.settleBatch(more, "");
        uint256 before = token.balanceOf(payer);
        vm.prank(payer);
        escrow.withdraw(escrowId);
        vm.assertEq(token.balanceOf(payer), before + DEPOSIT - last.total);
        vm.assertEq(token.balanceOf(hub), last.total);
        vm.assertLe(
            vm.getBlockTimestamp() - requestedAt,
            escrow.CLOSE_GRACE_PERIOD() + escrow.CHALLENGE_WINDOW() + escrow.ANSWER_WINDOW()
        );
    }

    function test_oneBatchAfterTheRequest() public {
        vm.prank(payer);
        escrow.requestClose(escrowId);
        settleNight(plan(5, 2, 1000), 1);
        Batch memory more = claim(plan(5, 2, 2000), 2);
        vm.prank(hub);
        vm.expectRevert(Batches.LastBatchPosted.selector);
        escrow.settleBatch(more, "");
        vm.prank(payer);
        escrow.topUp(escrowId, 1);
        post(more);
    }

    /// A payee that posts batch after batch cannot keep the payer in.
    function test_noPayeeKeepsAPayerIn() public {
        uint256 requestedAt = vm.getBlockTimestamp() + 1 hours;
        post(claim(plan(5, 2, 1000), 1));
        vm.warp(requestedAt);
        vm.prank(payer);
        escrow.requestClose(escrowId);
        for (uint64 hour = 1; hour <= 40; hour++) {
            vm.warp(requestedAt + hour * 1 hours);
            Batch memory batch = claim(plan(5, 2, 1000 + hour), hour);
            vm.prank(hub);
            try escrow.settleBatch(batch, "") {} catch {}
        }
        // The hub makes nothing final itself; the payer does, with what the events told it.
        Batch memory first = claim(plan(5, 2, 1000), 1);
        escrow.finalizeBatch(first);
        vm.prank(payer);
        escrow.withdraw(escrowId);
        vm.assertTrue(escrow.getChannel(escrowId).finalized);
    }
}
