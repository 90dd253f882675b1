//! What the reader of a journal and the shards of lanes tell each other.

use farthing_channel::id::LaneId;
use farthing_channel::lane::Change;
use farthing_channel::record::LaneImage;
use farthing_channel::wire::SignedReport;

use super::hours::Hours;
use crate::dispute::Dispute;

/// Where a record stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// How many records were read before it.
    pub(super) ordinal: u64,
    /// The journal thread and block.
    pub(super) block: (u16, u64),
    /// When the hub wrote the block, Unix milliseconds.
    pub(super) unix_ms: u64,
}

/// A record of a lane.
#[derive(Debug)]
pub(super) enum LaneRecord {
    Image(LaneImage),
    Change { lane: LaneId, change: Change, tariff_known: bool },
    Report(SignedReport),
}

impl LaneRecord {
    pub(super) fn lane(&self) -> LaneId {
        match self {
            Self::Image(image) => image.lane,
            Self::Change { lane, .. } => *lane,
            Self::Report(report) => report.lane,
        }
    }
}

/// What a shard is told.
#[derive(Debug)]
pub(super) enum Order {
    Records(Vec<(Place, LaneRecord)>),
    /// There are no more records. Whether books that were lost or restored catch up with the ledger.
    Finish {
        catch_up: bool,
    },
}

/// The lanes of one range, proven and encoded, by id; and the vouchers that did not hold.
#[derive(Debug)]
pub(super) struct RangeRows {
    pub(super) rows: Vec<(LaneId, Vec<u8>)>,
    pub(super) disputes: Vec<Dispute>,
}

/// What a shard tells when all of its ranges are handed over.
#[derive(Debug, Default)]
pub(super) struct ShardEnd {
    /// Disputes over records, with the ordinals of these.
    pub(super) disputes: Vec<(u64, Dispute)>,
    /// When its lanes grew.
    pub(super) hours: Hours,
}
