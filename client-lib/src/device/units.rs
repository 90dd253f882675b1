//! Paying by units: the tariff says what they cost.

use farthing_channel::tariff::{Tariff, Usage, UsageBySegment};

use super::{Lane, Paid};
use crate::clock;
use crate::error::ClientError;
use crate::session::{LaneSlot, TariffTerms};
use crate::store::RecordedUsage;

impl Lane {
    /// Pays for `units` in all since the lane was opened, under a tariff without time windows, and waits until that is
    /// durable. Calling it again with the same units pays nothing.
    ///
    /// # Errors
    /// As [`Self::pay`]; [`ClientError::Charge`], [`ClientError::OtherTariff`].
    pub async fn pay_units(&self, units: u64, tariff: &Tariff) -> Result<Paid, ClientError> {
        let terms = self.terms_of(tariff).await?;
        let since = units.saturating_sub(terms.base_units);
        self.pay_total(total_for(&terms, tariff, &Usage::Units(since))?).await
    }

    /// Pays for a cumulative use, counted since the tariff began on the lane, and waits until that is durable.
    ///
    /// # Errors
    /// As [`Self::pay_units`].
    pub async fn pay_usage(&self, usage: &Usage, tariff: &Tariff) -> Result<Paid, ClientError> {
        let terms = self.terms_of(tariff).await?;
        self.pay_total(total_for(&terms, tariff, usage)?).await
    }

    /// Counts `units` more as used now, pays for them, and waits until that is durable. The count is kept with the
    /// lane's state, by time window; a device that lost its state counts on from what it can prove to have paid for.
    ///
    /// # Errors
    /// As [`Self::pay_units`]; after an error of the deadline the units are counted: use [`Self::settle`].
    pub async fn use_units(&self, units: u64, tariff: &Tariff) -> Result<Paid, ClientError> {
        let terms = self.terms_of(tariff).await?;
        let total = self.count(units, tariff, &terms)?;
        self.pay_total(total).await
    }

    /// As [`Self::use_units`], without waiting for the hub: the units are counted and will be paid. Needs the lane to
    /// have been attached once. Returns the wanted total, base units.
    ///
    /// # Errors
    /// As [`Self::use_units`]; [`ClientError::OtherTariff`] also before the first attach.
    pub fn send_units(&self, units: u64, tariff: &Tariff) -> Result<u64, ClientError> {
        let terms = self.known_terms(tariff)?;
        let total = self.count(units, tariff, &terms)?;
        self.send_total(total)?;
        Ok(total)
    }

    /// Units counted so far under the lane's tariff, of all its time windows.
    #[must_use]
    pub fn units_used(&self) -> u128 {
        let usage = self.with(|slot| slot.usage.clone()).ok().flatten();
        usage.map_or(0, |usage| usage.units.iter().map(|units| u128::from(*units)).sum())
    }

    async fn terms_of(&self, tariff: &Tariff) -> Result<TariffTerms, ClientError> {
        if self.tariff_terms().is_none() {
            self.attached().await?;
        }
        self.known_terms(tariff)
    }

    fn known_terms(&self, tariff: &Tariff) -> Result<TariffTerms, ClientError> {
        self.tariff_terms().filter(|terms| terms.hash == tariff.hash()).ok_or(ClientError::OtherTariff)
    }

    /// Adds to the count and returns the total it comes to. The limit is checked first, so that what cannot be paid is
    /// not counted either.
    fn count(&self, units: u64, tariff: &Tariff, terms: &TariffTerms) -> Result<u64, ClientError> {
        let now = clock::unix_now();
        let (usage, total) = self.with(|slot| {
            let mut usage = usage_so_far(slot, tariff, terms)?;
            usage.add(tariff, now, units).map_err(ClientError::Charge)?;
            let total = total_for(terms, tariff, &Usage::BySegment(usage))?;
            Ok::<_, ClientError>((usage, total))
        })??;
        self.check_total(total)?;
        self.with(|slot| {
            slot.usage = Some(RecordedUsage { tariff: terms.hash, units: usage.units().to_vec() });
        })?;
        Ok(total)
    }
}

fn total_for(terms: &TariffTerms, tariff: &Tariff, usage: &Usage) -> Result<u64, ClientError> {
    let charge = tariff.charge(usage).map_err(ClientError::Charge)?;
    terms.base_amount.checked_add(charge).ok_or(ClientError::Overflow)
}

/// The count kept with the lane; where that is lost, the units that the proven total pays for outside windows.
fn usage_so_far(slot: &LaneSlot, tariff: &Tariff, terms: &TariffTerms) -> Result<UsageBySegment, ClientError> {
    if let Some(kept) = &slot.usage
        && kept.tariff == terms.hash
    {
        return UsageBySegment::from_units(tariff, &kept.units).map_err(ClientError::Charge);
    }
    let mut usage = UsageBySegment::new(tariff);
    let paid = slot.wallet.proven().amount().saturating_sub(terms.base_amount);
    let units = tariff.units_for(paid);
    // A free tariff pays for any number; nothing can be told from it.
    if paid > 0 && units < u64::MAX {
        let mut by_segment = vec![0; tariff.segments()];
        if let Some(first) = by_segment.first_mut() {
            *first = units;
        }
        usage = UsageBySegment::from_units(tariff, &by_segment).map_err(ClientError::Charge)?;
    }
    Ok(usage)
}
