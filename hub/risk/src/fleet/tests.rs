use proptest::prelude::*;

use super::*;
use crate::fixed::OCTAVE;
use crate::pulse::Rises;

/// A fleet whose lanes each have events in every step.
struct Fleet {
    pulse: Pulse,
    watch: Watch,
    lanes: Vec<Kinds>,
    step: u32,
    changes: Vec<(u32, Change)>,
}

const UPDATE: Rises = Rises { units: 6 * OCTAVE, events: 0, sizes: 0 };
const BOTNET: Rises = Rises { units: 3 * OCTAVE, events: 4 * OCTAVE, sizes: 2048 };

impl Fleet {
    fn of(lanes: usize) -> Self {
        let lanes = vec![Kinds::default(); lanes];
        Self { pulse: Pulse::default(), watch: Watch::default(), lanes, step: 0, changes: Vec::new() }
    }

    /// So many steps in which `rises` says how each lane stands.
    fn runs(&mut self, steps: u32, rises: impl Fn(usize) -> Rises) {
        for _ in 0..steps {
            self.step += 1;
            let now = Sixteenths(self.step << STEP_SHIFT);
            for (index, lane) in self.lanes.iter_mut().enumerate() {
                let idle = if self.step == 1 { u32::MAX } else { 1 };
                *lane = self.pulse.observe(rises(index), *lane, idle, now);
            }
            // A few looks in each step, as the hub takes one a second.
            for second in 0..4 {
                let at = Sixteenths(now.0 + second * 16);
                self.changes.extend(self.watch.look(&self.pulse, at).map(|change| (self.step, change)));
            }
        }
    }

    fn rests(&mut self, steps: u32) {
        self.runs(steps, |_| Rises::default());
    }

    fn excuse(&self) -> Excuse {
        self.watch.excuse(&self.pulse, Sixteenths(self.step << STEP_SHIFT))
    }

    fn told(&self) -> Vec<(bool, Finding)> {
        let told = self.changes.iter().map(|(_, change)| match change {
            Change::Raised(raised) => (true, raised.finding),
            Change::Cleared(raised) => (false, raised.finding),
        });
        told.collect()
    }
}

#[test]
fn an_update_is_a_surge_told_once() {
    let mut fleet = Fleet::of(100);
    fleet.rests(40);
    fleet.runs(60, |_| UPDATE);
    fleet.rests(40);
    assert_eq!(fleet.told(), [(true, Finding::Surge), (false, Finding::Surge)]);
    let Some((41, Change::Raised(raised))) = fleet.changes.first() else { panic!("{:?}", fleet.changes) };
    assert_eq!(raised.kinds.iter().collect::<Vec<_>>(), [Kind::Units]);
}

#[test]
fn a_staggered_update_ends_as_a_surge() {
    let mut fleet = Fleet::of(100);
    fleet.rests(40);
    for step in 0..100 {
        let is_on = move |lane: usize| (step..step + 60).contains(&(lane * 3 / 5 + 60));
        fleet.runs(1, |lane| if is_on(lane) { UPDATE } else { Rises::default() });
    }
    fleet.rests(40);
    let told = fleet.told();
    assert_eq!(told.last(), Some(&(false, Finding::Surge)), "{told:?}");
    assert!(told.len() <= 3, "{told:?}");
}

#[test]
fn a_fleet_is_excused_as_a_whole_and_not_for_ever() {
    let mut fleet = Fleet::of(100);
    fleet.rests(40);
    assert_eq!(fleet.excuse(), Excuse::NONE);
    fleet.runs(4, |lane| if lane < 20 { UPDATE } else { Rises::default() });
    assert_eq!(fleet.excuse(), Excuse::NONE, "a part is no fleet");
    fleet.runs(4, |_| UPDATE);
    // Means are rounded.
    let is_about = |octaves: u16, of: u16| octaves.abs_diff(of * OCTAVE) < 8;
    let Excuse { units, events } = fleet.excuse();
    assert!(is_about(units, 8) && events == 0, "{units} {events}");
    fleet.runs(4, |_| Rises { events: 5 * OCTAVE, ..UPDATE });
    let Excuse { units, events } = fleet.excuse();
    assert!(is_about(units, 8) && is_about(events, 7), "{units} {events}");
    fleet.runs(340, |_| UPDATE);
    assert_eq!(fleet.excuse(), Excuse::NONE, "no update takes six hours");
}

#[test]
fn who_is_driven_is_not_excused() {
    let mut fleet = Fleet::of(100);
    fleet.rests(40);
    fleet.runs(10, |lane| if lane < 60 { BOTNET } else { Rises::default() });
    assert_eq!(fleet.excuse(), Excuse::NONE);
    let mut few = Fleet::of(12);
    few.rests(40);
    few.runs(10, |_| UPDATE);
    assert_eq!(few.excuse(), Excuse::NONE, "twelve are no crowd");
}

#[test]
fn a_part_that_uses_more_is_a_cluster_when_it_lasts() {
    let part = |lane: usize| if lane < 20 { UPDATE } else { Rises::default() };
    let mut fleet = Fleet::of(100);
    fleet.rests(40);
    fleet.runs(16, part);
    assert_eq!(fleet.told(), [], "a rollout begins with a part");
    fleet.runs(2, part);
    assert_eq!(fleet.told(), [(true, Finding::Cluster)]);
}

#[test]
fn a_part_that_moves_is_a_cluster() {
    let mut fleet = Fleet::of(100);
    fleet.rests(40);
    fleet.runs(30, |lane| if lane < 20 { BOTNET } else { Rises::default() });
    fleet.rests(40);
    assert_eq!(fleet.told(), [(true, Finding::Cluster), (false, Finding::Cluster)]);
    let Some((41, Change::Raised(raised))) = fleet.changes.first() else { panic!("{:?}", fleet.changes) };
    assert_eq!(raised.kinds.iter().collect::<Vec<_>>(), [Kind::Units, Kind::Events, Kind::Sizes]);
}

#[test]
fn a_whole_fleet_that_is_driven_is_no_surge() {
    let mut fleet = Fleet::of(100);
    fleet.rests(40);
    fleet.runs(30, |_| BOTNET);
    assert_eq!(fleet.told(), [(true, Finding::Cluster)]);
}

#[test]
fn lanes_suspected_together_are_a_cluster_from_the_first_minute() {
    let mut fleet = Fleet::of(40);
    fleet.rests(1);
    let now = Sixteenths(2 << STEP_SHIFT);
    for _ in 0..10 {
        fleet.pulse.suspect(true, now);
    }
    let Some(Change::Raised(raised)) = fleet.watch.look(&fleet.pulse, now) else { panic!("nothing found") };
    assert_eq!((raised.finding, raised.kinds), (Finding::Cluster, Kinds::default().with(Kind::Levels, true)));
    for _ in 0..10 {
        fleet.pulse.suspect(false, now);
    }
    assert_eq!(fleet.watch.look(&fleet.pulse, now), None, "not at once");
    fleet.step = 2;
    fleet.rests(4);
    assert_eq!(fleet.told(), [(false, Finding::Cluster)]);
}

#[test]
fn what_a_fleet_always_does_is_nothing() {
    let mut fleet = Fleet::of(100);
    // A third of the cameras see something at any time, other ones each minute.
    for step in 0..200_usize {
        fleet.runs(1, |lane| if (lane + step).is_multiple_of(3) { UPDATE } else { Rises::default() });
    }
    assert_eq!(fleet.told(), []);
}

#[test]
fn a_small_fleet_is_no_crowd() {
    let mut fleet = Fleet::of(12);
    fleet.rests(40);
    fleet.runs(20, |_| BOTNET);
    assert_eq!(fleet.told(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a fleet does, what is raised is cleared or gone over into another finding before it is raised again, and after a
    /// day's rest nothing stands.
    #[test]
    fn findings_are_raised_once_and_cleared_once(
        phases in proptest::collection::vec((0_usize..80, 1_u32..30, any::<bool>()), 1..8),
    ) {
        let mut fleet = Fleet::of(60);
        for (moving, steps, is_update) in phases {
            let rises = if is_update { UPDATE } else { BOTNET };
            fleet.runs(steps, |lane| if lane < moving { rises } else { Rises::default() });
        }
        fleet.rests(100);
        let mut stands = None;
        for (is_raised, finding) in fleet.told() {
            if is_raised {
                prop_assert_ne!(stands, Some(finding));
                stands = Some(finding);
            } else {
                prop_assert_eq!(stands.take(), Some(finding));
            }
        }
        prop_assert_eq!(stands, None);
        prop_assert_eq!(fleet.watch.raised(), None);
    }
}
