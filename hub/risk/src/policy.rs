//! What an operator allows the model to do: per tenant, per action, per lane.

use farthing_channel::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::ladder::Level;

/// Whether the model acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It watches, scores and writes down what it would do, and does nothing.
    #[default]
    Shadow,
    /// It acts.
    On,
}

/// The policy of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tenant {
    /// Whether the model acts on the tenant's lanes.
    pub mode: Mode,
    /// The highest action that it may take.
    pub most: Level,
}

/// How far the actions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// What is left of the credit window from [`Level::SmallerGrant`] on, thousandths.
    pub smaller_grant_permille: u16,
    /// How long a grant is good from [`Level::ShorterValidity`] on, seconds at most.
    pub short_validity_seconds: u32,
    /// Milliseconds between two payments from [`Level::Pace`] on, at least.
    pub pace_ms: u32,
}

/// What the hub does about a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What may be served beyond what is authorised, base units.
    pub credit_window: u64,
    /// Seconds for which a grant is good.
    pub validity_seconds: u32,
    /// Least milliseconds between two payments; 0 for none.
    pub pace_ms: u32,
    /// Whether ticks are refused and vouchers alone taken.
    pub vouchers_only: bool,
    /// Whether payments are refused.
    pub blocked: bool,
}

impl Measures {
    /// The terms at a level, from those that the operator gives a lane with nothing against it. They never become better than
    /// those.
    pub fn at(&self, level: Level, full: Terms) -> Terms {
        let mut terms = full;
        if level >= Level::SmallerGrant {
            let part = u128::from(full.credit_window) * u128::from(self.smaller_grant_permille.min(1000)) / 1000;
            terms.credit_window = u64::try_from(part).unwrap_or(full.credit_window);
        }
        if level >= Level::ShorterValidity {
            terms.validity_seconds = full.validity_seconds.min(self.short_validity_seconds);
        }
        if level >= Level::Pace {
            terms.pace_ms = full.pace_ms.max(self.pace_ms);
        }
        terms.vouchers_only |= level >= Level::VoucherPerPayment;
        if level >= Level::Restrict {
            terms.credit_window = 0;
        }
        terms.blocked |= level >= Level::Block;
        terms
    }
}

/// An operator's own decision about a lane; it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The action, whatever the score says.
    pub level: Level,
    /// From when on it no longer holds.
    pub until: UnixSecondsForm,
}

/// An update of a fleet that an operator announced: what its lanes use in that time, and how often, is not held against them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnouncedUpdate {
    /// The fleet.
    pub fleet: String,
    /// From when on.
    pub from: UnixSecondsForm,
    /// From when on no longer.
    pub until: UnixSecondsForm,
}

impl AnnouncedUpdate {
    /// Whether it goes on at `now`.
    pub fn holds(&self, now: UnixSeconds) -> bool {
        (self.from.0..self.until.0).contains(&now.0)
    }
}

/// Seconds since 1970, as they lie in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSecondsForm(pub u64);

impl Override {
    /// The action, while it holds.
    pub fn at(&self, now: UnixSeconds) -> Option<Level> {
        (now.0 < self.until.0).then_some(self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_override_ends_by_itself() {
        let decision = Override { level: Level::Trusted, until: UnixSecondsForm(100) };
        assert_eq!((decision.at(UnixSeconds(99)), decision.at(UnixSeconds(100))), (Some(Level::Trusted), None));
    }

    proptest! {
        /// No action gives a lane more than the operator does, and a higher one never more than a lower one.
        #[test]
        fn exposure_never_exceeds_the_credit_window(
            permille: u16, seconds: u32, pace: u32, credit_window: u64, validity_seconds: u32, pace_ms: u32,
        ) {
            let measures = Measures { smaller_grant_permille: permille, short_validity_seconds: seconds, pace_ms: pace };
            let full = Terms { credit_window, validity_seconds, pace_ms, vouchers_only: false, blocked: false };
            let mut last = full;
            for level in Level::ALL {
                let terms = measures.at(level, full);
                prop_assert!(terms.credit_window <= last.credit_window && terms.validity_seconds <= last.validity_seconds);
                prop_assert!(terms.pace_ms >= last.pace_ms);
                prop_assert!(terms.vouchers_only >= last.vouchers_only && terms.blocked >= last.blocked);
                last = terms;
            }
            prop_assert_eq!(measures.at(Level::Trusted, full), full);
            prop_assert_eq!((last.credit_window, last.vouchers_only, last.blocked), (0, true, true));
        }
    }
}
