// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batch, Evidence, LaneProof, MandateProof, TypedData} from "../src/Forms.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {LeafRules} from "../src/LeafRules.sol";
import {MandateTree} from "../src/MandateTree.sol";
import {Mandates} from "../src/Mandates.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {EscrowWorld} from "./EscrowWorld.sol";
import {ChangingWallet} from "./Wallets.sol";

/// Mandates single, in trees and registered, their ends, and what is carried over them: rules L4 to L6, M1 and M2.
contract MandatesTest is EscrowWorld {
    using BatchTrees for BatchTrees.Channel[];

    bytes32[] private noSiblings;

    /// Every mandate of a tree answers under one signature, or under one registration.
    function testFuzz_mandatesInATree(uint8 count, uint8 place, bool registered) public {
        uint256 channels_ = bound(count, 1, 8);
        uint32 n = uint32(bound(place, 0, channels_ - 1));
        BatchTrees.Channel[] memory channels = plan(channels_, 1, 1000);
        bytes32[] memory hashes = new bytes32[](channels_);
        for (uint256 m = 0; m < channels_; m++) {
            hashes[m] = mandateHash(channels[m].leaf, new address[](0));
        }
        MandateProof memory shown;
        shown.inTree = true;
        shown.index = n;
        bytes32 root;
        (shown.siblings, root) = pathIn(hashes, n);
        if (registered) {
            vm.prank(payer);
            escrow.registerMandateRoot(escrowId, root);
        } else {
            shown.signature = signed(PAYER_KEY, digest(keccak256(abi.encode(TypedData.MANDATE_ROOT, escrowId, root))));
        }
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, n, 0);
        LaneProof memory leaf = channels.proof(n, 0);
        Evidence memory evidence = byVoucher(deviceKeys[n], leaf.lane);
        shown.index += uint64(1 << shown.siblings.length);
        vm.expectRevert(MandateTree.BadMandatePath.selector);
        escrow.answer(batch, number, leaf, shown, evidence);
        shown.index = n;
        escrow.answer(batch, number, leaf, shown, evidence);
    }

    function pathIn(bytes32[] memory hashes, uint256 place) private pure returns (bytes32[] memory path, bytes32) {
        uint256 depth = 0;
        while ((1 << depth) < hashes.length) depth++;
        bytes32[] memory level = new bytes32[](1 << depth);
        for (uint256 m = 0; m < level.length; m++) {
            level[m] = m < hashes.length
                ? keccak256(abi.encodePacked(uint8(0), hashes[m]))
                : keccak256(abi.encodePacked(uint8(2)));
        }
        path = new bytes32[](depth);
        for (uint256 height = 0; height < depth; height++) {
            path[height] = level[place ^ 1];
            for (uint256 m = 0; m < level.length >> (height + 1); m++) {
                level[m] = keccak256(abi.encodePacked(uint8(1), level[2 * m], level[2 * m + 1]));
            }
            place >>= 1;
        }
        return (path, level[0]);
    }

    function test_onlyTheSignerRegistersAndRevokes() public {
        vm.startPrank(stranger);
        vm.expectRevert(Mandates.NotSigner.selector);
        escrow.registerMandateRoot(escrowId, bytes32(uint256(1)));
        vm.expectRevert(Mandates.NotSigner.selector);
        escrow.revokeMandate(escrowId, device(0), 1, "");
        bytes memory own = revocation(HUB_KEY, 0, 1);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.revokeMandate(escrowId, device(0), 1, own);
        bytes memory signers = revocation(PAYER_KEY, 0, 1);
        escrow.revokeMandate(escrowId, device(0), 1, signers);
        vm.assertEq(escrow.revokedAt(escrowId, device(0), 1), vm.getBlockTimestamp());
        vm.expectRevert(Mandates.RevocationNotNewer.selector);
        escrow.revokeMandate(escrowId, device(0), 1, signers);
    }

    function revocation(uint256 key, uint256 n, uint64 serial) private view returns (bytes memory) {
        return signed(key, digest(keccak256(abi.encode(TypedData.REVOKE_MANDATE, escrowId, device(n), serial))));
    }

    function test_theEarliestRevocationOfASerialCounts() public {
        uint256 start = vm.getBlockTimestamp();
        for (uint64 turn = 0; turn < 5; turn++) {
            vm.warp(start + turn * 1 hours);
            vm.prank(payer);
            escrow.revokeMandate(escrowId, device(0), 10 * (turn + 1), "");
        }
        vm.assertEq(escrow.revokedAt(escrowId, device(0), 0), start);
        vm.assertEq(escrow.revokedAt(escrowId, device(0), 10), start);
        vm.assertEq(escrow.revokedAt(escrowId, device(0), 11), start + 1 hours);
        vm.assertEq(escrow.revokedAt(escrowId, device(0), 50), start + 4 hours);
        vm.assertEq(escrow.revokedAt(escrowId, device(0), 51), 0);
        vm.assertEq(escrow.revokedAt(escrowId, device(1), 1), 0);
        vm.prank(payer);
        vm.expectRevert(Mandates.RevocationNotNewer.selector);
        escrow.revokeMandate(escrowId, device(0), 49, "");
    }

    /// A revoked key: what it proved may be claimed in batches posted within 48 hours, and answered later; not after.
    function testFuzz_aRevokedKeyEnds(uint64 late) public {
        late = uint64(bound(late, 0, 96 hours));
        vm.prank(payer);
        escrow.revokeMandate(escrowId, device(1), 1, "");
        vm.warp(vm.getBlockTimestamp() + late);
        growthUnder(plan(3, 1, 1000), late < escrow.MANDATE_END_GRACE());
    }

    function testFuzz_anExpiredMandateEnds(uint64 late) public {
        late = uint64(bound(late, 0, 96 hours));
        BatchTrees.Channel[] memory channels = plan(3, 1, 1000);
        channels[1].leaf.expiry = uint64(vm.getBlockTimestamp());
        vm.warp(vm.getBlockTimestamp() + late);
        growthUnder(channels, late < escrow.MANDATE_END_GRACE());
    }

    function growthUnder(BatchTrees.Channel[] memory channels, bool inTime) private {
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 1, 0);
        // The answer may come later; what counts is when the batch was posted.
        vm.warp(vm.getBlockTimestamp() + escrow.ANSWER_WINDOW());
        LaneProof memory leaf = channels.proof(1, 0);
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        Evidence memory evidence = byVoucher(deviceKeys[1], leaf.lane);
        if (!inTime) vm.expectRevert(LeafRules.MandateEnded.selector);
        escrow.answer(batch, number, leaf, shown, evidence);
        if (!inTime) voidUnanswered(batch, number);
    }

    /// What was settled before the end stays in later batches, by a path into the last established one.
    function test_anEndedMandatesTotalIsCarried() public {
        BatchTrees.Channel[] memory former = plan(3, 2, 1000);
        Batch memory last = claim(former, 1);
        post(last);
        uint64 lastPostedAt = escrow.batchState(escrowId).postedAt;
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        escrow.finalizeBatch(last);
        vm.prank(payer);
        escrow.revokeMandate(escrowId, device(1), 1, "");
        vm.warp(vm.getBlockTimestamp() + 30 days);
        BatchTrees.Channel[] memory channels = plan(4, 2, 1000);
        Batch memory batch = claim(channels, 2);
        post(batch);
        uint256 number = demandIndex(batch, 1, 0);
        LaneProof memory leaf = channels.proof(1, 0);
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        LaneProof memory lastLeaf = former.proof(1, 1);
        vm.expectRevert(LeafRules.NotCarried.selector);
        escrow.answerCarried(batch, number, leaf, shown, last, lastPostedAt, lastLeaf);
        lastLeaf = former.proof(1, 0);
        vm.expectRevert(LeafRules.NotCarried.selector);
        escrow.answerCarried(batch, number, leaf, shown, last, lastPostedAt + 1, lastLeaf);
        escrow.answerCarried(batch, number, leaf, shown, last, lastPostedAt, lastLeaf);
    }

    /// A hub gets a voucher for an honest total, and puts a root beside it under which an ended lane is inflated. The voucher
    /// says nothing about roots, so nothing is carried from it.
    function test_aVouchersRootIsNotCarried() public {
        vm.prank(payer);
        escrow.revokeMandate(escrowId, device(0), 1, "");
        vm.warp(vm.getBlockTimestamp() + 3 days);
        BatchTrees.Channel[] memory inflated = plan(2, 1, 1000);
        inflated[0].lanes[0].total = 1900;
        inflated[1].lanes[0].total = 100;
        BatchTrees.seal(inflated[0]);
        BatchTrees.seal(inflated[1]);
        Batch memory agreed = claim(inflated, 1);
        bytes memory total = voucher(PAYER_KEY, escrowId, agreed.total);
        vm.prank(hub);
        escrow.settleBatch(agreed, total);
        uint64 agreedAt = uint64(vm.getBlockTimestamp());

        inflated[1].lanes[0].total = 1000;
        BatchTrees.seal(inflated[1]);
        Batch memory batch = claim(inflated, 2);
        post(batch);
        uint256 number = demandIndex(batch, 0, 0);
        LaneProof memory leaf = inflated.proof(0, 0);
        MandateProof memory shown = mandate(PAYER_KEY, leaf.channel);
        vm.expectRevert(LeafRules.NotCarried.selector);
        escrow.answerCarried(batch, number, leaf, shown, agreed, agreedAt, leaf);
        voidUnanswered(batch, number);
    }

    // Wallets that change their mind (ERC-1271).

    function walletEscrow() private returns (ChangingWallet wallet) {
        wallet = new ChangingWallet();
        token.mint(address(wallet), DEPOSIT);
        wallet.act(address(token), abi.encodeCall(token.approve, (address(escrow), DEPOSIT)));
        bytes memory call = abi.encodeCall(escrow.open, (hub, address(token), DEPOSIT, bytes32(0), address(0)));
        escrowId = abi.decode(wallet.act(address(escrow), call), (bytes32));
    }

    function test_aWalletsAgreementIsUsedUpAtOnce() public {
        ChangingWallet wallet = walletEscrow();
        vm.prank(hub);
        escrow.settle(escrowId, 10, hex"01");
        Batch memory batch = claim(plan(3, 1, 1000), 1);
        vm.prank(hub);
        escrow.settleBatch(batch, hex"01");
        wallet.changeMind();
        vm.assertEq(settled(), batch.total);
        vm.assertEq(token.balanceOf(hub), batch.total);
        vm.prank(hub);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        escrow.settle(escrowId, batch.total + 1, hex"01");
    }

    /// A wallet's word for a mandate is never asked for, neither while it says yes nor after: only what it registered
    /// counts, and that stays. So an honest hub's batch cannot be voided by a wallet that changes its mind.
    function test_aWalletRegistersItsMandates() public {
        ChangingWallet wallet = walletEscrow();
        BatchTrees.Channel[] memory channels = plan(1, 1, 1000);
        LaneProof memory leaf = channels.proof(0, 0);
        MandateProof memory shown;
        shown.inTree = true;
        bytes32 root = keccak256(abi.encodePacked(uint8(0), mandateHash(leaf.channel, shown.payees)));
        wallet.act(address(escrow), abi.encodeCall(escrow.registerMandateRoot, (escrowId, root)));
        Batch memory batch = claim(channels, 1);
        post(batch);
        wallet.act(address(escrow), abi.encodeCall(escrow.setWatcher, (escrowId, watcher)));
        wallet.changeMind();
        uint256 price = escrow.answerPrice();
        vm.prank(watcher);
        escrow.demandIndex{value: price}(batch, 0, 0);
        MandateProof memory asked;
        asked.signature = hex"01";
        Evidence memory evidence = byVoucher(deviceKeys[0], leaf.lane);
        vm.expectRevert(LeafRules.BadMandate.selector);
        escrow.answer(batch, 0, leaf, asked, evidence);
        escrow.answer(batch, 0, leaf, shown, evidence);
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        escrow.finalizeBatch(batch);
        vm.assertEq(settled(), batch.total);
    }

    /// A key that is given code (EIP-7702) cannot take back what it signed as a key.
    function test_aKeyThatBecomesAWalletStaysBound() public {
        bytes memory signed_ = voucher(PAYER_KEY, escrowId, 10);
        ChangingWallet wallet = new ChangingWallet();
        vm.etch(payer, address(wallet).code);
        vm.prank(hub);
        escrow.settle(escrowId, 10, signed_);
        vm.assertEq(settled(), 10);
    }
}
