//! The journal: the hub's truth, an append-only chain of commit blocks in segment files.
//!
//! Every change of state is a record in a block; tables and checkpoints are folds over it. The data plane hands
//! batches of records to the [commit thread](commit) and never waits for the disk; the thread merges what waits into
//! one block, writes it, syncs once, and only then publishes the tickets as durable. Layouts are in
//! [`farthing_channel::record::block`] and [`farthing_channel::record::segment`].
//!
//! | file | holds |
//! | --- | --- |
//! | [`config`] | whose journal it is, and its sizes |
//! | [`durable`] | sequences, tickets, and the witness that one is on disk |
//! | [`fault`] | why a journal stopped for good |
//! | [`storage`] | the few file operations it needs |
//! | [`lock`] | one hub per journal directory |
//! | [`spare`] | the next segment, written ahead of need |
//! | [`writer`] | appending blocks, one at most unsynced |
//! | [`read_error`] | why it cannot be read, and what to do |
//! | [`reader`] | reading them back, checked |
//! | [`recovery`] | read, judge the tail, go on |
//! | [`retention`] | dropping segments that nobody needs |
//! | [`commit`] | the thread and the handle to it |
//!
//! # Crash assumptions
//!
//! What the disk and the file system are trusted with. Everything else is checked.
//!
//! - **C1** When `fdatasync` returns without error, the bytes written to that file before it, and the length needed
//!   to read them, survive a crash.
//! - **C2** A write that was not synced may survive in any part: whole sectors of 512 bytes each old or new in any
//!   order, or cut at any byte. Space behind the last block is zero beforehand, so what is missing reads as zero.
//! - **C3** Bytes that are overwritten with themselves stay what they are. Two neighbouring blocks share a sector; the
//!   second one's write does not harm the first.
//! - **C4** `rename` within the directory is atomic, and it survives once the directory was synced. A segment's
//!   header is synced under the name of the spare before the rename, so every file with a segment's name has a header.
//! - **C5** After a failed sync the page cache may claim bytes that the disk does not hold. So a failed sync is never
//!   tried again, the journal stops for good, and the next start writes the last block again before it relies on it.
//! - **C6** At most one block is unsynced at any time: a block is written only after the one before was synced. So a
//!   whole block behind an unreadable one means damage to durable bytes, never a cut write.
//! - **C7** Advisory locks keep a second hub away from the directory, on file systems that have them.
//! - **C8** A flipped bit is found by the CRC, a lost or swapped file by the hash chain. A last block that was durable
//!   and is missing without a trace (zeros, a cut file, an old backup) is found against the cursor of the checkpoint.

pub mod commit;
pub mod config;
pub mod durable;
pub mod fault;
pub mod lock;
pub mod read_error;
pub mod reader;
pub mod recovery;
pub mod retention;
pub mod spare;
pub mod storage;
pub mod writer;

#[cfg(test)]
mod sim_storage;
#[cfg(test)]
mod tests;
