// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {Batch} from "../src/Forms.sol";
import {IEscrow} from "../src/IEscrow.sol";
import {BatchTrees} from "./BatchTrees.sol";
import {EscrowWorld} from "./EscrowWorld.sol";

/// Everything that anybody may do, in any order, with escrows of a payer at an honest hub and at a lying one. What it
/// keeps for itself is what must have happened to the money, counted apart from the contract.
contract EscrowHandler is EscrowWorld {
    using BatchTrees for BatchTrees.Channel[];

    /// What is known of an escrow beside the contract.
    struct Known {
        bytes32 id;
        bool honest;
        /// The greatest total the signer agreed to.
        uint128 agreed;
        /// What each device has signed for on its first lane; twice as much on its second.
        uint128 owed;
        /// What the pending batch claims in its place.
        uint128 each;
        Batch pending;
        /// Whether a leaf was demanded that nobody had signed for.
        bool caught;
        uint64 exitRequestedAt;
        uint64 postedAt;
    }

    uint256 private constant DEVICES = 3;
    uint256 private constant LANES = 2;
    /// A channel with three times this stays within its mandate.
    uint128 private constant OWED_MAX = LIMIT / 3;

    Known[4] private known;
    /// Prepayments of demands that are neither answered nor taken back.
    uint256 public prepaid;
    uint256 public liesFinal;
    uint256 public honestVoided;
    uint256 public exitsBarred;
    /// How often the rarer things happened.
    uint256 public nights;
    uint256 public voids;
    uint256 public exits;

    constructor() {
        setUp();
        for (uint256 n = 0; n < known.length; n++) {
            known[n].id = n == 0 ? escrowId : openEscrow(address(token), bytes32(n), address(0));
            known[n].honest = n % 2 == 0;
        }
        vm.deal(payer, 1_000_000 ether);
    }

    function pick(uint256 seed) private returns (Known storage one) {
        one = known[seed % known.length];
        escrowId = one.id;
    }

    /// Devices pay: each lane's total rises.
    function devicesPay(uint256 seed, uint128 more) external {
        Known storage one = pick(seed);
        one.owed += uint128(bound(more, 1, 1_000_000));
        if (one.owed > OWED_MAX) one.owed = OWED_MAX;
    }

    function settleByVoucher(uint256 seed, uint128 more) external {
        Known storage one = pick(seed);
        uint128 total = settled() + uint128(bound(more, 1, 1_000_000));
        bytes memory signature = voucher(PAYER_KEY, escrowId, total);
        vm.prank(hub);
        escrow.settle(escrowId, total, signature);
        one.agreed = total;
    }

    /// The honest hub claims what devices signed, the other one whatever the deposit holds.
    function postBatch(uint256 seed, uint128 lie) external {
        Known storage one = pick(seed);
        uint128 each = one.honest ? one.owed : uint128(bound(lie, 1, OWED_MAX));
        Batch memory batch = claim(plan(DEVICES, LANES, each), escrow.batchState(escrowId).epoch + 1);
        vm.prank(hub);
        escrow.settleBatch(batch, "");
        one.pending = batch;
        one.each = each;
        one.caught = false;
        one.postedAt = uint64(vm.getBlockTimestamp());
    }

    function demand(uint256 seed, uint32 place, bool byOffset) external {
        Known storage one = pick(seed);
        if (byOffset) {
            demandOffset(one.pending, uint128(bound(place, 0, one.pending.total - 1)));
        } else {
            demandIndex(one.pending, place % uint32(DEVICES), place);
        }
        prepaid += escrow.answerPrice();
        one.caught = one.each > one.owed;
    }

    function makeFinal(uint256 seed) external {
        finish(pick(seed));
    }

    function finish(Known storage one) private {
        escrow.finalizeBatch(one.pending);
        if (one.caught && one.each > one.owed) liesFinal += 1;
        nights += 1;
    }

    function voidBatch(uint256 seed, uint256 number) external {
        Known storage one = pick(seed);
        cancel(one, number % (escrow.batchState(escrowId).demands + 1));
    }

    function cancel(Known storage one, uint256 number) private {
        escrow.voidUnanswered(one.pending, number);
        if (one.honest) honestVoided += 1;
        voids += 1;
    }

    function takeBack(uint256 seed, uint256 number) external {
        Known storage one = pick(seed);
        uint256 before = escrow.credits(payer, address(0));
        number = number % (escrow.batchState(escrowId).demands + 1);
        escrow.takeBackDemand(one.pending, one.postedAt, number);
        prepaid -= escrow.credits(payer, address(0)) - before;
    }

    /// The hub answers all it can of a batch: devices' vouchers are all it has.
    function answerAll(Known storage one) private {
        escrowId = one.id;
        if (escrow.batchState(one.id).postedAt == 0 || one.each > one.owed) return;
        BatchTrees.Channel[] memory channels = plan(DEVICES, LANES, one.each);
        uint256 count = escrow.batchState(one.id).demands;
        bytes32 batchId = escrow.batchState(one.id).batchId;
        for (uint256 number = 0; number < count; number++) {
            (address by, uint96 price, uint64 deadline, bool bySum, uint128 position) = escrow.demands(batchId, number);
            if (by == address(0) || vm.getBlockTimestamp() > deadline) continue;
            (uint32 n, uint32 m) = bySum
                ? BatchTrees.covering(channels, position)
                : (uint32(position >> 32), uint32(position) % uint32(LANES));
            answer(one.pending, number, channels, n, m);
            prepaid -= price;
        }
    }

    function requestExit(uint256 seed) external {
        Known storage one = pick(seed);
        vm.prank(payer);
        escrow.requestClose(escrowId);
        one.exitRequestedAt = uint64(vm.getBlockTimestamp());
    }

    function topUp(uint256 seed, uint128 amount) external {
        Known storage one = pick(seed);
        amount = uint128(bound(amount, 1, 1000));
        vm.prank(payer);
        escrow.topUp(escrowId, amount);
        one.exitRequestedAt = 0;
    }

    function leave(uint256 seed) external {
        pick(seed);
        vm.prank(payer);
        escrow.withdraw(escrowId);
        exits += 1;
    }

    /// The payer decides the pending batch itself, as anybody can, and leaves: once the longest time has passed, nothing may
    /// be in its way.
    function leaveOnItsOwn(uint256 seed) external {
        Known storage one = pick(seed);
        uint256 longest = escrow.CLOSE_GRACE_PERIOD() + escrow.CHALLENGE_WINDOW() + escrow.ANSWER_WINDOW();
        bool open = !escrow.getChannel(escrowId).finalized;
        if (one.exitRequestedAt == 0 || !open || vm.getBlockTimestamp() <= one.exitRequestedAt + longest) return;
        try this.decideAndWithdraw(seed) {
            exits += 1;
        } catch {
            exitsBarred += 1;
        }
    }

    /// Called by the handler itself, so that a refusal can be told from a success.
    function decideAndWithdraw(uint256 seed) external {
        Known storage one = pick(seed);
        if (escrow.batchState(escrowId).postedAt != 0) decide(one);
        vm.prank(payer);
        escrow.withdraw(escrowId);
    }

    function decide(Known storage one) private {
        bytes32 batchId = escrow.batchState(one.id).batchId;
        uint256 count = escrow.batchState(one.id).demands;
        for (uint256 number = 0; number < count; number++) {
            (address by,,,,) = escrow.demands(batchId, number);
            if (by != address(0)) return cancel(one, number);
        }
        finish(one);
    }

    function closeByHub(uint256 seed, uint8 rarely) external {
        pick(seed);
        if (rarely % 16 != 0) return;
        vm.prank(hub);
        escrow.close(escrowId, 0, "");
    }

    function claimCredits(bool ofPayer) external {
        escrow.claim(ofPayer ? payer : hub, address(0));
    }

    function stealBond(uint256 amount) external {
        vm.prank(stranger);
        escrow.takeBond(address(token), bound(amount, 1, 1 ether));
    }

    /// The honest hub is there at least every three hours.
    function timePasses(uint8 steps) external {
        for (uint256 step = 0; step < bound(steps, 1, 6); step++) {
            for (uint256 n = 0; n < known.length; n++) {
                if (known[n].honest) answerAll(known[n]);
            }
            vm.warp(vm.getBlockTimestamp() + 3 hours);
        }
    }

    /// The lying hub answers what it can, when it likes.
    function liarAnswers(uint256 seed) external {
        answerAll(pick(seed));
    }

    // What the invariants ask.

    function ledger() external view returns (Escrow) {
        return escrow;
    }

    function parties() external view returns (address, address, address) {
        return (payer, hub, address(token));
    }

    function escrows() external pure returns (uint256) {
        return 4;
    }

    function channel(uint256 n) external view returns (IEscrow.Channel memory) {
        return escrow.getChannel(known[n].id);
    }

    /// What is at stake for the pending batch of an escrow.
    function atStake(uint256 n) external view returns (uint256, uint256) {
        if (escrow.batchState(known[n].id).postedAt == 0) return (0, 0);
        return (bondOf(known[n].pending), BOND_WEI);
    }

    /// The most that may be settled of an honest hub's escrow; of any other, the deposit.
    function justified(uint256 n) external view returns (uint256) {
        if (!known[n].honest) return type(uint256).max;
        uint256 byLanes = 9 * uint256(known[n].owed);
        return byLanes > known[n].agreed ? byLanes : known[n].agreed;
    }
}
