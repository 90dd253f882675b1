use proptest::prelude::*;

use super::*;

const NEW: u32 = u32::MAX;

fn pulse(lanes: u32, moving: u32, rises: Rises) -> Pulse {
    let mut pulse = Pulse::default();
    for lane in 0..lanes {
        let rises = if lane < moving { rises } else { Rises::default() };
        pulse.observe(rises, Kinds::default(), NEW, Sixteenths(100));
    }
    pulse
}

fn step(steps: u32) -> Sixteenths {
    Sixteenths(steps << STEP_SHIFT)
}

#[test]
fn who_moves_is_counted_with_its_rise() {
    let pulse = pulse(100, 80, Rises { units: 8 * OCTAVE, ..Rises::default() });
    assert_eq!((pulse.active(), pulse.moving(Kind::Units), pulse.moving(Kind::Events)), (100, 80, 0));
    assert_eq!((pulse.share(Kind::Units), pulse.rise(Kind::Units)), (800, 8 * OCTAVE));
}

#[test]
fn a_busy_lane_is_no_crowd() {
    let (mut pulse, mut moves) = (Pulse::default(), Kinds::default());
    for at in 1..500 {
        moves = pulse.observe(Rises { units: 8 * OCTAVE, ..Rises::default() }, moves, 1, step(at));
    }
    assert_eq!((pulse.active(), pulse.moving(Kind::Units), pulse.is_crowd()), (0, 0, false));
    assert!(pulse.active >= LANE - 32, "nearly one lane: {}", pulse.active);
}

#[test]
fn a_crowd_is_forgotten() {
    let mut pulse = pulse(100, 80, Rises { units: 8 * OCTAVE, ..Rises::default() });
    pulse.advance(Sixteenths(16 * 1024 * 6));
    assert_eq!((pulse.is_crowd(), pulse.moving(Kind::Units)), (false, 1));
}

#[test]
fn who_stops_moving_is_counted_no_longer() {
    let mut pulse = pulse(40, 40, Rises { events: 3 * OCTAVE, ..Rises::default() });
    let moves = Kinds::default().with(Kind::Events, true);
    for _ in 0..40 {
        assert_eq!(pulse.observe(Rises::default(), moves, 1, step(1)), Kinds::default());
    }
    assert_eq!((pulse.moving(Kind::Events), pulse.active()), (0, 40));
}

proptest! {
    #[test]
    fn words_bring_a_pulse_back(lanes in 0_u32..200, moving in 0_u32..200, units: u16, events: u16, sizes: u16) {
        let pulse = pulse(lanes, moving, Rises { units, events, sizes });
        prop_assert_eq!(Pulse::from_words(pulse.to_words()), pulse);
    }

    /// However lanes wander between threads and however often they are counted, the threads together count each once.
    #[test]
    fn lanes_that_wander_are_counted_once(
        visits in proptest::collection::vec((0_usize..24, 0_usize..3, 1_u32..4, any::<bool>()), 1..300),
    ) {
        let mut planes = [Pulse::default(); 3];
        let mut lanes = [(None::<u32>, Kinds::default()); 24];
        let mut at = 0;
        for (lane, plane, pause, moves) in visits {
            at += pause;
            let (last, before) = lanes[lane];
            let idle = last.map_or(NEW, |last| at - last);
            let rises = Rises { units: if moves { 2 * OCTAVE } else { 0 }, ..Rises::default() };
            lanes[lane] = (Some(at), planes[plane].observe(rises, before, idle, step(at)));
        }
        let mut all = Pulse::default();
        for plane in planes {
            all.merge(plane, step(at));
        }
        let met = lanes.iter().filter(|(last, _)| last.is_some()).count();
        // Each visit may lose a 256th to rounding on each thread.
        let expected: u32 = lanes.iter().filter_map(|(last, _)| last.map(|last| decay(LANE, at - last))).sum();
        prop_assert!(all.active <= expected + 24 * 300, "{} of {expected}", all.active);
        prop_assert!(all.active() <= u32::try_from(met).unwrap());
        for kind in Kind::ALL {
            prop_assert!(all.moving(kind) <= all.active() && all.share(kind) <= 1000);
        }
    }
}
