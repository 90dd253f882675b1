//! Read, judge the tail, go on.

use farthing_channel::record::block::ChainCursor;

use super::config::JournalConfig;
use super::fault::JournalFault;
use super::read_error::ReadError;
use super::reader::{BlockView, JournalEnd, JournalReader, Tail};
use super::storage::Storage;
use super::writer::JournalWriter;

/// Why a journal could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError<E> {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] JournalFault),
    /// The caller could not take a block.
    #[error("block {sequence} of the journal cannot be applied: {source}")]
    Apply {
        /// The block's number.
        sequence: u64,
        /// What the caller said.
        source: E,
    },
}

/// What recovery found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// How many blocks were given to the caller.
    pub blocks: u64,
    /// The end of the journal as it was found. With [`Tail::Torn`] the remains of one write, never reported durable,
    /// were there and have been overwritten; worth a line in the log.
    pub end: JournalEnd,
}

impl Recovered {
    /// True when the remains of a write that was cut short were removed.
    pub fn had_torn_tail(&self) -> bool {
        self.end.tail == Tail::Torn
    }
}

/// Gives every block after `from` to `apply`, then opens the journal for appending; a directory without a journal gets
/// one. What `apply` saw is durable when this returns, and not before.
///
/// # Errors
/// See [`RecoveryError`]. Nothing is written unless all was read.
pub fn recover<S: Storage, E>(
    storage: S,
    config: JournalConfig,
    from: ChainCursor,
    mut apply: impl FnMut(BlockView<'_>) -> Result<(), E>,
) -> Result<(JournalWriter<S>, Recovered), RecoveryError<E>> {
    let mut reader = JournalReader::open(storage, config.hub, config.thread, from)?;
    let mut blocks = 0;
    while let Some(block) = reader.next_block()? {
        let sequence = block.header.sequence;
        apply(block).map_err(|source| RecoveryError::Apply { sequence, source })?;
        blocks += 1;
    }
    let end = *reader.end();
    let writer = JournalWriter::resume_at(reader.into_storage(), config, &end)?;
    Ok((writer, Recovered { blocks, end }))
}
