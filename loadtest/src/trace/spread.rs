//! Lays a trace out over more devices than it has.

use super::{Row, Trace};

impl Trace {
    /// The first `rows` rows in time.
    #[must_use]
    pub fn first_rows(mut self, rows: usize) -> Self {
        self.rows.truncate(rows);
        self
    }

    /// The same rows over `devices` devices: each device of the trace becomes several that take its rows in turn, and
    /// devices without any row go.
    #[must_use]
    pub fn spread(self, devices: usize) -> Self {
        let owners = self.devices.len().max(1);
        let copies = devices.div_ceil(owners).max(1);
        let mut turns = vec![0_usize; self.devices.len()];
        let mut names = Vec::new();
        let mut places = std::collections::HashMap::new();
        let rows = self.rows.into_iter().map(|row| {
            let turn = turns.get_mut(row.device).map_or(0, |turn| {
                let now = *turn;
                *turn = turn.wrapping_add(1);
                now % copies
            });
            let place = *places.entry((row.device, turn)).or_insert_with(|| {
                let owner = self.devices.get(row.device).map(String::as_str).unwrap_or_default();
                names.push(if copies == 1 { owner.to_owned() } else { format!("{owner}/{turn}") });
                names.len().saturating_sub(1)
            });
            Row { device: place, ..row }
        });
        let rows = rows.collect();
        Self { unit: self.unit, devices: names, rows }
    }
}

#[cfg(test)]
mod tests {
    use farthing_channel::tariff::Unit;

    use crate::trace::generate;

    #[test]
    fn nothing_is_lost_by_spreading() {
        let trace = generate(Unit::Events, 3, 100, 1);
        let (units, rows) = (trace.units(), trace.rows.len());
        let wide = trace.clone().spread(10);
        assert_eq!((wide.units(), wide.rows.len()), (units, rows));
        assert_eq!(wide.devices.len(), 12);
        assert!(wide.rows.iter().all(|row| row.device < 12));
        assert_eq!(trace.clone().spread(2).rows, {
            let mut same = trace.clone().spread(3);
            same.devices.clear();
            same.rows
        });
        assert_eq!(trace.first_rows(7).spread(1_000).devices.len(), 7);
    }
}
