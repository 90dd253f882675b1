// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {
    AnchorTerms,
    Batch,
    ChannelLeaf,
    Evidence,
    LaneLeaf,
    LaneProof,
    MandateProof,
    SumNode,
    TypedData
} from "../src/Forms.sol";
import {Identities} from "../src/Identities.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {Cheats} from "./Cheats.sol";
import {PlainToken} from "./Tokens.sol";

/// An escrow contract with a payer, a hub, devices and providers, and what each of them can sign.
abstract contract EscrowWorld is Cheats {
    using BatchTrees for BatchTrees.Channel[];

    uint128 internal constant DEPOSIT = 1_000_000_000;
    uint128 internal constant LIMIT = 100_000_000;
    uint64 internal constant EXPIRY = 4_000_000_000;
    uint256 internal constant BOND_WEI = 0.01 ether;
    uint256 internal constant PAYER_KEY = 0xA1;
    uint256 internal constant HUB_KEY = 0xB2;

    Escrow internal escrow = new Escrow(BOND_WEI, 1 gwei);
    PlainToken internal token = new PlainToken();
    address internal payer = vm.addr(PAYER_KEY);
    address internal hub = vm.addr(HUB_KEY);
    address internal watcher = vm.addr(0xC3);
    address internal stranger = vm.addr(0xD4);
    bytes32 internal escrowId;
    /// Keys of devices, their addresses ascending.
    uint256[] internal deviceKeys;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        for (uint256 n = 0; n < 8; n++) {
            addDevice(0xDE7 + n);
        }
        escrowId = openEscrow(address(token), bytes32(0), address(0));
        fundBond(address(token), 1_000_000_000);
        vm.deal(payer, 100 ether);
        vm.deal(watcher, 100 ether);
        vm.deal(stranger, 100 ether);
    }

    function addDevice(uint256 key) private {
        deviceKeys.push(key);
        for (uint256 n = deviceKeys.length - 1; n > 0 && device(n) < device(n - 1); n--) {
            (deviceKeys[n], deviceKeys[n - 1]) = (deviceKeys[n - 1], deviceKeys[n]);
        }
    }

    function device(uint256 n) internal view returns (address) {
        return vm.addr(deviceKeys[n]);
    }

    function provider(uint256 n) internal pure returns (address) {
        return vm.addr(0x9000 + n);
    }

    function openEscrow(address of_, bytes32 salt, address signer) internal returns (bytes32 id) {
        PlainToken(of_).mint(payer, 10 * uint256(DEPOSIT));
        vm.startPrank(payer);
        PlainToken(of_).approve(address(escrow), type(uint256).max);
        id = escrow.open(hub, of_, DEPOSIT, salt, signer);
        vm.stopPrank();
    }

    function fundBond(address of_, uint256 amount) internal {
        PlainToken(of_).mint(hub, amount);
        vm.deal(hub, 100 ether);
        vm.startPrank(hub);
        PlainToken(of_).approve(address(escrow), type(uint256).max);
        escrow.addBond(hub, of_, amount);
        escrow.addBond{value: 1 ether}(hub, address(0), 1 ether);
        vm.stopPrank();
    }

    // What is signed.

    function digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", escrow.domainSeparator(), structHash));
    }

    function voucher(uint256 key, bytes32 laneId, uint128 total) internal view returns (bytes memory) {
        return signed(key, digest(keccak256(abi.encode(TypedData.VOUCHER, laneId, total))));
    }

    function agreement(uint256 key, Batch memory batch) internal view returns (bytes memory) {
        return signed(key, digest(keccak256(abi.encode(TypedData.SETTLE_BATCH, batch))));
    }

    function mandateHash(ChannelLeaf memory leaf, address[] memory payees) internal view returns (bytes32) {
        bytes32 listed = payees.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(payees));
        return
            keccak256(
                abi.encode(TypedData.MANDATE, escrowId, leaf.device, leaf.limit, leaf.expiry, leaf.serial, listed)
            );
    }

    /// The mandate of `leaf`, signed by `key`, for any payee.
    function mandate(uint256 key, ChannelLeaf memory leaf) internal view returns (MandateProof memory proof) {
        proof.signature = signed(key, digest(mandateHash(leaf, proof.payees)));
    }

    function byVoucher(uint256 key, LaneLeaf memory lane) internal view returns (Evidence memory evidence) {
        evidence.amount = lane.total;
        evidence.signature = voucher(key, lane.laneId, lane.total);
    }

    /// A chain of `length` ticks worth one base unit each above the lane's total less `index`, paid up to `index`.
    function byTick(uint256 key, LaneLeaf memory lane, uint16 length, uint16 index)
        internal
        view
        returns (Evidence memory evidence)
    {
        evidence.isTick = true;
        evidence.index = index;
        AnchorTerms memory anchor = evidence.anchor;
        anchor.baseAmount = lane.total - index;
        anchor.tickAmount = 1;
        anchor.ticksPerAmount = 1;
        anchor.length = length;
        bytes32 link = keccak256(abi.encode("seed", lane.laneId));
        for (uint16 at = length; at > 0; at--) {
            if (at == index) evidence.link = link;
            link = sha256(abi.encodePacked(link, bytes16(lane.laneId), at));
        }
        anchor.root = link;
        if (index == 0) evidence.link = link;
        evidence.signature = signed(key, digest(keccak256(abi.encode(TypedData.ANCHOR, lane.laneId, anchor))));
    }

    // What is claimed.

    /// `count` channels of `lanes` lanes each; lane `m` of a channel has `(m + 1) * each`.
    function plan(uint256 count, uint256 lanes, uint128 each)
        internal
        view
        returns (BatchTrees.Channel[] memory channels)
    {
        channels = new BatchTrees.Channel[](count);
        for (uint256 n = 0; n < count; n++) {
            ChannelLeaf memory leaf = channels[n].leaf;
            leaf.device = device(n);
            leaf.limit = LIMIT;
            leaf.expiry = EXPIRY;
            leaf.serial = 1;
            channels[n].lanes = new LaneLeaf[](lanes);
            for (uint256 m = 0; m < lanes; m++) {
                channels[n].lanes[m] = laneOf(leaf.device, provider(m), uint32(m), each * uint128(m + 1));
            }
            BatchTrees.sort(channels[n].lanes);
            BatchTrees.seal(channels[n]);
        }
    }

    function laneOf(address device_, address payee, uint32 group, uint128 total)
        internal
        view
        returns (LaneLeaf memory lane)
    {
        bytes32 channelId = Identities.channel(escrowId, device_);
        return LaneLeaf(Identities.lane(channelId, payee, group), payee, group, total);
    }

    /// The batch over these channels, after what is settled.
    function claim(BatchTrees.Channel[] memory channels, uint64 epoch) internal view returns (Batch memory batch) {
        SumNode memory top = channels.batchRoot();
        batch.escrowId = escrowId;
        batch.prevSettled = settled();
        batch.total = top.sum;
        batch.root = top.hash;
        batch.channels = uint32(channels.length);
        for (uint256 n = 0; n < channels.length; n++) {
            batch.lanes += uint32(channels[n].lanes.length);
        }
        batch.journalRoot = keccak256("journal");
        batch.epoch = epoch;
    }

    function post(Batch memory batch) internal {
        vm.prank(hub);
        escrow.settleBatch(batch, "");
    }

    /// Posts a batch over these channels and lets its window pass.
    function settleNight(BatchTrees.Channel[] memory channels, uint64 epoch) internal returns (Batch memory batch) {
        batch = claim(channels, epoch);
        post(batch);
        vm.warp(vm.getBlockTimestamp() + escrow.CHALLENGE_WINDOW());
        escrow.finalizeBatch(batch);
    }

    function demandIndex(Batch memory batch, uint32 channel, uint32 lane) internal returns (uint256 number) {
        number = escrow.batchState(escrowId).demands;
        uint256 price = escrow.answerPrice();
        vm.prank(payer);
        escrow.demandIndex{value: price}(batch, channel, lane);
    }

    function demandOffset(Batch memory batch, uint128 offset) internal returns (uint256 number) {
        number = escrow.batchState(escrowId).demands;
        uint256 price = escrow.answerPrice();
        vm.prank(payer);
        escrow.demandOffset{value: price}(batch, offset);
    }

    /// The honest answer for a lane that a voucher proves.
    function answer(Batch memory batch, uint256 number, BatchTrees.Channel[] memory channels, uint32 n, uint32 m)
        internal
    {
        LaneProof memory leaf = channels.proof(n, m);
        escrow.answer(batch, number, leaf, mandate(PAYER_KEY, leaf.channel), byVoucher(deviceKeys[n], leaf.lane));
    }

    /// Lets the demand's deadline pass, and voids.
    function voidUnanswered(Batch memory batch, uint256 number) internal {
        vm.warp(vm.getBlockTimestamp() + escrow.ANSWER_WINDOW() + 1);
        escrow.voidUnanswered(batch, number);
    }

    function settled() internal view returns (uint128) {
        return escrow.getChannel(escrowId).settled;
    }

    function bondOf(Batch memory batch) internal view returns (uint256) {
        return (batch.total - batch.prevSettled) / escrow.BOND_DIVISOR();
    }
}
