//! Clearing along cycles: where A owes B, B owes C and C owes A, all three debts fall by the least of them. Everybody goes
//! on owing only whom they owed before, which multilateral netting does not promise.

use std::collections::BTreeMap;

use farthing_channel::id::Address;
use serde::{Deserialize, Serialize};

use super::multilateral::net_all;
use super::{NettingError, Position};

/// What is left when debts were cleared along cycles.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clearing {
    /// Cycles that were cleared.
    pub cycles: usize,
    /// By how much the sum of all debts fell, base units.
    pub cleared: u128,
    /// The debts that are left, ascending; there is no cycle among them.
    pub remaining: Vec<Position>,
}

struct Debt {
    creditor: usize,
    amount: u128,
}

/// Debts as a graph. Participants are numbered in the order of their addresses.
struct Graph {
    debts: Vec<Vec<Debt>>,
    /// For each participant, its first debt that may still lie on a cycle.
    next: Vec<usize>,
    clearing: Clearing,
}

/// Clears `bilateral`, of which each pair has one position at most, along cycles until there are none.
///
/// # Errors
/// [`NettingError::Overflow`], and [`NettingError::NotConserved`] where a balance changed, which would be a bug.
pub fn clear_cycles(bilateral: &[Position]) -> Result<Clearing, NettingError> {
    let before = net_all(bilateral)?;
    let people: Vec<Address> = before.0.keys().copied().collect();
    let numbers: BTreeMap<Address, usize> = people.iter().enumerate().map(|(number, who)| (*who, number)).collect();
    let number = |who: &Address| numbers.get(who).copied().unwrap_or(usize::MAX);
    let mut sorted = bilateral.to_vec();
    sorted.sort_unstable();
    let mut graph = Graph { debts: Vec::new(), next: vec![0; people.len()], clearing: Clearing::default() };
    graph.debts.resize_with(people.len(), Vec::new);
    for position in &sorted {
        if let Some(debts) = graph.debts.get_mut(number(&position.debtor)) {
            debts.push(Debt { creditor: number(&position.creditor), amount: position.amount });
        }
    }
    graph.clear();
    let mut clearing = graph.clearing;
    for (debtor, debts) in people.iter().zip(&graph.debts) {
        for debt in debts.iter().filter(|debt| debt.amount > 0) {
            let creditor = people.get(debt.creditor).copied().unwrap_or(Address::ZERO);
            clearing.remaining.push(Position { debtor: *debtor, creditor, amount: debt.amount });
        }
    }
    // Whoever is left out of all that remains is even.
    let after = net_all(&clearing.remaining)?;
    let same = before.uneven().eq(after.uneven());
    if same { Ok(clearing) } else { Err(NettingError::NotConserved) }
}

impl Graph {
    /// Goes down debts from each participant in turn. Whoever has no debt left that leads on is done with: it lies on no
    /// cycle any more. A debt that leads back to the path closes a cycle.
    fn clear(&mut self) {
        let people = self.debts.len();
        let mut done = vec![false; people];
        let mut place_on_path = vec![None; people];
        for start in 0..people {
            let mut path = vec![start];
            while let Some(last) = path.last().copied() {
                set(&mut place_on_path, last, Some(path.len() - 1));
                match self.next_debt(last, &done) {
                    None => {
                        set(&mut done, last, true);
                        set(&mut place_on_path, last, None);
                        path.pop();
                    }
                    Some(creditor) => match place_on_path.get(creditor).copied().flatten() {
                        None => path.push(creditor),
                        Some(first) => {
                            let kept = self.clear_cycle(path.get(first..).unwrap_or_default());
                            for gone in path.drain(first.saturating_add(kept).saturating_add(1)..) {
                                set(&mut place_on_path, gone, None);
                            }
                        }
                    },
                }
            }
        }
    }

    /// Whom `debtor` owes next, leaving out what was paid and who is done with.
    fn next_debt(&mut self, debtor: usize, done: &[bool]) -> Option<usize> {
        let next = self.next.get_mut(debtor)?;
        let debts = self.debts.get(debtor)?;
        while let Some(debt) = debts.get(*next) {
            if debt.amount > 0 && !done.get(debt.creditor).copied().unwrap_or(true) {
                return Some(debt.creditor);
            }
            *next = next.saturating_add(1);
        }
        None
    }

    /// Lowers each debt of a cycle by the least. Returns the place of the first participant that owes nothing on it now.
    fn clear_cycle(&mut self, cycle: &[usize]) -> usize {
        let owed = |graph: &Self, debtor: &usize| {
            let next = graph.next.get(*debtor).copied()?;
            graph.debts.get(*debtor)?.get(next).map(|debt| debt.amount)
        };
        let amounts: Vec<u128> = cycle.iter().map(|debtor| owed(self, debtor).unwrap_or(0)).collect();
        let least = amounts.iter().copied().min().unwrap_or(0);
        for debtor in cycle {
            let next = self.next.get(*debtor).copied().unwrap_or(usize::MAX);
            if let Some(debt) = self.debts.get_mut(*debtor).and_then(|debts| debts.get_mut(next)) {
                debt.amount = debt.amount.saturating_sub(least);
                self.clearing.cleared = self.clearing.cleared.saturating_add(least);
            }
        }
        self.clearing.cycles = self.clearing.cycles.saturating_add(1);
        amounts.iter().position(|amount| *amount == least).unwrap_or(0)
    }
}

fn set<T>(values: &mut [T], place: usize, value: T) {
    if let Some(known) = values.get_mut(place) {
        *known = value;
    }
}
