//! A fleet whose lanes are spread over all threads, and is updated.

use super::*;
use farthing_risk::features::Excuse;

const DEVICES: u8 = 24;
const THREADS: usize = 4;
/// Seconds between two payments of a lane.
const PERIOD: u64 = 300;

/// Has each device pay so much, once each period, on the thread that it is attached to.
fn pay(table: &Table, planes: &mut [PlaneRisk], from: u64, periods: u64, amount: u64) -> u64 {
    for period in from..from + periods {
        for device in 0..DEVICES {
            let (ms, now) = at(period * PERIOD + u64::from(device) * PERIOD / u64::from(DEVICES));
            planes.iter_mut().for_each(|plane| plane.begin_turn(ms));
            let lane = table.lane(&lane_of(device)).unwrap().unwrap();
            let before = lane.risk().read().units_seen;
            let plane = &mut planes[usize::from(device) % THREADS];
            plane.paid(&lane, before, before + amount, 1, 1);
            plane.assess(&lane, now);
        }
    }
    from + periods
}

#[test]
fn a_fleet_is_excused_as_a_whole_on_every_thread() {
    let table = Table::default().starting_at(START_MS);
    let limit = u64::MAX / 2;
    opening(limit, u128::from(limit), DEVICES).iter().for_each(|record| table.apply(record).unwrap());
    let engine = engine(ModelMode::Enforce);
    let mut planes: Vec<_> = (0..THREADS).map(|_| PlaneRisk::new(&engine, table.risk_clock(), 1)).collect();
    let excuses = |planes: &[PlaneRisk]| -> Vec<Excuse> {
        planes.iter().map(|plane| plane.fleets.get(0).unwrap().excuse).collect()
    };
    let now = pay(&table, &mut planes, 0, 400, 100);
    assert_eq!(excuses(&planes), [Excuse::NONE; THREADS]);
    pay(&table, &mut planes, now, 4, 5000);
    // Six lanes a thread: to none of them alone are they a crowd.
    assert!(excuses(&planes).iter().all(|excuse| excuse.units > 4 * 256), "{:?}", excuses(&planes));
}
