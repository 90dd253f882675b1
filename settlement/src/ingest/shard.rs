//! The lanes of some ranges of ids, on a thread of their own: folds their records, and checks every proof.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, SyncSender};

use farthing_channel::chain::{Walk, walk_all};
use farthing_channel::codec::encode_to_vec;
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, LaneId, Preimage};
use farthing_channel::lane::Change;
use farthing_channel::record::LaneImage;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecp;
use farthing_channel::wire::SignedReport;
use farthing_ledger::LedgerView;

use super::hours::Hours;
use super::orders::{LaneRecord, Order, Place, RangeRows, ShardEnd};
use super::{IngestError, RANGES, range_of};
use crate::book::{Book, BookError, LaneRow};
use crate::dispute::{Dispute, DisputeKind};
use crate::evidence::{LaneKeys, LaneProof};

mod catch_up;

/// Ticks that wait to be walked together.
const PARKED_MAX: usize = 64;

/// A lane while the journal is read.
#[derive(Debug)]
struct LaneWork {
    proof: LaneProof,
    collected: u64,
    settled_serial: Option<u64>,
    /// A tick of it waits to be walked.
    parked: bool,
}

#[derive(Debug)]
struct ParkedTick {
    place: Place,
    lane: LaneId,
    anchor: u64,
    index: u16,
    link: Preimage,
}

/// One thread's lanes.
pub(super) struct Shard<'a> {
    book: &'a Book,
    ledger: &'a dyn LedgerView,
    domain: Domain,
    /// Its own ranges are those whose number leaves `number` when divided by `shards`.
    number: usize,
    shards: usize,
    signers: BTreeMap<EscrowId, Option<Address>>,
    lanes: BTreeMap<usize, HashMap<LaneId, Box<LaneWork>>>,
    parked: Vec<ParkedTick>,
    walks: Vec<Walk>,
    disputes: Vec<(u64, Dispute)>,
    hours: Hours,
}

impl<'a> Shard<'a> {
    pub(super) fn new(book: &'a Book, ledger: &'a dyn LedgerView, number: usize, shards: usize) -> Self {
        Self {
            book,
            ledger,
            domain: ledger.identity().domain(),
            number,
            shards,
            signers: BTreeMap::new(),
            lanes: BTreeMap::new(),
            parked: Vec::new(),
            walks: Vec::new(),
            disputes: Vec::new(),
            hours: Hours::default(),
        }
    }

    /// Works until told to finish, then hands over its ranges in ascending order. Where the other side is gone, so is the
    /// reason to go on.
    pub(super) fn run(
        mut self,
        orders: &Receiver<Order>,
        ranges: &SyncSender<RangeRows>,
    ) -> Result<ShardEnd, IngestError> {
        let catch_up = loop {
            match orders.recv() {
                Ok(Order::Records(records)) => {
                    for (place, record) in records {
                        self.record(place, record)?;
                    }
                }
                Ok(Order::Finish { catch_up }) => break catch_up,
                Err(_) => return Ok(ShardEnd::default()),
            }
        };
        self.walk_parked();
        if catch_up {
            self.catch_up_with_ledger()?;
        }
        for range in (self.number..RANGES).step_by(self.shards) {
            let rows = self.finish_range(range)?;
            if ranges.send(rows).is_err() {
                break;
            }
        }
        Ok(ShardEnd { disputes: self.disputes, hours: self.hours })
    }

    fn record(&mut self, place: Place, record: LaneRecord) -> Result<(), IngestError> {
        match record {
            LaneRecord::Image(image) => self.image(place, image),
            LaneRecord::Change { lane, change, tariff_known } => self.change(place, lane, &change, tariff_known),
            LaneRecord::Report(report) => self.report(place, &report),
        }
    }

    /// Whose signature counts under an escrow.
    fn signer(&mut self, escrow: &EscrowId) -> Result<Option<Address>, IngestError> {
        if let Some(known) = self.signers.get(escrow) {
            return Ok(*known);
        }
        let found = self.ledger.escrow(escrow)?.map(|escrow| escrow.signer());
        self.signers.insert(*escrow, found);
        Ok(found)
    }

    /// The lane as it is being worked on, from the book where it is known. Ticks that wait are walked before anything else
    /// happens to their lane.
    fn load(&mut self, lane: &LaneId) -> Result<Option<&mut LaneWork>, BookError> {
        let range = range_of(lane);
        let is_parked = self.lanes.get(&range).and_then(|lanes| lanes.get(lane)).is_some_and(|work| work.parked);
        if is_parked {
            self.walk_parked();
        }
        match self.lanes.entry(range).or_default().entry(*lane) {
            Entry::Occupied(known) => Ok(Some(known.into_mut())),
            Entry::Vacant(place) => Ok(self.book.lane(lane)?.map(|row| {
                let work = LaneWork {
                    proof: row.to_proof(),
                    collected: row.collected,
                    settled_serial: row.settled_serial,
                    parked: false,
                };
                &mut **place.insert(Box::new(work))
            })),
        }
    }

    fn image(&mut self, place: Place, image: LaneImage) -> Result<(), IngestError> {
        let outcome = match self.load(&image.lane)? {
            Some(work) => work.proof.take_up(image),
            None => LaneProof::new(image).map(|proof| {
                let work = LaneWork { proof, collected: 0, settled_serial: None, parked: false };
                self.lanes.entry(range_of(&image.lane)).or_default().insert(image.lane, Box::new(work));
            }),
        };
        if let Err(refusal) = outcome {
            let dispute = Dispute::new(DisputeKind::Lane, refusal, place.block);
            let dispute = dispute.on_lane(&image.lane).on_escrow(&image.escrow).by(&image.device);
            self.disputes.push((place.ordinal, dispute));
        }
        Ok(())
    }

    fn change(&mut self, place: Place, lane: LaneId, change: &Change, tariff_known: bool) -> Result<(), IngestError> {
        let kind = match change {
            Change::Anchor(_) => DisputeKind::Anchor,
            Change::Voucher(_) => DisputeKind::Voucher,
            Change::Tick { .. } => DisputeKind::Tick,
        };
        let Some(work) = self.load(&lane)? else {
            let dispute = Dispute::new(kind, Refusal::UnknownLane, place.block).on_lane(&lane);
            self.disputes.push((place.ordinal, dispute));
            return Ok(());
        };
        let outcome = match change {
            Change::Voucher(voucher) => {
                let before = work.proof.claimed_amount();
                work.proof.offer_voucher(*voucher);
                let after = work.proof.claimed_amount();
                self.hours.grew(place.unix_ms, before, after);
                Ok(())
            }
            Change::Tick { anchor, index, link } => match work.proof.tick_walk(*anchor, *index, link) {
                Ok(Some(walk)) => {
                    work.parked = true;
                    self.walks.push(walk);
                    self.parked.push(ParkedTick { place, lane, anchor: *anchor, index: *index, link: *link });
                    if self.parked.len() >= PARKED_MAX {
                        self.walk_parked();
                    }
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(refusal) => Err(refusal),
            },
            Change::Anchor(anchor) => {
                let (lone, escrow, device) = (work.proof.is_lone(), work.proof.image.escrow, work.proof.image.device);
                let payer = if lone { self.signer(&escrow)? } else { Some(device) };
                let domain = self.domain;
                match (payer, self.load(&lane)?) {
                    (Some(payer), Some(work)) => {
                        let keys = LaneKeys { domain: &domain, payer };
                        let before = work.proof.claimed_amount();
                        let accepted = work.proof.accept_anchor(&keys, &LibSecp, anchor, |_| tariff_known);
                        let after = work.proof.claimed_amount();
                        self.hours.grew(place.unix_ms, before, after);
                        accepted
                    }
                    _ => Err(Refusal::UnknownEscrow),
                }
            }
        };
        if let Err(refusal) = outcome {
            self.dispute_change(place, &lane, kind, refusal);
        }
        Ok(())
    }

    fn dispute_change(&mut self, place: Place, lane: &LaneId, kind: DisputeKind, refusal: Refusal) {
        let mut dispute = Dispute::new(kind, refusal, place.block).on_lane(lane);
        if let Some(work) = self.lanes.get(&range_of(lane)).and_then(|lanes| lanes.get(lane)) {
            dispute = dispute.on_escrow(&work.proof.image.escrow).by(&work.proof.image.device);
        }
        self.disputes.push((place.ordinal, dispute));
    }

    /// Walks the chains of the ticks that wait, two at a time, and takes the ticks.
    fn walk_parked(&mut self) {
        walk_all(&mut self.walks);
        let walked: Vec<_> = self.parked.drain(..).zip(self.walks.drain(..)).collect();
        for (tick, walk) in walked {
            let lane = self.lanes.get_mut(&range_of(&tick.lane)).and_then(|lanes| lanes.get_mut(&tick.lane));
            let Some(work) = lane else { continue };
            work.parked = false;
            let before = work.proof.claimed_amount();
            let accepted = work.proof.accept_walked(tick.anchor, tick.index, &tick.link, &walk.link);
            self.hours.grew(tick.place.unix_ms, before, work.proof.claimed_amount());
            if let Err(refusal) = accepted {
                self.dispute_change(tick.place, &tick.lane, DisputeKind::Tick, refusal);
            }
        }
    }

    fn report(&mut self, place: Place, report: &SignedReport) -> Result<(), IngestError> {
        let domain = self.domain;
        let outcome = match self.load(&report.lane)? {
            Some(work) => work.proof.accept_report(&domain, &LibSecp, report),
            None => Err(Refusal::UnknownLane),
        };
        if let Err(refusal) = outcome {
            let dispute = Dispute::new(DisputeKind::Report, refusal, place.block).on_lane(&report.lane);
            self.disputes.push((place.ordinal, dispute.claiming(report.credited)));
        }
        Ok(())
    }

    /// Checks the vouchers that were kept for the end, and lets the range go.
    fn finish_range(&mut self, range: usize) -> Result<RangeRows, IngestError> {
        let mut lanes: Vec<_> = self.lanes.remove(&range).unwrap_or_default().into_iter().collect();
        lanes.sort_unstable_by_key(|(lane, _)| *lane);
        let mut finished = RangeRows { rows: Vec::with_capacity(lanes.len()), disputes: Vec::new() };
        for (lane, mut work) in lanes {
            let image = work.proof.image;
            let payer = if work.proof.is_lone() { self.signer(&image.escrow)? } else { Some(image.device) };
            // Without a known escrow nothing can be checked; the zero address has no key, so every voucher fails.
            let keys = LaneKeys { domain: &self.domain, payer: payer.unwrap_or(Address::ZERO) };
            let claimed = work.proof.claimed_amount();
            for (voucher, refusal) in work.proof.check_vouchers(&keys, &LibSecp) {
                let dispute = Dispute::new(DisputeKind::Voucher, refusal, (0, 0)).on_lane(&lane);
                let dispute = dispute.on_escrow(&image.escrow).by(&image.device).claiming(voucher.amount);
                finished.disputes.push(dispute);
            }
            self.hours.withdraw(claimed.saturating_sub(work.proof.claimed_amount()));
            let row = LaneRow::of_proof(&work.proof, work.collected, work.settled_serial);
            finished.rows.push((lane, encode_to_vec(&row)));
        }
        Ok(finished)
    }
}
