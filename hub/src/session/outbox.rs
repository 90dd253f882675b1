//! Answers that wait for the journal.
//!
//! Records of one turn gather in a batch; what must not be said before they are durable gathers beside it. When the
//! journal reports the batch's ticket, the answers leave, several for one lane as one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use farthing_channel::codec::encode_into;
use farthing_channel::id::LaneId;
use farthing_channel::record::Record;
use farthing_channel::wire::LaneRef;

use crate::journal::commit::{Batch, JournalHandle, SubmitError};
use crate::journal::durable::{Durable, Ticket};
use crate::table::Lane;
use crate::transport::{ConnectionId, StreamId};

/// Where answers to payments go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Recipient {
    pub(super) connection: ConnectionId,
    /// The payment stream; datagrams where absent.
    pub(super) stream: Option<StreamId>,
}

/// A lane's state as of one payment, to be acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Acknowledgement {
    pub(super) to: Recipient,
    pub(super) named: LaneRef,
    pub(super) lane: Arc<Lane>,
    pub(super) authorised: u64,
    pub(super) anchor: Option<(u64, u16)>,
    /// Whether the payment changed the lane, so that its provider is to be told.
    pub(super) news: bool,
}

/// A reply on a stream.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) connection: ConnectionId,
    pub(super) stream: StreamId,
    pub(super) frame: Vec<u8>,
    /// Whether the stream ends with it.
    pub(super) last: bool,
}

/// A report that is to be confirmed to its provider.
#[derive(Debug)]
pub(super) struct Confirmation {
    pub(super) connection: ConnectionId,
    pub(super) stream: StreamId,
    pub(super) lane: Arc<Lane>,
    pub(super) revision: u64,
}

/// What one batch of records releases.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) acknowledgements: Vec<Acknowledgement>,
    pub(super) replies: Vec<Reply>,
    pub(super) confirmations: Vec<Confirmation>,
    /// Lanes to close with a receipt once the close is durable.
    pub(super) closings: Vec<Closing>,
}

/// A channel that was closed on request.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) connection: ConnectionId,
    pub(super) stream: StreamId,
    pub(super) lanes: Vec<Arc<Lane>>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.acknowledgements.is_empty()
            && self.replies.is_empty()
            && self.confirmations.is_empty()
            && self.closings.is_empty()
    }

    /// Keeps of the acknowledgements for one recipient and lane only the last: they are cumulative.
    fn coalesce(&mut self) {
        let mut place: HashMap<(Recipient, LaneId, LaneRef), usize> = HashMap::new();
        let mut kept: Vec<Acknowledgement> = Vec::with_capacity(self.acknowledgements.len());
        for acknowledgement in self.acknowledgements.drain(..) {
            let key = (acknowledgement.to, acknowledgement.lane.id(), acknowledgement.named);
            match place.get(&key) {
                Some(at) => {
                    if let Some(held) = kept.get_mut(*at) {
                        let news = held.news || acknowledgement.news;
                        *held = acknowledgement;
                        held.news = news;
                    }
                }
                None => {
                    place.insert(key, kept.len());
                    kept.push(acknowledgement);
                }
            }
        }
        self.acknowledgements = kept;
    }
}

/// Where the last record of a lane stands in the gathering batch, to be replaced by a newer proof of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Foldable {
    Tick { anchor: u64 },
    Voucher,
}

/// Records and answers on their way.
#[derive(Debug)]
pub(super) struct Outbox {
    journal: JournalHandle,
    records: Vec<Record>,
    newest: HashMap<LaneId, (usize, Foldable)>,
    pending: Pending,
    waiting: VecDeque<(Ticket, Pending)>,
    last: Ticket,
    /// An encoded batch that the journal's queue had no room for.
    unsent: Option<Batch>,
}

/// Records that may gather while the journal has no room. Beyond, payments are dropped unanswered and the devices
/// send them again.
const RECORDS_GATHERED_MAX: usize = 16_384;

impl Outbox {
    pub(super) fn new(journal: JournalHandle) -> Self {
        Self {
            journal,
            records: Vec::new(),
            newest: HashMap::new(),
            pending: Pending::default(),
            waiting: VecDeque::new(),
            last: Ticket(0),
            unsent: None,
        }
    }

    /// Whether there is room for another payment's record.
    pub(super) fn has_room(&self) -> bool {
        self.records.len() < RECORDS_GATHERED_MAX
    }

    /// Adds a record. Of several ticks on one anchor, or several vouchers of one lane, only the newest is kept: they
    /// only grow, and the anchor stays where it is, before them.
    pub(super) fn record(&mut self, record: Record) {
        let foldable = match &record {
            Record::Tick { lane, anchor, .. } => Some((*lane, Foldable::Tick { anchor: *anchor })),
            Record::Voucher { lane, .. } => Some((*lane, Foldable::Voucher)),
            _ => None,
        };
        if let Some((lane, kind)) = foldable {
            if let Some((at, held)) = self.newest.get(&lane)
                && *held == kind
                && let Some(place) = self.records.get_mut(*at)
            {
                *place = record;
                return;
            }
            self.newest.insert(lane, (self.records.len(), kind));
        }
        self.records.push(record);
    }

    /// What is said when everything recorded so far is durable.
    pub(super) fn pending(&mut self) -> &mut Pending {
        &mut self.pending
    }

    /// Hands what has gathered to the journal. Returns false when the journal has stopped for good.
    pub(super) fn submit(&mut self) -> bool {
        loop {
            let batch = match self.unsent.take() {
                Some(batch) => batch,
                None if self.records.is_empty() => break,
                None => self.encode(),
            };
            match self.journal.submit(batch) {
                Ok(ticket) => {
                    self.last = ticket;
                    if self.records.is_empty() {
                        self.enqueue();
                    }
                }
                Err(SubmitError::Full(batch)) => {
                    self.unsent = Some(batch);
                    return true;
                }
                Err(SubmitError::TooLarge(_) | SubmitError::Stopped(_)) => return false,
            }
        }
        self.enqueue();
        true
    }

    /// Encodes as many gathered records as one journal block takes.
    fn encode(&mut self) -> Batch {
        let most = self.journal.body_bytes_max();
        let mut body = self.journal.buffer();
        let mut count: u32 = 0;
        let mut taken = 0;
        for record in &self.records {
            let before = body.len();
            encode_into(record, &mut body);
            if body.len() > most && count > 0 {
                body.truncate(before);
                break;
            }
            count = count.saturating_add(1);
            taken += 1;
        }
        self.records.drain(..taken);
        self.newest.clear();
        Batch { body, count }
    }

    fn enqueue(&mut self) {
        if !self.pending.is_empty() && self.records.is_empty() && self.unsent.is_none() {
            self.waiting.push_back((self.last, std::mem::take(&mut self.pending)));
        }
    }

    /// What has become durable and may be said.
    pub(super) fn release(&mut self) -> Option<(Durable<Ticket>, Pending)> {
        let durable = self.journal.is_durable(self.waiting.front()?.0)?;
        let (_, mut released) = self.waiting.pop_front()?;
        // Several tickets that became durable together are answered together.
        while let Some((ticket, _)) = self.waiting.front()
            && self.journal.is_durable(*ticket).is_some()
            && let Some((_, more)) = self.waiting.pop_front()
        {
            released.acknowledgements.extend(more.acknowledgements);
            released.replies.extend(more.replies);
            released.confirmations.extend(more.confirmations);
            released.closings.extend(more.closings);
        }
        released.coalesce();
        Some((durable, released))
    }

    /// Whether nothing waits any more.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.records.is_empty() && self.unsent.is_none() && self.pending.is_empty()
    }
}
