//! Counts of sources in fixed memory, however many fresh ones come: count-min with conservative update.
//!
//! Cormode and Muthukrishnan (2005): an estimate is never below the count, and above it by more than `e / width` of all
//! counts together only with probability `e^-rows`. Halving all counters at each turn of the window makes it forget.

/// Rows: wrong by more than the bound once in 54 keys.
const ROWS: usize = 4;

/// A count-min sketch with 16-bit saturating counters.
#[derive(Debug, Clone)]
pub struct CountMin {
    counters: Vec<u16>,
    mask: u64,
    keys: [u64; ROWS],
}

impl CountMin {
    /// A sketch of 4 rows of `2^width_log2` counters (at least 16, at most 2^24), which hash under `key`. The key is drawn at
    /// start, so that nobody can choose sources that collide.
    pub fn new(width_log2: u32, key: u64) -> Self {
        let width = 1_usize << width_log2.clamp(4, 24);
        let keys = [1, 2, 3, 4].map(|row| mix(key.wrapping_add(row)));
        Self { counters: vec![0; width * ROWS], mask: width as u64 - 1, keys }
    }

    fn places(&self, source: u64) -> [usize; ROWS] {
        let mut row = 0;
        self.keys.map(|key| {
            let at = usize::try_from(mix(source ^ key) & self.mask).unwrap_or(0) + row;
            row += self.counters.len() / ROWS;
            at
        })
    }

    /// Counts one event of a source and returns its estimate.
    pub fn add(&mut self, source: u64) -> u16 {
        let places = self.places(source);
        let count = self.least(&places).saturating_add(1);
        for place in places {
            let counter = &mut self.counters[place];
            *counter = (*counter).max(count);
        }
        count
    }

    /// The estimate of a source: not less than what it did since the last halvings, each of which took half.
    pub fn estimate(&self, source: u64) -> u16 {
        self.least(&self.places(source))
    }

    fn least(&self, places: &[usize; ROWS]) -> u16 {
        places.iter().map(|place| self.counters[*place]).min().unwrap_or(0)
    }

    /// Forgets half.
    pub fn halve(&mut self) {
        for counter in &mut self.counters {
            *counter /= 2;
        }
    }

    /// Bytes of its counters; they never change.
    pub fn bytes(&self) -> usize {
        self.counters.len() * size_of::<u16>()
    }
}

/// The finaliser of splitmix64: every bit of the input reaches every bit of the result.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// What is counted of sources: handshakes, failed proofs, lanes opened.
#[derive(Debug, Clone)]
pub struct Sources {
    handshakes: CountMin,
    failures: CountMin,
    new_lanes: CountMin,
}

/// What a source did lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceCounts {
    /// Handshakes.
    pub handshakes: u16,
    /// Failed or malformed proofs.
    pub failures: u16,
    /// Lanes opened.
    pub new_lanes: u16,
}

impl Sources {
    /// Sketches of `2^width_log2` counters a row: 24 bytes times that in all.
    pub fn new(width_log2: u32, key: u64) -> Self {
        let sketch = |salt| CountMin::new(width_log2, key ^ salt);
        Self { handshakes: sketch(1), failures: sketch(2), new_lanes: sketch(3) }
    }

    /// A handshake of a source.
    pub fn handshake(&mut self, source: u64) -> u16 {
        self.handshakes.add(source)
    }

    /// A failed proof of a source.
    pub fn failure(&mut self, source: u64) -> u16 {
        self.failures.add(source)
    }

    /// A lane that a source opened.
    pub fn new_lane(&mut self, source: u64) -> u16 {
        self.new_lanes.add(source)
    }

    /// What a source did lately.
    pub fn counts(&self, source: u64) -> SourceCounts {
        SourceCounts {
            handshakes: self.handshakes.estimate(source),
            failures: self.failures.estimate(source),
            new_lanes: self.new_lanes.estimate(source),
        }
    }

    /// Turns the window: all counts are halved. To be called at a steady pace.
    pub fn turn(&mut self) {
        self.handshakes.halve();
        self.failures.halve();
        self.new_lanes.halve();
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.handshakes.bytes() + self.failures.bytes() + self.new_lanes.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_flood_of_fresh_sources_takes_no_memory_and_hides_nobody() {
        let mut sketch = CountMin::new(14, 7);
        let bytes = sketch.bytes();
        for _ in 0..500 {
            sketch.add(u64::MAX);
        }
        for source in 0..100_000 {
            sketch.add(source);
        }
        assert_eq!(sketch.bytes(), bytes);
        assert!((500..520).contains(&sketch.estimate(u64::MAX)), "{}", sketch.estimate(u64::MAX));
        let above = (0..100_000).filter(|source| sketch.estimate(*source) > 16).count();
        assert!(above < 100, "{above} of 100,000 fresh sources look busy");
    }

    proptest! {
        #[test]
        fn an_estimate_is_never_too_small(sources in proptest::collection::vec(0_u64..50, 0..2000), key: u64) {
            let mut sketch = CountMin::new(4, key);
            let mut exact = std::collections::BTreeMap::<u64, u16>::new();
            for source in sources {
                *exact.entry(source).or_default() += 1;
                sketch.add(source);
            }
            for (source, count) in exact {
                prop_assert!(sketch.estimate(source) >= count);
            }
        }
    }
}
