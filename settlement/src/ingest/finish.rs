//! The end of taking in a journal: what the shards have proven goes to the book, range by range.

use std::sync::mpsc::Receiver;

use super::orders::RangeRows;
use super::{Growth, Ingest, IngestError, Ingested, RANGES};
use crate::book::BookWriter;
use crate::dispute::Dispute;
use crate::meter::{Meter, Metered, Work};

impl Ingest<'_> {
    /// Writes everything to the book. `None` where a shard gave up, which its own result explains.
    pub(super) fn collect(
        self,
        writer: &BookWriter,
        ranges: &[Receiver<RangeRows>],
        meter: &dyn Meter,
    ) -> Result<Option<Collected>, IngestError> {
        for bundle in self.bundles.values() {
            writer.put_mandates(bundle)?;
        }
        for (hash, encoding) in &self.tariffs {
            writer.put_tariff(hash, encoding)?;
        }
        for provider in self.providers.values() {
            writer.put_provider(provider)?;
        }
        let mut at_the_end: Vec<Dispute> = Vec::new();
        let proofs = Metered::begin(meter, Work::Proofs, u64::try_from(RANGES).unwrap_or(0));
        // Ranges ascend, so the rows of the book's tree are written from its first to its last.
        for (_, shard) in (0..RANGES).zip((0..ranges.len()).cycle()) {
            let Some(Ok(range)) = ranges.get(shard).map(Receiver::recv) else { return Ok(None) };
            writer.put_encoded_lanes(&range.rows)?;
            at_the_end.extend(range.disputes);
            proofs.advance(1);
        }
        for dispute in &mut at_the_end {
            (dispute.thread, dispute.sequence) = self.place.block;
        }
        Ok(Some(Collected { disputes: self.disputes, at_the_end, root: self.root }))
    }
}

/// What was collected, before the shards' disputes are put between the others.
#[derive(Debug)]
pub(super) struct Collected {
    disputes: Vec<(u64, Dispute)>,
    at_the_end: Vec<Dispute>,
    root: crate::record_root::RecordRoot,
}

impl Collected {
    /// Disputes in the order of their records, those over vouchers last, by lane: however many shards there were.
    pub(super) fn with(mut self, of_shards: Vec<(u64, Dispute)>, growth: Growth) -> Ingested {
        self.disputes.extend(of_shards);
        self.disputes.sort_by_key(|(ordinal, _)| *ordinal);
        let disputes = self.disputes.into_iter().map(|(_, dispute)| dispute).chain(self.at_the_end).collect();
        Ingested { disputes, journal_root: self.root.root(), records: self.root.leaves(), growth }
    }
}
