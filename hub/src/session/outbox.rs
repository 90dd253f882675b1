//! Answers that wait for the journal.
//!
//! Records of one turn gather, already encoded, in a batch; what must not be said before they are durable gathers beside
//! it. When the journal reports the batch's ticket, the answers leave. Of several ticks that move one chain within a
//! group only the newest is kept, in the place of the one before.

use std::collections::VecDeque;
use std::sync::Arc;

use farthing_cells::HolderId;
use farthing_channel::codec::encode_into;
use farthing_channel::id::Preimage;
use farthing_channel::record::{Record, encode_tick};
use farthing_channel::wire::LaneRef;

use crate::journal::commit::{Batch, JournalHandle, SubmitError};
use crate::journal::durable::{Durable, Ticket};
use crate::table::{HeldChannel, Lane};
use crate::transport::{ConnectionId, StreamId};

/// Where answers to payments go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Recipient {
    pub(super) connection: ConnectionId,
    /// The payment stream; datagrams where absent.
    pub(super) stream: Option<StreamId>,
}

/// A lane, and the right to change it where something of it is on its way to the disk. Given back when dropped, which
/// is when the change is durable, or never made.
#[derive(Debug)]
pub(super) struct HeldLane {
    lane: Arc<Lane>,
    is_held: bool,
}

impl HeldLane {
    /// Takes the lane's channel. None while another thread has changes of it on their way.
    pub(super) fn take(lane: Arc<Lane>, holder: HolderId) -> Option<Self> {
        lane.channel().take_hold(holder).then_some(Self { lane, is_held: true })
    }

    /// A lane of which nothing is on its way.
    pub(super) fn unchanged(lane: Arc<Lane>) -> Self {
        Self { lane, is_held: false }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }
}

impl Drop for HeldLane {
    fn drop(&mut self) {
        if self.is_held {
            self.lane.channel().hold().give_back();
        }
    }
}

/// A lane's state as of one payment, to be acknowledged.
#[derive(Debug)]
pub(super) struct Acknowledgement {
    pub(super) to: Recipient,
    pub(super) named: LaneRef,
    pub(super) lane: HeldLane,
    pub(super) authorised: u64,
    /// The newest anchor's tag and the index known of it.
    pub(super) anchor: Option<(u64, u16)>,
    /// Whether a payment changed the lane, so that its provider is to be told.
    pub(super) is_news: bool,
    /// Where its tick stands in the batch, to be replaced by a newer one.
    tick: Option<TickPlace>,
}

impl Acknowledgement {
    pub(super) fn new(to: Recipient, named: LaneRef, lane: HeldLane, is_news: bool) -> Self {
        let (authorised, anchor) = lane.lane().evidence().progress();
        Self { to, named, lane, authorised, anchor, is_news, tick: None }
    }

    /// Takes in a later one of the same lane: acknowledgements are cumulative.
    pub(super) fn absorb(&mut self, later: &Self) {
        self.authorised = self.authorised.max(later.authorised);
        self.anchor = later.anchor;
        self.is_news |= later.is_news;
        self.to = later.to;
    }
}

#[derive(Debug, Clone, Copy)]
struct TickPlace {
    anchor: u64,
    start: usize,
    bytes: usize,
}

/// A place in a list that is begun anew again and again: good while the list is the one it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    list: u64,
    at: u32,
}

impl Place {
    /// A place in no list; lists count from one.
    pub(super) const NONE: Self = Self { list: 0, at: 0 };

    pub(super) fn new(list: u64, at: usize) -> Self {
        Self { list, at: u32::try_from(at).unwrap_or(u32::MAX) }
    }

    /// Its position, if it is in this list.
    pub(super) fn within(self, list: u64) -> Option<usize> {
        (self.list == list).then(|| usize::try_from(self.at).unwrap_or(usize::MAX))
    }
}

/// A tick that was taken, on its way into the journal.
#[derive(Debug)]
pub(super) struct TakenTick<'a> {
    pub(super) to: Recipient,
    pub(super) named: &'a LaneRef,
    pub(super) anchor: u64,
    pub(super) index: u16,
    pub(super) link: &'a Preimage,
    pub(super) authorised: u64,
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
    pub(super) lane: HeldLane,
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
    /// Holds of channels whose change no acknowledgement stands for.
    pub(super) holds: Vec<HeldChannel>,
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
            && self.holds.is_empty()
    }

    /// Emptied, with its room kept.
    fn clear(&mut self) {
        self.acknowledgements.clear();
        self.replies.clear();
        self.confirmations.clear();
        self.closings.clear();
        self.holds.clear();
    }
}

/// Records and answers on their way.
#[derive(Debug)]
pub(super) struct Outbox {
    journal: JournalHandle,
    /// The number of the group that gathers, from one.
    group: u64,
    body: Vec<u8>,
    count: u32,
    pending: Pending,
    waiting: VecDeque<(Ticket, Pending)>,
    /// Emptied lists, to be filled again.
    spare: Vec<Pending>,
    last: Ticket,
    /// An encoded batch that the journal's queue had no room for.
    unsent: Option<Batch>,
}

/// Room left in a gathering batch for what one more message may record: the largest attach, and some.
const MESSAGE_RECORDS_BYTES_MAX: usize = 8 * 1024;

/// Emptied lists that are kept.
const SPARE_MAX: usize = 16;

impl Outbox {
    pub(super) fn new(journal: JournalHandle) -> Self {
        let body = journal.buffer();
        Self {
            journal,
            group: 1,
            body,
            count: 0,
            pending: Pending::default(),
            waiting: VecDeque::new(),
            spare: Vec::new(),
            last: Ticket(0),
            unsent: None,
        }
    }

    /// Whether there is room for what another message may record. Where there is none the journal is behind, and what
    /// is not taken is not answered: the devices send it again.
    pub(super) fn has_room(&mut self) -> bool {
        let has_room = |outbox: &Self| {
            outbox.body.len().saturating_add(MESSAGE_RECORDS_BYTES_MAX) <= outbox.journal.body_bytes_max()
        };
        // A journal that has stopped is noticed at the end of the turn.
        has_room(self) || (self.submit() && has_room(self))
    }

    /// Adds a record.
    pub(super) fn record(&mut self, record: &Record) {
        encode_into(record, &mut self.body);
        self.count = self.count.saturating_add(1);
    }

    /// Whether a lane's acknowledgement to `to` gathers at `place`; then the lane is held already.
    pub(super) fn is_gathering(&self, place: Place, to: Recipient, named: &LaneRef) -> bool {
        self.gathering(place).is_some_and(|held| held.to == to && held.named == *named && held.lane.is_held)
    }

    fn gathering(&self, place: Place) -> Option<&Acknowledgement> {
        self.pending.acknowledgements.get(place.within(self.group)?)
    }

    /// Records a tick and its acknowledgement. `lane` is held unless the acknowledgement gathers at `place`.
    pub(super) fn tick(&mut self, place: &mut Place, lane: Option<HeldLane>, tick: &TakenTick<'_>, id: &Arc<Lane>) {
        let at = match (lane, place.within(self.group)) {
            (None, Some(at)) => at,
            (lane, _) => {
                let lane = lane.unwrap_or_else(|| HeldLane::unchanged(Arc::clone(id)));
                let at = self.pending.acknowledgements.len();
                *place = Place::new(self.group, at);
                self.pending.acknowledgements.push(Acknowledgement {
                    to: tick.to,
                    named: *tick.named,
                    lane,
                    authorised: 0,
                    anchor: None,
                    is_news: true,
                    tick: None,
                });
                at
            }
        };
        let Some(held) = self.pending.acknowledgements.get_mut(at) else {
            return;
        };
        held.authorised = tick.authorised;
        held.anchor = Some((tick.anchor, tick.index));
        held.is_news = true;
        let start = self.body.len();
        encode_tick(&id.id(), tick.anchor, tick.index, tick.link, &mut self.body);
        let bytes = self.body.len().saturating_sub(start);
        if let Some(older) = held.tick
            && (older.anchor, older.bytes) == (tick.anchor, bytes)
        {
            // The newer one takes the older one's place.
            self.body.copy_within(start.., older.start);
            self.body.truncate(start);
            return;
        }
        held.tick = Some(TickPlace { anchor: tick.anchor, start, bytes });
        self.count = self.count.saturating_add(1);
    }

    /// Adds an acknowledgement. One of the same lane and recipient that gathers already takes it in.
    pub(super) fn acknowledge(&mut self, place: Option<&mut Place>, acknowledgement: Acknowledgement) {
        let at = place.as_ref().and_then(|place| place.within(self.group));
        if let Some(held) = at.and_then(|at| self.pending.acknowledgements.get_mut(at))
            && held.to == acknowledgement.to
            && held.named == acknowledgement.named
            && (held.lane.is_held || !acknowledgement.lane.is_held)
        {
            held.absorb(&acknowledgement);
            // A tick before this change must not be replaced by one after it.
            held.tick = None;
            return;
        }
        if let Some(place) = place {
            *place = Place::new(self.group, self.pending.acknowledgements.len());
        }
        self.pending.acknowledgements.push(acknowledgement);
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
                None if self.count == 0 => break,
                None => self.take_batch(),
            };
            match self.journal.submit(batch) {
                Ok(ticket) => self.last = ticket,
                Err(SubmitError::Full(batch)) => {
                    self.unsent = Some(batch);
                    return true;
                }
                Err(SubmitError::TooLarge(_) | SubmitError::Stopped(_)) => return false,
            }
        }
        if !self.pending.is_empty() {
            let empty = self.spare.pop().unwrap_or_default();
            self.waiting.push_back((self.last, std::mem::replace(&mut self.pending, empty)));
            self.group = self.group.wrapping_add(1);
        }
        true
    }

    fn take_batch(&mut self) -> Batch {
        let body = std::mem::replace(&mut self.body, self.journal.buffer());
        self.group = self.group.wrapping_add(1);
        Batch { body, count: std::mem::take(&mut self.count) }
    }

    /// What has become durable next and may be said.
    pub(super) fn release(&mut self) -> Option<(Durable<Ticket>, Pending)> {
        let durable = self.journal.is_durable(self.waiting.front()?.0)?;
        self.waiting.pop_front().map(|(_, released)| (durable, released))
    }

    /// Takes back a list whose content has been said.
    pub(super) fn recycle(&mut self, mut said: Pending) {
        if self.spare.len() < SPARE_MAX {
            said.clear();
            self.spare.push(said);
        }
    }

    /// The last ticket, where the journal has taken every record.
    pub(super) fn submitted(&self) -> Option<Ticket> {
        (self.count == 0 && self.unsent.is_none()).then_some(self.last)
    }

    /// Whether nothing waits any more.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.count == 0 && self.unsent.is_none() && self.pending.is_empty()
    }
}
