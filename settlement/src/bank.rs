//! Transfers by a bank: what a settled epoch's legs come to in whole minor units of a currency, for pain.001.
//!
//! One token is one unit of the currency. For each pair of a payer and a payee, a run instructs what all legs between them
//! come to, rounded down to the currency's minor unit, less what earlier runs instructed by the same rule. So a rest is
//! carried to the next run, nothing is ever rounded away or paid twice, and a run follows from the book alone.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, Hash32};

use crate::book::{Book, BookError};
use crate::netting::{Leg, Netting};
use crate::night::{NightError, outputs_of};
use crate::stage::Stage;

mod config;
mod pain001;
#[cfg(test)]
mod tests;

pub use config::{BankConfig, Currency, Party};
pub use pain001::{CreditTransfer, credit_transfer};

/// Why no transfer can be ordered. None of these changes anything.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// The file is not what it should be.
    #[error("the bank file: {0}")]
    Config(#[from] toml::de::Error),
    /// A value in it is none that a bank takes.
    #[error("the bank file: {0}")]
    Value(String),
    /// A participant is not in it.
    #[error("the bank file has no participant {0}")]
    NoParticipant(Address),
    /// The epoch's transfers are not on the ledger yet.
    #[error("epoch {0} is not settled")]
    NotSettled(u64),
    /// An earlier epoch is not in the book, so what was carried from it is unknown.
    #[error("the book does not hold epoch {0}; begin with a later first_epoch")]
    NotInBook(u64),
    /// An amount beyond the 18 digits of the format.
    #[error("an amount is too large for a bank")]
    TooLarge,
    /// A bug: the file's amounts do not sum to its control sum.
    #[error("the orders sum to {orders} minor units, the runs to {runs}")]
    ControlSum {
        /// Read back from the file.
        orders: u128,
        /// Difference of the totals after and before the run.
        runs: u128,
    },
    /// The book.
    #[error(transparent)]
    Book(#[from] BookError),
    /// A stage's output.
    #[error(transparent)]
    Night(#[from] NightError),
}

/// How base units become minor units of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinorUnit {
    token_decimals: u8,
    minor_digits: u8,
}

impl MinorUnit {
    /// A token with `token_decimals` digits, a currency with `minor_digits`.
    #[must_use]
    pub const fn new(token_decimals: u8, minor_digits: u8) -> Self {
        Self { token_decimals, minor_digits }
    }

    /// Whole minor units in `base_units`, and the base units that are left.
    ///
    /// # Errors
    /// [`BankError::TooLarge`].
    pub fn split(&self, base_units: u128) -> Result<(u128, u128), BankError> {
        let power = |digits: u8| 10_u128.checked_pow(digits.into()).ok_or(BankError::TooLarge);
        match self.token_decimals.checked_sub(self.minor_digits) {
            Some(more) => {
                let unit = power(more)?;
                Ok((base_units / unit, base_units % unit))
            }
            None => {
                let factor = power(self.minor_digits.saturating_sub(self.token_decimals))?;
                Ok((base_units.checked_mul(factor).ok_or(BankError::TooLarge)?, 0))
            }
        }
    }
}

/// A transfer to order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The leg's number in its epoch.
    pub leg: usize,
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much, minor units.
    pub minor_units: u128,
}

/// What is left for the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much, base units; less than a minor unit.
    pub base_units: u128,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRun {
    /// The hub, which orders the transfers.
    pub hub: Address,
    /// The epoch.
    pub epoch: u64,
    /// Its proposal, which names the run.
    pub proposal: Hash32,
    /// When the ledger closed it, Unix seconds.
    pub closed_at: u64,
    /// The transfers; a leg that comes to no whole minor unit has none.
    pub orders: Vec<Order>,
    /// The rests, by pair.
    pub rests: Vec<Rest>,
    /// All orders together, minor units, from the totals of all pairs before and after.
    pub control_sum: u128,
}

/// What was to be paid between two, in all epochs so far, base units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PairTotals(BTreeMap<(Address, Address), u128>);

impl PairTotals {
    fn add(&mut self, leg: &Leg) -> Result<(u128, u128), BankError> {
        let total = self.0.entry((leg.from, leg.to)).or_default();
        let before = *total;
        *total = before.checked_add(leg.amount).ok_or(BankError::TooLarge)?;
        Ok((before, *total))
    }

    /// Adds an epoch's legs.
    ///
    /// # Errors
    /// [`BankError::TooLarge`].
    pub fn add_all(&mut self, legs: &[Leg]) -> Result<(), BankError> {
        legs.iter().try_for_each(|leg| self.add(leg).map(drop))
    }

    fn whole(&self, unit: &MinorUnit) -> Result<u128, BankError> {
        self.0.values().try_fold(0_u128, |sum, total| sum.checked_add(unit.split(*total)?.0).ok_or(BankError::TooLarge))
    }

    /// The orders of an epoch's legs after these totals, the rests after them, and the control sum.
    ///
    /// # Errors
    /// [`BankError::TooLarge`].
    pub fn order(mut self, legs: &[Leg], unit: &MinorUnit) -> Result<(Vec<Order>, Vec<Rest>, u128), BankError> {
        let whole_before = self.whole(unit)?;
        let mut orders = Vec::new();
        for (number, leg) in legs.iter().enumerate() {
            let (before, after) = self.add(leg)?;
            let minor_units = unit.split(after)?.0.saturating_sub(unit.split(before)?.0);
            if minor_units > 0 {
                orders.push(Order { leg: number, from: leg.from, to: leg.to, minor_units });
            }
        }
        let mut rests = Vec::new();
        for ((from, to), total) in &self.0 {
            let base_units = unit.split(*total)?.1;
            if base_units > 0 {
                rests.push(Rest { from: *from, to: *to, base_units });
            }
        }
        let control_sum = self.whole(unit)?.saturating_sub(whole_before);
        Ok((orders, rests, control_sum))
    }
}

/// The run of a settled epoch.
///
/// # Errors
/// Any [`BankError`].
pub fn payment_run(book: &Book, epoch: u64, first_epoch: u64, unit: &MinorUnit) -> Result<PaymentRun, BankError> {
    let outputs = outputs_of(book, epoch)?.ok_or(BankError::NotSettled(epoch))?;
    let reconciliation = outputs.reconciliation.ok_or(BankError::NotSettled(epoch))?;
    let mut totals = PairTotals::default();
    for earlier in first_epoch..epoch {
        let (_, bytes) = book.stage(earlier, Stage::Netting)?.ok_or(BankError::NotInBook(earlier))?;
        let netting: Netting = serde_json::from_slice(&bytes).map_err(|_| NightError::Output(Stage::Netting.name()))?;
        totals.add_all(&netting.legs)?;
    }
    let (orders, rests, control_sum) = totals.order(&outputs.netting.legs, unit)?;
    Ok(PaymentRun {
        hub: outputs.cut_off.hub,
        epoch,
        proposal: outputs.proposal.id(),
        closed_at: reconciliation.closed_at,
        orders,
        rests,
        control_sum,
    })
}
