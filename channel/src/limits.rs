//! Limits of the protocol, in one place. They are part of the wire contract: changing one is a new version.

/// Longest hash chain under one anchor. Bounds what one lost device key chain can cost its owner.
pub const CHAIN_LENGTH_MAX: u16 = 4096;

/// Most hashes the hub computes for one tick. A larger gap is refused; the device walks it in several
/// ticks, or sends a voucher.
pub const TICK_GAP_MAX: u16 = 256;

/// Anchors a lane keeps alive at once: the one in use, the one being rolled over to, and two late ones.
pub const ANCHORS_PER_LANE_MAX: usize = 4;

/// Lanes of one channel. A device pays a handful of services, not thousands.
pub const LANES_PER_CHANNEL_MAX: usize = 64;

/// Lanes offered in one attach, so that their views fit into the one frame of its reply. A device with more attaches
/// again with the others.
pub const LANES_PER_ATTACH_MAX: usize = 12;

/// Payees a mandate may name.
pub const PAYEES_PER_MANDATE_MAX: usize = 32;

/// Deepest Merkle tree of mandates under one signature: a million leaves is depth 20.
pub const MANDATE_TREE_DEPTH_MAX: usize = 32;

/// Most mandates in one bundle (an aligned subtree that shares one path), as a power of two.
pub const MANDATE_BUNDLE_HEIGHT_MAX: u8 = 8;

/// Largest frame on a stream, in bytes. Frames carry a 16-bit length.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;

/// Largest payment message (an anchor with every field at its longest), in bytes. A device that never sends
/// a larger datagram than this needs no fragmentation anywhere.
pub const PAYMENT_BYTES_MAX: usize = 256;

/// Distance between two checkpoints a device keeps of its hash chain.
pub const CHECKPOINT_SPACING: u16 = 128;

/// Distance between two of the finer checkpoints inside the span in use.
pub const CHECKPOINT_SPACING_FINE: u16 = 16;

/// Most bytes of chain state a device keeps.
pub const DEVICE_CHAIN_BYTES_MAX: usize = 2048;

const _: () = {
    assert!(CHAIN_LENGTH_MAX.is_multiple_of(CHECKPOINT_SPACING), "checkpoints must tile a full chain");
    assert!(CHECKPOINT_SPACING.is_multiple_of(CHECKPOINT_SPACING_FINE), "fine checkpoints must tile a span");
    assert!(TICK_GAP_MAX >= CHECKPOINT_SPACING, "a device may skip a whole span and still be accepted");
    assert!(PAYMENT_BYTES_MAX <= 1200, "a payment fits the smallest QUIC datagram");
    assert!(FRAME_BYTES_MAX <= u16::MAX as usize, "frames carry a 16-bit length");
};
