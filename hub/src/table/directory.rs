//! Providers and what they charge.

use std::sync::Arc;

use dashmap::DashMap;
use farthing_channel::id::{Address, RatingGroup, TariffHash};
use farthing_channel::tariff::{Segment, Tariff, TariffDecodeError, UsageBySegment};
use farthing_channel::time::UnixSeconds;

/// A provider as the operator entered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// For people.
    pub name: String,
    /// Whether devices may pay it.
    pub active: bool,
}

/// A tariff with its hash and encoding at hand.
#[derive(Debug)]
pub struct TariffEntry {
    tariff: Tariff,
    hash: TariffHash,
    encoded: Vec<u8>,
    /// Every segment that time brings, where the tariff has windows.
    segments: Vec<Segment>,
}

/// Changes looked at to find all segments of a tariff: windows recur weekly, and a week has no more changes than
/// windows times spans times days.
const CHANGES_MAX: usize = 1024;

impl TariffEntry {
    /// Reads a tariff's encoding.
    ///
    /// # Errors
    /// As [`Tariff::from_cbor`].
    pub fn decode(encoded: &[u8]) -> Result<Self, TariffDecodeError> {
        let tariff = Tariff::from_cbor(encoded)?;
        let mut segments = Vec::new();
        let mut at = UnixSeconds(0);
        for _ in 0..CHANGES_MAX {
            let segment = tariff.segment_at(at);
            if !segments.contains(&segment) {
                segments.push(segment);
            }
            match tariff.next_change(at) {
                Some(next) if segments.len() < tariff.segments() => at = next,
                _ => break,
            }
        }
        Ok(Self { hash: tariff.hash(), encoded: encoded.to_vec(), tariff, segments })
    }

    /// The tariff.
    pub fn tariff(&self) -> &Tariff {
        &self.tariff
    }

    /// Its hash.
    pub fn hash(&self) -> TariffHash {
        self.hash
    }

    /// Its encoding.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Units that `amount` base units pay for, whenever they are used: under a tariff with windows, those of the
    /// dearest one.
    pub fn units_for(&self, amount: u64) -> u64 {
        if self.segments.len() <= 1 {
            return self.tariff.units_for(amount);
        }
        let none = UsageBySegment::new(&self.tariff);
        let units =
            self.segments.iter().filter_map(|segment| self.tariff.units_for_segment(&none, *segment, amount).ok());
        units.min().unwrap_or(0)
    }

    /// When the price next changes by time.
    pub fn next_change(&self, now: UnixSeconds) -> Option<UnixSeconds> {
        self.tariff.next_change(now)
    }
}

/// Providers by address, tariffs by service and by hash.
#[derive(Debug, Default)]
pub struct Directory {
    providers: DashMap<Address, Provider>,
    current: DashMap<(Address, RatingGroup), Arc<TariffEntry>>,
    by_hash: DashMap<TariffHash, Arc<TariffEntry>>,
}

impl Directory {
    /// The provider with this address.
    pub fn provider(&self, address: &Address) -> Option<Provider> {
        self.providers.get(address).map(|entry| entry.value().clone())
    }

    /// Every provider, by address.
    pub fn providers(&self) -> Vec<(Address, Provider)> {
        let mut all: Vec<_> = self.providers.iter().map(|entry| (*entry.key(), entry.value().clone())).collect();
        all.sort_by_key(|(address, _)| *address);
        all
    }

    /// The price of a service for lanes opened or resumed now.
    pub fn current_tariff(&self, payee: &Address, rating_group: RatingGroup) -> Option<Arc<TariffEntry>> {
        self.current.get(&(*payee, rating_group)).map(|entry| Arc::clone(entry.value()))
    }

    /// Every current price, by provider and service.
    pub fn current_tariffs(&self) -> Vec<(Address, RatingGroup, Arc<TariffEntry>)> {
        let mut all: Vec<_> =
            self.current.iter().map(|entry| (entry.key().0, entry.key().1, Arc::clone(entry.value()))).collect();
        all.sort_by_key(|(address, group, _)| (*address, *group));
        all
    }

    /// Any tariff that was ever in force here.
    pub fn tariff(&self, hash: &TariffHash) -> Option<Arc<TariffEntry>> {
        self.by_hash.get(hash).map(|entry| Arc::clone(entry.value()))
    }

    pub(super) fn set_provider(&self, address: Address, provider: Provider) {
        self.providers.insert(address, provider);
    }

    pub(super) fn set_tariff(&self, payee: Address, rating_group: RatingGroup, entry: TariffEntry) {
        let entry = Arc::new(entry);
        self.by_hash.insert(entry.hash(), Arc::clone(&entry));
        self.current.insert((payee, rating_group), entry);
    }
}
