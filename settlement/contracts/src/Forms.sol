// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// What a payee claims from an escrow for a night. The order of the fields is that of the signed type.
struct Batch {
    /// The escrow.
    bytes32 escrowId;
    /// Must be what is settled.
    uint128 prevSettled;
    /// Total over all lanes since opening.
    uint128 total;
    /// Root of the tree of channels and lanes.
    bytes32 root;
    /// Channel leaves.
    uint32 channels;
    /// Lane leaves over all channels.
    uint32 lanes;
    /// Root over the epoch's journal records.
    bytes32 journalRoot;
    /// The epoch it settles.
    uint64 epoch;
}

/// A hash of the tree of sums with the sum below it.
struct SumNode {
    bytes32 hash;
    uint128 sum;
}

/// The way from a leaf to its root: the partners on it, lowest first, padding left out.
struct SumProof {
    /// The leaf's place, from 0.
    uint32 index;
    SumNode[] siblings;
}

/// A lane's leaf.
struct LaneLeaf {
    bytes32 laneId;
    address payee;
    uint32 ratingGroup;
    /// Base units since opening.
    uint128 total;
}

/// A channel's leaf: the mandate it stands under, and the root of its lanes with their sum.
struct ChannelLeaf {
    address device;
    uint128 limit;
    uint64 expiry;
    uint64 serial;
    uint32 lanes;
    uint128 total;
    bytes32 lanesRoot;
}

/// A lane's whole way to a batch's root.
struct LaneProof {
    LaneLeaf lane;
    SumProof laneProof;
    ChannelLeaf channel;
    SumProof channelProof;
}

/// Why a channel's mandate is the signer's.
struct MandateProof {
    /// Whom the device may pay, strictly ascending; empty for anyone.
    address[] payees;
    /// Whether the mandate is a leaf of a tree.
    bool inTree;
    /// Over the mandate, or over the tree's root; empty where the root is registered.
    bytes signature;
    /// The mandate's place in its tree.
    uint64 index;
    /// Hashes beside its path, lowest first.
    bytes32[] siblings;
}

/// An anchor without its lane. The order of the fields is that of the signed type.
struct AnchorTerms {
    uint128 baseAmount;
    uint64 baseTicks;
    uint32 tickAmount;
    uint32 ticksPerAmount;
    uint16 length;
    bytes32 tariff;
    bytes32 root;
}

/// What proves a lane's total: a voucher, or a preimage under an anchor.
struct Evidence {
    bool isTick;
    /// By the lane's device, over the voucher or the anchor.
    bytes signature;
    /// The voucher's total; unused for a tick.
    uint128 amount;
    /// The tick's anchor; unused for a voucher, as what follows.
    AnchorTerms anchor;
    /// 0 is the anchor's root itself.
    uint16 index;
    bytes32 link;
}

/// The hash of every struct that is signed, as in EIP-712's `hashStruct`.
library TypedData {
    bytes32 internal constant VOUCHER = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
    bytes32 internal constant ANCHOR = keccak256(
        "Anchor(bytes32 channelId,uint128 baseAmount,uint64 baseTicks,uint32 tickAmount,uint32 ticksPerAmount,uint16 length,bytes32 tariff,bytes32 root)"
    );
    bytes32 internal constant MANDATE =
        keccak256("Mandate(bytes32 escrowId,address device,uint128 limit,uint64 expiry,uint64 serial,bytes32 payees)");
    bytes32 internal constant MANDATE_ROOT = keccak256("MandateRoot(bytes32 escrowId,bytes32 root)");
    bytes32 internal constant REVOKE_MANDATE =
        keccak256("RevokeMandate(bytes32 escrowId,address device,uint64 serial)");
    bytes32 internal constant SETTLE_BATCH = keccak256(
        "SettleBatch(bytes32 escrowId,uint128 prevSettled,uint128 total,bytes32 root,uint32 channels,uint32 lanes,bytes32 journalRoot,uint64 epoch)"
    );

    function voucher(bytes32 laneId, uint128 cumulativeAmount) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOUCHER, laneId, cumulativeAmount));
    }

    function anchor(bytes32 laneId, AnchorTerms calldata terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(ANCHOR, laneId, terms));
    }

    /// The mandate that a channel's leaf stands under.
    function mandate(bytes32 escrowId, ChannelLeaf calldata leaf, bytes32 payees) internal pure returns (bytes32) {
        return keccak256(abi.encode(MANDATE, escrowId, leaf.device, leaf.limit, leaf.expiry, leaf.serial, payees));
    }

    function mandateRoot(bytes32 escrowId, bytes32 root) internal pure returns (bytes32) {
        return keccak256(abi.encode(MANDATE_ROOT, escrowId, root));
    }

    function revokeMandate(bytes32 escrowId, address device, uint64 serial) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOKE_MANDATE, escrowId, device, serial));
    }

    function settleBatch(Batch calldata batch) internal pure returns (bytes32) {
        return keccak256(abi.encode(SETTLE_BATCH, batch));
    }
}
