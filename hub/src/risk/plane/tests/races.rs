//! Threads that race for the same lanes, as data-plane threads, the control plane and the follower do.

use std::sync::Arc;
use std::thread;

use farthing_cells::HolderId;
use farthing_channel::record::RiskOverride;
use farthing_channel::sign::{Signer as _, UncheckedSignature};
use farthing_channel::wire::SignedReport;

use super::*;
use crate::table::commit::Committed;
use crate::table::tests::{device, escrow, pay};
use crate::table::{HeldChannel, Lane};

const LANES: u8 = 2;
/// What each device may owe.
const LIMIT: u64 = 4 * WINDOW;
/// What both may: less than the sum of that.
const DEPOSIT: u64 = 6 * WINDOW;

/// What a thread does, to which lane, and with what number.
type Step = (u8, u8, u64);

fn scripts() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = (0_u8..14, 0..LANES, 0..2 * WINDOW);
    proptest::collection::vec(proptest::collection::vec(step, 10..50), 2..5)
}

/// A thread with changes that are not yet on disk; it holds their channels.
struct Racer<'a> {
    holder: HolderId,
    table: &'a Table,
    engine: &'a RiskEngine,
    plane: PlaneRisk,
    in_flight: Vec<(HeldChannel, Arc<Lane>, u64)>,
}

impl Racer<'_> {
    fn run(mut self, script: &[Step]) {
        for (turn, (kind, which, number)) in (0..).zip(script) {
            let (ms, now) = at(turn * 3);
            self.plane.begin_turn(ms);
            let lane = self.table.lane(&lane_of(*which)).unwrap().unwrap();
            if let Some(held) = HeldChannel::take(lane.channel(), self.holder) {
                self.act(*kind, *which, *number, &lane, held, now);
            }
            if number.is_multiple_of(3) {
                self.sync();
            }
            self.observe(&lane, now);
        }
        self.sync();
    }

    fn act(&mut self, kind: u8, which: u8, number: u64, lane: &Arc<Lane>, held: HeldChannel, now: UnixSeconds) {
        match kind {
            0 => self.plane.observe(lane, Event::StaleState),
            1 => self.plane.observe(lane, Event::TwoPlaces),
            2 => self.plane.attached(lane, number),
            3 => (0..12).for_each(|_| self.plane.observe(lane, Event::ProofFailed)),
            4 => {
                let signature = UncheckedSignature([0; 64]);
                let report =
                    SignedReport { lane: lane.id(), revision: number, used_units: number, credited: 0, signature };
                if lane.accept_report(&report).is_ok() {
                    self.plane.reported(lane, number);
                }
            }
            5 if number.is_multiple_of(5) => {
                let (escrow, device) = (escrow(0).id, device(which).address());
                self.table.apply(&Record::Revoked { escrow, device, serial: 1, at: now }).unwrap();
            }
            6 => {
                let (channel, level) = (lane.channel().id(), Level::ALL[usize::try_from(number % 7).unwrap()]);
                let until = UnixSeconds(now.0 + number % 9);
                let decision = RiskOverride { channel, at: now, level: level as u8, until };
                self.table.apply(&Record::RiskOverride(decision)).unwrap();
                lane.override_risk(level);
            }
            _ => {
                let before = lane.evidence().amount();
                if let Ok(Committed::Changed { authorised, .. }) = pay(self.table, which, before + number / 4) {
                    self.plane.paid(lane, before, authorised, 1, u16::from(kind));
                    self.in_flight.push((held, Arc::clone(lane), authorised));
                }
            }
        }
        self.plane.assess(lane, now);
    }

    /// What was done is on disk.
    fn sync(&mut self) {
        for (_held, lane, authorised) in self.in_flight.drain(..) {
            lane.raise_durable(authorised);
        }
    }

    /// Whatever others do meanwhile: a grant that is given now is covered by what is proven, but for the window.
    fn observe(&self, lane: &Lane, now: UnixSeconds) {
        let decision = self.engine.decide(lane, now);
        assert!(decision.credit_window <= WINDOW, "{decision:?}");
        let durable = lane.durable();
        let granted = grant(lane, &decision, durable).units;
        let proven = lane.evidence().amount();
        assert!(durable <= proven && proven <= LIMIT, "{durable} of {proven}");
        assert!((durable..=durable + WINDOW).contains(&granted), "{granted} is granted on {durable}");
        assert!(lane.channel().escrow().authorised() <= DEPOSIT);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn exposure_stays_within_the_window_when_threads_race(scripts in scripts()) {
        let table = Table::default().starting_at(START_MS);
        opening(DEPOSIT, LIMIT.into(), LANES).iter().for_each(|record| table.apply(record).unwrap());
        let engine = engine(ModelMode::Enforce);
        thread::scope(|scope| {
            for (number, script) in (0..).zip(&scripts) {
                let plane = PlaneRisk::new(&engine, table.risk_clock(), 1);
                let (table, engine) = (&table, engine.as_ref());
                let racer = Racer { holder: HolderId(number), table, engine, plane, in_flight: Vec::new() };
                scope.spawn(move || racer.run(script));
            }
        });
        for which in 0..LANES {
            let lane = table.lane(&lane_of(which)).unwrap().unwrap();
            let decision = engine.decide(&lane, at(0).1);
            let granted = grant(&lane, &decision, lane.durable()).units;
            prop_assert_eq!(lane.durable(), lane.evidence().amount(), "all is on disk");
            prop_assert!(granted - lane.durable() <= WINDOW);
            if lane.risk().level().0 >= Level::Restrict {
                prop_assert_eq!(granted, lane.durable(), "nothing is served on credit");
            }
        }
    }
}
