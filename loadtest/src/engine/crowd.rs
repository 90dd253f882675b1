//! Devices that come and go beside those whose payments are measured, on a thread of their own.
//!
//! The thread has the lowest priority, its turns are short, and it sleeps a little after each: whoever pays through the
//! storm is measured, and must not wait for the generator's own work on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::driver::Driver;
use super::process::{give_way, rest};
use super::schedule::Schedule;
use super::storm::STEP;
use crate::clock;

/// UDP datagrams taken in per turn and socket, each of which may cost a handshake's mathematics.
const DATAGRAMS_PER_TURN: usize = 2;

/// What a crowd is told.
#[derive(Debug)]
enum Order {
    /// Vanish, with a goodbye or `silent`ly, and come back, evenly over this time.
    Return { silent: bool, within: Duration },
    /// Strangers knock, so many per second, and leave as soon as they are in or stay.
    Knock { per_second: f64, leave: bool },
}

/// The crowd's thread.
#[derive(Debug)]
pub(super) struct Crowd {
    orders: Sender<Order>,
    /// The crowd's members that are connected, attached, and have nothing unacknowledged.
    settled: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Driver>>,
}

impl Crowd {
    /// Has a crowd that is connected live on by itself.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(super) fn begin(mut driver: Driver) -> anyhow::Result<Self> {
        let (orders, wanted) = channel();
        let settled = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let (count, end) = (Arc::clone(&settled), Arc::clone(&over));
        driver.live = false;
        driver.client.set_datagrams_per_turn(DATAGRAMS_PER_TURN);
        let thread = std::thread::Builder::new().name("crowd".to_owned()).spawn(move || {
            give_way()?;
            live(&mut driver, &wanted, &count, &end)?;
            Ok(driver)
        })?;
        Ok(Self { orders, settled, over, thread })
    }

    /// All vanish and come back.
    pub(super) fn come_back(&self, silent: bool, within: Duration) -> anyhow::Result<()> {
        self.settled.store(0, Ordering::Release);
        self.orders.send(Order::Return { silent, within }).context("the crowd is gone")
    }

    /// Strangers knock from now on.
    pub(super) fn knock(&self, per_second: f64, leave: bool) -> anyhow::Result<()> {
        self.orders.send(Order::Knock { per_second, leave }).context("the crowd is gone")
    }

    /// Members that are back, each with a payment acknowledged since. False where the crowd's thread has ended.
    pub(super) fn settled(&self) -> anyhow::Result<usize> {
        anyhow::ensure!(!self.thread.is_finished(), "the crowd has ended early");
        Ok(self.settled.load(Ordering::Acquire))
    }

    /// Ends the thread; its connections come back as they are.
    pub(super) fn end(self) -> anyhow::Result<Driver> {
        self.over.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow::anyhow!("the crowd's thread ended early"))?
    }
}

/// Who is still to come.
#[derive(Debug)]
enum Coming {
    Nobody,
    Members { schedule: Schedule, called: usize },
    Strangers { schedule: Schedule },
}

fn live(driver: &mut Driver, orders: &Receiver<Order>, settled: &AtomicUsize, over: &AtomicBool) -> anyhow::Result<()> {
    let mut coming = Coming::Nobody;
    let mut returned = false;
    while !over.load(Ordering::Acquire) {
        let now = clock::now();
        match orders.try_recv() {
            Ok(Order::Return { silent, within }) => {
                coming = vanish(driver, now, silent, within);
                returned = true;
            }
            Ok(Order::Knock { per_second, leave }) => {
                driver.strangers.leave = leave;
                coming = Coming::Strangers { schedule: Schedule::new(now, per_second) };
            }
            Err(_) => {}
        }
        call(driver, &mut coming, now);
        driver.run(now + STEP, |_| {
            rest();
            false
        })?;
        if returned {
            settled.store(driver.ready().saturating_sub(driver.waiting_lanes()), Ordering::Release);
        }
    }
    Ok(())
}

fn vanish(driver: &mut Driver, now: Instant, silent: bool, within: Duration) -> Coming {
    let all = driver.members.len();
    driver.pay_on_return = true;
    for place in 0..all {
        driver.dismiss(place, silent);
    }
    // All at once, or evenly over the time they take to notice. Attempts beyond what the hub answers wait for QUIC's own
    // retransmission, as those of real devices do.
    driver.set_gathering_max(all);
    let per_second = u32::try_from(all).map_or(1.0, f64::from) / within.as_secs_f64().max(0.001);
    Coming::Members { schedule: Schedule::new(now, per_second), called: 0 }
}

fn call(driver: &mut Driver, coming: &mut Coming, now: Instant) {
    match coming {
        Coming::Nobody => {}
        Coming::Members { schedule, called } => {
            while *called < driver.members.len() && schedule.take_due(now).is_some() {
                driver.call([*called]);
                *called += 1;
            }
        }
        Coming::Strangers { schedule } => {
            while schedule.take_due(now).is_some() {
                driver.begin_stranger();
            }
        }
    }
}
