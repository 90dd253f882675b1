//! A hub's view of one lane, made of the channel rules alone: what any correct hub answers.

use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, LaneId, Preimage, RatingGroup, TariffHash};
use farthing_channel::lane::{Evidence, LaneState, Outcome, TickProof, verify_anchor, verify_voucher};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::wire::{Answer, Grant, LaneRef, LaneView, Payment};

/// One lane at the hub.
#[derive(Debug, Clone)]
pub(crate) struct LaneModel {
    pub(crate) state: LaneState,
    pub(crate) device: Address,
    pub(crate) payee: Address,
    pub(crate) rating_group: RatingGroup,
    pub(crate) domain: Domain,
    pub(crate) limit: u64,
    pub(crate) tariff: TariffHash,
}

impl LaneModel {
    pub(crate) fn new(lane: LaneId, device: Address, domain: Domain, limit: u64) -> Self {
        Self {
            state: LaneState::new(lane),
            device,
            payee: Address::ZERO,
            rating_group: RatingGroup(0),
            domain,
            limit,
            tariff: TariffHash::ZERO,
        }
    }

    pub(crate) fn grant(&self) -> Grant {
        Grant {
            units: self.state.total().amount(),
            validity_seconds: 60,
            pace_ms: 0,
            final_unit: false,
            reasons: Vec::new(),
        }
    }

    /// Takes a payment and answers it.
    pub(crate) fn pay(&mut self, payment: &Payment) -> Answer {
        let lane = *payment.lane();
        match self.decide(payment) {
            Ok(()) => self.acknowledgement(lane),
            Err(refusal) => {
                Answer::Refused { lane: Some(lane), refusal, authorised: Some(self.state.total().amount()) }
            }
        }
    }

    pub(crate) fn acknowledgement(&self, lane: LaneRef) -> Answer {
        let newest = self.state.newest_anchor();
        Answer::Acknowledged {
            lane,
            authorised: self.state.total().amount(),
            anchor: newest.map(|(tag, _)| tag),
            index: newest.map(|(_, index)| index),
            grant: None,
        }
    }

    fn decide(&mut self, payment: &Payment) -> Result<(), Refusal> {
        let lane = *self.state.lane();
        let outcome = match payment {
            Payment::Voucher { voucher, .. } => {
                if !self.state.voucher_is_news(voucher.amount)? {
                    return Ok(());
                }
                let checked = verify_voucher(&LibSecp, &self.domain, &lane, &self.device, voucher)?;
                self.state.propose_voucher(&checked)
            }
            Payment::Anchor { anchor, .. } => {
                if !self.state.anchor_is_news(&anchor.terms, &self.tariff)? {
                    return Ok(());
                }
                let checked = verify_anchor(&LibSecp, &self.domain, &lane, &self.device, anchor)?;
                self.state.propose_anchor(&checked)?
            }
            Payment::Tick { index, link, .. } => self.state.propose_tick(*index, link)?,
        };
        let Outcome::Advance(proposal) = outcome else {
            return Ok(());
        };
        if proposal.total().amount() > self.limit {
            return Err(Refusal::MandateLimit);
        }
        self.state = self.state.clone().commit(&proposal);
        Ok(())
    }

    /// What an attaching device is shown.
    pub(crate) fn view(&self, handle: u32) -> LaneView {
        let voucher = match self.state.evidence() {
            Some(Evidence::Voucher(voucher)) => Some(voucher),
            _ => None,
        };
        let anchors = self.state.anchors().iter().map(|held| TickProof {
            anchor: held.signed,
            index: held.index,
            link: if held.index == 0 { Preimage(held.signed.terms.root.0) } else { held.link },
        });
        LaneView {
            handle,
            lane: *self.state.lane(),
            payee: self.payee,
            rating_group: self.rating_group,
            authorised: self.state.total().amount(),
            voucher,
            anchors: anchors.collect(),
            tariff: self.tariff,
            tariff_base_amount: 0,
            tariff_base_units: 0,
            used_units: 0,
            credited: 0,
            grant: self.grant(),
        }
    }
}
