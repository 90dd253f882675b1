//! Honest fleets, made from a seed: the habits of connected things, their bad days included.

use super::replay::TraceEvent;

/// What the devices of a fleet do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// A reading every so many seconds, of nearly the same size.
    Telemetry {
        /// Seconds between two readings.
        period: u32,
        /// Bytes of one.
        bytes: u32,
    },
    /// Time and name look-ups all day, an upload each hour: an embedded Linux that has little to say.
    Computer,
    /// Clips when something moves, more of them by day.
    Camera,
    /// Bursts of talk by day with answers of any size, keep-alives between.
    Assistant,
    /// A plug or lamp: keep-alives, and a few commands a day.
    Switch,
    /// Rare readings, a day's worth at once after a time without radio.
    Patchy,
    /// A vehicle: position every ten seconds while it drives, nothing while it stands.
    Vehicle,
}

/// All habits, with their names.
pub const HABITS: [(&str, Habit); 9] = [
    ("telemetry-10s", Habit::Telemetry { period: 10, bytes: 96 }),
    ("telemetry-60s", Habit::Telemetry { period: 60, bytes: 220 }),
    ("telemetry-15min", Habit::Telemetry { period: 900, bytes: 1200 }),
    ("computer", Habit::Computer),
    ("camera", Habit::Camera),
    ("assistant", Habit::Assistant),
    ("switch", Habit::Switch),
    ("patchy", Habit::Patchy),
    ("vehicle", Habit::Vehicle),
];

/// A generator of numbers: the same from the same seed.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// The one of this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    /// Exponentially distributed with a mean, in the same unit; at least 1.
    fn exponential(&mut self, mean: f64) -> u64 {
        let uniform = (f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) + 1.0) / 4_294_967_297.0;
        whole(-uniform.ln() * mean)
    }

    /// From a log-normal distribution: median, and the spread of the logarithm.
    pub(super) fn log_normal(&mut self, median: f64, spread: f64) -> u64 {
        // The sum of twelve uniforms less six is close to normal.
        let sum: f64 =
            (0..12).map(|_| f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / 4_294_967_296.0).sum();
        whole(median * ((sum - 6.0) * spread).exp())
    }
}

fn whole(value: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 40 bits")]
    let whole = value.clamp(1.0, 1e12) as u64;
    whole
}

/// Seconds of a day and of an hour.
const DAY: u64 = 86_400;
const HOUR: u64 = 3600;

struct Device<'a> {
    index: u32,
    random: Random,
    events: &'a mut Vec<TraceEvent>,
}

impl Device<'_> {
    /// An event at `at` seconds.
    fn say(&mut self, at: u64, quantity: u64) {
        let at = at * 16 + self.random.below(16);
        self.events.push(TraceEvent { at, device: self.index, quantity, attacking: false });
    }

    fn say_about(&mut self, at: u64, bytes: u64) {
        let more = self.random.below(bytes / 8 + 1);
        self.say(at, bytes + more);
    }

    /// What a device does when its server cannot be reached: it tries again, each time later, for up to an hour.
    fn outage(&mut self, from: u64) {
        let end = from + self.random.exponential(900.0).min(HOUR);
        let (mut at, mut wait) = (from, 2);
        while at < end {
            let bytes = if self.random.one_in(3) { 180 } else { 60 };
            self.say(at, bytes);
            at += wait + self.random.below(3);
            wait = (wait * 2).min(300);
        }
    }

    fn day(&mut self, habit: Habit, start: u64) {
        match habit {
            Habit::Telemetry { period, bytes } => self.telemetry(start, u64::from(period), u64::from(bytes)),
            Habit::Computer => self.computer(start),
            Habit::Camera => self.camera(start),
            Habit::Assistant => self.assistant(start),
            Habit::Switch => self.switch(start),
            Habit::Patchy => self.patchy(start),
            Habit::Vehicle => self.vehicle(start),
        }
        // Once a month or so each device has a bad hour, and once in two it is updated.
        if self.random.one_in(30) {
            let at = start + self.random.below(DAY - HOUR);
            self.outage(at);
        }
        if self.random.one_in(60) {
            let at = start + self.random.below(DAY);
            let bytes = self.random.log_normal(2e6, 0.5);
            self.say(at, bytes);
        }
    }

    fn telemetry(&mut self, start: u64, period: u64, bytes: u64) {
        let mut at = start + self.random.below(period);
        while at < start + DAY {
            // One in a hundred is lost and said again at once.
            self.say_about(at, bytes);
            if self.random.one_in(100) {
                self.say_about(at + 2, bytes);
            }
            at += period + self.random.below(period / 10 + 1);
        }
    }

    fn computer(&mut self, start: u64) {
        let mut at = start + self.random.below(64);
        while at < start + DAY {
            let bytes = if self.random.one_in(3) { 76 } else { 152 };
            self.say(at, bytes);
            if self.random.one_in(12) {
                for _ in 0..=self.random.below(4) {
                    let bytes = [134, 146, 148, 198, 265][usize::try_from(self.random.below(5)).unwrap_or(0)];
                    self.say(at + 1, bytes);
                }
            }
            if self.random.one_in(60) {
                let bytes = self.random.log_normal(6000.0, 0.8);
                self.say(at + 3, bytes);
            }
            at += 20 + self.random.below(60);
        }
    }

    fn camera(&mut self, start: u64) {
        let mut at = start;
        while at < start + DAY {
            self.say_about(at, 140);
            let by_day = (7 * HOUR..20 * HOUR).contains(&(at - start));
            if self.random.one_in(if by_day { 20 } else { 150 }) {
                for clip in 0..=self.random.below(6) {
                    let bytes = self.random.log_normal(400_000.0, 0.7);
                    self.say(at + 5 + clip * 12, bytes);
                }
            }
            at += 30 + self.random.below(5);
        }
    }

    fn assistant(&mut self, start: u64) {
        let mut at = start;
        while at < start + DAY {
            self.say_about(at, 130);
            let by_day = (6 * HOUR..23 * HOUR).contains(&(at - start));
            if by_day && self.random.one_in(40) {
                for turn in 0..=self.random.below(40) {
                    let bytes = self.random.log_normal(1500.0, 1.6);
                    self.say(at + 1 + turn / 2, bytes);
                }
            }
            at += 25 + self.random.below(20);
        }
    }

    fn switch(&mut self, start: u64) {
        let mut at = start + self.random.below(300);
        while at < start + DAY {
            self.say_about(at, 104);
            if self.random.one_in(40) {
                for command in 0..=self.random.below(5) {
                    let bytes = self.random.log_normal(350.0, 0.3);
                    self.say(at + 2 + command, bytes);
                }
            }
            at += 295 + self.random.below(10);
        }
    }

    fn patchy(&mut self, start: u64) {
        let without_radio = self.random.one_in(6);
        let (mut at, mut kept) = (start + self.random.below(1800), 0);
        while at < start + DAY {
            if without_radio && at < start + 18 * HOUR {
                kept += 1;
            } else {
                for _ in 0..=std::mem::take(&mut kept) {
                    self.say_about(at, 24);
                }
            }
            at += self.random.exponential(1200.0);
        }
    }

    fn vehicle(&mut self, start: u64) {
        for _ in 0..2 + self.random.below(4) {
            let mut at = start + 6 * HOUR + self.random.below(15 * HOUR);
            let end = at + self.random.exponential(1500.0);
            while at < end.min(start + DAY) {
                self.say_about(at, 64);
                at += 10;
            }
        }
    }
}

/// The events of a fleet over some days, sorted by time.
pub fn fleet(habit: Habit, devices: u32, days: u32, seed: u64) -> Vec<TraceEvent> {
    let mut events = Vec::new();
    for index in 0..devices {
        let random = Random::new(seed ^ (u64::from(index) << 32));
        let mut device = Device { index, random, events: &mut events };
        for day in 0..u64::from(days) {
            device.day(habit, 1_700_006_400 + day * DAY);
        }
    }
    events.sort_unstable_by_key(|event| event.at);
    events
}
