use super::*;
use proptest::prelude::*;

fn ladder() -> Ladder {
    let rung = |level, enter, hold_seconds| Rung { level, enter, leave: enter - 1000, hold_seconds };
    let rungs = [
        rung(Level::SmallerGrant, 5000, 60),
        rung(Level::ShorterValidity, 6000, 60),
        rung(Level::Pace, 7000, 120),
        rung(Level::VoucherPerPayment, 8000, 120),
        rung(Level::Restrict, 9000, 300),
        rung(Level::Block, 9900, 600),
    ];
    Ladder::new(&rungs, 300).expect("a ladder")
}

const fn at(seconds: u32) -> Sixteenths {
    Sixteenths(seconds * 16)
}

#[test]
fn a_standing_takes_eight_bytes() {
    assert_eq!(size_of::<Standing>(), 8);
}

#[test]
fn a_lane_goes_up_at_once_and_comes_down_rung_by_rung() {
    let ladder = ladder();
    let mut standing = Standing::default().after(Score(9500), Level::Trusted, at(0), &ladder);
    assert_eq!(standing.level(), Level::Restrict);
    let mut path = vec![standing.level()];
    for second in 1..2000 {
        standing = standing.after(Score(0), Level::Trusted, at(second), &ladder);
        if path.last() != Some(&standing.level()) {
            path.push(standing.level());
        }
    }
    assert_eq!(path, Level::ALL[..6].iter().rev().copied().collect::<Vec<_>>());
}

#[test]
fn a_block_needs_time_under_restriction_unless_a_rule_demands_it() {
    let ladder = ladder();
    let start = Standing::default();
    let restricted = start.after(Score(10_000), Level::Trusted, at(0), &ladder);
    assert_eq!(restricted.level(), Level::Restrict);
    assert_eq!(restricted.after(Score(10_000), Level::Trusted, at(299), &ladder).level(), Level::Restrict);
    assert_eq!(restricted.after(Score(10_000), Level::Trusted, at(300), &ladder).level(), Level::Block);
    assert_eq!(start.after(Score(0), Level::Block, at(0), &ladder).level(), Level::Block);
}

#[test]
fn rungs_without_hysteresis_are_refused() {
    let mut rungs = *ladder().rungs();
    rungs[2].leave = rungs[2].enter;
    assert_eq!(Ladder::new(&rungs, 0), Err(LadderError::NoHysteresis(Level::Pace)));
    rungs = *ladder().rungs();
    rungs.swap(0, 1);
    assert_eq!(Ladder::new(&rungs, 0), Err(LadderError::Order));
    rungs = *ladder().rungs();
    rungs[3].enter = 9500;
    assert_eq!(Ladder::new(&rungs, 0), Err(LadderError::NotRising(Level::Restrict)));
    assert_eq!(Ladder::new(&rungs[..5], 0), Err(LadderError::Order));
}

fn steps() -> impl Strategy<Value = Vec<(u16, u32)>> {
    proptest::collection::vec((0_u16..=10_000, 0_u32..400), 1..60)
}

proptest! {
    /// Whatever the scores, no rung is left before its time, and never by more than one.
    #[test]
    fn no_score_makes_a_lane_flap(steps in steps()) {
        let ladder = ladder();
        let (mut standing, mut now) = (Standing::default(), 0);
        for (score, wait) in steps {
            now += wait;
            let next = standing.after(Score(score), Level::Trusted, at(now), &ladder);
            if next.level() < standing.level() {
                let rung = ladder.rung(standing.level()).expect("above the ground");
                prop_assert!(now - standing.since().0 / 16 >= rung.hold_seconds);
                prop_assert_eq!(next.level(), standing.level().below());
                prop_assert!(score < rung.leave);
            }
            standing = next;
        }
    }

    /// A score that stays between leaving and entering changes nothing, for ever.
    #[test]
    fn between_its_bounds_a_lane_stays(index in 0_usize..6, inside in 0_u16..1000, waits in proptest::collection::vec(0_u32..5000, 1..30)) {
        let ladder = ladder();
        let rung = ladder.rungs()[index];
        let score = Score(rung.leave + inside.min(rung.enter - rung.leave - 1));
        let (mut standing, mut now) = (Standing::from_parts(rung.level, at(0)), 0);
        let wanted = ladder.wanted(score);
        prop_assume!(wanted <= rung.level);
        for wait in waits {
            now += wait;
            standing = standing.after(score, Level::Trusted, at(now), &ladder);
            prop_assert_eq!(standing.level(), rung.level);
        }
    }

    /// From anywhere, a lane without anything against it is free again when all holds have passed.
    #[test]
    fn every_lane_is_let_go_again(steps in steps()) {
        let ladder = ladder();
        let (mut standing, mut now) = (Standing::default(), 0);
        for (score, wait) in steps {
            now += wait;
            standing = standing.after(Score(score), Level::Trusted, at(now), &ladder);
        }
        for rung in ladder.rungs().iter().rev() {
            now += rung.hold_seconds;
            standing = standing.after(Score(0), Level::Trusted, at(now), &ladder);
        }
        prop_assert_eq!(standing.level(), Level::Trusted);
    }

    /// A higher score never leads to a lower rung.
    #[test]
    fn more_suspicion_never_means_less_action(level in 0_usize..7, waited in 0_u32..2000, a in 0_u16..=10_000, b in 0_u16..=10_000) {
        let ladder = ladder();
        let standing = Standing::from_parts(Level::ALL[level], at(0));
        let after = |score| standing.after(Score(score), Level::Trusted, at(waited), &ladder).level();
        prop_assert!(after(a.min(b)) <= after(a.max(b)));
    }
}
