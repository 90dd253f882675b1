//! What the book keeps of epochs: outputs of stages, approvals, settled obligations.

use farthing_channel::id::Hash32;
use redb::ReadableTable as _;

use super::{APPROVALS, ApprovalRow, Book, BookError, OBLIGATIONS, STAGE_PARTS, STAGES, decode, existing};
use crate::stage::{Stage, content_hash};

impl Book {
    /// A stage's output and its hash.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn stage(&self, epoch: u64, stage: Stage) -> Result<Option<(Hash32, Vec<u8>)>, BookError> {
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(STAGES))? else { return Ok(None) };
        let Some(bytes) = table.get((epoch, stage.code()))? else { return Ok(None) };
        let bytes = bytes.value();
        let (hash, output) = bytes.split_first_chunk::<32>().ok_or(BookError::Damaged("stage without a hash"))?;
        let mut output = output.to_vec();
        if output.is_empty()
            && let Some(parts) = existing(transaction.open_table(STAGE_PARTS))?
        {
            let code = stage.code();
            for part in parts.range((epoch, code, 0)..=(epoch, code, u32::MAX))? {
                output.extend_from_slice(part?.1.value());
            }
        }
        if content_hash(stage, &output).0 != *hash {
            return Err(BookError::Damaged("a stage's output is not what its hash says"));
        }
        Ok(Some((Hash32(*hash), output)))
    }

    /// The hash of a stage's output, without reading the output.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn stage_hash(&self, epoch: u64, stage: Stage) -> Result<Option<Hash32>, BookError> {
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(STAGES))? else { return Ok(None) };
        let Some(bytes) = table.get((epoch, stage.code()))? else { return Ok(None) };
        let hash = bytes.value().first_chunk::<32>().ok_or(BookError::Damaged("stage without a hash"))?;
        Ok(Some(Hash32(*hash)))
    }

    /// The epoch that settled an obligation.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn obligation_settled(&self, id: &str) -> Result<Option<u64>, BookError> {
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(OBLIGATIONS))? else { return Ok(None) };
        Ok(table.get(id)?.map(|epoch| epoch.value()))
    }

    /// The newest epoch of which any stage is kept.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn epoch_newest(&self) -> Result<Option<u64>, BookError> {
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(STAGES))? else { return Ok(None) };
        Ok(table.last()?.map(|(key, _)| key.value().0))
    }

    /// The approvals given for an epoch, by approver.
    ///
    /// # Errors
    /// As [`Self::lane`].
    pub fn approvals(&self, epoch: u64) -> Result<Vec<ApprovalRow>, BookError> {
        let transaction = self.read()?;
        let Some(table) = existing(transaction.open_table(APPROVALS))? else { return Ok(Vec::new()) };
        let range = (epoch, &[][..])..(epoch.saturating_add(1), &[][..]);
        table.range(range)?.map(|row| decode(row?.1.value())).collect()
    }
}
