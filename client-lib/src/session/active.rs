//! A session while it has a connection: one loop over answers, attaches, callers' wishes and timers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use farthing_channel::wire::{Answer, Attached};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::pipe::Pipe;
use super::{LaneKey, LinkState, Session, lock};
use crate::clock;
use crate::config::PaymentPath;
use crate::connection::{Link, within};
use crate::error::{ClientError, HubFault};

/// Repetitions of a payment without any answer after which datagrams are taken to be lost on this path.
pub(super) const SILENT_REPETITIONS: u32 = 4;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Lane(LaneKey),
    Attach(u32),
}

/// An attach under way: the channel, the lanes asked for, and the outcome.
pub(super) type AttachDone = (u32, Vec<u16>, Result<Attached, ClientError>);

#[derive(Debug)]
pub(super) struct Active<'s> {
    pub(super) session: &'s Arc<Session>,
    pub(super) link: Arc<Link>,
    pub(super) handles: HashMap<u32, LaneKey>,
    pub(super) attach_waiting: VecDeque<u32>,
    pub(super) attach_under_way: HashSet<u32>,
    pub(super) attaching: JoinSet<AttachDone>,
    pub(super) attach_attempts: u32,
    pub(super) attached_any: bool,
    pub(super) timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    pub(super) pipe: Pipe,
    pub(super) last_answer: Option<Instant>,
    /// Set where datagrams seem to be lost on this path.
    pub(super) datagrams_lost: bool,
}

/// What woke the loop.
enum Event {
    Ended(ClientError),
    Datagram(Bytes),
    Answer(Option<Answer>),
    Attach(Box<AttachDone>),
    Woken,
    Due,
}

impl<'s> Active<'s> {
    pub(super) fn new(session: &'s Arc<Session>, link: Arc<Link>) -> Self {
        lock(&session.attach_queue).clear();
        let channels = session.channels();
        Self {
            session,
            link,
            handles: HashMap::new(),
            attach_waiting: channels.iter().map(|channel| channel.place).collect(),
            attach_under_way: HashSet::new(),
            attaching: JoinSet::new(),
            attach_attempts: 0,
            attached_any: false,
            timers: BinaryHeap::new(),
            pipe: Pipe::Datagrams,
            last_answer: None,
            datagrams_lost: false,
        }
    }

    /// Drives the connection until it ends. Returns why, and whether any channel was attached on it.
    pub(super) async fn drive(mut self) -> (ClientError, bool) {
        self.session.link.send_replace(LinkState::Up(Arc::clone(&self.link)));
        let error = match self.work().await {
            Ok(()) => ClientError::Stopped,
            Err(error) => error,
        };
        self.link.close();
        (error, self.attached_any)
    }

    async fn work(&mut self) -> Result<(), ClientError> {
        let config = self.session.connector.config();
        let no_datagrams = self.link.quic.max_datagram_size().is_none();
        if no_datagrams || config.payments == PaymentPath::Stream {
            self.use_stream().await?;
        }
        loop {
            self.start_attaches();
            match self.next_event().await {
                Event::Ended(error) => return Err(error),
                Event::Datagram(datagram) => self.take_datagram(&datagram),
                Event::Answer(Some(answer)) => self.take_answer(answer),
                Event::Answer(None) => {
                    return Err(ClientError::Unreachable("the payment stream ended".into()));
                }
                Event::Attach(done) => self.finish_attach(*done).await,
                Event::Woken => self.take_attach_requests(),
                Event::Due => self.fire_timers(),
            }
            if self.datagrams_lost && matches!(self.pipe, Pipe::Datagrams) {
                tracing::debug!("datagrams are not answered; payments go by stream");
                self.use_stream().await?;
            }
            self.flush().await?;
            if self.session.is_stopping() {
                return Ok(());
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let due = self.timers.peek().map(|Reverse((due, _))| *due);
        tokio::select! {
            error = self.link.quic.closed() => Event::Ended(error.into()),
            datagram = self.link.quic.read_datagram() => match datagram {
                Ok(datagram) => Event::Datagram(datagram),
                Err(error) => Event::Ended(error.into()),
            },
            answer = self.pipe.answer() => Event::Answer(answer),
            Some(done) = self.attaching.join_next(), if !self.attaching.is_empty() => match done {
                Ok(done) => Event::Attach(Box::new(done)),
                Err(_) => Event::Ended(HubFault::Unexpected.into()),
            },
            () = self.session.wake.notified() => Event::Woken,
            () = tokio::time::sleep_until(due.unwrap_or_else(clock::now)), if due.is_some() => Event::Due,
        }
    }

    async fn use_stream(&mut self) -> Result<(), ClientError> {
        let deadline = self.session.connector.config().connect_timeout;
        self.pipe = within(deadline, Pipe::stream(&self.link)).await?;
        Ok(())
    }

    pub(super) fn at(&mut self, due: Instant, timer: Timer) {
        self.timers.push(Reverse((due, timer)));
    }

    fn fire_timers(&mut self) {
        let now = clock::now();
        while let Some(Reverse((due, timer))) = self.timers.peek().copied() {
            if due > now {
                return;
            }
            self.timers.pop();
            match timer {
                Timer::Attach(place) => self.attach_waiting.push_back(place),
                Timer::Lane(key) => self.lane_is_due(key, due),
            }
        }
    }

    /// Has the lane's newest proof sent again, if this timer is still the lane's.
    fn lane_is_due(&mut self, key: LaneKey, due: Instant) {
        let Some(channel) = self.session.channel(key.channel) else {
            return;
        };
        let mut state = channel.state();
        let Some(slot) = state.lanes.get_mut(usize::from(key.slot)) else {
            return;
        };
        if slot.sending.due != Some(due) {
            return;
        }
        slot.sending.due = None;
        if !slot.wallet.is_behind() {
            return;
        }
        if slot.sending.first_sent.is_some() {
            slot.sending.attempts = slot.sending.attempts.saturating_add(1);
        }
        let silent = slot.sending.first_sent > self.last_answer;
        if silent && slot.sending.attempts >= SILENT_REPETITIONS {
            self.datagrams_lost = true;
        }
        self.session.enqueue(slot, key);
    }
}
