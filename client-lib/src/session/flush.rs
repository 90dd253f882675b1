//! From queued lanes to messages on the way: prove, record, send, in that order and for all of them together.

use std::sync::Arc;

use farthing_channel::eip712::Domain;
use farthing_channel::wire::{LaneRef, Payment};
use tokio::time::Instant;

use super::active::{Active, Timer};
use super::pipe::pack;
use super::{Channel, LaneKey, Session, lock};
use crate::backoff;
use crate::clock;
use crate::connection::within;
use crate::error::ClientError;
use crate::store::LaneRecord;

/// A lane that has something proven to send, once its record is kept.
struct Ready {
    key: LaneKey,
    channel: Arc<Channel>,
}

impl Session {
    /// Proves what the lane wants, and adds its record if it changed. `false` where there is nothing to send.
    fn prove(&self, ready: &Ready, domain: &Domain, records: &mut Vec<LaneRecord>) -> Result<(), ClientError> {
        let place = usize::from(ready.key.slot);
        let mut state = ready.channel.state();
        let room = state.room(place);
        let key = &ready.channel.config.key;
        let proven = match state.lanes.get_mut(place) {
            Some(slot) => slot.wallet.prove(key, domain, room),
            None => return Ok(()),
        };
        let error = proven.as_ref().err().cloned();
        let error = error.map(|error| state.wallet_error(place, error));
        let Some(slot) = state.lanes.get_mut(place) else {
            return Ok(());
        };
        slot.unsaved |= proven.unwrap_or(false);
        if slot.unsaved {
            records.push(slot.record());
            slot.unsaved = false;
        }
        match error {
            Some(error) => {
                slot.fail(error.clone());
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Sends what resumed lanes owe with the first packet of a resumed connection: vouchers, and ticks on anchors
    /// that the hub holds. They name their lanes in full; everything else waits for the attach.
    pub(super) async fn send_early(&self, quic: &quinn::Connection) {
        let Some(domain) = *lock(&self.domain) else {
            return;
        };
        let Some(room) = quic.max_datagram_size() else {
            return;
        };
        let mut records = Vec::new();
        let mut lanes = Vec::new();
        for channel in self.channels() {
            let count = channel.state().lanes.len();
            for slot in 0..count {
                let Ok(slot) = u16::try_from(slot) else { break };
                let key = LaneKey { channel: channel.place, slot };
                let channel = Arc::clone(&channel);
                let ready = Ready { key, channel };
                if ready.is_resumed_and_behind() && self.prove(&ready, &domain, &mut records).is_ok() {
                    lanes.push(ready);
                }
            }
        }
        if self.save(records).await.is_err() {
            return;
        }
        let groups: Vec<Vec<Payment>> = lanes.iter().filter_map(Ready::early_messages).collect();
        for datagram in pack(&groups, room) {
            // Full buffers or a path without datagrams cost nothing: it is all sent again after the attach.
            let _ = quic.send_datagram(datagram);
        }
    }
}

impl Ready {
    fn is_resumed_and_behind(&self) -> bool {
        let state = self.channel.state();
        state.lanes.get(usize::from(self.key.slot)).is_some_and(|slot| slot.wallet.resumed() && slot.wallet.is_behind())
    }

    fn early_messages(&self) -> Option<Vec<Payment>> {
        let mut state = self.channel.state();
        let slot = state.lanes.get_mut(usize::from(self.key.slot))?;
        let lane = LaneRef::Id(*slot.wallet.lane());
        let messages = slot.wallet.messages(lane);
        let has_anchor = messages.iter().any(|payment| matches!(payment, Payment::Anchor { .. }));
        (!has_anchor && !messages.is_empty()).then_some(messages)
    }
}

impl Active<'_> {
    /// Deals with all lanes in the queue.
    pub(super) async fn flush(&mut self) -> Result<(), ClientError> {
        let keys = self.session.take_queue();
        if keys.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let mut records = Vec::new();
        let mut lanes = Vec::new();
        for key in keys {
            let Some(channel) = self.session.channel(key.channel) else {
                continue;
            };
            let ready = Ready { key, channel };
            if self.may_send(&ready, now) {
                let domain = self.link.domain;
                // The error went to those who wait; the lane comes back with its next payment.
                if self.session.prove(&ready, &domain, &mut records).is_ok() {
                    lanes.push(ready);
                }
            }
        }
        if let Err(error) = self.session.save(records).await {
            self.not_recorded(&lanes, &error, now);
            return Ok(());
        }
        let groups: Vec<Vec<Payment>> = lanes.iter().filter_map(|ready| self.take_messages(ready, now)).collect();
        if groups.is_empty() {
            return Ok(());
        }
        let patience = self.session.connector.config().idle_timeout;
        within(patience, self.pipe.send(&self.link.quic, &groups)).await
    }

    /// Takes the lane out of the queue. `false` where it cannot send now; it comes back by itself.
    fn may_send(&mut self, ready: &Ready, now: Instant) -> bool {
        let mut state = ready.channel.state();
        let Some(slot) = state.lanes.get_mut(usize::from(ready.key.slot)) else {
            return false;
        };
        slot.sending.queued = false;
        // Without a handle the lane is not attached; it is queued when it is.
        if slot.handle.is_none() || !slot.wallet.is_behind() {
            return false;
        }
        match slot.sending.not_before {
            Some(at) if at > now => {
                slot.sending.due = Some(at);
                drop(state);
                self.at(at, Timer::Lane(ready.key));
                false
            }
            _ => true,
        }
    }

    /// The lane's messages, with the timer for repeating them set.
    fn take_messages(&mut self, ready: &Ready, now: Instant) -> Option<Vec<Payment>> {
        let mut state = ready.channel.state();
        let slot = state.lanes.get_mut(usize::from(ready.key.slot))?;
        let messages = slot.wallet.messages(LaneRef::Handle(slot.handle?));
        if messages.is_empty() {
            return None;
        }
        slot.sending.first_sent.get_or_insert(now);
        let pace = slot.grant.borrow().as_ref().map_or(0, |grant| grant.pace_ms);
        slot.sending.not_before = (pace > 0).then(|| now + std::time::Duration::from_millis(u64::from(pace)));
        let resend = self.session.connector.config().resend;
        let wait = self.link.quic.rtt() * 2 + resend.delay(slot.sending.attempts, backoff::random());
        let due = now + wait;
        slot.sending.due = Some(due);
        drop(state);
        self.at(due, Timer::Lane(ready.key));
        Some(messages)
    }

    /// The disk refused: nothing leaves, those who wait are told, and the lanes are tried again after a while.
    fn not_recorded(&mut self, lanes: &[Ready], error: &ClientError, now: Instant) {
        tracing::warn!(%error, "no payment leaves before its record is kept");
        let due = now + self.session.connector.config().resend.max;
        for ready in lanes {
            let mut state = ready.channel.state();
            if let Some(slot) = state.lanes.get_mut(usize::from(ready.key.slot)) {
                slot.unsaved = true;
                slot.sending.due = Some(due);
                slot.fail(error.clone());
            }
            drop(state);
            self.at(due, Timer::Lane(ready.key));
        }
    }
}
