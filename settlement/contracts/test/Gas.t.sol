// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batch, Evidence, LaneProof, MandateProof, TypedData} from "../src/Forms.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {EscrowWorld} from "./EscrowWorld.sol";
import {PlainChannel} from "./PlainChannel.sol";
import {PlainToken} from "./Tokens.sol";

/// What transactions cost, base cost and calldata included: each call is a transaction of its own here.
contract GasTest is EscrowWorld {
    using BatchTrees for BatchTrees.Channel[];

    /// One night of one escrow, any number of lanes, nobody challenging.
    uint256 private constant NIGHT_MAX = 200_000;
    /// An answer with the longest chain.
    uint256 private constant ANSWER_MAX = 1_400_000;

    function test_open() public {
        vm.prank(payer);
        escrow.open(hub, address(token), DEPOSIT, bytes32(uint256(1)), address(0));
        vm.snapshotGasLastCall("open");
        vm.prank(payer);
        escrow.open(hub, address(token), DEPOSIT, bytes32(uint256(2)), provider(0));
        vm.snapshotGasLastCall("open, with an authorised signer");
        vm.prank(payer);
        escrow.open(watcher, address(token), DEPOSIT, bytes32(0), address(0));
        vm.snapshotGasLastCall("open, the first to a payee in a token");
        vm.prank(payer);
        escrow.topUp(escrowId, 1000);
        vm.snapshotGasLastCall("topUp");
    }

    function test_settle() public {
        bytes memory first = voucher(PAYER_KEY, escrowId, 1000);
        bytes memory second = voucher(PAYER_KEY, escrowId, 2000);
        bytes memory last = voucher(PAYER_KEY, escrowId, 3000);
        vm.prank(hub);
        escrow.settle(escrowId, 1000, first);
        vm.snapshotGasLastCall("settle, the first");
        vm.prank(hub);
        escrow.settle(escrowId, 2000, second);
        uint256 later = vm.snapshotGasLastCall("settle, a later one");
        vm.assertLe(later, plainSettle(), "no dearer than a plain channel");
        vm.prank(hub);
        escrow.close(escrowId, 3000, last);
        vm.snapshotGasLastCall("close, with a voucher");
    }

    /// The same settlements out of a payment channel that can do nothing else: no lock, no exit, no pending batch to look for, no
    /// vault, no wallets that are contracts, no receiver whose refusal must not matter.
    function test_plainChannel() public {
        plainSettle();
    }

    /// What a later settlement costs there.
    function plainSettle() private returns (uint256) {
        PlainChannel plain = new PlainChannel();
        PlainToken other = new PlainToken();
        other.mint(payer, DEPOSIT + 1);
        vm.startPrank(payer);
        other.approve(address(plain), DEPOSIT);
        bytes32 id = plain.open(hub, other, DEPOSIT, bytes32(uint256(1)));
        vm.snapshotGasLastCall("a plain payment channel: open");
        vm.stopPrank();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, plain.voucherDigest(id, 1000));
        vm.prank(hub);
        plain.settle(id, 1000, abi.encodePacked(r, s, v));
        vm.snapshotGasLastCall("a plain payment channel: settle, the first");
        (v, r, s) = vm.sign(PAYER_KEY, plain.voucherDigest(id, 2000));
        vm.prank(hub);
        plain.settle(id, 2000, abi.encodePacked(r, s, v));
        return vm.snapshotGasLastCall("a plain payment channel: settle, a later one");
    }

    function test_exit() public {
        vm.prank(payer);
        escrow.requestClose(escrowId);
        vm.snapshotGasLastCall("requestClose");
        vm.warp(vm.getBlockTimestamp() + escrow.CLOSE_GRACE_PERIOD());
        vm.prank(payer);
        escrow.withdraw(escrowId);
        vm.snapshotGasLastCall("withdraw");
    }

    function test_night() public {
        night("the first night", plan(8, 2, 1000), 1);
        night("a later night", plan(8, 2, 2000), 2);
    }

    function night(string memory name, BatchTrees.Channel[] memory channels, uint64 epoch) private {
        Batch memory batch = claim(channels, epoch);
        vm.prank(hub);
        escrow.settleBatch(batch, "");
        uint256 posted = vm.snapshotGasLastCall(string.concat(name, ": settleBatch"));
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        escrow.finalizeBatch(batch);
        uint256 final_ = vm.snapshotGasLastCall(string.concat(name, ": finalizeBatch"));
        vm.assertLe(posted + final_, NIGHT_MAX, name);
    }

    function test_agreedNight() public {
        Batch memory batch = claim(plan(8, 2, 1000), 1);
        bytes memory agreed = agreement(PAYER_KEY, batch);
        vm.prank(hub);
        escrow.settleBatch(batch, agreed);
        uint256 first = vm.snapshotGasLastCall("a countersigned night, the first");
        batch = claim(plan(8, 2, 2000), 2);
        agreed = agreement(PAYER_KEY, batch);
        vm.prank(hub);
        escrow.settleBatch(batch, agreed);
        vm.assertLe(vm.snapshotGasLastCall("a countersigned night, a later one"), NIGHT_MAX);
        vm.assertLe(first, NIGHT_MAX);
    }

    function test_challenge() public {
        BatchTrees.Channel[] memory channels = plan(8, 2, 10_000);
        Batch memory batch = claim(channels, 1);
        post(batch);
        uint256 number = demandIndex(batch, 3, 1);
        vm.snapshotGasLastCall("demand");
        answer(batch, number, channels, 3, 1);
        vm.snapshotGasLastCall("answer, by voucher, of 16 lanes");
        number = demandIndex(batch, 0, 0);
        vm.warp(vm.getBlockTimestamp() + escrow.ANSWER_WINDOW() + 1);
        escrow.voidUnanswered(batch, number);
        vm.snapshotGasLastCall("voidUnanswered");
    }

    /// The dearest honest answer: the longest chain, a mandate with all payees at the depth of a million mandates, in a
    /// batch of a million channels of 64 lanes. The tree is made of one real path and siblings out of thin air.
    function test_dearestAnswer() public {
        (Batch memory batch, LaneProof memory leaf) = greatBatch();
        address[] memory payees = new address[](32);
        for (uint160 n = 0; n < 31; n++) {
            payees[n] = address(n + 1);
        }
        payees[31] = leaf.lane.payee;
        MandateProof memory proof;
        proof.payees = payees;
        proof.inTree = true;
        proof.index = 0xABCDE;
        proof.siblings = new bytes32[](20);
        bytes32 root = keccak256(abi.encodePacked(uint8(0), mandateHash(leaf.channel, payees)));
        for (uint256 level = 0; level < 20; level++) {
            proof.siblings[level] = keccak256(abi.encode("mandate", level));
            bool left = (proof.index >> level) & 1 == 0;
            root = left
                ? keccak256(abi.encodePacked(uint8(1), root, proof.siblings[level]))
                : keccak256(abi.encodePacked(uint8(1), proof.siblings[level], root));
        }
        proof.signature = signed(PAYER_KEY, digest(keccak256(abi.encode(TypedData.MANDATE_ROOT, escrowId, root))));
        Evidence memory evidence = byTick(deviceKeys[0], leaf.lane, 4096, 4096);
        post(batch);
        uint256 number = demandIndex(batch, leaf.channelProof.index, leaf.laneProof.index);
        escrow.answer(batch, number, leaf, proof, evidence);
        uint256 gas = vm.snapshotGasLastCall("answer, by 4096 ticks, of a million channels, the dearest");
        vm.assertLe(gas, ANSWER_MAX, "the dearest answer");
    }

    function greatBatch() private view returns (Batch memory batch, LaneProof memory leaf) {
        leaf.lane = laneOf(device(0), provider(0), 0, 10_000);
        (leaf.laneProof, leaf.channel.lanesRoot, leaf.channel.total) =
            BatchTrees.invent(2, BatchTrees.laneNode(leaf.lane), 0x2B, 6);
        leaf.channel.device = device(0);
        leaf.channel.limit = LIMIT;
        leaf.channel.expiry = EXPIRY;
        leaf.channel.serial = 1;
        leaf.channel.lanes = 64;
        (leaf.channelProof, batch.root, batch.total) =
            BatchTrees.invent(3, BatchTrees.channelNode(leaf.channel), 0x5A5A5, 20);
        batch.escrowId = escrowId;
        batch.channels = 1 << 20;
        batch.lanes = 64 << 20;
        batch.epoch = 1;
    }
}
