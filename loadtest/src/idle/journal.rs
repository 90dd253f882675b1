//! A journal written directly: what a hub would hold after so many devices had opened their lanes and gone.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use farthing_channel::codec::encode_into;
use farthing_channel::record::Record;
use farthing_channel::record::block::{Block, BlockHeader, ChainCursor, decode_block, encode_block};
use farthing_channel::record::segment::{BLOCKS_OFFSET, SegmentHeader, SegmentName};

/// A block gathers so many bytes of records.
const BLOCK_BYTES: usize = 256 * 1024;

/// A segment is closed at this size.
const SEGMENT_BYTES: usize = 64 * 1024 * 1024;

/// Adds blocks to the journal of a hub that does not run.
#[derive(Debug)]
pub(super) struct JournalAppender {
    folder: PathBuf,
    hub: [u8; 20],
    cursor: ChainCursor,
    unix_ms: u64,
    segment: Option<(BufWriter<File>, usize)>,
    body: Vec<u8>,
    count: u32,
}

impl JournalAppender {
    /// Finds the end of the journal in `folder`. Its newest segment is whole: the hub was stopped in good order.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut newest: Option<SegmentName> = None;
        for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            newest = newest.max(entry?.file_name().to_str().and_then(SegmentName::parse));
        }
        let name = newest.context("the hub has no journal yet")?;
        let bytes = std::fs::read(folder.join(name.file_name()))?;
        let header = SegmentHeader::decode(&bytes).map_err(|error| anyhow::anyhow!("{error}"))?;
        let (mut cursor, mut unix_ms) = (header.cursor(), 0);
        let mut rest = bytes.get(BLOCKS_OFFSET..).unwrap_or_default();
        while let Ok((block, length)) = decode_block(rest) {
            cursor = cursor.follow(&block).map_err(|error| anyhow::anyhow!("{error}"))?;
            unix_ms = block.header.unix_ms;
            rest = rest.get(length..).unwrap_or_default();
        }
        if unix_ms == 0 {
            bail!("the hub's newest journal segment is empty");
        }
        let (body, count) = (Vec::new(), 0);
        Ok(Self { folder: folder.to_owned(), hub: header.hub, cursor, unix_ms, segment: None, body, count })
    }

    /// Adds a record.
    pub(super) fn record(&mut self, record: &Record) -> anyhow::Result<()> {
        encode_into(record, &mut self.body);
        self.count = self.count.saturating_add(1);
        if self.body.len() >= BLOCK_BYTES { self.block() } else { Ok(()) }
    }

    fn block(&mut self) -> anyhow::Result<()> {
        let header = BlockHeader {
            thread: 0,
            term: self.cursor.term,
            sequence: self.cursor.sequence.saturating_add(1),
            unix_ms: self.unix_ms,
            record_count: std::mem::take(&mut self.count),
            previous_hash: self.cursor.hash,
        };
        let mut bytes = Vec::with_capacity(self.body.len().saturating_add(256));
        let hash = encode_block(&header, &self.body, &mut bytes).map_err(|error| anyhow::anyhow!("{error}"))?;
        let (mut file, used) = match self.segment.take() {
            Some((file, used)) if used.saturating_add(bytes.len()) <= SEGMENT_BYTES => (file, used),
            Some((file, _)) => {
                close(file)?;
                self.new_segment(header.sequence)?
            }
            None => self.new_segment(header.sequence)?,
        };
        file.write_all(&bytes)?;
        self.segment = Some((file, used.saturating_add(bytes.len())));
        let block = Block { header, body: &self.body, hash };
        self.cursor = self.cursor.follow(&block).map_err(|error| anyhow::anyhow!("{error}"))?;
        self.body.clear();
        Ok(())
    }

    fn new_segment(&self, first_sequence: u64) -> anyhow::Result<(BufWriter<File>, usize)> {
        let header = SegmentHeader { hub: self.hub, thread: 0, first_sequence, previous_hash: self.cursor.hash };
        let mut first = vec![0; BLOCKS_OFFSET];
        let encoded = header.encode();
        first[..encoded.len()].copy_from_slice(&encoded);
        let mut file = BufWriter::new(File::create_new(self.folder.join(header.name().file_name()))?);
        file.write_all(&first)?;
        Ok((file, BLOCKS_OFFSET))
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        if self.count > 0 {
            self.block()?;
        }
        self.segment.take().map_or(Ok(()), |(file, _)| close(file))
    }
}

fn close(file: BufWriter<File>) -> anyhow::Result<()> {
    Ok(file.into_inner().map_err(|error| error.into_error())?.sync_all()?)
}
