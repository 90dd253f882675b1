//! One total with its proof.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use farthing_channel::id::{Address, LaneId, RatingGroup, TariffHash};
use farthing_channel::lane::LaneState;
use farthing_channel::record::{LaneImage, RiskChange};
use farthing_channel::refusal::Refusal;
use farthing_channel::tariff::Unit;
use farthing_channel::wire::SignedReport;
use farthing_risk::ladder::Level;

use super::evidence::EvidenceCell;
use super::{Channel, TariffEntry};
use crate::risk::clock::RiskClock;
use crate::risk::lane::RiskCell;

/// The price in force on a lane, and where it began.
#[derive(Debug, Clone)]
pub struct LaneTariff {
    /// The tariff; absent where units are base units.
    pub entry: Option<Arc<TariffEntry>>,
    /// Total at which it began, base units.
    pub base_amount: u64,
    /// Units granted before it began.
    pub base_units: u64,
}

impl LaneTariff {
    /// Its hash; zero for none.
    pub fn hash(&self) -> TariffHash {
        self.entry.as_ref().map_or(TariffHash::ZERO, |entry| entry.hash())
    }
}

/// A lane.
#[derive(Debug)]
pub struct Lane {
    id: LaneId,
    channel: Arc<Channel>,
    payee: Address,
    rating_group: RatingGroup,
    tariff: ArcSwap<LaneTariff>,
    evidence: EvidenceCell,
    /// Whole base units that are proven and on disk: what acknowledgements and receipts may say.
    durable: AtomicU64,
    /// The provider's last report that was kept.
    report: ArcSwapOption<SignedReport>,
    /// What is known of its risk.
    risk: RiskCell,
    /// Serialises reports, which are rare and not payments.
    report_order: Mutex<()>,
}

impl Lane {
    pub(super) fn new(image: &LaneImage, channel: Arc<Channel>, tariff: LaneTariff) -> Self {
        Self::with_state(image, channel, tariff, LaneState::new(image.lane))
    }

    pub(super) fn with_state(image: &LaneImage, channel: Arc<Channel>, tariff: LaneTariff, state: LaneState) -> Self {
        Self {
            id: image.lane,
            channel,
            payee: image.payee,
            rating_group: image.rating_group,
            tariff: ArcSwap::from_pointee(tariff),
            evidence: EvidenceCell::new(state),
            durable: AtomicU64::new(0),
            report: ArcSwapOption::empty(),
            risk: RiskCell::default(),
            report_order: Mutex::new(()),
        }
    }

    pub(super) fn set_tariff(&self, tariff: LaneTariff) {
        self.tariff.store(Arc::new(tariff));
    }

    /// Its identity.
    pub fn id(&self) -> LaneId {
        self.id
    }

    /// The channel it belongs to.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Whom it pays.
    pub fn payee(&self) -> Address {
        self.payee
    }

    /// For which service.
    pub fn rating_group(&self) -> RatingGroup {
        self.rating_group
    }

    /// Whether a price is in force; units are base units otherwise.
    pub fn has_tariff(&self) -> bool {
        self.tariff.load().entry.is_some()
    }

    /// The price in force.
    pub fn tariff(&self) -> Arc<LaneTariff> {
        self.tariff.load_full()
    }

    /// The unit of the tariff in force; none where units are base units.
    pub(crate) fn tariff_unit(&self) -> Option<Unit> {
        self.tariff.load().entry.as_ref().map(|entry| entry.tariff().unit())
    }

    /// Units that `amount` pays for, cumulative since the lane was opened.
    pub fn units_for(&self, amount: u64) -> u64 {
        let tariff = self.tariff.load();
        match &tariff.entry {
            None => amount,
            Some(entry) => {
                let since = amount.saturating_sub(tariff.base_amount);
                tariff.base_units.saturating_add(entry.units_for(since))
            }
        }
    }

    /// Units that the lesser of what is left of mandate and escrow pays for.
    pub(crate) fn units_left(&self) -> u64 {
        let (channel, escrow) = (&self.channel, self.channel.escrow());
        let of_mandate = channel.limit().saturating_sub(channel.authorised());
        let left = of_mandate.min(escrow.deposit().saturating_sub(escrow.authorised()));
        let authorised = self.durable();
        self.units_for(authorised.saturating_add(left)).saturating_sub(self.units_for(authorised))
    }

    /// What is known of its risk. Whoever changes it holds the lane's channel.
    pub fn risk(&self) -> &RiskCell {
        &self.risk
    }

    /// Does what an operator decided. The caller holds the channel.
    pub(crate) fn override_risk(&self, level: Level) {
        let mut risk = self.risk.read_own();
        let before = (risk.level, risk.overridden);
        risk.decide(level);
        self.risk.write(risk);
        self.count_level(before, (risk.level, risk.overridden));
    }

    /// What is done about it changed: its level, and whether an operator set it.
    pub(crate) fn count_level(&self, from: (Level, bool), to: (Level, bool)) {
        self.channel.escrow().levels().change(from, to);
    }

    /// Takes up what the journal says of its risk.
    pub(super) fn restore_risk(&self, change: &RiskChange, clock: RiskClock) {
        let mut risk = self.risk.read_own();
        let before = (risk.level, risk.overridden);
        risk.restore(change, clock);
        self.risk.write(risk);
        self.count_level(before, (risk.level, risk.overridden));
    }

    /// The evidence as it stands, durable or not.
    pub fn state(&self) -> LaneState {
        self.evidence.look(LaneState::clone)
    }

    /// The cell with the evidence. Whoever changes it holds the lane's channel.
    pub fn evidence(&self) -> &EvidenceCell {
        &self.evidence
    }

    /// Whole base units proven and on disk.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Says that totals up to `amount` are on disk.
    pub(crate) fn raise_durable(&self, amount: u64) {
        self.durable.fetch_max(amount, Ordering::AcqRel);
    }

    /// The provider's last report.
    pub fn report(&self) -> Option<Arc<SignedReport>> {
        self.report.load_full()
    }

    /// Units served, as last reported.
    pub fn used_units(&self) -> u64 {
        self.report.load().as_ref().map_or(0, |report| report.used_units)
    }

    /// Refunds, base units.
    pub fn credited(&self) -> u64 {
        self.report.load().as_ref().map_or(0, |report| report.credited)
    }

    /// Takes up a report whose signature was checked.
    ///
    /// # Errors
    /// [`Refusal::ReportNotNewer`], [`Refusal::BadCredit`].
    pub fn accept_report(&self, report: &SignedReport) -> Result<(), Refusal> {
        let _order = self.report_order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = self.report.load().as_ref() {
            if report.revision <= held.revision {
                return Err(Refusal::ReportNotNewer);
            }
            if report.credited < held.credited {
                return Err(Refusal::BadCredit);
            }
        }
        // A refund beyond what is proven and kept would pay out money that nobody owes.
        if report.credited > self.durable() {
            return Err(Refusal::BadCredit);
        }
        self.report.store(Some(Arc::new(*report)));
        self.channel.touch();
        Ok(())
    }

    pub(super) fn restore_report(&self, report: &SignedReport) {
        let newer = self.report.load().as_ref().is_none_or(|held| report.revision > held.revision);
        if newer {
            self.report.store(Some(Arc::new(*report)));
        }
    }

    /// The lane's standing facts as a record.
    pub fn image(&self) -> LaneImage {
        let tariff = self.tariff.load();
        LaneImage {
            lane: self.id,
            escrow: self.channel.escrow().id(),
            device: self.channel.device(),
            payee: self.payee,
            rating_group: self.rating_group,
            tariff: tariff.hash(),
            tariff_base_amount: tariff.base_amount,
            tariff_base_units: tariff.base_units,
        }
    }
}

/// It leaves memory, and is no longer counted.
impl Drop for Lane {
    fn drop(&mut self) {
        self.count_level(self.risk.decided(), (Level::Trusted, false));
    }
}
