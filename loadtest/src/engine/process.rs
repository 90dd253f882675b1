//! What a process and its threads cost, from `/proc`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

/// The niceness of a thread that runs only when no other wants its core.
const LOWEST_PRIORITY: i32 = 19;

/// CPU time of a process, seconds since its start.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CpuTime {
    /// Of all threads, ended ones included.
    pub process: f64,
    /// Of living threads, by their names; threads of one name are added up.
    pub threads: BTreeMap<String, f64>,
}

impl CpuTime {
    /// Reads the CPU time of process `pid`.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let folder = Path::new("/proc").join(pid.to_string());
        let (_, process) = stat(&folder.join("stat"))?;
        let mut threads = BTreeMap::new();
        for entry in std::fs::read_dir(folder.join("task"))? {
            // A thread may end meanwhile.
            if let Ok((name, seconds)) = stat(&entry?.path().join("stat")) {
                *threads.entry(name).or_insert(0.0) += seconds;
            }
        }
        Ok(Self { process, threads })
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let threads = self.threads.iter().map(|(name, seconds)| {
            let before = earlier.threads.get(name).copied().unwrap_or(0.0);
            (name.clone(), (seconds - before).max(0.0))
        });
        Self { process: (self.process - earlier.process).max(0.0), threads: threads.collect() }
    }

    /// CPU time of the threads whose names begin so.
    #[must_use]
    pub fn of_threads(&self, prefix: &str) -> f64 {
        self.threads.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, seconds)| seconds).sum()
    }
}

/// Clock ticks per second in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Name and CPU time, user and system, of a process or thread. The name stands in brackets and may hold any character;
/// user and system time are the 12th and 13th field after it (proc_pid_stat(5), fields 14 and 15).
fn stat(path: &Path) -> anyhow::Result<(String, f64)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse_stat(&text).with_context(|| format!("{} is not as expected", path.display()))
}

fn parse_stat(text: &str) -> Option<(String, f64)> {
    let (before, after) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok().map(f64::from);
    Some((name.to_owned(), (ticks()? + ticks()?) / TICKS_PER_SECOND))
}

/// Memory of a process, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Resident.
    pub resident: u64,
    /// Resident and not backed by a file: heap and stacks.
    pub anonymous: u64,
}

impl Memory {
    /// Reads the memory of process `pid`.
    ///
    /// # Errors
    /// Where there is no such process.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/status");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let kib = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse::<u64>().with_context(|| format!("{path} has no {field}"))
        };
        Ok(Self { resident: kib("VmRSS:")? * 1024, anonymous: kib("RssAnon:")? * 1024 })
    }
}

/// Has all threads of process `pid` whose names begin with `prefix` run on this core alone. Returns how many there are.
///
/// # Errors
/// Where the system refuses.
pub fn pin_threads(pid: u32, prefix: &str, core: usize) -> anyhow::Result<usize> {
    let mut pinned = 0;
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = entry?.path();
        let Ok((name, _)) = stat(&path.join("stat")) else { continue };
        let id = path.file_name().and_then(|name| name.to_str()?.parse().ok()).and_then(Pid::from_raw);
        if name.starts_with(prefix) {
            pin(id, core)?;
            pinned += 1;
        }
    }
    Ok(pinned)
}

/// Has a thread, or the calling one, run on this core alone.
///
/// # Errors
/// Where the system refuses.
pub fn pin(thread: Option<Pid>, core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(thread, &cores).with_context(|| format!("cannot pin a thread to core {core}"))
}

/// How long a thread that gives way rests after a turn, in which whoever waits for the core has it. Priority alone does not
/// do: Linux lets a light thread finish its slice of some milliseconds before one that wakes up beside it.
const REST: Duration = Duration::from_micros(100);

/// Ends a turn of a thread that gives way.
pub fn rest() {
    std::thread::sleep(REST);
}

/// Has the calling thread run only when no other wants its core: the lowest priority. The scheduling class for idle time
/// would leave the core sooner, and get none at all on a machine that is loaded: then nothing is measured of what the thread
/// should do.
///
/// # Errors
/// Where the system refuses.
pub fn give_way() -> anyhow::Result<()> {
    // Of the thread, not of the process, on Linux.
    rustix::process::nice(LOWEST_PRIORITY).context("cannot lower a thread's priority")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_whose_name_has_brackets_is_read() {
        let text = "123 (a) b) R 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0 18446744073709551615";
        assert_eq!(parse_stat(text), Some(("a) b".to_owned(), 3.0)));
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        let pid = std::process::id();
        assert!(Memory::of(pid).unwrap().resident > 0);
        let cpu = CpuTime::of(pid).unwrap();
        assert!(!cpu.threads.is_empty());
        let since = cpu.since(&cpu);
        assert_eq!((since.process, since.of_threads("")), (0.0, 0.0));
    }
}
