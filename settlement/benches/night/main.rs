//! How long a night takes from cut-off to proposal, and how much memory: every proof of the day is verified again.
//!
//! `cargo bench -p farthing-settlement --bench night -- --lanes 1000000`. The site is made first and not counted; the night
//! then runs in a process of its own, so that its peak of memory is its own.

mod clock;
mod journal;
mod site;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use clock::Stopwatch;
use serde::{Deserialize, Serialize};
use site::Site;

#[derive(Debug, Parser)]
struct Arguments {
    /// Lanes that are paid on, half by voucher, half by tick.
    #[arg(long, default_value_t = 100_000)]
    lanes: u64,
    /// Where the site lies: made there once and kept, its book and all. A temporary folder where it is left out.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Runs the night of a site that is there; the benchmark starts itself so.
    #[arg(long, value_name = "DIR", hide = true)]
    measure: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a night took.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    lanes: u64,
    seconds: f64,
    cpu_seconds: f64,
    memory_mib_max: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.measure {
        let measured = measure(folder, arguments.lanes)?;
        println!("{}", serde_json::to_string(&measured)?);
        return Ok(());
    }
    let temporary = tempfile::tempdir()?;
    let kept = arguments.folder.is_some();
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    let made = folder.join("made");
    if !made.is_dir() {
        std::fs::create_dir_all(&folder)?;
        let watch = Stopwatch::start();
        Site::at(&folder).generate(arguments.lanes)?;
        std::fs::create_dir(&made)?;
        eprintln!("{} lanes made in {:.1} s", arguments.lanes, watch.elapsed().as_secs_f64());
    }
    // The night is run on a copy of the book, so that a site that is kept can be measured again.
    let book = folder.join("settlement").join("book.redb");
    let aside = folder.join("book.before");
    if kept && aside.is_file() {
        std::fs::copy(&aside, &book)?;
    } else if kept {
        std::fs::copy(&book, &aside)?;
    }
    let output = Command::new(std::env::current_exe()?)
        .args(["--lanes", &arguments.lanes.to_string(), "--measure"])
        .arg(&folder)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the night failed");
    let measured: Measured = serde_json::from_slice(&output.stdout)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&measured)?);
    } else {
        let Measured { lanes, seconds, cpu_seconds, memory_mib_max } = measured;
        println!("{lanes} lanes: {seconds:.1} s, {cpu_seconds:.1} s of processor time, {memory_mib_max} MiB at most");
    }
    Ok(())
}

fn measure(folder: &Path, lanes: u64) -> anyhow::Result<Measured> {
    let site = Site::at(folder);
    let watch = Stopwatch::start();
    let (epoch, _) = site.settle()?;
    let seconds = watch.elapsed().as_secs_f64();
    let (cpu_seconds, memory_mib_max) = (cpu_seconds()?, memory_mib_max()?);
    let (collected, proposed, disputes) = site.proposed(epoch)?;
    let expected = site::expected(lanes);
    if (collected, u64::from(proposed), disputes) != (expected, lanes, 0) {
        bail!("{collected} of {expected} base units collected from {proposed} of {lanes} lanes, {disputes} disputes");
    }
    Ok(Measured { lanes, seconds, cpu_seconds, memory_mib_max })
}

/// The peak of this process's resident memory.
fn memory_mib_max() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024)
}

/// Processor time of all threads of this process, those that ended included.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().context("no stat")?.split(' ').collect();
    // utime and stime, in the hundredths of a second that Linux counts in.
    let ticks = |place: usize| -> anyhow::Result<f64> { Ok(fields.get(place).context("too few fields")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
