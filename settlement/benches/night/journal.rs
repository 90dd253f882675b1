//! A hub's journal, written front to back with the real codecs.

use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use farthing_channel::id::Address;
use farthing_channel::record::block::{BlockHeader, ChainCursor, encode_block};
use farthing_channel::record::segment::{BLOCKS_OFFSET, SegmentHeader};

/// A segment is closed at this size.
const SEGMENT_BYTES: usize = 64 * 1024 * 1024;

/// Writes blocks one after the other.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    directory: PathBuf,
    hub: Address,
    cursor: ChainCursor,
    segment: Option<BufWriter<File>>,
    written: usize,
    block: Vec<u8>,
}

impl JournalWriter {
    /// An empty journal of `hub` in `directory`.
    pub(crate) fn new(directory: &Path, hub: Address) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let cursor = ChainCursor::genesis(&hub.0, 0);
        Ok(Self { directory: directory.to_owned(), hub, cursor, segment: None, written: 0, block: Vec::new() })
    }

    /// Appends one block of `records` encoded records.
    pub(crate) fn write(&mut self, records: usize, body: &[u8], unix_ms: u64) -> anyhow::Result<()> {
        if self.segment.is_none() || self.written > SEGMENT_BYTES {
            self.roll()?;
        }
        let header = BlockHeader {
            thread: 0,
            term: 1,
            sequence: self.cursor.sequence + 1,
            unix_ms,
            record_count: u32::try_from(records)?,
            previous_hash: self.cursor.hash,
        };
        self.block.clear();
        let hash = encode_block(&header, body, &mut self.block).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        self.segment.as_mut().context("no segment is open")?.write_all(&self.block)?;
        self.written += self.block.len();
        self.cursor = ChainCursor { term: 1, sequence: header.sequence, hash };
        Ok(())
    }

    fn roll(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        let header = SegmentHeader {
            hub: self.hub.0,
            thread: 0,
            first_sequence: self.cursor.sequence + 1,
            previous_hash: self.cursor.hash,
        };
        let mut file = File::create(self.directory.join(header.name().file_name()))?;
        file.write_all(&header.encode())?;
        file.seek(SeekFrom::Start(u64::try_from(BLOCKS_OFFSET)?))?;
        self.segment = Some(BufWriter::with_capacity(1024 * 1024, file));
        self.written = BLOCKS_OFFSET;
        Ok(())
    }

    /// Brings everything to the disk.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        if let Some(segment) = &mut self.segment {
            segment.flush()?;
            segment.get_ref().sync_data()?;
        }
        Ok(())
    }
}
