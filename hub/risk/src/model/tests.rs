use super::*;
use crate::file::{SHIPPED, WeightsFile};
use crate::policy::UnixSecondsForm;
use crate::profile::Learner;
use crate::signals::Event;

const CLOCK: UnixSeconds = UnixSeconds(1_800_000_000);

fn model() -> Model {
    WeightsFile::parse(SHIPPED).and_then(|file| file.model()).expect("the shipped model")
}

const ON: Tenant = Tenant { mode: Mode::On, most: Level::Block };

/// A fleet whose lanes report 150 to 200 bytes each minute.
fn usual() -> Profile {
    let mut learner = Learner::default();
    let mut signals = Signals::default();
    for minute in 0..2000 {
        let units = 150 + u64::from(minute * 7 % 50);
        signals.observe(Event::Served { units }, Sixteenths(minute * 960), &Profile::unknown());
        learner.observe(units, &signals);
    }
    learner.profile()
}

struct Lane {
    signals: Signals,
    standing: Standing,
    now: u32,
}

impl Lane {
    fn honest(profile: &Profile) -> Self {
        let mut lane = Self { signals: Signals::default(), standing: Standing::default(), now: 0 };
        for minute in 0..600 {
            lane.observe(Event::Served { units: 150 + minute * 7 % 50 }, 960, profile);
        }
        lane
    }

    fn observe(&mut self, event: Event, wait: u32, profile: &Profile) {
        self.now += wait;
        self.signals.observe(event, Sixteenths(self.now), profile);
    }

    fn assess(
        &mut self,
        model: &Model,
        profile: &Profile,
        tenant: Tenant,
        overriding: Option<&Override>,
    ) -> Assessment {
        let view = LaneView {
            signals: &self.signals,
            profile,
            facts: &Facts::NOTHING,
            standing: self.standing,
            tenant,
            overriding,
        };
        let assessment = model.assess(&view, Sixteenths(self.now), CLOCK);
        self.standing = assessment.standing;
        assessment
    }
}

#[test]
fn an_honest_lane_is_trusted() {
    let (model, profile) = (model(), usual());
    let assessment = Lane::honest(&profile).assess(&model, &profile, ON, None);
    assert_eq!(assessment.level, Level::Trusted, "{assessment:?}");
    assert!(model.reasons(&assessment).is_empty());
}

#[test]
fn a_flood_of_empty_events_is_acted_on_and_explained() {
    let (model, profile) = (model(), usual());
    let mut lane = Lane::honest(&profile);
    for _ in 0..2000 {
        lane.observe(Event::Served { units: 0 }, 1, &profile);
    }
    let assessment = lane.assess(&model, &profile, ON, None);
    assert!(assessment.level >= Level::Pace, "{assessment:?}");
    let reasons = model.reasons(&assessment);
    assert!(reasons.contains(&Reason::EventsUnusual) && reasons.contains(&Reason::SizesUnusual), "{reasons:?}");
    assert!(reasons.is_sorted() && reasons.len() <= 3);
    let parts = model.parts(&assessment.features);
    let sum: i64 = parts.iter().map(|part| i64::from(part.added)).sum();
    let rounding = i64::try_from(parts.len()).expect("few");
    assert!((i64::from(model.weights().bias) + sum - i64::from(assessment.odds.0)).abs() <= rounding);
}

#[test]
fn shadow_mode_keeps_the_standing_and_does_nothing() {
    let (model, profile) = (model(), usual());
    let mut lane = Lane::honest(&profile);
    lane.observe(Event::TwoPlaces, 1, &profile);
    let shadow = lane.assess(&model, &profile, Tenant { mode: Mode::Shadow, most: Level::Block }, None);
    assert_eq!((shadow.level, shadow.standing.level()), (Level::Trusted, Level::VoucherPerPayment));
    let mild = lane.assess(&model, &profile, Tenant { mode: Mode::On, most: Level::SmallerGrant }, None);
    assert_eq!(mild.level, Level::SmallerGrant);
    let acted = lane.assess(&model, &profile, ON, None);
    assert_eq!(acted.level, Level::VoucherPerPayment);
    assert!(model.reasons(&acted).contains(&Reason::TwoPlaces));
}

#[test]
fn an_operator_has_the_last_word_until_it_ends() {
    let (model, profile) = (model(), usual());
    let mut lane = Lane::honest(&profile);
    let block = Override { level: Level::Block, until: UnixSecondsForm(CLOCK.0 + 1) };
    let blocked = lane.assess(&model, &profile, Tenant { mode: Mode::Shadow, most: Level::Trusted }, Some(&block));
    assert_eq!((blocked.level, model.reasons(&blocked)), (Level::Block, vec![Reason::Operator]));
    let ended = Override { until: UnixSecondsForm(CLOCK.0), ..block };
    assert_eq!(lane.assess(&model, &profile, ON, Some(&ended)).level, Level::Trusted);
}

#[test]
fn an_attack_that_ends_is_forgiven() {
    let (model, profile) = (model(), usual());
    let mut lane = Lane::honest(&profile);
    for _ in 0..2000 {
        lane.observe(Event::Served { units: 0 }, 1, &profile);
    }
    assert!(lane.assess(&model, &profile, ON, None).level > Level::Trusted);
    let mut levels = Vec::new();
    for minute in 0..12 * 60 {
        lane.observe(Event::Served { units: 150 + minute * 7 % 50 }, 960, &profile);
        levels.push(lane.assess(&model, &profile, ON, None).level);
    }
    // The windows are still full of the attack for a while; then it only gets better.
    assert!(levels[60..].is_sorted_by(|a, b| a >= b), "{levels:?}");
    assert_eq!(levels.last(), Some(&Level::Trusted));
}
