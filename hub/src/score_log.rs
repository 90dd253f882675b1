//! What the risk model makes of every lane in a rehearsal: a row for each hour of it, at its worst moment.
//!
//! The first columns are those of a feature export with the label left empty: somebody who knows which devices attacked
//! fills it in, and `farthing-hub risk fit` learns from it. Data-plane threads hand over their assessments and never wait; what finds no
//! room is counted and dropped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use farthing_channel::id::{Address, LaneId};
use farthing_channel::time::UnixSeconds;
use farthing_risk::features::Feature;
use farthing_risk::ladder::Level;
use farthing_risk::model::Assessment;

/// Assessments that may wait to be written down.
const WAITING_MAX: usize = 65_536;

const SECONDS_PER_HOUR: u64 = 3600;

/// What the model made of a lane at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    /// The lane.
    pub lane: LaneId,
    /// Its device.
    pub device: Address,
    /// When.
    pub at: UnixSeconds,
    /// What it looked at, and what came of it.
    pub assessment: Assessment,
}

/// What the log's thread is told.
#[derive(Debug)]
enum Note {
    Decided(Decided),
    End,
}

/// Hands assessments to the log.
#[derive(Debug, Clone)]
pub struct ScoreLog {
    sender: Sender<Note>,
    dropped: Arc<AtomicU64>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct ScoreWriter {
    sender: Sender<Note>,
    thread: JoinHandle<io::Result<()>>,
    dropped: Arc<AtomicU64>,
}

impl ScoreLog {
    /// Begins a log, or goes on with the one that is there.
    ///
    /// # Errors
    /// The file cannot be written, or the system gives no thread.
    pub fn start(path: &Path) -> io::Result<(Self, ScoreWriter)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (sender, receiver) = bounded(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let thread =
            std::thread::Builder::new().name("score-log".to_owned()).spawn(move || write_all(&receiver, file))?;
        let writer = ScoreWriter { sender: sender.clone(), thread, dropped: Arc::clone(&dropped) };
        Ok((Self { sender, dropped }, writer))
    }

    /// Hands over an assessment; never waits.
    pub fn note(&self, decided: Decided) {
        if self.sender.try_send(Note::Decided(decided)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl ScoreWriter {
    /// Ends the log: waits until all is written, and says how many assessments found no room.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn join(self) -> io::Result<u64> {
        // A thread that is gone already has its own reason.
        let _gone = self.sender.send(Note::End);
        let written = self.thread.join().map_err(|_| io::Error::other("the score log's thread has panicked"))?;
        written.map(|()| self.dropped.load(Ordering::Relaxed))
    }
}

/// An hour of a lane so far.
#[derive(Debug)]
struct Hour {
    hour: u64,
    worst: Assessment,
    highest: Level,
    /// When the lane first stood above trusted in this hour.
    raised_at: Option<UnixSeconds>,
}

fn write_all(notes: &Receiver<Note>, file: File) -> io::Result<()> {
    let is_new = file.metadata()?.len() == 0;
    let mut to = BufWriter::new(file);
    if is_new {
        let features = Feature::ALL.map(Feature::name).join(",");
        writeln!(to, "scenario,device,hour,label,{features},lane,odds,standing,raised_at")?;
    }
    let mut lanes = HashMap::<LaneId, (Address, Hour)>::new();
    while let Ok(Note::Decided(Decided { lane, device, at, assessment })) = notes.recv() {
        let hour = at.0 / SECONDS_PER_HOUR;
        let level = assessment.standing.level();
        let raised_at = (level > Level::Trusted).then_some(at);
        let fresh = || Hour { hour, worst: assessment, highest: level, raised_at };
        let (_, known) = lanes.entry(lane).or_insert_with(|| (device, fresh()));
        if known.hour != hour {
            write_row(&mut to, &lane, &device, &std::mem::replace(known, fresh()))?;
        }
        if assessment.odds > known.worst.odds {
            known.worst = assessment;
        }
        known.highest = known.highest.max(level);
        known.raised_at = known.raised_at.or(raised_at);
    }
    for (lane, (device, hour)) in &lanes {
        write_row(&mut to, lane, device, hour)?;
    }
    to.flush()
}

fn write_row(to: &mut impl Write, lane: &LaneId, device: &Address, row: &Hour) -> io::Result<()> {
    write!(to, "hub,{device},{},", row.hour)?;
    for value in row.worst.features.0 {
        write!(to, ",{value}")?;
    }
    let raised = row.raised_at.map_or_else(String::new, |at| at.0.to_string());
    writeln!(to, ",{lane},{},{},{raised}", row.worst.odds.0, row.highest as u8)
}

#[cfg(test)]
mod tests {
    use farthing_risk::features::Features;
    use farthing_risk::ladder::Standing;
    use farthing_risk::score::LogOdds;
    use farthing_risk::signals::Sixteenths;

    use super::*;

    #[test]
    fn each_hour_of_a_lane_is_a_row_with_its_worst_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        for start in [7200, 14_400] {
            let (log, writer) = ScoreLog::start(&path).unwrap();
            for (at, odds, level) in [
                (0, -500, Level::Trusted),
                (60, 40, Level::Pace),
                (90, 20, Level::SmallerGrant),
                (3600, -9, Level::Trusted),
            ] {
                let standing = Standing::from_parts(level, Sixteenths(0));
                let odds = LogOdds(odds);
                log.note(Decided {
                    lane: LaneId([7; 32]),
                    device: Address([1; 20]),
                    at: UnixSeconds(start + at),
                    assessment: Assessment {
                        features: Features::default(),
                        odds,
                        held_back: false,
                        corroborated: true,
                        score: odds.score(),
                        standing,
                        level,
                        overridden: false,
                    },
                });
            }
            assert_eq!(writer.join().unwrap(), 0);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let told: Vec<String> = rows.iter().map(|row| [row[2], row[23], row[24], row[25]].join(" ")).collect();
        assert_eq!(told, ["2 40 3 7260", "3 -9 0 ", "4 40 3 14460", "5 -9 0 "]);
    }
}
