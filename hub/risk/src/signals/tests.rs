use super::*;
use proptest::prelude::*;

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => any::<u64>().prop_map(|units| Event::Served { units }),
        4 => (0_u64..2000).prop_map(|units| Event::Served { units }),
        1 => Just(Event::ProofFailed),
        1 => any::<u32>().prop_map(|steps| Event::Gap { steps }),
        1 => Just(Event::StaleState),
        1 => Just(Event::Reattached),
        1 => Just(Event::AddressChanged),
        1 => Just(Event::TwoPlaces),
        1 => any::<u32>().prop_map(|permille| Event::Exposure { permille }),
    ]
}

fn profile() -> Profile {
    let mut learner = crate::profile::Learner::default();
    for units in 0..300 {
        learner.observe(units, &Signals::default());
    }
    learner.profile()
}

proptest! {
    /// Nothing overflows or panics, whatever happens and however time goes; and in the end all is forgotten.
    #[test]
    fn any_history_is_survived_and_forgotten(history in proptest::collection::vec((event(), any::<u32>()), 0..200)) {
        let profile = profile();
        let mut signals = Signals::default();
        for (event, at) in &history {
            signals.observe(*event, Sixteenths(*at), &profile);
        }
        let last = history.iter().map(|(_, at)| *at).max().unwrap_or(0);
        prop_assume!(last < u32::MAX - 16 * 1024 * 64);
        signals.advance(Sixteenths(last + 16 * 1024 * 64));
        prop_assert_eq!(signals.levels(), (0, 0));
        prop_assert_eq!((signals.surprise(), signals.failures(), signals.stale(), signals.churn(), signals.places()), (0, 0, 0, 0, 0));
    }

    /// However often a lane is looked at, it comes to the same.
    #[test]
    fn looking_changes_nothing_but_time(start in 0_u32..1_000_000, looks in proptest::collection::vec(0_u32..64, 0..40)) {
        let profile = profile();
        let mut once = Signals::default();
        once.observe(Event::Served { units: 1000 }, Sixteenths(start), &profile);
        once.observe(Event::ProofFailed, Sixteenths(start), &profile);
        let mut often = once;
        let mut now = start;
        for look in looks {
            // Within one step nothing decays; across steps rounding may only take more.
            now += look;
            often.advance(Sixteenths(now));
        }
        once.advance(Sixteenths(now));
        prop_assert!(often.levels().0 <= once.levels().0 && often.failures() <= once.failures());
        prop_assert!(once.levels().0 - often.levels().0 <= 64);
    }

    /// More units never make a lane look quieter.
    #[test]
    fn greater_use_is_no_lower_level(small in 0_u64..1_000_000, more in 0_u64..1_000_000) {
        let profile = profile();
        let after = |units| {
            let mut signals = Signals::default();
            signals.observe(Event::Served { units }, Sixteenths(0), &profile);
            signals.levels().1
        };
        prop_assert!(after(small) <= after(small + more));
    }
}

#[test]
fn a_busy_lane_decays_as_a_rare_one() {
    // 100 events a second would never decay if each looked back a whole step.
    let profile = Profile::unknown();
    let mut signals = Signals::default();
    for at in 0..16 * 4000 {
        signals.observe(Event::Served { units: 1 }, Sixteenths(at), &profile);
    }
    let steady = signals.levels().1;
    for at in 16 * 4000..16 * 8000 {
        signals.observe(Event::Served { units: 1 }, Sixteenths(at), &profile);
    }
    assert!(signals.levels().1.abs_diff(steady) < 64, "{} {steady}", signals.levels().1);
}

#[test]
fn a_lane_cannot_teach_itself_an_attack_in_an_hour() {
    let profile = profile();
    let mut signals = Signals::default();
    for minute in 0..600_u32 {
        signals.observe(Event::Served { units: 100 }, Sixteenths(minute * 960), &profile);
    }
    let usual = signals.own_levels().0;
    for second in 0..3600_u32 {
        signals.observe(Event::Served { units: 100 }, Sixteenths(600 * 960 + second * 16), &profile);
    }
    assert!(signals.own_levels().0 < usual + OCTAVE, "{} {usual}", signals.own_levels().0);
    assert!(signals.levels().0 > signals.own_levels().0 + 3 * OCTAVE);
    assert!(signals.drifts().0 > 100);
}
