//! The journal against storage that crashes, fails and forgets.

use std::convert::Infallible;

use farthing_channel::record::block::ChainCursor;

use super::config::{JournalConfig, SEGMENT_BYTES_MIN};
use super::read_error::ReadError;
use super::recovery::{Recovered, RecoveryError, recover};
use super::retention::segment_names;
use super::sim_storage::SimStorage;
use super::storage::Storage;
use super::writer::JournalWriter;

mod crash;
mod damage;
mod faults;
mod files;

const CONFIG: JournalConfig = JournalConfig { hub: [7; 20], thread: 2, term: 1, segment_bytes: SEGMENT_BYTES_MIN };

type Recovery<S> = (JournalWriter<S>, Vec<Vec<u8>>, Recovered);

fn recovered<S: Storage>(storage: S) -> Result<Recovery<S>, RecoveryError<Infallible>> {
    recovered_from(storage, CONFIG.genesis())
}

fn recovered_from<S: Storage>(storage: S, from: ChainCursor) -> Result<Recovery<S>, RecoveryError<Infallible>> {
    let mut bodies = Vec::new();
    let (writer, found) = recover(storage, CONFIG, from, |block| {
        bodies.push(block.body.to_vec());
        Ok(())
    })?;
    Ok((writer, bodies, found))
}

fn read_error(storage: SimStorage) -> ReadError {
    match recovered(storage).map(|_| ()).unwrap_err() {
        RecoveryError::Read(error) => error,
        other => panic!("{other}"),
    }
}

/// Never zero, so that a body shows that it is itself.
fn body(number: usize, length: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((number * 31 + at * 7) % 255 + 1).unwrap();
    (0..length).map(byte).collect()
}

/// Blocks 1..=count, all synced, over several segments when there are many.
fn written(storage: &SimStorage, count: usize, length: usize) -> JournalWriter<SimStorage> {
    let mut writer = JournalWriter::create(storage.clone(), CONFIG).unwrap();
    for number in 0..count {
        writer.append(&body(number, length), 1, 0).unwrap();
        writer.sync().unwrap();
    }
    writer
}

fn segments(storage: &SimStorage) -> Vec<String> {
    segment_names(&mut storage.clone(), CONFIG.thread).unwrap().iter().map(|name| name.file_name()).collect()
}
