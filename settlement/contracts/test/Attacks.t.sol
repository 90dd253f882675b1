// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Challenges} from "../src/Challenges.sol";
import {Batch, ChannelLeaf, Evidence, LaneLeaf, LaneProof, MandateProof, SumNode} from "../src/Forms.sol";
import {LeafRules} from "../src/LeafRules.sol";
import {SumTree} from "../src/SumTree.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {EscrowWorld} from "./EscrowWorld.sol";

/// A dishonest hub against an honest challenger: each lie is told as well as it can be, and each loses the bond.
contract AttacksTest is EscrowWorld {
    using BatchTrees for BatchTrees.Channel[];

    /// The lie is caught: the answer is refused for `reason`, no other is to be had, and the batch is void.
    function lose(
        Batch memory batch,
        uint256 number,
        LaneProof memory leaf,
        MandateProof memory shown,
        Evidence memory evidence,
        bytes4 reason
    ) private {
        vm.expectRevert(reason);
        escrow.answer(batch, number, leaf, shown, evidence);
        loseUnanswered(batch, number);
    }

    function loseUnanswered(Batch memory batch, uint256 number) private {
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        vm.expectRevert();
        escrow.finalizeBatch(batch);
        escrow.voidUnanswered(batch, number);
        lost(batch);
    }

    function lost(Batch memory batch) private view {
        vm.assertEq(settled(), batch.prevSettled);
        vm.assertEq(escrow.credits(payer, address(token)), bondOf(batch));
        vm.assertEq(escrow.credits(payer, address(0)) >= BOND_WEI ? 1 : 0, 1);
    }

    function test_aForgedLeaf() public {
        BatchTrees.Channel[] memory channels = plan(5, 2, 1000);
        channels[2].lanes[1].total += 50_000;
        BatchTrees.seal(channels[2]);
        Batch memory batch = claim(channels, 1);
        post(batch);
        LaneProof memory leaf = channels.proof(2, 1);
        // All the device ever signed is the true total; the hub signs the rest itself.
        Evidence memory forged = byVoucher(HUB_KEY, leaf.lane);
        uint256 number = demandIndex(batch, 2, 1);
        LaneLeaf memory honest = leaf.lane;
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        vm.expectRevert(LeafRules.BadEvidence.selector);
        escrow.answer(batch, number, leaf, shown, forged);
        Evidence memory lower = byVoucher(deviceKeys[2], laneOf(device(2), honest.payee, honest.ratingGroup, 2000));
        lose(batch, number, leaf, shown, lower, LeafRules.BadEvidence.selector);
    }

    /// A leaf shown to the contract that is not the one under the root.
    function test_anotherLeafThanTheOneUnderTheRoot() public {
        BatchTrees.Channel[] memory channels = plan(5, 2, 1000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 2, 1);
        LaneProof memory leaf = channels.proof(2, 1);
        leaf.lane.total -= 1;
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        lose(batch, number, leaf, shown, byVoucher(deviceKeys[2], leaf.lane), SumTree.BadSumProof.selector);
    }

    /// The sums of two channels swapped inside their parent: the total stays, the shares change.
    function test_swappedSums() public {
        BatchTrees.Channel[] memory channels = plan(2, 1, 1000);
        channels[1].lanes[0].total = 9000;
        BatchTrees.seal(channels[1]);
        SumNode memory left = BatchTrees.channelNode(channels[0].leaf);
        SumNode memory right = BatchTrees.channelNode(channels[1].leaf);
        (left.sum, right.sum) = (right.sum, left.sum);
        Batch memory batch = claim(channels, 1);
        batch.root = BatchTrees.node(3, left, right).hash;
        post(batch);
        uint256 number = demandOffset(batch, 5000);
        LaneProof memory leaf = channels.proof(0, 0);
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        lose(batch, number, leaf, shown, byVoucher(deviceKeys[0], leaf.lane), SumTree.BadSumProof.selector);
    }

    /// Two sums that wrap around to a small total.
    function test_overflowingSums() public {
        BatchTrees.Channel[] memory channels = plan(2, 1, 1000);
        channels[0].leaf.total = type(uint128).max - 500;
        SumNode memory left = BatchTrees.channelNode(channels[0].leaf);
        SumNode memory right = BatchTrees.channelNode(channels[1].leaf);
        Batch memory batch = claim(plan(2, 1, 1000), 1);
        unchecked {
            batch.total = left.sum + right.sum;
        }
        batch.root = keccak256(abi.encodePacked(uint8(3), left.hash, left.sum, right.hash, right.sum));
        vm.assertLe(batch.total, 1000);
        post(batch);
        uint256 number = demandIndex(batch, 1, 0);
        LaneProof memory leaf = plan(2, 1, 1000).proof(1, 0);
        leaf.channelProof.siblings[0] = left;
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        Evidence memory evidence = byVoucher(deviceKeys[1], leaf.lane);
        vm.expectRevert();
        escrow.answer(batch, number, leaf, shown, evidence);
        loseUnanswered(batch, number);
    }

    function test_aDuplicateLane() public {
        BatchTrees.Channel[] memory channels = plan(3, 2, 1000);
        channels[1].lanes[1] = channels[1].lanes[0];
        BatchTrees.seal(channels[1]);
        disorderedLanes(channels, 1);
    }

    function test_disorderedLanes() public {
        BatchTrees.Channel[] memory channels = plan(3, 2, 1000);
        (channels[1].lanes[0], channels[1].lanes[1]) = (channels[1].lanes[1], channels[1].lanes[0]);
        BatchTrees.seal(channels[1]);
        disorderedLanes(channels, 1);
    }

    function disorderedLanes(BatchTrees.Channel[] memory channels, uint32 n) private {
        Batch memory batch = claim(channels, 1);
        post(batch);
        LaneProof memory first = channels.proof(n, 0);
        LaneProof memory second = channels.proof(n, 1);
        vm.prank(stranger);
        escrow.voidLaneDisorder(
            batch, first.channel, first.channelProof, first.lane, first.laneProof, second.lane, second.laneProof
        );
        lost(batch);
    }

    function test_aDuplicateChannel() public {
        BatchTrees.Channel[] memory channels = plan(3, 2, 1000);
        channels[2] = channels[1];
        disorderedChannels(channels);
    }

    function test_disorderedChannels() public {
        BatchTrees.Channel[] memory channels = plan(3, 2, 1000);
        (channels[1], channels[2]) = (channels[2], channels[1]);
        disorderedChannels(channels);
    }

    function disorderedChannels(BatchTrees.Channel[] memory channels) private {
        Batch memory batch = claim(channels, 1);
        post(batch);
        LaneProof memory first = channels.proof(1, 0);
        LaneProof memory second = channels.proof(2, 0);
        escrow.voidChannelDisorder(batch, first.channel, first.channelProof, second.channel, second.channelProof);
        lost(batch);
    }

    function test_aChannelOverItsMandate() public {
        BatchTrees.Channel[] memory channels = plan(3, 2, 1000);
        channels[1].leaf.limit = 2999;
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 1, 0);
        LaneProof memory leaf = channels.proof(1, 0);
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        lose(batch, number, leaf, shown, byVoucher(deviceKeys[1], leaf.lane), LeafRules.AboveMandate.selector);
    }

    function test_aMandateNobodyGave() public {
        BatchTrees.Channel[] memory channels = plan(3, 2, 1000);
        channels[1].leaf.limit = LIMIT + 1;
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 1, 0);
        LaneProof memory leaf = channels.proof(1, 0);
        MandateProof memory shown = mandate(HUB_KEY, leaf.channel);
        lose(batch, number, leaf, shown, byVoucher(deviceKeys[1], leaf.lane), LeafRules.BadMandate.selector);
    }

    function test_aPayeeTheMandateDoesNotAllow() public {
        BatchTrees.Channel[] memory channels = plan(3, 1, 1000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 1, 0);
        LaneProof memory leaf = channels.proof(1, 0);
        MandateProof memory shown;
        shown.payees = new address[](1);
        shown.payees[0] = provider(7);
        shown.signature = signed(PAYER_KEY, digest(mandateHash(leaf.channel, shown.payees)));
        lose(batch, number, leaf, shown, byVoucher(deviceKeys[1], leaf.lane), LeafRules.PayeeNotAllowed.selector);
    }

    /// A lane id that is not the one of its channel, payee and group, to count one lane under several names.
    function test_aLaneUnderAnotherName() public {
        BatchTrees.Channel[] memory channels = plan(3, 1, 1000);
        channels[1].lanes[0].ratingGroup = 77;
        BatchTrees.seal(channels[1]);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 1, 0);
        LaneProof memory leaf = channels.proof(1, 0);
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        lose(batch, number, leaf, shown, byVoucher(deviceKeys[1], leaf.lane), LeafRules.BadLeaf.selector);
    }

    /// The leaf file is withheld: the challenger knows nothing, and a base unit that no shown leaf covers is enough.
    function test_aWithheldLeaf() public {
        BatchTrees.Channel[] memory channels = plan(2, 1, 1000);
        SumNode memory hidden = SumNode(keccak256("nobody knows what is below"), 500_000);
        SumNode memory known = BatchTrees.channelNode(channels[0].leaf);
        Batch memory batch = claim(channels, 1);
        SumNode memory top = BatchTrees.node(3, known, hidden);
        (batch.root, batch.total) = (top.hash, top.sum);
        post(batch);
        uint256 number = demandOffset(batch, 250_000);
        // The best the hub has is the leaf it has.
        LaneProof memory leaf = channels.proof(0, 0);
        leaf.channelProof.siblings[0] = hidden;
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        lose(batch, number, leaf, shown, byVoucher(deviceKeys[0], leaf.lane), Challenges.WrongPlace.selector);
    }

    /// The hub cannot take its lie back, nor hide it behind a better batch, nor behind a close.
    function test_aChallengedLieIsNotTakenBack() public {
        BatchTrees.Channel[] memory channels = plan(3, 2, 1000);
        channels[1].leaf.limit = 1;
        Batch memory lie = claim(channels, 1);
        post(lie);
        uint256 number = demandIndex(lie, 1, 0);
        Batch memory better = claim(plan(3, 2, 1000), 1);
        vm.startPrank(hub);
        vm.expectRevert();
        escrow.settleBatch(better, "");
        vm.expectRevert();
        escrow.close(escrowId, 0, "");
        vm.stopPrank();
        loseUnanswered(lie, number);
    }

    /// An exit during a lying batch: the batch is voided, the payer leaves with everything and the bond.
    function test_anExitDuringALyingBatch() public {
        BatchTrees.Channel[] memory channels = plan(3, 2, 1_000_000);
        channels[1].leaf.limit = 1;
        vm.prank(payer);
        escrow.requestClose(escrowId);
        vm.warp(vm.getBlockTimestamp() + escrow.CLOSE_GRACE_PERIOD() - 1);
        Batch memory lie = claim(channels, 1);
        post(lie);
        uint256 number = demandIndex(lie, 1, 0);
        voidUnanswered(lie, number);
        uint256 before = token.balanceOf(payer);
        vm.prank(payer);
        escrow.withdraw(escrowId);
        escrow.claim(payer, address(token));
        vm.assertEq(token.balanceOf(payer), before + DEPOSIT + bondOf(lie));
    }
}
