//! Answers from the hub, applied to the lanes they name.

use farthing_channel::codec::decode_first;
use farthing_channel::refusal::Refusal;
use farthing_channel::wire::{Answer, LaneRef};

use super::active::{Active, Timer};
use super::{Channel, LaneKey};
use crate::clock;
use crate::wallet::Reaction;

impl Active<'_> {
    pub(super) fn take_datagram(&mut self, datagram: &[u8]) {
        let mut rest = datagram;
        while !rest.is_empty() {
            let Ok((answer, taken)) = decode_first::<Answer>(rest) else {
                tracing::warn!("the hub sent a datagram that holds no answers");
                return;
            };
            self.take_answer(answer);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    pub(super) fn take_answer(&mut self, answer: Answer) {
        self.last_answer = Some(clock::now());
        match answer {
            Answer::Acknowledged { lane, authorised, anchor, index, grant } => {
                let Some((key, channel)) = self.lane(&lane) else {
                    return;
                };
                let mut state = channel.state();
                let Some(slot) = state.lanes.get_mut(usize::from(key.slot)) else {
                    return;
                };
                let honest = slot.wallet.acknowledge(authorised, anchor.zip(index));
                if let Some(grant) = grant {
                    slot.publish_grant(grant);
                }
                if !slot.wallet.unacknowledged() {
                    slot.sending.due = None;
                }
                slot.sending.attempts = 0;
                slot.sending.first_sent = None;
                slot.publish_progress();
                if slot.wallet.needs_proof() {
                    self.session.enqueue(slot, key);
                }
                if !honest {
                    // A payment of an earlier life of this device came late, or the hub is wrong: its proofs will tell.
                    tracing::warn!(lane = %slot.wallet.lane(), authorised, "the hub acknowledges more than is known to be signed");
                    drop(state);
                    self.reattach(key, &channel);
                }
            }
            Answer::Refused { lane, refusal, .. } => {
                match lane.and_then(|lane| self.lane(&lane)) {
                    Some((key, channel)) => self.take_refusal(key, &channel, refusal),
                    // What could not be read is repeated by its timer.
                    None => tracing::debug!(%refusal, "the hub refused a message"),
                }
            }
        }
    }

    fn lane(&self, lane: &LaneRef) -> Option<(LaneKey, std::sync::Arc<Channel>)> {
        let key = match lane {
            LaneRef::Handle(handle) => self.handles.get(handle).copied()?,
            // Only what was sent as early data is answered by a full id.
            LaneRef::Id(id) => self.session.find_lane(id)?,
        };
        Some((key, self.session.channel(key.channel)?))
    }

    fn take_refusal(&mut self, key: LaneKey, channel: &Channel, refusal: Refusal) {
        let mut state = channel.state();
        let Some(slot) = state.lanes.get_mut(usize::from(key.slot)) else {
            return;
        };
        let reaction = slot.wallet.refuse(refusal);
        tracing::debug!(lane = %slot.wallet.lane(), %refusal, ?reaction, "refused");
        let now = clock::now();
        match reaction {
            Reaction::Ignore => {}
            Reaction::Resend => self.session.enqueue(slot, key),
            Reaction::Later | Reaction::Fail => {
                let resend = self.session.connector.config().resend;
                if reaction == Reaction::Fail {
                    slot.fail(refusal.into());
                }
                // A refusal that nobody's waiting can change is not repeated by itself.
                if !refusal.retry_helps() {
                    slot.sending.due = None;
                    return;
                }
                let attempts = slot.sending.attempts.saturating_add(1);
                slot.sending.attempts = attempts;
                let due = now + resend.delay(attempts.saturating_add(2), crate::backoff::random());
                slot.sending.due = Some(due);
                drop(state);
                self.at(due, Timer::Lane(key));
            }
            Reaction::Reattach => {
                drop(state);
                self.reattach(key, channel);
            }
        }
    }

    /// Asks the hub soon how the lane stands. Until then nothing is sent on it.
    fn reattach(&mut self, key: LaneKey, channel: &Channel) {
        let mut state = channel.state();
        if let Some(slot) = state.lanes.get_mut(usize::from(key.slot))
            && let Some(handle) = slot.handle.take()
        {
            self.handles.remove(&handle);
        }
        drop(state);
        let resend = self.session.connector.config().resend;
        let due = clock::now() + resend.delay(0, crate::backoff::random());
        self.at(due, Timer::Attach(key.channel));
    }
}
