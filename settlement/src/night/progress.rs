//! Where a night stands.

use std::fmt;

use farthing_channel::id::Hash32;
use serde::Serialize;

use crate::text::utc;

/// Where a night stands: what was done last, or what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Progress {
    /// Nothing was proven since the last epoch, and nothing that waited can be paid.
    NothingToSettle,
    /// A plan was begun and cut short before its proposal.
    Planning {
        /// The epoch.
        epoch: u64,
    },
    /// The proposal waits for approvals.
    NeedsApprovals {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
        /// Approvals there are.
        approvals: usize,
        /// Approvals that are needed.
        needed: usize,
    },
    /// The proposal is approved, and nothing of it is on the ledger yet.
    Approved {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
    },
    /// A part of the proposal is on the ledger: a submission was cut short.
    Submitting {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
    },
    /// Batches are posted, and the ledger decides them later; a run after that time goes on.
    WaitsForLedger {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
        /// Not before then, Unix seconds.
        until: u64,
    },
    /// All of the proposal is on the ledger, and was not compared with it yet.
    Submitted {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
    },
    /// The ledger did what was proposed, to the last base unit; the books do not say so yet.
    Reconciled {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
    },
    /// The epoch is settled, reconciled and closed.
    Closed {
        /// The epoch.
        epoch: u64,
        /// The proposal.
        #[serde(with = "crate::text")]
        proposal: Hash32,
    },
}

impl Progress {
    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NothingToSettle => "nothing_to_settle",
            Self::Planning { .. } => "planning",
            Self::NeedsApprovals { .. } => "needs_approvals",
            Self::Approved { .. } => "approved",
            Self::Submitting { .. } => "submitting",
            Self::WaitsForLedger { .. } => "waits_for_ledger",
            Self::Submitted { .. } => "submitted",
            Self::Reconciled { .. } => "reconciled",
            Self::Closed { .. } => "closed",
        }
    }

    /// The epoch it is about.
    #[must_use]
    pub const fn epoch(&self) -> Option<u64> {
        match self {
            Self::NothingToSettle => None,
            Self::Planning { epoch }
            | Self::NeedsApprovals { epoch, .. }
            | Self::Approved { epoch, .. }
            | Self::Submitting { epoch, .. }
            | Self::WaitsForLedger { epoch, .. }
            | Self::Submitted { epoch, .. }
            | Self::Reconciled { epoch, .. }
            | Self::Closed { epoch, .. } => Some(*epoch),
        }
    }
}

/// In words, with what helps it on.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(epoch) = self.epoch() else { return f.write_str("nothing to settle") };
        write!(f, "epoch {epoch}: ")?;
        match self {
            Self::NothingToSettle => Ok(()),
            Self::Planning { .. } => f.write_str("its plan was cut short; `plan` goes on"),
            Self::NeedsApprovals { approvals, needed, .. } => write!(f, "needs approvals ({approvals} of {needed})"),
            Self::Approved { .. } => f.write_str("approved; `submit` brings it to the ledger"),
            Self::Submitting { .. } => f.write_str("submitted in part; `submit` goes on"),
            Self::WaitsForLedger { until, .. } => {
                write!(f, "posted; the ledger decides at {}, `submit` goes on then", utc(*until))
            }
            Self::Submitted { .. } => f.write_str("on the ledger; `reconcile` compares"),
            Self::Reconciled { .. } => f.write_str("reconciled; `close` closes the books"),
            Self::Closed { .. } => f.write_str("settled, reconciled and closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_json_says() {
        let (epoch, proposal) = (3, Hash32([7; 32]));
        let all = [
            Progress::NothingToSettle,
            Progress::Planning { epoch },
            Progress::NeedsApprovals { epoch, proposal, approvals: 1, needed: 2 },
            Progress::Approved { epoch, proposal },
            Progress::Submitting { epoch, proposal },
            Progress::WaitsForLedger { epoch, proposal, until: 9 },
            Progress::Submitted { epoch, proposal },
            Progress::Reconciled { epoch, proposal },
            Progress::Closed { epoch, proposal },
        ];
        for progress in all {
            let json = serde_json::to_value(&progress).unwrap();
            assert_eq!(json["state"], progress.name());
            assert_eq!(json.get("epoch").and_then(serde_json::Value::as_u64), progress.epoch());
        }
    }
}
