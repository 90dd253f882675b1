//! Books that were lost or restored learn from the ledger what was collected.

use std::collections::{BTreeMap, btree_map};

use farthing_channel::id::{Address, EscrowId, LaneId};

use super::Shard;
use crate::ingest::{IngestError, range_of};

impl Shard<'_> {
    /// Raises what was collected to what the ledger settled: books that were lost or restored catch up with it.
    pub(super) fn catch_up_with_ledger(&mut self) -> Result<(), IngestError> {
        let mut known = Vec::new();
        self.book.each_lane(|row| {
            if range_of(&row.image.lane) % self.shards == self.number {
                known.push(row.image.lane);
            }
            Ok(())
        })?;
        for lane in &known {
            self.load(lane)?;
        }
        let mut serials: BTreeMap<EscrowId, BTreeMap<Address, u64>> = BTreeMap::new();
        for lanes in self.lanes.values_mut() {
            let ids: Vec<LaneId> = lanes.keys().copied().collect();
            let settled = self.ledger.lanes_settled(&ids)?;
            for (lane, settled) in ids.iter().zip(settled) {
                let Some(work) = lanes.get_mut(lane) else { continue };
                work.collected = work.collected.max(settled);
                let image = &work.proof.image;
                let of_escrow = match serials.entry(image.escrow) {
                    btree_map::Entry::Occupied(known) => known.into_mut(),
                    btree_map::Entry::Vacant(place) => {
                        let channels = self.ledger.channels_settled(&image.escrow)?;
                        place.insert(channels.into_iter().map(|channel| (channel.device, channel.serial)).collect())
                    }
                };
                let serial = of_escrow.get(&image.device).copied();
                work.settled_serial = serial.or(work.settled_serial);
            }
        }
        Ok(())
    }
}
