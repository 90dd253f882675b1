//! What the risk model decided about a lane, and an operator about a channel.

use alloc::string::String;
use alloc::vec::Vec;

use minicbor::{Decode, Encode};

use crate::id::{ChannelId, LaneId};
use crate::time::UnixSeconds;

/// A lane's level changed: what was decided, from what, and what is needed to go on from there. Levels are 0 for a trusted
/// lane, then smaller grant, shorter validity, pace, voucher per payment, restrict, and 6 for block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RiskChange {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// When it was decided.
    #[n(1)]
    pub at: UnixSeconds,
    /// The level that the score leads to.
    #[n(2)]
    pub standing: u8,
    /// Since when the score leads to it.
    #[n(3)]
    pub since: UnixSeconds,
    /// The level of what is done: 0 in shadow mode, the operator's where one decided.
    #[n(4)]
    pub level: u8,
    /// Whether an operator decided what is done.
    #[n(5)]
    pub overridden: bool,
    /// Log-odds of abuse, 1/256.
    #[n(6)]
    pub odds: i32,
    /// The revision of the weights.
    #[n(7)]
    pub revision: String,
    /// The features, 1/256, in the order of the model that looked at them.
    #[n(8)]
    pub features: Vec<u16>,
    /// Why: codes as in a grant, ascending.
    #[n(9)]
    pub reasons: Vec<u16>,
    /// The lane's signals as words; their meaning is the model's.
    #[n(10)]
    pub signals: Vec<u64>,
}

/// An operator's decision about all lanes of a channel, whatever the model says. It ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RiskOverride {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// When it was decided.
    #[n(1)]
    pub at: UnixSeconds,
    /// The level, as in [`RiskChange`].
    #[n(2)]
    pub level: u8,
    /// From when on it no longer holds; not later than `at` where an earlier decision is taken back.
    #[n(3)]
    pub until: UnixSeconds,
}
