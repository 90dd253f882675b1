//! What participants agreed on: caps and collateral, who is in default, and what they owe each other besides.
//!
//! A participant that cannot be part of a run is left out of all of it and the run is made again without it, so that a
//! batch is never applied in half. Both runs are kept.

use std::collections::{BTreeMap, BTreeSet};

use farthing_channel::id::Address;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::limits::RunLimits;
use super::multilateral::net_all;
use super::{Exact, Greedy, Leg, Net, Nets, Netting, NettingError, Position, bilateral, net};

/// Which transfers are proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Planner {
    /// The greatest debtor pays the greatest creditor.
    #[default]
    Greedy,
    /// The fewest there can be, for up to 16 participants that are not even.
    Exact,
}

/// What holds for one participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParticipantTerms {
    /// Its account.
    #[serde(with = "crate::text")]
    pub account: Address,
    /// Most it may owe net in one night, base units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net_debit_cap: Option<u64>,
    /// What must stay on its account when it has paid, base units.
    #[serde(default)]
    pub collateral: u64,
    /// It is in default: nothing of it is settled until this is taken back.
    #[serde(default)]
    pub defaulted: bool,
}

/// What one participant owes another by an agreement outside of lanes, roaming for instance. Settled once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// Its name; another night never settles the same one again.
    #[n(0)]
    pub id: String,
    /// Who owes.
    #[n(1)]
    #[serde(with = "crate::text")]
    pub debtor: Address,
    /// Who is owed.
    #[n(2)]
    #[serde(with = "crate::text")]
    pub creditor: Address,
    /// How much, base units.
    #[n(3)]
    pub amount: u64,
}

impl Obligation {
    /// As a position.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { debtor: self.debtor, creditor: self.creditor, amount: self.amount.into() }
    }
}

/// What a night is netted under. It is part of the cut-off, so a proposal names it by its content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NettingTerms {
    /// Which transfers are proposed.
    #[serde(default)]
    pub planner: Planner,
    /// Most that one run may move.
    #[serde(default, skip_serializing_if = "RunLimits::are_none")]
    pub limits: RunLimits,
    /// Lanes under dispute, as text: parked, and carried to the next epoch.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub disputed_lanes: BTreeSet<String>,
    /// Participants with terms of their own; the others have none.
    #[serde(default, rename = "participant", skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<ParticipantTerms>,
    /// What participants owe each other besides.
    #[serde(default, rename = "obligation", skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,
}

/// Why a participant is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionReason {
    /// It was declared to be in default.
    #[n(0)]
    Defaulted,
    /// It owes more than its cap.
    #[n(1)]
    OverCap,
    /// Its account does not hold what it owes and its collateral.
    #[n(2)]
    NotCovered,
    /// Its account is none that legs may name.
    #[n(3)]
    NotRegistered,
}

/// A participant that is left out of a run, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode)]
pub struct Exclusion {
    /// The participant.
    #[n(0)]
    #[serde(with = "crate::text")]
    pub participant: Address,
    /// Why.
    #[n(1)]
    pub reason: ExclusionReason,
}

/// A run that could not be: its positions, and who had to be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Attempt {
    /// Its positions.
    #[n(0)]
    pub positions: Vec<Position>,
    /// Who was left out of the next one.
    #[n(1)]
    pub exclusions: Vec<Exclusion>,
}

/// The netting of such a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NettedAttempt {
    /// Every participant's balance.
    pub nets: Nets,
    /// The transfers it would have been.
    pub legs: Vec<Leg>,
    /// Who was left out of the next one.
    pub exclusions: Vec<Exclusion>,
}

/// What participants have to pay with, base units; one that is missing is none that legs may name.
pub type Balances = BTreeMap<Address, u64>;

impl NettingTerms {
    /// Caps what `account` may owe, where its own terms are not stricter.
    pub fn cap(&mut self, account: Address, net_debit_cap: u64) {
        match self.participants.iter_mut().find(|terms| terms.account == account) {
            Some(terms) => {
                terms.net_debit_cap = Some(terms.net_debit_cap.map_or(net_debit_cap, |own| own.min(net_debit_cap)))
            }
            None => {
                let net_debit_cap = Some(net_debit_cap);
                self.participants.push(ParticipantTerms { account, net_debit_cap, collateral: 0, defaulted: false });
            }
        }
    }

    /// The positions of all obligations among participants that are not left out, and those obligations.
    #[must_use]
    pub fn obligations_without(&self, excluded: &BTreeSet<Address>) -> (Vec<Position>, Vec<Obligation>) {
        let among = |owed: &&Obligation| {
            let apart = owed.debtor != owed.creditor && owed.amount > 0;
            apart && !excluded.contains(&owed.debtor) && !excluded.contains(&owed.creditor)
        };
        let obligations: Vec<Obligation> = self.obligations.iter().filter(among).cloned().collect();
        (obligations.iter().map(Obligation::position).collect(), obligations)
    }

    /// Who cannot be part of a run with these positions, ascending. `funded` is who pays with what the run collects: its cap
    /// alone counts, and it is told apart because a night without it is none.
    ///
    /// # Errors
    /// As [`net_all`].
    pub fn exclusions(
        &self,
        positions: &[Position],
        balances: &Balances,
        funded: &Address,
    ) -> Result<Vec<Exclusion>, NettingError> {
        let nets = net_all(&bilateral::net_pairs(positions)?)?;
        let terms: BTreeMap<Address, &ParticipantTerms> = self.participants.iter().map(|t| (t.account, t)).collect();
        let reason = |who: &Address, net: &Net| {
            let terms = terms.get(who);
            if terms.is_some_and(|terms| terms.defaulted) {
                return Some(ExclusionReason::Defaulted);
            }
            if *net != Net::Even && who != funded && !balances.contains_key(who) {
                return Some(ExclusionReason::NotRegistered);
            }
            let Net::Owes(owes) = net else { return None };
            if terms.and_then(|terms| terms.net_debit_cap).is_some_and(|cap| *owes > u128::from(cap)) {
                return Some(ExclusionReason::OverCap);
            }
            let collateral = terms.map_or(0, |terms| terms.collateral);
            let free = balances.get(who).copied().unwrap_or(0).saturating_sub(collateral);
            (who != funded && *owes > u128::from(free)).then_some(ExclusionReason::NotCovered)
        };
        let excluded = nets
            .0
            .iter()
            .filter_map(|(who, net)| reason(who, net).map(|reason| Exclusion { participant: *who, reason }));
        Ok(excluded.collect())
    }

    /// Nets `positions` with the planner agreed on.
    ///
    /// # Errors
    /// As [`net`].
    pub fn net(&self, positions: &[Position]) -> Result<Netting, NettingError> {
        match self.planner {
            Planner::Greedy => net(positions, &Greedy),
            Planner::Exact => net(positions, &Exact),
        }
    }

    /// Nets `positions` and each attempt before them.
    ///
    /// # Errors
    /// As [`net`].
    pub fn net_with_attempts(&self, positions: &[Position], attempts: &[Attempt]) -> Result<Netting, NettingError> {
        let mut netting = self.net(positions)?;
        for attempt in attempts {
            let Netting { nets, legs, .. } = self.net(&attempt.positions)?;
            netting.attempts.push(NettedAttempt { nets, legs, exclusions: attempt.exclusions.clone() });
        }
        Ok(netting)
    }
}

/// Nets `positions`, leaving out who cannot be part of it, again and again until everybody left can.
///
/// # Errors
/// As [`net`].
pub fn net_under(
    terms: &NettingTerms,
    positions: &[Position],
    balances: &Balances,
    funded: &Address,
) -> Result<Netting, NettingError> {
    let mut left = positions.to_vec();
    let mut attempts = Vec::new();
    loop {
        let exclusions = terms.exclusions(&left, balances, funded)?;
        if exclusions.is_empty() {
            return terms.net_with_attempts(&left, &attempts);
        }
        let out: BTreeSet<Address> = exclusions.iter().map(|exclusion| exclusion.participant).collect();
        let next = left.iter().filter(|p| !out.contains(&p.debtor) && !out.contains(&p.creditor)).copied().collect();
        attempts.push(Attempt { positions: std::mem::replace(&mut left, next), exclusions });
    }
}
