//! What is proven about one lane, checked here again from the signatures up, whatever the hub made of it.
//!
//! Anchors are checked when they come, ticks by hashing on from the last link known (all of a chain once, however
//! many ticks it came in). Vouchers replace each other, so only the greatest are kept and checked at the end, from the
//! greatest down until one holds.

use farthing_channel::chain::{self, Walk};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, ChannelId, LaneId, Preimage, TariffHash};
use farthing_channel::lane::{
    Evidence, HeldAnchor, SignedAnchor, SignedVoucher, TickProof, Total, restore_voucher, verify_anchor,
    verify_evidence,
};
use farthing_channel::limits::ANCHORS_PER_LANE_MAX;
use farthing_channel::record::LaneImage;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{Recover, verify_typed};
use farthing_channel::wire::SignedReport;

/// Anchors remembered per lane. Twice what a hub keeps, so that every anchor a later tick can name is still here.
pub const ANCHORS_REMEMBERED_MAX: usize = 2 * ANCHORS_PER_LANE_MAX;

/// Unchecked vouchers kept per lane while a journal is read. One is enough beside an honest hub; the others are
/// what is left to pay by where the greatest turn out false.
pub const VOUCHER_CANDIDATES_MAX: usize = 4;

/// The keys that a lane's proofs must be by.
#[derive(Debug, Clone, Copy)]
pub struct LaneKeys<'a> {
    /// The ledger that signatures are good on.
    pub domain: &'a Domain,
    /// Who pays: the device, or the escrow's signer where the lane is the escrow itself.
    pub payer: Address,
}

/// The greatest proof of a lane. A million lanes are held at once, so what few of them have lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proven {
    Nothing,
    Voucher(SignedVoucher),
    Tick(Box<TickProof>),
}

impl From<Evidence> for Proven {
    fn from(evidence: Evidence) -> Self {
        match evidence {
            Evidence::Voucher(voucher) => Self::Voucher(voucher),
            Evidence::Tick(proof) => Self::Tick(Box::new(proof)),
        }
    }
}

/// One lane, as far as it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneProof {
    /// Its standing facts.
    pub image: LaneImage,
    /// The greatest total proven.
    proven: Proven,
    /// Anchors whose ticks may still come, oldest first.
    pub anchors: Vec<HeldAnchor>,
    /// The newest report of the payee.
    report: Option<Box<SignedReport>>,
    /// Vouchers not checked yet, greatest first.
    candidates: Vec<SignedVoucher>,
}

impl LaneProof {
    /// A lane on which nothing is proven.
    ///
    /// # Errors
    /// [`Refusal::UnknownLane`] where the identity is not that of the facts.
    pub fn new(image: LaneImage) -> Result<Self, Refusal> {
        if !is_identity_of(&image) {
            return Err(Refusal::UnknownLane);
        }
        Ok(Self { image, proven: Proven::Nothing, anchors: Vec::new(), report: None, candidates: Vec::new() })
    }

    /// A lane as it was remembered.
    #[must_use]
    pub fn remembered(
        image: LaneImage,
        proven: Option<Evidence>,
        anchors: Vec<HeldAnchor>,
        report: Option<SignedReport>,
    ) -> Self {
        let proven = proven.map_or(Proven::Nothing, Proven::from);
        Self { image, proven, anchors, report: report.map(Box::new), candidates: Vec::new() }
    }

    /// The proof of the greatest total.
    #[must_use]
    pub fn proven(&self) -> Option<Evidence> {
        match &self.proven {
            Proven::Nothing => None,
            Proven::Voucher(voucher) => Some(Evidence::Voucher(*voucher)),
            Proven::Tick(proof) => Some(Evidence::Tick(**proof)),
        }
    }

    /// The newest report of the payee.
    #[must_use]
    pub fn report(&self) -> Option<SignedReport> {
        self.report.as_deref().copied()
    }

    /// Whether a lone payer pays on the escrow itself.
    #[must_use]
    pub fn is_lone(&self) -> bool {
        self.image.lane == LaneId::of_escrow(&self.image.escrow)
    }

    /// The greatest total proven.
    #[must_use]
    pub fn total(&self) -> Total {
        self.proven().and_then(|evidence| evidence.claimed().ok()).unwrap_or(Total::ZERO)
    }

    /// The greatest amount that is proven, or claimed by a voucher kept for [`Self::check_vouchers`], base units.
    #[must_use]
    pub fn claimed_amount(&self) -> u64 {
        let claimed = self.candidates.first().map_or(0, |voucher| voucher.amount);
        self.total().amount().max(claimed)
    }

    /// Refunds since opening, base units, as the payee signed them.
    #[must_use]
    pub fn credited(&self) -> u64 {
        self.report.as_ref().map_or(0, |report| report.credited)
    }

    /// The lane takes up new facts: another tariff. Its identity stays.
    ///
    /// # Errors
    /// [`Refusal::UnknownLane`] where the facts are another lane's.
    pub fn take_up(&mut self, image: LaneImage) -> Result<(), Refusal> {
        if image.lane != self.image.lane || !is_identity_of(&image) {
            return Err(Refusal::UnknownLane);
        }
        self.image = image;
        Ok(())
    }

    /// Keeps a voucher for [`Self::check_vouchers`].
    pub fn offer_voucher(&mut self, voucher: SignedVoucher) {
        if Total::whole(voucher.amount) <= self.total() {
            return;
        }
        let place = self.candidates.partition_point(|kept| kept.amount >= voucher.amount);
        if self.candidates.get(place.wrapping_sub(1)) != Some(&voucher) {
            // Most lanes have one voucher to check, and a growing vector would make room for four.
            self.candidates.reserve_exact(1);
            self.candidates.insert(place, voucher);
            self.candidates.truncate(VOUCHER_CANDIDATES_MAX);
        }
    }

    /// Checks the vouchers kept, from the greatest down until one holds. Returns those that did not, and why.
    pub fn check_vouchers(&mut self, keys: &LaneKeys<'_>, recover: &impl Recover) -> Vec<(SignedVoucher, Refusal)> {
        let mut failed = Vec::new();
        for voucher in std::mem::take(&mut self.candidates) {
            if Total::whole(voucher.amount) <= self.total() {
                break;
            }
            // A hub does not look at the parity of a key that it knows; what goes to a ledger has the right one.
            match restore_voucher(recover, keys.domain, &self.image.lane, &keys.payer, &voucher) {
                Ok(verified) => self.raise(Evidence::Voucher(verified.into_inner())),
                Err(refusal) => failed.push((voucher, refusal)),
            }
        }
        failed
    }

    /// Checks an anchor and keeps it. One that is known already changes nothing.
    ///
    /// # Errors
    /// [`Refusal::UnknownTariff`] where `tariff_known` denies the anchor's tariff, [`Refusal::AnchorConflict`], or as
    /// [`verify_anchor`].
    pub fn accept_anchor(
        &mut self,
        keys: &LaneKeys<'_>,
        recover: &impl Recover,
        anchor: &SignedAnchor,
        tariff_known: impl Fn(&TariffHash) -> bool,
    ) -> Result<(), Refusal> {
        let known = self.anchors.iter().position(|held| held.signed.terms.tag() == anchor.terms.tag());
        if let Some(place) = known {
            let held = self.anchors.remove(place);
            let is_same = held.signed.terms == anchor.terms;
            // The hub had let it go and holds it again: it is its newest now, and so it is here.
            self.anchors.insert(if is_same { self.anchors.len() } else { place }, held);
            return if is_same { Ok(()) } else { Err(Refusal::AnchorConflict) };
        }
        if !anchor.terms.tariff.is_zero() && !tariff_known(&anchor.terms.tariff) {
            return Err(Refusal::UnknownTariff);
        }
        let signed = verify_anchor(recover, keys.domain, &self.image.lane, &keys.payer, anchor)?.into_inner();
        self.hold(HeldAnchor { signed, index: 0, link: Preimage(signed.terms.root.0) });
        self.raise(Evidence::Tick(TickProof { anchor: signed, index: 0, link: Preimage(signed.terms.root.0) }));
        Ok(())
    }

    /// Checks a preimage of the anchor with tag `anchor` by hashing it down to the last link known.
    ///
    /// # Errors
    /// As [`Self::tick_walk`] and [`Self::accept_walked`].
    pub fn accept_tick(&mut self, anchor: u64, index: u16, link: &Preimage) -> Result<(), Refusal> {
        let Some(walk) = self.tick_walk(anchor, index, link)? else { return Ok(()) };
        let reached = chain::walk(&walk.link, &walk.lane_tag, walk.from, walk.to);
        self.accept_walked(anchor, index, link, &reached)
    }

    /// The hashes that a preimage has to be checked by; `None` where it is no news.
    ///
    /// # Errors
    /// [`Refusal::NoAnchor`], [`Refusal::IndexOutOfRange`].
    pub fn tick_walk(&self, anchor: u64, index: u16, link: &Preimage) -> Result<Option<Walk>, Refusal> {
        let held = self.anchors.iter().find(|held| held.signed.terms.tag() == anchor).ok_or(Refusal::NoAnchor)?;
        if index > held.signed.terms.length {
            return Err(Refusal::IndexOutOfRange);
        }
        let walk = Walk { link: *link, lane_tag: self.image.lane.tag(), from: index, to: held.index };
        Ok((index > held.index).then_some(walk))
    }

    /// Takes a preimage whose walk, asked for just before, ended at `reached`.
    ///
    /// # Errors
    /// [`Refusal::NoAnchor`], [`Refusal::WrongTick`].
    pub fn accept_walked(
        &mut self,
        anchor: u64,
        index: u16,
        link: &Preimage,
        reached: &Preimage,
    ) -> Result<(), Refusal> {
        let held = self.anchors.iter_mut().find(|held| held.signed.terms.tag() == anchor).ok_or(Refusal::NoAnchor)?;
        if *reached != held.link {
            return Err(Refusal::WrongTick);
        }
        held.index = index;
        held.link = *link;
        let proof = TickProof { anchor: held.signed, index, link: *link };
        self.raise(Evidence::Tick(proof));
        Ok(())
    }

    /// Checks a report of the payee. An older revision changes nothing.
    ///
    /// # Errors
    /// [`Refusal::BadCredit`] where refunds shrink, or the signature's refusals.
    pub fn accept_report(
        &mut self,
        domain: &Domain,
        recover: &impl Recover,
        report: &SignedReport,
    ) -> Result<(), Refusal> {
        if self.report.as_ref().is_some_and(|known| report.revision <= known.revision) {
            return Ok(());
        }
        let signature = report.signature.check()?;
        verify_typed(recover, domain, &report.typed(), &signature, &self.image.payee)?;
        if report.credited < self.credited() {
            return Err(Refusal::BadCredit);
        }
        self.report = Some(Box::new(*report));
        Ok(())
    }

    fn raise(&mut self, evidence: Evidence) {
        if evidence.claimed().is_ok_and(|total| total > self.total()) {
            self.proven = evidence.into();
        }
    }

    /// Where there is no room, the oldest goes, as at the hub.
    fn hold(&mut self, anchor: HeldAnchor) {
        if self.anchors.len() >= ANCHORS_REMEMBERED_MAX {
            self.anchors.remove(0);
        }
        self.anchors.reserve_exact(1);
        self.anchors.push(anchor);
    }
}

/// Whether the lane's identity follows from its facts.
fn is_identity_of(image: &LaneImage) -> bool {
    let channel = ChannelId::derive(&image.escrow, &image.device);
    image.lane == LaneId::derive(&channel, &image.payee, image.rating_group)
        || image.lane == LaneId::of_escrow(&image.escrow)
}

/// Checks a whole proof from nothing and returns what it is worth, base units.
///
/// # Errors
/// As [`verify_evidence`].
pub fn worth(
    keys: &LaneKeys<'_>,
    recover: &impl Recover,
    lane: &LaneId,
    evidence: &Evidence,
) -> Result<Total, Refusal> {
    verify_evidence(recover, keys.domain, lane, &keys.payer, evidence)
}

#[cfg(test)]
mod tests;
