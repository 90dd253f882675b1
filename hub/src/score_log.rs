//! What the risk model makes of every payment of a rehearsal: a row for each lane and hour, at its worst moment.
//!
//! The first columns are those of a feature export with the label left empty: somebody who knows which devices attacked
//! fills it in, and `farthing-hub risk fit` learns from it. Data-plane threads hand over what was paid and never wait; what finds no
//! room is counted and dropped. The model's state of each lane lies with the log's own thread.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::Context as _;
use crossbeam_channel::{Receiver, Sender, bounded};
use farthing_channel::id::{Address, EscrowId, LaneId};
use farthing_channel::time::UnixSeconds;
use farthing_risk::features::{Facts, Feature};
use farthing_risk::file::{Unit, WeightsFile};
use farthing_risk::ladder::{Level, Standing};
use farthing_risk::model::{Assessment, LaneView, Model};
use farthing_risk::profile::Profile;
use farthing_risk::signals::{Event, Signals, Sixteenths};

/// Payments that may wait to be assessed.
const WAITING_MAX: usize = 65_536;

const SECONDS_PER_HOUR: u64 = 3600;

/// A payment that was taken.
#[derive(Debug, Clone, Copy)]
pub struct Paid {
    /// The lane.
    pub lane: LaneId,
    /// Its device.
    pub device: Address,
    /// Whose escrow pays: the fleet.
    pub escrow: EscrowId,
    /// What the lane is billed for.
    pub unit: Unit,
    /// Units that this payment added.
    pub units: u64,
    /// When.
    pub at: UnixSeconds,
}

/// What the log's thread is told.
#[derive(Debug)]
enum Note {
    Paid(Paid),
    End,
}

/// Hands payments to the log.
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
    /// Begins a log under the model of a weights file, or goes on with the one that is there.
    ///
    /// # Errors
    /// A file cannot be read or written, the weights are none, or the system gives no thread.
    pub fn start(log: &Path, weights: &Path) -> anyhow::Result<(Self, ScoreWriter)> {
        let shown = weights.display();
        let text = std::fs::read_to_string(weights).with_context(|| format!("cannot read {shown}"))?;
        let model = WeightsFile::parse(&text).and_then(|file| file.model()).with_context(|| format!("{shown}"))?;
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let (sender, receiver) = bounded(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let thread = std::thread::Builder::new()
            .name("score-log".to_owned())
            .spawn(move || Scorer::new(model).write_all(&receiver, file))?;
        let writer = ScoreWriter { sender: sender.clone(), thread, dropped: Arc::clone(&dropped) };
        Ok((Self { sender, dropped }, writer))
    }

    /// Hands over a payment; never waits.
    pub fn note(&self, paid: Paid) {
        if self.sender.try_send(Note::Paid(paid)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl ScoreWriter {
    /// Ends the log: waits until all is written, and says how many payments found no room.
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

/// A lane of which something was paid.
#[derive(Debug)]
struct Scored {
    device: Address,
    profile: Arc<Profile>,
    signals: Signals,
    standing: Standing,
    hour: Option<Hour>,
}

/// The model and what it remembers.
#[derive(Debug)]
struct Scorer {
    model: Model,
    lanes: HashMap<LaneId, Scored>,
    profiles: HashMap<(EscrowId, Unit), Arc<Profile>>,
    /// The hour in which the log began, from which the model counts its time.
    origin: Option<u64>,
}

impl Scorer {
    fn new(model: Model) -> Self {
        Self { model, lanes: HashMap::new(), profiles: HashMap::new(), origin: None }
    }

    fn write_all(mut self, notes: &Receiver<Note>, file: File) -> io::Result<()> {
        let is_new = file.metadata()?.len() == 0;
        let mut to = BufWriter::new(file);
        if is_new {
            let features = Feature::ALL.map(Feature::name).join(",");
            writeln!(to, "scenario,device,hour,label,{features},lane,odds,standing,raised_at")?;
        }
        while let Ok(Note::Paid(paid)) = notes.recv() {
            self.take(&paid, &mut to)?;
        }
        for (id, lane) in &self.lanes {
            if let Some(hour) = &lane.hour {
                write_row(&mut to, id, &lane.device, hour)?;
            }
        }
        to.flush()
    }

    /// A fleet's profile stands in the weights under its escrow's id.
    fn profile(&mut self, escrow: EscrowId, unit: Unit) -> Arc<Profile> {
        let model = &self.model;
        let find = || model.profile(&escrow.to_string(), unit).cloned().unwrap_or_else(Profile::unknown);
        Arc::clone(self.profiles.entry((escrow, unit)).or_insert_with(|| Arc::new(find())))
    }

    fn take(&mut self, paid: &Paid, to: &mut impl Write) -> io::Result<()> {
        let profile = self.profile(paid.escrow, paid.unit);
        let hour = paid.at.0 / SECONDS_PER_HOUR;
        let origin = *self.origin.get_or_insert(hour) * SECONDS_PER_HOUR;
        let now = Sixteenths(u32::try_from(paid.at.0.saturating_sub(origin).saturating_mul(16)).unwrap_or(u32::MAX));
        let Self { model, lanes, .. } = self;
        let lane = lanes.entry(paid.lane).or_insert_with(|| Scored {
            device: paid.device,
            profile,
            signals: Signals::default(),
            standing: Standing::default(),
            hour: None,
        });
        lane.signals.observe(Event::Served { units: paid.units }, now, &lane.profile);
        let view = LaneView {
            signals: &lane.signals,
            profile: &lane.profile,
            facts: &Facts::NOTHING,
            standing: lane.standing,
            tenant: model.tenant(""),
            overriding: None,
        };
        let assessment = model.assess(&view, now, paid.at);
        lane.standing = assessment.standing;
        let level = assessment.standing.level();
        let raised_at = (level > Level::Trusted).then_some(paid.at);
        match &mut lane.hour {
            Some(known) if known.hour == hour => {
                if assessment.odds > known.worst.odds {
                    known.worst = assessment;
                }
                known.highest = known.highest.max(level);
                known.raised_at = known.raised_at.or(raised_at);
            }
            over => {
                if let Some(over) = over.replace(Hour { hour, worst: assessment, highest: level, raised_at }) {
                    write_row(to, &paid.lane, &paid.device, &over)?;
                }
            }
        }
        Ok(())
    }
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
    use farthing_risk::file::SHIPPED;

    use super::*;

    #[test]
    fn each_hour_of_a_lane_is_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let (path, weights) = (folder.path().join("scores.csv"), folder.path().join("weights.toml"));
        std::fs::write(&weights, SHIPPED).unwrap();
        for start in [7200, 14_400] {
            let (log, writer) = ScoreLog::start(&path, &weights).unwrap();
            for at in [0, 1, 1800, 3600] {
                log.note(Paid {
                    lane: LaneId([7; 32]),
                    device: Address([1; 20]),
                    escrow: EscrowId([2; 32]),
                    unit: Unit::Octets,
                    units: 100,
                    at: UnixSeconds(start + at),
                });
            }
            assert_eq!(writer.join().unwrap(), 0);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.iter().map(|row| row[2]).collect::<Vec<_>>(), ["2", "3", "4", "5"]);
        assert!(rows.iter().all(|row| row.len() == 26 && row[24] == "0" && row[25].is_empty()), "{text}");
    }
}
