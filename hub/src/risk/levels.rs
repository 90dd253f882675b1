//! How many lanes stand at which level.
//!
//! Counted where a level changes, which is rare, and where a lane enters or leaves memory; never by walking the lanes.

use std::sync::atomic::{AtomicI64, Ordering};

use farthing_risk::ladder::Level;

/// Counts of lanes in memory about which something is done.
#[derive(Debug, Default)]
pub struct LevelCounts {
    levels: [AtomicI64; Level::ALL.len()],
    overridden: AtomicI64,
}

impl LevelCounts {
    /// A lane that was decided about so is now decided about so: its level, and whether an operator set it.
    pub(crate) fn change(&self, from: (Level, bool), to: (Level, bool)) {
        if from != to {
            self.add(from, -1);
            self.add(to, 1);
        }
    }

    fn add(&self, (level, overridden): (Level, bool), count: i64) {
        if level > Level::Trusted
            && let Some(lanes) = self.levels.get(usize::from(level as u8))
        {
            lanes.fetch_add(count, Ordering::Relaxed);
        }
        if overridden {
            self.overridden.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Lanes at a level above trusted; those that are trusted are not counted.
    pub fn at(&self, level: Level) -> i64 {
        self.levels.get(usize::from(level as u8)).map_or(0, |lanes| lanes.load(Ordering::Relaxed))
    }

    /// Lanes about which an operator decided.
    pub fn overridden(&self) -> i64 {
        self.overridden.load(Ordering::Relaxed)
    }
}
