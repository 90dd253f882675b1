//! Fleets as wholes: what each thread sees of them, added up, and what is found in that.
//!
//! A thread shows the pulses that changed once a second, in seqlocks of its own, and adds to them what the others show, so that a
//! fleet is excused as a whole on whichever threads its lanes are; it waits for nobody and allocates nothing. The control plane
//! adds them up too, once a second and when an operator asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use farthing_cells::Snapshot;
use farthing_channel::id::ChannelId;
use farthing_risk::features::Excuse;
use farthing_risk::fleet::{Change, Raised, Watch};
use farthing_risk::pulse::{Kinds, PULSE_WORDS, Pulse};
use farthing_risk::signals::Sixteenths;

/// Units that lanes are billed in; each fleet has a pulse for each.
pub(super) const UNITS: usize = 3;
/// Fleets that are watched; those that the settings name after these are not. With two threads they take some 17 MB.
const FLEETS_WATCHED_MAX: usize = 4096;
/// Channels that are remembered of those that moved last, and of those that were suspected last.
const SAMPLE: usize = 4;
const ID_WORDS: usize = 4;
const WORDS: usize = PULSE_WORDS + 2 * SAMPLE * ID_WORDS;

/// The last few channels of which something was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sample {
    channels: [Option<ChannelId>; SAMPLE],
    next: usize,
}

impl Sample {
    fn add(&mut self, channel: ChannelId) {
        if !self.channels.contains(&Some(channel)) {
            self.channels[self.next % SAMPLE] = Some(channel);
            self.next = (self.next + 1) % SAMPLE;
        }
    }

    fn to_words(self) -> [u64; SAMPLE * ID_WORDS] {
        let mut words = [0; SAMPLE * ID_WORDS];
        for (words, channel) in words.chunks_exact_mut(ID_WORDS).zip(self.channels) {
            let id = channel.map_or([0; 32], |channel| channel.0);
            for (word, bytes) in words.iter_mut().zip(id.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
        words
    }

    /// The channels in what [`to_words`](Self::to_words) made.
    fn channels_in(words: &[u64]) -> impl Iterator<Item = ChannelId> {
        words.chunks_exact(ID_WORDS).filter(|words| words.iter().any(|word| *word != 0)).map(|words| {
            let mut id = [0; 32];
            for (bytes, word) in id.as_chunks_mut::<8>().0.iter_mut().zip(words) {
                *bytes = word.to_le_bytes();
            }
            ChannelId(id)
        })
    }
}

/// What one thread sees of one fleet's lanes of one unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) pulse: Pulse,
    /// What all threads together see of the fleet is told to this, once a second.
    watch: Watch,
    /// What the fleet's lanes are excused for.
    pub(super) excuse: Excuse,
    suspects: Sample,
    movers: Sample,
    /// Whether it changed since it was last shown.
    is_news: bool,
}

impl Seen {
    /// Watches the fleet as a whole: what this thread sees of it, and the others.
    fn look(&mut self, others: impl Iterator<Item = Pulse>, now: Sixteenths) {
        let mut all = self.pulse;
        all.advance(now);
        others.for_each(|other| all.merge(other, now));
        // What is found is the control plane's to tell.
        let _told = self.watch.look(&all, now);
        self.excuse = self.watch.excuse(&all, now);
    }

    pub(super) fn moves(&mut self, channel: ChannelId) {
        self.movers.add(channel);
    }

    pub(super) fn is_suspected(&mut self, channel: ChannelId) {
        self.suspects.add(channel);
    }
}

/// What a thread shows, by fleet and unit.
type Board = Arc<[Snapshot<WORDS>]>;

/// The boards of all threads; it changes only when a thread begins.
type Boards = Arc<ArcSwap<Vec<Board>>>;

/// What a board shows at a place.
fn pulse_shown(board: &Board, place: usize) -> Option<Pulse> {
    let words = board.get(place)?.read();
    words.first_chunk::<PULSE_WORDS>().map(|words| Pulse::from_words(*words))
}

/// One thread's fleets.
#[derive(Debug)]
pub(super) struct SeenFleets {
    seen: Vec<Seen>,
    /// Places that changed since they were last shown. As long as the above, so that it never grows.
    news: Vec<usize>,
    board: Board,
    boards: Boards,
    shown: Sixteenths,
}

impl SeenFleets {
    pub(super) fn get(&self, place: usize) -> Option<&Seen> {
        self.seen.get(place)
    }

    /// What is seen at a place, to be changed.
    pub(super) fn change(&mut self, place: usize) -> Option<&mut Seen> {
        let seen = self.seen.get_mut(place)?;
        if !seen.is_news {
            seen.is_news = true;
            self.news.push(place);
        }
        Some(seen)
    }

    /// Shows what changed, once a second, and looks at what the other threads show of it.
    pub(super) fn show(&mut self, now: Sixteenths) {
        if now.0.saturating_sub(self.shown.0) < 16 {
            return;
        }
        self.shown = now;
        let boards = self.boards.load();
        for place in self.news.drain(..) {
            let Some(seen) = self.seen.get_mut(place) else { continue };
            seen.is_news = false;
            let others = boards.iter().filter(|board| !Arc::ptr_eq(board, &self.board));
            seen.look(others.filter_map(|board| pulse_shown(board, place)), now);
            if let Some(shown) = self.board.get(place) {
                let mut words = [0; WORDS];
                let (pulse, channels) = words.split_at_mut(PULSE_WORDS);
                pulse.copy_from_slice(&seen.pulse.to_words());
                let (suspects, movers) = channels.split_at_mut(SAMPLE * ID_WORDS);
                suspects.copy_from_slice(&seen.suspects.to_words());
                movers.copy_from_slice(&seen.movers.to_words());
                shown.write(&words);
            }
        }
    }
}

/// A fleet's lanes of one unit, as all threads together see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetSeen {
    /// The fleet's number.
    pub fleet: u16,
    /// The unit's.
    pub unit: u8,
    /// How its lanes move.
    pub pulse: Pulse,
    /// What is found in that.
    pub raised: Option<Raised>,
    /// Some channels that were suspected or, where none was, moved lately.
    pub channels: Vec<ChannelId>,
}

/// What all threads together show of a place.
fn pulse_of(boards: &[Board], place: usize, now: Sixteenths) -> Pulse {
    let mut all = Pulse::default();
    boards.iter().filter_map(|board| pulse_shown(board, place)).for_each(|pulse| all.merge(pulse, now));
    all
}

/// The list is not left half changed by a panic.
fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All fleets.
#[derive(Debug)]
pub struct WatchedFleets {
    places: usize,
    fleets: usize,
    boards: Boards,
    watches: Mutex<Vec<Watch>>,
}

impl WatchedFleets {
    pub(super) fn new(fleets: usize) -> Self {
        let places = fleets.min(FLEETS_WATCHED_MAX) * UNITS;
        let watches = Mutex::new(vec![Watch::default(); places]);
        Self { places, fleets, boards: Boards::default(), watches }
    }

    /// A thread begins.
    pub(super) fn join(&self) -> SeenFleets {
        let board: Board = (0..self.places).map(|_| Snapshot::new([0; WORDS])).collect();
        self.boards.rcu(|boards| boards.iter().chain([&board]).cloned().collect::<Vec<_>>());
        let all = self.fleets * UNITS;
        SeenFleets {
            seen: vec![Seen::default(); all],
            news: Vec::with_capacity(all),
            board,
            boards: Arc::clone(&self.boards),
            shown: Sixteenths::default(),
        }
    }

    /// Looks at every fleet that any thread saw something of, and returns those of which there is something new to tell. To be called once a
    /// second or so.
    pub fn look(&self, now: Sixteenths) -> Vec<(FleetSeen, Change)> {
        let changed = |(place, pulse): (usize, Pulse)| {
            let (change, raised) = {
                let mut watches = held(&self.watches);
                let watch = watches.get_mut(place)?;
                (watch.look(&pulse, now)?, watch.raised())
            };
            Some((self.fleet(place, pulse, raised), change))
        };
        self.pulses(now).filter_map(changed).collect()
    }

    /// Every fleet with lanes that had events lately, or of which something is found.
    pub fn all(&self, now: Sixteenths) -> Vec<FleetSeen> {
        let seen = self.pulses(now).filter_map(|(place, pulse)| {
            let raised = held(&self.watches).get(place).and_then(Watch::raised);
            (pulse.active() > 0 || raised.is_some()).then(|| self.fleet(place, pulse, raised))
        });
        seen.collect()
    }

    /// What stands, of all fleets.
    pub fn raised(&self) -> Vec<Raised> {
        held(&self.watches).iter().filter_map(Watch::raised).collect()
    }

    fn pulses(&self, now: Sixteenths) -> impl Iterator<Item = (usize, Pulse)> {
        let boards = self.boards.load_full();
        (0..self.places).map(move |place| (place, pulse_of(&boards, place, now)))
    }

    /// What a fleet's lanes of one unit are excused for, as the control plane last looked at it.
    pub fn excuse(&self, fleet: u16, unit: u8, now: Sixteenths) -> Excuse {
        let place = usize::from(fleet) * UNITS + usize::from(unit);
        let pulse = pulse_of(&self.boards.load(), place, now);
        held(&self.watches).get(place).map_or(Excuse::NONE, |watch| watch.excuse(&pulse, now))
    }

    fn fleet(&self, place: usize, pulse: Pulse, raised: Option<Raised>) -> FleetSeen {
        let mut channels = [Vec::new(), Vec::new()];
        for shown in self.boards.load().iter().filter_map(|board| board.get(place)) {
            let words = shown.read();
            let (suspects, movers) = words[PULSE_WORDS..].split_at(SAMPLE * ID_WORDS);
            channels[0].extend(Sample::channels_in(suspects));
            channels[1].extend(Sample::channels_in(movers));
        }
        let [suspects, movers] = channels;
        let mut channels = if suspects.is_empty() { movers } else { suspects };
        channels.sort_unstable();
        channels.dedup();
        let number = u16::try_from(place / UNITS).unwrap_or_default();
        let unit = u8::try_from(place % UNITS).unwrap_or_default();
        FleetSeen { fleet: number, unit, pulse, raised, channels }
    }
}

impl FleetSeen {
    /// In what lanes move beyond what is usual; none where nothing is found.
    pub fn kinds(&self) -> Kinds {
        self.raised.map(|raised| raised.kinds).unwrap_or_default()
    }
}
