//! A lane's total as a maximum: propose, then commit.
//!
//! Merging two views of a lane takes the greater. Whether a payment raises the total is a pure question
//! ([`LaneState::propose_voucher`] and its siblings); its owner then reserves the limits and commits. A duplicate, an
//! old or a reordered payment is [`Outcome::Known`], which is no error: the answer is the acknowledgement again.

mod evidence;
mod proposal;
mod tip;
mod total;
mod verified;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use evidence::{AnchorTerms, Evidence, SignedAnchor, SignedVoucher, TickProof, TickScale, verify_evidence};
pub use proposal::{Change, Outcome, Proposal};
pub use tip::{Tip, TipChain};
pub use total::Total;
pub use verified::{Verified, restore_voucher, verify_anchor, verify_voucher, verify_voucher_by};

use crate::chain;
use crate::id::{LaneId, Preimage, TariffHash};
use crate::limits::{ANCHORS_PER_LANE_MAX, TICK_GAP_MAX};
use crate::refusal::Refusal;

/// An anchor that a lane keeps alive, and how far its chain is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldAnchor {
    /// The anchor.
    pub signed: SignedAnchor,
    /// The highest index whose preimage is known; 0 is the root itself.
    pub index: u16,
    /// The link at `index`.
    pub link: Preimage,
}

impl HeldAnchor {
    fn total(&self) -> Total {
        // Checked when the anchor was accepted: the top value fits, so every value below it does.
        self.signed.terms.total_at(self.index).unwrap_or(Total::ZERO)
    }

    fn proof(&self) -> TickProof {
        TickProof { anchor: self.signed, index: self.index, link: self.link }
    }
}

/// What proves the lane's total: the evidence with the greatest value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Best {
    Nothing,
    Voucher(SignedVoucher),
    /// The anchor with this tag among those held.
    Anchor(u64),
    /// A tick of an anchor that is no longer held.
    LetGo(Box<TickProof>),
}

/// A lane as its owner keeps it. Its size is bounded: one proof and at most four anchors.
#[derive(Debug, PartialEq, Eq)]
pub struct LaneState {
    lane: LaneId,
    total: Total,
    best: Best,
    anchors: Vec<HeldAnchor>,
}

impl Clone for LaneState {
    fn clone(&self) -> Self {
        Self { lane: self.lane, total: self.total, best: self.best.clone(), anchors: self.anchors.clone() }
    }

    /// Keeps the memory that the anchors have.
    fn clone_from(&mut self, source: &Self) {
        self.lane = source.lane;
        self.total = source.total;
        self.best.clone_from(&source.best);
        self.anchors.clone_from(&source.anchors);
    }
}

impl LaneState {
    /// A lane on which nothing has been paid.
    #[must_use]
    pub fn new(lane: LaneId) -> Self {
        Self { lane, total: Total::ZERO, best: Best::Nothing, anchors: Vec::new() }
    }

    /// The lane.
    #[must_use]
    pub fn lane(&self) -> &LaneId {
        &self.lane
    }

    /// The highest total proven.
    #[must_use]
    pub fn total(&self) -> Total {
        self.total
    }

    /// The anchors held, oldest first.
    #[must_use]
    pub fn anchors(&self) -> &[HeldAnchor] {
        &self.anchors
    }

    /// The proof of the total; `None` while nothing was paid.
    #[must_use]
    pub fn evidence(&self) -> Option<Evidence> {
        match &self.best {
            Best::Nothing => None,
            Best::Voucher(voucher) => Some(Evidence::Voucher(*voucher)),
            Best::Anchor(tag) => self.held(*tag).map(|held| Evidence::Tick(held.proof())),
            Best::LetGo(proof) => Some(Evidence::Tick(**proof)),
        }
    }

    /// What a device that lost its memory is shown beside the voucher: the anchors held, oldest first, each with the
    /// furthest preimage known. Where an anchor no longer held proves the total, it stands in place of the oldest.
    #[must_use]
    pub fn proofs(&self) -> Vec<TickProof> {
        let mut proofs: Vec<_> = self.anchors.iter().map(HeldAnchor::proof).collect();
        if let (Best::LetGo(proof), Some(oldest)) = (&self.best, proofs.first_mut()) {
            *oldest = **proof;
        }
        proofs
    }

    /// The newest anchor with the index known of it, as acknowledgements name it.
    #[must_use]
    pub fn newest_anchor(&self) -> Option<(u64, u16)> {
        self.anchors.last().map(|held| (held.signed.terms.tag(), held.index))
    }

    fn held(&self, tag: u64) -> Option<&HeldAnchor> {
        self.anchors.iter().find(|held| held.signed.terms.tag() == tag)
    }

    /// Whether a voucher of `amount` could raise the total. Asked before the signature is looked at.
    ///
    /// # Errors
    /// [`Refusal::ZeroAmount`].
    pub fn voucher_is_news(&self, amount: u64) -> Result<bool, Refusal> {
        if amount == 0 {
            return Err(Refusal::ZeroAmount);
        }
        Ok(Total::whole(amount) > self.total)
    }

    /// What a checked voucher comes to.
    #[must_use]
    pub fn propose_voucher(&self, voucher: &Verified<SignedVoucher>) -> Outcome {
        let voucher = *voucher.get();
        self.advance(Total::whole(voucher.amount), Change::Voucher(voucher))
    }

    /// Whether an anchor could be of use: terms in range, for the lane's tariff, not known yet. Asked before the
    /// signature is looked at; `Ok(false)` is an anchor that is held already.
    ///
    /// # Errors
    /// [`Refusal::BadAnchorTerms`], [`Refusal::Overflow`], [`Refusal::WrongTariff`], [`Refusal::AnchorSpent`],
    /// [`Refusal::AnchorConflict`].
    pub fn anchor_is_news(&self, terms: &AnchorTerms, tariff: &TariffHash) -> Result<bool, Refusal> {
        terms.check()?;
        if terms.tariff != *tariff {
            return Err(Refusal::WrongTariff);
        }
        let held = self.held(terms.tag());
        if held.is_some_and(|held| held.signed.terms == *terms) {
            return Ok(false);
        }
        if terms.total_at(terms.length)? <= self.total {
            return Err(Refusal::AnchorSpent);
        }
        if held.is_some() { Err(Refusal::AnchorConflict) } else { Ok(true) }
    }

    /// What a checked anchor comes to: its index 0 is already worth its base.
    ///
    /// # Errors
    /// As [`Self::anchor_is_news`].
    pub fn propose_anchor(&self, anchor: &Verified<SignedAnchor>) -> Result<Outcome, Refusal> {
        let anchor = *anchor.get();
        if !self.anchor_is_news(&anchor.terms, &anchor.terms.tariff)? {
            return Ok(Outcome::Known);
        }
        let base = anchor.terms.total_at(0)?;
        Ok(self.advance(base, Change::Anchor(anchor)))
    }

    /// Hashes that checking a tick at `index` may cost, over all anchors held.
    #[must_use]
    pub fn tick_hashes(&self, index: u16) -> u32 {
        self.candidates(index).map(|held| u32::from(index.saturating_sub(held.index))).sum()
    }

    /// Anchors on whose chain `index` would be new and near enough, newest first.
    fn candidates(&self, index: u16) -> impl Iterator<Item = &HeldAnchor> {
        self.anchors.iter().rev().filter(move |held| {
            index > held.index && index <= held.signed.terms.length && index.saturating_sub(held.index) <= TICK_GAP_MAX
        })
    }

    /// Checks a tick by hashing it down to the last link known, and says what it comes to.
    ///
    /// # Errors
    /// [`Refusal::NoAnchor`], [`Refusal::IndexOutOfRange`], [`Refusal::TickGap`], [`Refusal::WrongTick`].
    pub fn propose_tick(&self, index: u16, link: &Preimage) -> Result<Outcome, Refusal> {
        let tag = self.lane.tag();
        for held in self.candidates(index) {
            if chain::walk(link, &tag, index, held.index) == held.link {
                let anchor = held.signed.terms.tag();
                let total = held.signed.terms.total_at(index)?;
                return Ok(self.advance(total, Change::Tick { anchor, index, link: *link }));
            }
        }
        self.tick_without_match(index, link)
    }

    /// Why no chain moved: an old tick again, or one of the refusals.
    fn tick_without_match(&self, index: u16, link: &Preimage) -> Result<Outcome, Refusal> {
        let Some(newest) = self.anchors.last() else {
            return Err(Refusal::NoAnchor);
        };
        if index == 0 {
            return Err(Refusal::IndexOutOfRange);
        }
        // A repeated tick is told apart from a wrong one only where that costs nothing. One from further back
        // changes nothing whatever it is, so it counts as known without being hashed.
        if self.anchors.iter().any(|held| index < held.index || (index == held.index && *link == held.link)) {
            return Ok(Outcome::Known);
        }
        if self.anchors.iter().all(|held| index > held.signed.terms.length) {
            return Err(Refusal::IndexOutOfRange);
        }
        if index.saturating_sub(newest.index) > TICK_GAP_MAX && self.candidates(index).next().is_none() {
            return Err(Refusal::TickGap);
        }
        Err(Refusal::WrongTick)
    }

    /// A proposal towards `total`, if that is more than the lane has, or adds an anchor, or moves a chain.
    fn advance(&self, total: Total, change: Change) -> Outcome {
        if total <= self.total && matches!(change, Change::Voucher(_)) {
            return Outcome::Known;
        }
        let total = total.max(self.total);
        let increase = total.amount().saturating_sub(self.total.amount());
        Outcome::Advance(Proposal { total, increase, change })
    }

    /// Makes the change. `proposal` must come from this very state.
    #[must_use]
    pub fn commit(mut self, proposal: &Proposal) -> Self {
        match proposal.change {
            Change::Voucher(voucher) => self.best = Best::Voucher(voucher),
            Change::Anchor(signed) => {
                let raises = signed.terms.total_at(0).is_ok_and(|total| total > self.total);
                self.hold(HeldAnchor { signed, index: 0, link: Preimage(signed.terms.root.0) });
                if raises {
                    self.best = Best::Anchor(signed.terms.tag());
                }
            }
            Change::Tick { anchor, index, link } => {
                if let Some(held) = self.anchors.iter_mut().find(|held| held.signed.terms.tag() == anchor) {
                    held.index = index;
                    held.link = link;
                    if held.total() > self.total {
                        self.best = Best::Anchor(anchor);
                    }
                }
            }
        }
        self.total = proposal.total;
        self
    }

    /// Adds an anchor; where there is no room, the oldest goes.
    ///
    /// Which anchors are held follows from the order in which they were accepted and from nothing else. So whoever folds
    /// the journal holds what its writer held, also where ticks and vouchers were folded away or a checkpoint was the
    /// beginning; otherwise a tick that was acknowledged could meet no anchor there.
    fn hold(&mut self, mut anchor: HeldAnchor) {
        if self.anchors.len() >= ANCHORS_PER_LANE_MAX {
            let oldest = self.anchors.remove(0);
            if self.best == Best::Anchor(oldest.signed.terms.tag()) {
                self.best = Best::LetGo(Box::new(oldest.proof()));
            }
        }
        // An anchor that was let go and is shown again goes on from where it is known.
        let tag = anchor.signed.terms.tag();
        if let Best::LetGo(proof) = &self.best
            && proof.anchor == anchor.signed
        {
            anchor.index = proof.index;
            anchor.link = proof.link;
            self.best = Best::Anchor(tag);
        }
        self.anchors.push(anchor);
    }

    /// Applies a change that the journal kept, in its order. Returns the state unchanged where the change does not
    /// fit it, which can only be a record folded away by a later one.
    #[must_use]
    pub fn restore(self, change: &Change) -> Self {
        let outcome = match *change {
            Change::Voucher(voucher) => self.propose_voucher(&Verified::from_own_journal(voucher)),
            Change::Anchor(anchor) => match anchor.terms.total_at(0) {
                // It was of use when it was accepted. That later totals may stand before it here must not
                // change which anchors are held.
                Ok(base) if self.held(anchor.terms.tag()).is_none() => self.advance(base, Change::Anchor(anchor)),
                _ => return self,
            },
            Change::Tick { anchor, index, link } => match self.held(anchor) {
                Some(held) if index > held.index => match held.signed.terms.total_at(index) {
                    Ok(total) => self.advance(total, Change::Tick { anchor, index, link }),
                    Err(_) => return self,
                },
                _ => return self,
            },
        };
        match outcome {
            Outcome::Advance(proposal) => self.commit(&proposal),
            Outcome::Known => self,
        }
    }

    /// The changes that lead from nothing to this state, for a checkpoint.
    #[must_use]
    pub fn to_changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        // What proves the total comes first where no anchor held does, so that nothing of equal worth takes its place.
        // An anchor that was let go is let go again by those held, which follow it.
        match &self.best {
            Best::Voucher(voucher) => changes.push(Change::Voucher(*voucher)),
            Best::LetGo(proof) => changes.extend(changes_of(proof)),
            Best::Nothing | Best::Anchor(_) => {}
        }
        for held in &self.anchors {
            changes.extend(changes_of(&held.proof()));
        }
        changes
    }
}

/// The changes that lead to a chain known up to an index.
fn changes_of(proof: &TickProof) -> impl Iterator<Item = Change> {
    let tick = Change::Tick { anchor: proof.anchor.terms.tag(), index: proof.index, link: proof.link };
    core::iter::once(Change::Anchor(proof.anchor)).chain((proof.index > 0).then_some(tick))
}

#[cfg(test)]
mod tests;
