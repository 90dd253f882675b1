//! One lane as its device sees it: what was promised, what proves it, what was acknowledged.

use std::collections::VecDeque;
use std::time::Instant;

use farthing_channel::chain::ChainPurpose;
use farthing_channel::codec::encode_into;
use farthing_channel::eip712::{Anchor, Domain, Voucher};
use farthing_channel::id::{Hash32, LaneId, Preimage, TariffHash};
use farthing_channel::lane::{AnchorTerms, SignedAnchor, SignedVoucher};
use farthing_channel::limits::{PAYMENT_BYTES_MAX, TICK_GAP_MAX};
use farthing_channel::sign::{LibSecpKey, Signature, sign_typed};
use farthing_channel::wire::{LaneRef, Payment};

use super::stock::Links;

/// The longest tick with a handle, in bytes.
pub const TICK_BYTES_MAX: usize = 48;

/// The longest voucher with a handle, in bytes.
const VOUCHER_BYTES_MAX: usize = 96;

/// How a lane is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Preimages of hash chains.
    Ticks,
    /// Signed totals.
    Vouchers,
}

/// A payment that waits for its acknowledgement.
#[derive(Debug, Clone, Copy)]
struct Pending {
    total: u64,
    due: Instant,
    /// The packet of its connection that carried it first.
    packet: u32,
}

/// A chain in use.
#[derive(Debug)]
struct Chain {
    links: Links,
    anchor: SignedAnchor,
    /// The last index promised.
    index: u16,
    announced: bool,
}

/// A payment that an acknowledgement covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// When it was due.
    pub due: Instant,
    /// The packet that carried it.
    pub packet: u32,
}

/// A lane. Each payment is worth one base unit, so totals count payments.
#[derive(Debug)]
pub struct Lane {
    key: LibSecpKey,
    id: LaneId,
    means: Means,
    /// Where its connection attached it.
    pub handle: u32,
    promised: u64,
    acknowledged: u64,
    chain: Option<Chain>,
    stock: VecDeque<Links>,
    chain_length: u16,
    chains_made: u64,
    /// Vouchers signed ahead; the first is for the total `signed_from + 1`.
    signed: VecDeque<Signature>,
    pending: VecDeque<Pending>,
    /// When something was sent again because nothing had been heard.
    repeated: Option<Instant>,
}

impl Lane {
    /// A lane on which nothing has been paid.
    #[must_use]
    pub fn new(key: LibSecpKey, id: LaneId, means: Means, chain_length: u16) -> Self {
        Self {
            key,
            id,
            means,
            handle: 0,
            promised: 0,
            acknowledged: 0,
            chain: None,
            stock: VecDeque::new(),
            chain_length,
            chains_made: 0,
            signed: VecDeque::new(),
            pending: VecDeque::new(),
            repeated: None,
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> LaneId {
        self.id
    }

    /// How it is paid.
    #[must_use]
    pub fn means(&self) -> Means {
        self.means
    }

    /// The device's key.
    #[must_use]
    pub fn key(&self) -> &LibSecpKey {
        &self.key
    }

    /// Payments promised.
    #[must_use]
    pub fn promised(&self) -> u64 {
        self.promised
    }

    /// The total acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Whether payments wait for their acknowledgement.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Lays in chains and vouchers made ahead of time.
    pub fn lay_in(&mut self, chains: Vec<Links>, vouchers: Vec<Signature>) {
        self.stock.extend(chains);
        self.signed.extend(vouchers);
    }

    /// Takes up the total that the hub holds. False if that is less than it had acknowledged: a lost payment.
    pub fn resume(&mut self, handle: u32, authorised: u64) -> bool {
        self.handle = handle;
        if self.promised == 0 && authorised > 0 {
            // A lane of an earlier run.
            self.promised = authorised;
            self.acknowledged = authorised;
            self.signed.clear();
        }
        // What was under way when the connection ended is said again by the next sweep.
        self.repeated = None;
        if let Some(chain) = &mut self.chain {
            chain.announced = false;
        }
        authorised >= self.acknowledged
    }

    /// Appends the next payment to `out`, if it fits into `room` bytes. False if it does not.
    pub fn promise(&mut self, domain: &Domain, out: &mut Vec<u8>, room: usize, due: Instant, packet: u32) -> bool {
        let free = room.saturating_sub(out.len());
        match self.means {
            Means::Ticks => {
                if self.chain.as_ref().is_none_or(|chain| chain.index == chain.links.length()) {
                    self.begin_chain(domain);
                }
                let Some(chain) = &mut self.chain else { return false };
                let needed = if chain.announced { TICK_BYTES_MAX } else { PAYMENT_BYTES_MAX + TICK_BYTES_MAX };
                if free < needed {
                    return false;
                }
                if !chain.announced {
                    chain.announced = true;
                    encode_into(&Payment::Anchor { lane: LaneRef::Handle(self.handle), anchor: chain.anchor }, out);
                }
                chain.index += 1;
                write_tick(out, self.handle, chain.index, chain.links.link(chain.index));
            }
            Means::Vouchers => {
                if free < VOUCHER_BYTES_MAX {
                    return false;
                }
                let voucher = self.next_voucher(domain);
                encode_into(&Payment::Voucher { lane: LaneRef::Handle(self.handle), voucher }, out);
            }
        }
        self.promised += 1;
        self.pending.push_back(Pending { total: self.promised, due, packet });
        true
    }

    /// Skips up to `steps` ticks of the chain in use, so that the next one is worth them as well.
    pub fn skip(&mut self, steps: u16) {
        if let Some(chain) = &mut self.chain {
            let left = chain.links.length().saturating_sub(chain.index).saturating_sub(1);
            let skipped = steps.min(left);
            chain.index += skipped;
            self.promised += u64::from(skipped);
        }
    }

    fn begin_chain(&mut self, domain: &Domain) {
        let links = self
            .stock
            .pop_front()
            .unwrap_or_else(|| Links::grow(&self.key.secret_bytes(), &self.id, self.chains_made, self.chain_length));
        self.chains_made += 1;
        let purpose = ChainPurpose {
            lane: self.id,
            base_amount: self.promised,
            base_ticks: 0,
            tick_amount: 1,
            ticks_per_amount: 1,
            length: links.length(),
            tariff: TariffHash::ZERO,
        };
        let terms = AnchorTerms::of_chain(&purpose, Hash32(links.link(0).0));
        let typed = Anchor {
            lane: self.id,
            base_amount: u128::from(terms.base_amount),
            base_ticks: 0,
            tick_amount: 1,
            ticks_per_amount: 1,
            length: terms.length,
            tariff: terms.tariff,
            root: terms.root,
        };
        let Ok(signature) = sign_typed(&self.key, domain, &typed);
        let anchor = SignedAnchor { terms, signature: signature.into() };
        self.chain = Some(Chain { links, anchor, index: 0, announced: false });
    }

    fn next_voucher(&mut self, domain: &Domain) -> SignedVoucher {
        let amount = self.promised + 1;
        let signature = match self.signed.pop_front() {
            Some(signature) => signature,
            None => sign_voucher(&self.key, domain, self.id, amount),
        };
        SignedVoucher { amount, signature: signature.into() }
    }

    /// Takes an acknowledgement of `authorised`; tells each payment it covers to `covered`.
    pub fn acknowledge(&mut self, authorised: u64, mut covered: impl FnMut(Covered)) {
        self.acknowledged = self.acknowledged.max(authorised);
        while let Some(first) = self.pending.front()
            && first.total <= authorised
        {
            covered(Covered { due: first.due, packet: first.packet });
            self.pending.pop_front();
        }
        self.repeated = None;
    }

    /// Whether nothing has been heard of the oldest payment, and nothing repeated, since `before`.
    #[must_use]
    pub fn is_silent_since(&self, before: Instant) -> bool {
        self.pending.front().is_some_and(|first| first.due <= before)
            && self.repeated.is_none_or(|repeated| repeated <= before)
    }

    /// What brings the hub up to date, as one or more datagrams' worth of messages: the newest payment, and what the hub
    /// needs to verify it.
    pub fn repeat(&mut self, domain: &Domain, now: Instant) -> Vec<u8> {
        self.repeated = Some(now);
        let mut out = Vec::new();
        match (&mut self.chain, self.means) {
            (Some(chain), Means::Ticks) => {
                chain.announced = true;
                encode_into(&Payment::Anchor { lane: LaneRef::Handle(self.handle), anchor: chain.anchor }, &mut out);
                let base = chain.anchor.terms.base_amount;
                let known = self.acknowledged.saturating_sub(base).min(u64::from(chain.index));
                let mut index = u16::try_from(known).unwrap_or(chain.index);
                while index < chain.index {
                    index = index.saturating_add(TICK_GAP_MAX).min(chain.index);
                    write_tick(&mut out, self.handle, index, chain.links.link(index));
                }
            }
            _ if self.promised > 0 => {
                let signature = sign_voucher(&self.key, domain, self.id, self.promised).into();
                let voucher = SignedVoucher { amount: self.promised, signature };
                encode_into(&Payment::Voucher { lane: LaneRef::Handle(self.handle), voucher }, &mut out);
            }
            _ => {}
        }
        out
    }
}

/// The device's signature over a total.
#[must_use]
pub fn sign_voucher(key: &LibSecpKey, domain: &Domain, lane: LaneId, amount: u64) -> Signature {
    let Ok(signature) = sign_typed(key, domain, &Voucher { lane, cumulative_amount: u128::from(amount) });
    signature
}

/// Appends `tick`, as the codec writes it, without building the message first: a stream has millions of them a second.
pub fn write_tick(out: &mut Vec<u8>, handle: u32, index: u16, link: &Preimage) {
    out.extend_from_slice(&[0x82, 0x01, 0xa3, 0x00]);
    write_uint(out, handle);
    out.push(0x01);
    write_uint(out, u32::from(index));
    out.extend_from_slice(&[0x02, 0x58, 0x20]);
    out.extend_from_slice(&link.0);
}

/// CBOR's shortest form of an unsigned number.
fn write_uint(out: &mut Vec<u8>, number: u32) {
    let [_, _, high, low] = number.to_be_bytes();
    match number {
        0..=23 => out.push(low),
        24..=0xff => out.extend_from_slice(&[0x18, low]),
        0x100..=0xffff => out.extend_from_slice(&[0x19, high, low]),
        _ => {
            out.push(0x1a);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
