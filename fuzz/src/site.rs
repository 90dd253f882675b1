//! One escrow, two channels and three lanes, kept as an owner must keep them: ask the rules, reserve the limits,
//! commit, remember.

use farthing_channel::admission::{ChannelStatus, Standing, check_standing, reserve};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, Preimage, RatingGroup, TariffHash};
use farthing_channel::lane::{
    Change, LaneState, Outcome, SignedAnchor, SignedVoucher, verify_anchor, verify_evidence, verify_voucher,
};
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;

use crate::signature::Mixed;

/// Which channel each lane belongs to.
pub const CHANNEL_OF_LANE: [usize; 3] = [0, 0, 1];
/// Number of lanes.
pub const LANES: usize = CHANNEL_OF_LANE.len();
/// Number of channels.
pub const CHANNELS: usize = 2;
/// When both mandates expire.
pub const EXPIRY: UnixSeconds = UnixSeconds(1_100);
/// The deposit and each mandate's limit at the start.
pub const DEPOSIT: u64 = 1_000_000;
pub const LIMIT: u64 = 700_000;

/// A payment as it arrives.
#[derive(Debug, Clone, Copy)]
pub enum Payment {
    Voucher(SignedVoucher),
    Anchor(SignedAnchor),
    Tick { index: u16, link: Preimage },
}

/// A channel with what limits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    pub device: Address,
    pub status: ChannelStatus,
    pub revoked: bool,
    pub limit: u64,
    pub authorised: u64,
}

/// Everything the owner keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub domain: Domain,
    pub tariff: TariffHash,
    pub now: UnixSeconds,
    pub deposit: u64,
    pub authorised: u64,
    pub escrow_open: bool,
    pub channels: [Channel; CHANNELS],
    pub lanes: [LaneState; LANES],
    journal: Vec<(usize, Change)>,
}

impl Site {
    /// A funded site on which nothing was paid.
    #[must_use]
    pub fn new() -> Self {
        let escrow = EscrowId([1; 32]);
        let channel = |device: u8| Channel {
            device: Address([device; 20]),
            status: ChannelStatus::Open,
            revoked: false,
            limit: LIMIT,
            authorised: 0,
        };
        let channels = [channel(10), channel(11)];
        let mut payee = 20;
        let lanes = CHANNEL_OF_LANE.map(|channel| {
            payee += 1;
            let channel = ChannelId::derive(&escrow, &channels[channel].device);
            LaneState::new(LaneId::derive(&channel, &Address([payee; 20]), RatingGroup(1)))
        });
        Self {
            domain: Domain::new(31_337, Address([9; 20])),
            tariff: TariffHash([7; 32]),
            now: UnixSeconds(1_000),
            deposit: DEPOSIT,
            authorised: 0,
            escrow_open: true,
            channels,
            lanes,
            journal: Vec::new(),
        }
    }

    /// Accepts the payment, or says why not; only an accepted one changes anything.
    ///
    /// # Errors
    /// The refusal.
    pub fn pay(&mut self, lane: usize, payment: &Payment) -> Result<(), Refusal> {
        let channel = &self.channels[CHANNEL_OF_LANE[lane]];
        check_standing(&self.standing(channel), self.now)?;
        let state = &self.lanes[lane];
        let outcome = match payment {
            Payment::Voucher(voucher) => {
                if !state.voucher_is_news(voucher.amount)? {
                    return Ok(());
                }
                let checked = verify_voucher(&Mixed, &self.domain, state.lane(), &channel.device, voucher)?;
                state.propose_voucher(&checked)
            }
            Payment::Anchor(anchor) => {
                if !state.anchor_is_news(&anchor.terms, &self.tariff)? {
                    return Ok(());
                }
                let checked = verify_anchor(&Mixed, &self.domain, state.lane(), &channel.device, anchor)?;
                state.propose_anchor(&checked)?
            }
            Payment::Tick { index, link } => state.propose_tick(*index, link)?,
        };
        let Outcome::Advance(proposal) = outcome else {
            return Ok(());
        };
        let of_channel = reserve(channel.authorised, proposal.increase(), channel.limit, Refusal::MandateLimit)?;
        let of_escrow = reserve(self.authorised, proposal.increase(), self.deposit, Refusal::EscrowLimit)?;
        self.channels[CHANNEL_OF_LANE[lane]].authorised = of_channel;
        self.authorised = of_escrow;
        self.lanes[lane] = state.clone().commit(&proposal);
        self.remember(lane, *proposal.change());
        Ok(())
    }

    /// Writes a change down. Of the vouchers of a lane, and of the ticks of an anchor, one after another, only the newest
    /// is kept, in the place of the first: the hub folds what it commits together in the same way.
    fn remember(&mut self, lane: usize, change: Change) {
        let of_lane = self.journal.iter_mut().rev().filter(|(of, _)| *of == lane);
        let newest = of_lane.map(|(_, kept)| kept).find(|kept| !matches!(kept, Change::Anchor(_)));
        let place = newest.filter(|kept| match (**kept, change) {
            (Change::Voucher(_), Change::Voucher(_)) => true,
            (Change::Tick { anchor: of, .. }, Change::Tick { anchor, .. }) => of == anchor,
            _ => false,
        });
        match place {
            Some(kept) => *kept = change,
            None => self.journal.push((lane, change)),
        }
    }

    fn standing(&self, channel: &Channel) -> Standing {
        Standing {
            status: channel.status,
            expiry: EXPIRY,
            revoked: channel.revoked,
            payee_allowed: true,
            escrow_open: self.escrow_open,
        }
    }

    /// Starts again from what was written down; the lanes must come to the same totals, each with a proof of it.
    ///
    /// # Panics
    /// When they do not.
    pub fn restart(&mut self, checkpoint: bool) {
        let mut lanes = self.lanes.each_ref().map(|lane| LaneState::new(*lane.lane()));
        if checkpoint {
            for (lane, kept) in lanes.iter_mut().zip(&self.lanes) {
                *lane = kept.to_changes().iter().fold(lane.clone(), LaneState::restore);
            }
        } else {
            for (lane, change) in &self.journal {
                lanes[*lane] = lanes[*lane].clone().restore(change);
            }
        }
        for (restored, kept) in lanes.iter().zip(&self.lanes) {
            assert_eq!(restored.total(), kept.total(), "no total is lost or gained by a restart");
            let held = |lane: &LaneState| -> Vec<u64> {
                let anchors = lane.anchors().iter();
                anchors.map(|held| held.signed.terms.tag()).collect()
            };
            assert_eq!(held(restored), held(kept), "what is paid on next meets the same anchors");
        }
        self.lanes = lanes;
        self.check();
    }

    /// What must hold at any moment: sums add up, limits are kept, and every total has a proof that a stranger
    /// can check.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let mut of_channels = [0_u64; CHANNELS];
        for (lane, channel) in self.lanes.iter().zip(CHANNEL_OF_LANE) {
            of_channels[channel] += lane.total().amount();
            let device = &self.channels[channel].device;
            match lane.evidence() {
                Some(evidence) => {
                    let proven = verify_evidence(&Mixed, &self.domain, lane.lane(), device, &evidence);
                    assert_eq!(proven, Ok(lane.total()), "the evidence proves the total");
                }
                None => assert_eq!(lane.total().amount(), 0, "nothing was proven, so nothing is owed"),
            }
        }
        for (channel, sum) in self.channels.iter().zip(of_channels) {
            assert_eq!(channel.authorised, sum, "a channel owes what its lanes owe");
            assert!(sum <= channel.limit, "a channel stays within its mandate");
        }
        assert_eq!(self.authorised, of_channels.iter().sum::<u64>(), "an escrow owes what its channels owe");
        assert!(self.authorised <= self.deposit, "an escrow stays within its deposit");
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}
