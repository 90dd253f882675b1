//! The end of taking in a journal: catching up with the ledger, the vouchers kept for the end, and the book.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use farthing_channel::id::{Address, EscrowId, LaneId};
use farthing_channel::sign::LibSecp;

use super::{Ingest, IngestError, Ingested};
use crate::book::{BookWriter, LaneRow};
use crate::dispute::{Dispute, DisputeKind};
use crate::evidence::LaneKeys;

impl Ingest<'_> {
    /// Raises what was collected to what the ledger settled: books that were lost or restored catch up with it.
    ///
    /// # Errors
    /// [`IngestError::Book`], [`IngestError::Ledger`].
    pub fn catch_up_with_ledger(&mut self) -> Result<(), IngestError> {
        let mut known = Vec::new();
        self.book.each_lane(|row| {
            known.push(row.image.lane);
            Ok(())
        })?;
        for lane in &known {
            self.load(lane)?;
        }
        let lanes: Vec<LaneId> = self.lanes.keys().copied().collect();
        let settled = self.ledger.lanes_settled(&lanes)?;
        let mut serials: BTreeMap<EscrowId, BTreeMap<Address, u64>> = BTreeMap::new();
        for (work, settled) in self.lanes.values_mut().zip(settled) {
            work.collected = work.collected.max(settled);
            let escrow = work.proof.image.escrow;
            let of_escrow = match serials.entry(escrow) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let channels = self.ledger.channels_settled(&escrow)?;
                    place.insert(channels.into_iter().map(|channel| (channel.device, channel.serial)).collect())
                }
            };
            work.settled_serial = of_escrow.get(&work.proof.image.device).copied().or(work.settled_serial);
        }
        Ok(())
    }

    /// Checks the vouchers that were kept for the end, and writes everything to the book.
    ///
    /// # Errors
    /// Any [`IngestError`].
    pub fn finish(mut self, writer: &BookWriter) -> Result<Ingested, IngestError> {
        let lanes: Vec<LaneId> = self.lanes.keys().copied().collect();
        for lane in lanes {
            let payer = self.lane_payer(&lane)?;
            let Some(work) = self.lanes.get_mut(&lane) else { continue };
            // Without a known escrow nothing can be checked; the zero address has no key, so every voucher fails.
            let keys = LaneKeys { domain: &self.domain, payer: payer.unwrap_or(Address::ZERO) };
            for (voucher, refusal) in work.proof.check_vouchers(&keys, &LibSecp) {
                let dispute = Dispute::new(DisputeKind::Voucher, refusal, self.place).on_lane(&lane);
                let image = &work.proof.image;
                self.disputes.push(dispute.on_escrow(&image.escrow).by(&image.device).claiming(voucher.amount));
            }
        }
        for bundle in self.bundles.values() {
            writer.put_mandates(bundle)?;
        }
        for (hash, encoding) in &self.tariffs {
            writer.put_tariff(hash, encoding)?;
        }
        for provider in self.providers.values() {
            writer.put_provider(provider)?;
        }
        let rows: Vec<LaneRow> = self
            .lanes
            .values()
            .map(|work| LaneRow::of_proof(&work.proof, work.collected, work.settled_serial))
            .collect();
        writer.put_lanes(rows.iter())?;
        Ok(Ingested { disputes: self.disputes, journal_root: self.root.root(), records: self.root.leaves() })
    }
}
