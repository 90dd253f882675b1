// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batches} from "../src/Batches.sol";
import {Challenges} from "../src/Challenges.sol";
import {Batch, Evidence, LaneProof, MandateProof} from "../src/Forms.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {EscrowWorld} from "./EscrowWorld.sol";

/// The game of demands and answers when the hub is honest: rules B5 to B7, and that an honest hub never loses.
contract ChallengesTest is EscrowWorld {
    using BatchTrees for BatchTrees.Channel[];

    /// Whatever is demanded of an honest batch can be answered, by index and by offset.
    function testFuzz_anHonestHubAnswersEverything(uint8 count, uint8 lanes, uint32 place, uint128 offset) public {
        BatchTrees.Channel[] memory channels = plan(bound(count, 1, 8), bound(lanes, 1, 5), 1000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint32 n = uint32(bound(place, 0, channels.length - 1));
        uint256 number = demandIndex(batch, n, place);
        answer(batch, number, channels, n, place % uint32(channels[n].lanes.length));
        offset = uint128(bound(offset, 0, batch.total - 1));
        number = demandOffset(batch, offset);
        (uint32 channel, uint32 lane) = BatchTrees.covering(channels, offset);
        answer(batch, number, channels, channel, lane);
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        escrow.finalizeBatch(batch);
        vm.assertEq(settled(), batch.total);
    }

    function test_anAnswerByTicks() public {
        BatchTrees.Channel[] memory channels = plan(5, 2, 10_000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 2, 1);
        LaneProof memory leaf = channels.proof(2, 1);
        Evidence memory evidence = byTick(deviceKeys[2], leaf.lane, 300, 200);
        escrow.answer(batch, number, leaf, mandate(PAYER_KEY, leaf.channel), evidence);
        vm.assertEq(escrow.batchState(escrowId).openDemands, 0);
    }

    function test_onlyPayerAndWatcherDemand() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        post(batch);
        uint256 price = escrow.answerPrice();
        vm.prank(stranger);
        vm.expectRevert(Challenges.NotChallenger.selector);
        escrow.demandIndex{value: price}(batch, 0, 0);
        vm.prank(watcher);
        vm.expectRevert(Challenges.NotChallenger.selector);
        escrow.demandIndex{value: price}(batch, 0, 0);
        vm.prank(payer);
        escrow.setWatcher(escrowId, watcher);
        vm.prank(watcher);
        escrow.demandIndex{value: price}(batch, 0, 0);
    }

    function test_aDemandNamesAPlaceWithinTheWindow() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        post(batch);
        uint256 price = escrow.answerPrice();
        vm.startPrank(payer);
        vm.expectRevert(Challenges.NoSuchPlace.selector);
        escrow.demandIndex{value: price}(batch, 5, 0);
        vm.expectRevert(Challenges.NoSuchPlace.selector);
        escrow.demandOffset{value: price}(batch, batch.total);
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        vm.expectRevert(Batches.WindowOver.selector);
        escrow.demandIndex{value: price}(batch, 0, 0);
    }

    function test_aDemandPrepaysTheAnswer() public {
        BatchTrees.Channel[] memory channels = plan(5, 2, 1000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        vm.fee(50 gwei);
        uint256 price = escrow.answerPrice();
        vm.assertEq(price, escrow.ANSWER_GAS() * 100 gwei);
        vm.prank(payer);
        vm.expectRevert(Challenges.PrepaymentTooSmall.selector);
        escrow.demandIndex{value: price - 1}(batch, 0, 0);
        vm.prank(payer);
        escrow.demandIndex{value: price + 5}(batch, 0, 0);
        vm.assertEq(escrow.credits(payer, address(0)), 5);
        vm.prank(stranger);
        answer(batch, 0, channels, 0, 0);
        vm.assertEq(escrow.credits(hub, address(0)), price, "whoever answers, the payee is paid for it");
        vm.assertEq(escrow.credits(stranger, address(0)), 0);
    }

    /// A challenger floods demands in the last second. It pays for each, never has more than 64 open, and delays the
    /// batch by one answer window at most.
    function test_aFloodOfDemandsIsPaidForAndEnds() public {
        BatchTrees.Channel[] memory channels = plan(8, 2, 1000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 price = escrow.answerPrice();
        uint256 purse = payer.balance;
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW() - 1);
        for (uint32 n = 0; n < 64; n++) {
            demandIndex(batch, n % 8, n / 8);
        }
        vm.prank(payer);
        vm.expectRevert(Challenges.TooManyDemands.selector);
        escrow.demandIndex{value: price}(batch, 0, 0);
        vm.assertEq(payer.balance, purse - 64 * price);
        vm.warp(vm.getBlockTimestamp() + escrow.ANSWER_WINDOW());
        vm.expectRevert(Batches.NotDecided.selector);
        escrow.finalizeBatch(batch);
        for (uint32 n = 0; n < 64; n++) {
            answer(batch, n, channels, n % 8, (n / 8) % 2);
        }
        escrow.finalizeBatch(batch);
        vm.assertEq(settled(), batch.total);
        vm.assertEq(escrow.credits(hub, address(0)), 64 * price);
        vm.assertEq(escrow.bonds(hub, address(0)), 1 ether);
    }

    function test_anAnswerIsForItsPlaceAndInTime() public {
        BatchTrees.Channel[] memory channels = plan(5, 2, 1000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 3, 1);
        LaneProof memory leaf = channels.proof(3, 0);
        MandateProof memory signed_ = mandate(PAYER_KEY, leaf.channel);
        Evidence memory evidence = byVoucher(deviceKeys[3], leaf.lane);
        vm.expectRevert(Challenges.WrongPlace.selector);
        escrow.answer(batch, number, leaf, signed_, evidence);
        vm.expectRevert(Challenges.NoSuchDemand.selector);
        escrow.answer(batch, number + 1, leaf, signed_, evidence);
        leaf = channels.proof(3, 1);
        evidence = byVoucher(deviceKeys[3], leaf.lane);
        vm.warp(vm.getBlockTimestamp() + escrow.ANSWER_WINDOW() + 1);
        vm.expectRevert(Challenges.DeadlineOver.selector);
        escrow.answer(batch, number, leaf, signed_, evidence);
    }

    function test_nothingVoidsAnHonestBatch() public {
        BatchTrees.Channel[] memory channels = plan(5, 3, 1000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 0, 0);
        vm.expectRevert(Challenges.DeadlineNotOver.selector);
        escrow.voidUnanswered(batch, number);
        answer(batch, number, channels, 0, 0);
        vm.warp(vm.getBlockTimestamp() + escrow.ANSWER_WINDOW() + 1);
        vm.expectRevert(Challenges.NoSuchDemand.selector);
        escrow.voidUnanswered(batch, number);
        for (uint32 n = 0; n < 4; n++) {
            LaneProof memory low = channels.proof(n, 0);
            LaneProof memory high = channels.proof(n + 1, 0);
            vm.expectRevert(Challenges.InOrder.selector);
            escrow.voidChannelDisorder(batch, low.channel, low.channelProof, high.channel, high.channelProof);
            vm.expectRevert(Challenges.InOrder.selector);
            escrow.voidChannelDisorder(batch, high.channel, high.channelProof, low.channel, low.channelProof);
            vm.expectRevert(Challenges.InOrder.selector);
            escrow.voidChannelDisorder(batch, low.channel, low.channelProof, low.channel, low.channelProof);
            high = channels.proof(n, 1);
            vm.expectRevert(Challenges.InOrder.selector);
            escrow.voidLaneDisorder(
                batch, low.channel, low.channelProof, low.lane, low.laneProof, high.lane, high.laneProof
            );
        }
    }

    function test_aDemandComesBackOnlyFromAVoidBatch() public {
        BatchTrees.Channel[] memory channels = plan(5, 2, 1000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint64 postedAt = escrow.batchState(escrowId).postedAt;
        uint256 price = escrow.answerPrice();
        uint256 number = demandIndex(batch, 0, 0);
        uint256 second = demandIndex(batch, 1, 0);
        vm.expectRevert(Challenges.StillPending.selector);
        escrow.takeBackDemand(batch, postedAt, number);
        answer(batch, second, channels, 1, 0);
        voidUnanswered(batch, number);
        escrow.takeBackDemand(batch, postedAt, number);
        vm.assertEq(escrow.credits(payer, address(0)), price + BOND_WEI);
        vm.expectRevert(Challenges.NoSuchDemand.selector);
        escrow.takeBackDemand(batch, postedAt, number);
        vm.expectRevert(Challenges.NoSuchDemand.selector);
        escrow.takeBackDemand(batch, postedAt, second);
    }

    function test_aVoidBatchPaysNothingAndItsBondIsThePayers() public {
        Batch memory batch = claim(plan(5, 2, 1000), 1);
        uint256 bond = escrow.bonds(hub, address(token));
        post(batch);
        uint256 number = demandIndex(batch, 0, 0);
        voidUnanswered(batch, number);
        vm.assertEq(settled(), 0);
        vm.assertEq(token.balanceOf(hub), 0);
        vm.assertEq(escrow.bonds(hub, address(token)), bond - bondOf(batch));
        vm.assertEq(escrow.credits(payer, address(token)), bondOf(batch));
        vm.assertEq(escrow.credits(payer, address(0)), BOND_WEI);
        uint256 before = token.balanceOf(payer);
        escrow.claim(payer, address(token));
        vm.assertEq(token.balanceOf(payer), before + bondOf(batch));
        // The hub may post again, behind another bond.
        Batch memory again = settleNight(plan(5, 2, 1000), 1);
        vm.assertEq(settled(), again.total);
    }
}
