// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Batches} from "./Batches.sol";
import {Batch, ChannelLeaf, Evidence, LaneLeaf, LaneProof, MandateProof, SumProof} from "./Forms.sol";
import {SumTree} from "./SumTree.sol";

/// Demands for leaves, answers to them, and what voids a batch: rules B5 to B8.
abstract contract Challenges is Batches {
    /// Neither the payer nor its watcher.
    error NotChallenger();
    /// No such place in the batch.
    error NoSuchPlace();
    /// As many demands are open as may be.
    error TooManyDemands();
    /// The prepayment is below the price.
    error PrepaymentTooSmall();
    /// No such demand is open.
    error NoSuchDemand();
    /// The deadline has passed.
    error DeadlineOver();
    /// The deadline has not passed.
    error DeadlineNotOver();
    /// The answer is for another place.
    error WrongPlace();
    /// The two leaves are in order.
    error InOrder();
    /// The batch is pending, so the demand is not yet decided.
    error StillPending();

    event Demanded(
        bytes32 indexed escrowId,
        bytes32 indexed batchId,
        uint256 number,
        address by,
        bool bySum,
        uint128 position,
        uint64 deadline
    );
    event Answered(bytes32 indexed escrowId, bytes32 indexed batchId, uint256 number);

    /// A leaf that somebody wants to see.
    struct Demand {
        address by;
        uint96 prepaid;
        uint64 deadline;
        /// Whether `position` is a sum offset, and not an index.
        bool bySum;
        /// A base unit of the total; or the channel's index times 2^32, plus the lane's.
        uint128 position;
    }

    /// Seconds in which each demand must be answered.
    uint64 public constant ANSWER_WINDOW = 4 hours;
    /// Demands that wait for an answer at once.
    uint8 public constant OPEN_DEMANDS_MAX = 64;
    /// What the dearest honest answer takes.
    uint256 public constant ANSWER_GAS = 1_400_000;
    /// The least price for gas that a demand prepays, in wei.
    uint256 public immutable answerGasPriceMin;

    /// Demands that are open, or whose batch was voided under them.
    mapping(bytes32 batchId => mapping(uint256 number => Demand)) public demands;

    constructor(uint256 answerGasPriceMin_) {
        answerGasPriceMin = answerGasPriceMin_;
    }

    /// What a demand costs now, in wei.
    function answerPrice() public view returns (uint256) {
        uint256 price = 2 * block.basefee;
        return ANSWER_GAS * (price < answerGasPriceMin ? answerGasPriceMin : price);
    }

    /// Demands the leaf of lane `laneIndex` (modulo the channel's lanes) of channel `channelIndex`.
    function demandIndex(Batch calldata batch, uint32 channelIndex, uint32 laneIndex) external payable nonReentrant {
        if (channelIndex >= batch.channels) revert NoSuchPlace();
        _demand(batch, false, (uint128(channelIndex) << 32) | laneIndex);
    }

    /// Demands the leaf that covers base unit `offset` of the total.
    function demandOffset(Batch calldata batch, uint128 offset) external payable nonReentrant {
        if (offset >= batch.total) revert NoSuchPlace();
        _demand(batch, true, offset);
    }

    /// Shows a demanded leaf with the device's proof of its total. Anybody may.
    function answer(
        Batch calldata batch,
        uint256 number,
        LaneProof calldata leaf,
        MandateProof calldata mandate,
        Evidence calldata evidence
    ) external nonReentrant {
        Record storage escrow = _pending(batch);
        _take(escrow, batch, number, leaf);
        _checkLeaf(batch.escrowId, leaf, mandate);
        _checkGrowth(batch.escrowId, leaf, mandate.payees, evidence, escrow.postedAt);
    }

    /// Shows a demanded leaf that stood with at least its total in the last established batch.
    function answerCarried(
        Batch calldata batch,
        uint256 number,
        LaneProof calldata leaf,
        MandateProof calldata mandate,
        Batch calldata last,
        uint64 lastPostedAt,
        LaneProof calldata lastLeaf
    ) external nonReentrant {
        Record storage escrow = _pending(batch);
        _take(escrow, batch, number, leaf);
        _checkLeaf(batch.escrowId, leaf, mandate);
        _checkCarried(batch.escrowId, leaf.lane, last, lastPostedAt, lastLeaf);
    }

    /// Voids a batch that left a demand without an answer.
    function voidUnanswered(Batch calldata batch, uint256 number) external nonReentrant {
        Record storage escrow = _pending(batch);
        Demand storage demand = demands[escrow.batchId][number];
        if (demand.by == address(0)) revert NoSuchDemand();
        if (block.timestamp <= demand.deadline) revert DeadlineNotOver();
        _void(escrow, batch);
    }

    /// Voids a batch in which a later channel's device is not above an earlier one's.
    function voidChannelDisorder(
        Batch calldata batch,
        ChannelLeaf calldata first,
        SumProof calldata firstProof,
        ChannelLeaf calldata second,
        SumProof calldata secondProof
    ) external nonReentrant {
        Record storage escrow = _pending(batch);
        // What stands before a leaf does not matter here: a path that leads elsewhere reverts.
        // slither-disable-start unused-return
        SumTree.checkChannel(first, firstProof, batch.channels, batch.root, batch.total);
        SumTree.checkChannel(second, secondProof, batch.channels, batch.root, batch.total);
        // slither-disable-end unused-return
        if (firstProof.index >= secondProof.index || first.device < second.device) revert InOrder();
        _void(escrow, batch);
    }

    /// Voids a batch in which a later lane of a channel is not above an earlier one.
    function voidLaneDisorder(
        Batch calldata batch,
        ChannelLeaf calldata channel,
        SumProof calldata channelProof,
        LaneLeaf calldata first,
        SumProof calldata firstProof,
        LaneLeaf calldata second,
        SumProof calldata secondProof
    ) external nonReentrant {
        Record storage escrow = _pending(batch);
        // slither-disable-start unused-return
        SumTree.checkChannel(channel, channelProof, batch.channels, batch.root, batch.total);
        SumTree.checkLane(first, firstProof, channel);
        SumTree.checkLane(second, secondProof, channel);
        // slither-disable-end unused-return
        if (firstProof.index >= secondProof.index || first.laneId < second.laneId) revert InOrder();
        _void(escrow, batch);
    }

    /// Gives back the prepayment of a demand whose batch was voided while it was open. Anybody may call.
    function takeBackDemand(Batch calldata batch, uint64 postedAt, uint256 number) external nonReentrant {
        bytes32 batchId = _batchId(batch, postedAt);
        Record storage escrow = _escrow(batch.escrowId);
        if (escrow.postedAt != 0 && escrow.batchId == batchId) revert StillPending();
        Demand memory demand = demands[batchId][number];
        if (demand.by == address(0)) revert NoSuchDemand();
        delete demands[batchId][number];
        _credit(demand.by, address(0), demand.prepaid);
    }

    /// Both callers are payable.
    // slither-disable-next-line msg-value-in-nonpayable
    function _demand(Batch calldata batch, bool bySum, uint128 position) private {
        Record storage escrow = _pending(batch);
        if (msg.sender != escrow.payer && msg.sender != escrow.watcher) revert NotChallenger();
        if (block.timestamp >= uint256(escrow.postedAt) + CHALLENGE_WINDOW) revert WindowOver();
        if (escrow.openDemands >= OPEN_DEMANDS_MAX) revert TooManyDemands();
        uint256 price = answerPrice();
        if (msg.value < price || price > type(uint96).max) revert PrepaymentTooSmall();
        uint256 number = escrow.demands;
        escrow.demands += 1;
        escrow.openDemands += 1;
        uint64 deadline = uint64(block.timestamp) + ANSWER_WINDOW;
        demands[escrow.batchId][number] = Demand(msg.sender, uint96(price), deadline, bySum, position);
        emit Demanded(batch.escrowId, escrow.batchId, number, msg.sender, bySum, position, deadline);
        _credit(msg.sender, address(0), msg.value - price);
    }

    /// Closes demand `number` for `leaf`, whose place in the batch it checks, and credits the payee.
    function _take(Record storage escrow, Batch calldata batch, uint256 number, LaneProof calldata leaf) private {
        bytes32 batchId = escrow.batchId;
        Demand memory demand = demands[batchId][number];
        if (demand.by == address(0)) revert NoSuchDemand();
        if (block.timestamp > demand.deadline) revert DeadlineOver();
        uint256 before = _checkPlace(batch, leaf);
        bool right = demand.bySum
            ? demand.position >= before && demand.position < before + leaf.lane.total
            : leaf.channelProof.index == demand.position >> 32
                && leaf.laneProof.index == uint32(demand.position) % leaf.channel.lanes;
        if (!right) revert WrongPlace();
        delete demands[batchId][number];
        escrow.openDemands -= 1;
        emit Answered(batch.escrowId, batchId, number);
        _credit(_entries[batch.escrowId].payee, address(0), demand.prepaid);
    }
}
