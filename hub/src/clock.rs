//! The hub's one clock. Everything else takes the time as an argument.
//!
//! In a rehearsal the time of day is what stands in a file, set by whoever rehearses: days of use can be played in minutes,
//! and the same play gives the same decisions. The monotonic time, by which packets are sent again, is always the
//! system's.
#![allow(clippy::disallowed_methods, reason = "time is an argument everywhere else; this is where it is read")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The file of a rehearsal.
static REHEARSAL: OnceLock<File> = OnceLock::new();

/// The monotonic time, for deadlines and rates.
pub fn now() -> Instant {
    Instant::now()
}

/// From now on the time of day is what the file's first eight bytes say: milliseconds since 1970, least significant byte
/// first. It is read anew each time. For a hub that moves no money; who calls this has made sure.
///
/// # Errors
/// The file cannot be read.
pub fn rehearse(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    read(&file)?;
    // A second call changes nothing: the clock of a process does not change its kind.
    let _already = REHEARSAL.set(file);
    Ok(())
}

fn read(file: &File) -> io::Result<Duration> {
    let mut milliseconds = [0; 8];
    file.read_exact_at(&mut milliseconds, 0)?;
    Ok(Duration::from_millis(u64::from_le_bytes(milliseconds)))
}

/// The time since 1970-01-01 00:00:00 UTC without leap seconds; zero if the clock stands before that, or cannot be
/// read.
pub fn unix_now() -> Duration {
    if let Some(file) = REHEARSAL.get() {
        return read(file).unwrap_or(Duration::ZERO);
    }
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// [`unix_now`] in whole seconds.
pub fn unix_seconds() -> u64 {
    unix_now().as_secs()
}

/// [`unix_now`] in whole milliseconds.
pub fn unix_milliseconds() -> u64 {
    u64::try_from(unix_now().as_millis()).unwrap_or(u64::MAX)
}
