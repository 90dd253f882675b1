//! Changes of the book.

use std::cell::RefCell;

use farthing_channel::id::{Hash32, LaneId, TariffHash};
use farthing_channel::mandate::MandateBundle;
use minicbor::bytes::ByteVec;
use redb::{ReadableTable as _, WriteTransaction};

use super::rows::{ApprovalRow, CursorRow, LaneRow, MandateRow, ProviderRow, bundle_hash, mandate_key};
use super::{
    APPROVALS, BUNDLES, BookError, Bytes, CURSORS, LANES, MANDATES, META, OBLIGATIONS, PROVIDERS, STAGE_PART_BYTES,
    STAGE_PARTS, STAGES, TARIFFS, decode, encode,
};
use crate::stage::{Stage, content_hash};

/// A change of the book that happens as a whole or not at all.
pub struct BookWriter {
    transaction: WriteTransaction,
    /// Outputs that the commit makes durable, by epoch.
    stages: RefCell<Vec<(u64, Stage)>>,
}

impl std::fmt::Debug for BookWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BookWriter")
    }
}

fn retain_no_parts(
    parts: &mut redb::Table<'_, (u64, u8, u32), &'static [u8]>,
    epoch: u64,
    stage: Stage,
) -> Result<(), BookError> {
    let range = (epoch, stage.code(), 0)..=(epoch, stage.code(), u32::MAX);
    Ok(parts.retain_in(range, |_, _| false)?)
}

impl BookWriter {
    pub(super) fn new(transaction: WriteTransaction) -> Self {
        Self { transaction, stages: RefCell::default() }
    }

    /// Makes the change durable, and tells which stages it completes.
    ///
    /// # Errors
    /// [`BookError::Storage`]; nothing was changed then.
    pub fn commit(self) -> Result<(), BookError> {
        self.transaction.commit()?;
        for (epoch, stage) in self.stages.into_inner() {
            tracing::info!(epoch, stage = stage.name(), "stage kept");
        }
        Ok(())
    }

    fn put(&self, table: Bytes, key: &[u8], row: &[u8]) -> Result<(), BookError> {
        self.transaction.open_table(table)?.insert(key, row)?;
        Ok(())
    }

    pub(super) fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), BookError> {
        self.transaction.open_table(META)?.insert(key, value)?;
        Ok(())
    }

    /// Writes lanes: each with the encoding of its [`LaneRow`]. Ascending ids cost least.
    ///
    /// # Errors
    /// [`BookError::Storage`], as for every write below.
    pub fn put_encoded_lanes(&self, lanes: &[(LaneId, Vec<u8>)]) -> Result<(), BookError> {
        let mut table = self.transaction.open_table(LANES)?;
        for (lane, row) in lanes {
            table.insert(lane.0.as_slice(), row.as_slice())?;
        }
        Ok(())
    }

    /// Records what a closed epoch settled: lane, total collected since opening, and the serial of the mandate that its
    /// channel stood under. Totals only rise.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`], and [`BookError::Damaged`] where a lane is unknown.
    pub fn settle_lanes<'a>(
        &self,
        lanes: impl Iterator<Item = (&'a LaneId, u64, Option<u64>)>,
    ) -> Result<(), BookError> {
        let mut table = self.transaction.open_table(LANES)?;
        for (lane, collected, serial) in lanes {
            let known: Option<LaneRow> =
                table.get(lane.0.as_slice())?.map(|bytes| decode(bytes.value())).transpose()?;
            let mut row = known.ok_or(BookError::Damaged("a settled lane is not in the book"))?;
            row.collected = row.collected.max(collected);
            row.settled_serial = serial.or(row.settled_serial);
            table.insert(lane.0.as_slice(), encode(&row).as_slice())?;
        }
        Ok(())
    }

    /// Keeps a verified bundle and each of its mandates.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn put_mandates(&self, bundle: &MandateBundle) -> Result<(), BookError> {
        let hash = bundle_hash(bundle);
        self.put(BUNDLES, &hash.0, &encode(bundle))?;
        let mut table = self.transaction.open_table(MANDATES)?;
        for (position, terms) in bundle.mandates.iter().enumerate() {
            let key = mandate_key(&bundle.escrow, &terms.device, terms.serial);
            let position = u32::try_from(position).map_err(|_| BookError::Damaged("a bundle is too large"))?;
            let row = MandateRow { terms: terms.clone(), bundle: hash, position };
            table.insert(key.as_slice(), encode(&row).as_slice())?;
        }
        Ok(())
    }

    /// Keeps a tariff.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn put_tariff(&self, hash: &TariffHash, encoding: &[u8]) -> Result<(), BookError> {
        self.put(TARIFFS, &hash.0, &encode(&ByteVec::from(encoding.to_vec())))
    }

    /// Keeps a provider's name.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn put_provider(&self, provider: &ProviderRow) -> Result<(), BookError> {
        self.put(PROVIDERS, &provider.address.0, &encode(provider))
    }

    /// All providers, those of this change included.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`], and [`BookError::Damaged`].
    pub fn providers(&self) -> Result<Vec<ProviderRow>, BookError> {
        let table = self.transaction.open_table(PROVIDERS)?;
        table.iter()?.map(|row| decode(row?.1.value())).collect()
    }

    /// Keeps how far a thread was read.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn put_cursor(&self, cursor: &CursorRow) -> Result<(), BookError> {
        self.put(CURSORS, &cursor.thread.to_be_bytes(), &encode(cursor))
    }

    /// Forgets that a thread was ever read.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn remove_cursor(&self, thread: u16) -> Result<(), BookError> {
        self.transaction.open_table(CURSORS)?.remove(thread.to_be_bytes().as_slice())?;
        Ok(())
    }

    /// Keeps a stage's output and returns its hash.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn put_stage(&self, epoch: u64, stage: Stage, output: &[u8]) -> Result<Hash32, BookError> {
        let hash = content_hash(stage, output);
        let mut value = hash.0.to_vec();
        if output.len() <= STAGE_PART_BYTES {
            value.extend_from_slice(output);
        }
        self.transaction.open_table(STAGES)?.insert((epoch, stage.code()), value.as_slice())?;
        self.stages.borrow_mut().push((epoch, stage));
        let mut parts = self.transaction.open_table(STAGE_PARTS)?;
        retain_no_parts(&mut parts, epoch, stage)?;
        if output.len() > STAGE_PART_BYTES {
            for (number, part) in (0_u32..).zip(output.chunks(STAGE_PART_BYTES)) {
                parts.insert((epoch, stage.code(), number), part)?;
            }
        }
        Ok(hash)
    }

    /// Takes back the stages of an epoch and its approvals.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn discard_epoch(&self, epoch: u64) -> Result<(), BookError> {
        let mut stages = self.transaction.open_table(STAGES)?;
        let mut parts = self.transaction.open_table(STAGE_PARTS)?;
        for stage in Stage::ALL {
            stages.remove((epoch, stage.code()))?;
            retain_no_parts(&mut parts, epoch, stage)?;
        }
        let range = (epoch, &[][..])..(epoch.saturating_add(1), &[][..]);
        self.transaction.open_table(APPROVALS)?.retain_in(range, |_, _| false)?;
        Ok(())
    }

    /// Records which epoch settled an obligation.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn settle_obligation(&self, id: &str, epoch: u64) -> Result<(), BookError> {
        self.transaction.open_table(OBLIGATIONS)?.insert(id, epoch)?;
        Ok(())
    }

    /// Keeps an approval.
    ///
    /// # Errors
    /// As [`Self::put_encoded_lanes`].
    pub fn put_approval(&self, epoch: u64, approval: &ApprovalRow) -> Result<(), BookError> {
        let key = (epoch, approval.approver.0.as_slice());
        self.transaction.open_table(APPROVALS)?.insert(key, encode(approval).as_slice())?;
        Ok(())
    }
}
