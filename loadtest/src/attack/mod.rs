//! Attacks on a hub with honest devices beside: what the attacker gets, and what the honest ones notice.
//!
//! | module | does |
//! | --- | --- |
//! | [`args`] | the command line |
//! | [`arena`] | a site, honest devices that pay at their rate, and the attacker on a thread of the lowest priority |
//! | [`crew`] | the attacker's connections |
//! | [`cloned_key`], [`spending_fast`], [`replay_storm`], [`bad_proofs`], [`gap_abuse`], [`slow_drift`], [`overspend_race`], [`handshake_flood`], [`empty_events`] | an attack each |
//!
//! Before it attacks, every device of the attacker pays as an honest one would, once a second.

pub mod arena;
pub mod args;
pub mod bad_proofs;
pub mod cloned_key;
pub mod crew;
pub mod empty_events;
pub mod gap_abuse;
pub mod handshake_flood;
pub mod overspend_race;
pub mod replay_storm;
pub mod slow_drift;
pub mod spending_fast;

use std::fmt;
use std::time::Instant;

use clap::ValueEnum as _;

pub use args::{AttackArgs, Kind};

use crate::engine::lane::Means;
use crate::report;
use arena::AttackResult;
use crew::Crew;

/// What the attacker brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// How its devices pay.
    pub means: Means,
    /// Connections on which each of its keys is used.
    pub copies: usize,
    /// Whether those connections pay on lanes of their own; otherwise they are on one.
    pub own_lanes: bool,
    /// What each of its devices may owe, base units.
    pub limit: u64,
}

/// Devices that nobody copied, with a limit that no run reaches.
const USUAL: Profile = Profile { means: Means::Ticks, copies: 1, own_lanes: false, limit: 1_000_000_000 };

/// An attack: what is done with the crew in each turn of its loop.
pub trait Attack: fmt::Debug + Send {
    /// What it needs.
    fn profile(&self) -> Profile {
        USUAL
    }

    /// Does what is due at `now`. `begun` is when the attack began.
    fn act(&mut self, crew: &mut Crew, begun: Instant, now: Instant);
}

fn attack(kind: Kind) -> Box<dyn Attack> {
    match kind {
        Kind::ClonedKey => Box::new(cloned_key::ClonedKey::default()),
        Kind::SpendingFast => Box::new(spending_fast::SpendingFast::default()),
        Kind::ReplayStorm => Box::new(replay_storm::ReplayStorm::default()),
        Kind::BadProofs => Box::new(bad_proofs::BadProofs::default()),
        Kind::GapAbuse => Box::new(gap_abuse::GapAbuse::default()),
        Kind::SlowDrift => Box::new(slow_drift::SlowDrift::default()),
        Kind::OverspendRace => Box::new(overspend_race::OverspendRace::default()),
        Kind::HandshakeFlood => Box::new(handshake_flood::HandshakeFlood::default()),
        Kind::EmptyEvents => Box::new(empty_events::EmptyEvents::default()),
    }
}

/// Something that is due so often.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    done: u64,
}

impl Pace {
    /// How many are due now, at `per_second` since `begun`; those are done with it. At most `most` at once.
    pub fn due(&mut self, begun: Instant, now: Instant, per_second: u64, most: u64) -> u64 {
        let microseconds = u64::try_from(now.saturating_duration_since(begun).as_micros()).unwrap_or(u64::MAX);
        let due = (microseconds.saturating_mul(per_second) / 1_000_000).saturating_sub(self.done).min(most);
        self.done += due;
        due
    }
}

/// Runs the attacks, writes the results and says them.
///
/// # Errors
/// Where a site cannot be set up, or honest devices are refused.
pub async fn run(args: &AttackArgs) -> anyhow::Result<Vec<AttackResult>> {
    let kinds = if args.kinds.is_empty() { Kind::value_variants() } else { &args.kinds };
    let mut results = Vec::new();
    for kind in kinds {
        let result = tokio::task::block_in_place(|| arena::run(*kind, args))?;
        result.say();
        results.push(result);
    }
    if let Some(path) = &args.json {
        report::write_json(path, &results)?;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_is_done_once_and_a_stall_is_not_caught_up_at_once() {
        let begun = crate::clock::now();
        let mut pace = Pace::default();
        let at = |ms| begun + Duration::from_millis(ms);
        assert_eq!(pace.due(begun, at(10), 1000, 100), 10);
        assert_eq!(pace.due(begun, at(10), 1000, 100), 0);
        assert_eq!(pace.due(begun, at(1010), 1000, 100), 100);
    }

    #[test]
    fn every_attack_has_devices_that_can_pay() {
        for kind in Kind::value_variants() {
            let profile = attack(*kind).profile();
            assert!(profile.copies > 0 && profile.limit > 0, "{kind:?}");
        }
    }
}
