//! Attaching channels: a bounded number at once, each merged with what the device knows.

use std::sync::Arc;

use farthing_channel::limits::LANES_PER_ATTACH_MAX;
use farthing_channel::mandate::MandateBundle;
use farthing_channel::refusal::Refusal;
use farthing_channel::wire::{Attached, LaneOffer, LaneView, Request, Role};

use super::active::{Active, AttachDone, Timer};
use super::channel::{ChannelTerms, Standing, TariffTerms};
use super::{Channel, LaneKey, lock};
use crate::backoff;
use crate::clock;
use crate::connection::within;
use crate::error::{ClientError, HubFault};

impl Active<'_> {
    pub(super) fn take_attach_requests(&mut self) {
        let requests = std::mem::take(&mut *lock(&self.session.attach_queue));
        self.attach_waiting.extend(requests);
    }

    /// Starts as many of the waiting attaches as may be under way.
    pub(super) fn start_attaches(&mut self) {
        let most = self.session.connector.config().attaches_at_once.max(1);
        let waiting = self.attach_waiting.len();
        for _ in 0..waiting {
            if self.attaching.len() >= most {
                return;
            }
            let Some(place) = self.attach_waiting.pop_front() else {
                return;
            };
            // One attach of a channel at a time: what comes meanwhile waits for its end.
            if self.attach_under_way.contains(&place) {
                self.attach_waiting.push_back(place);
                continue;
            }
            let Some(channel) = self.session.channel(place) else {
                continue;
            };
            self.start_attach(&channel);
        }
    }

    fn start_attach(&mut self, channel: &Arc<Channel>) {
        if channel.is_closed() {
            return;
        }
        let attached = matches!(*channel.standing.borrow(), Standing::Attached(_));
        let (slots, lanes) = wanted_lanes(channel);
        let mandate = {
            let mut state = channel.state();
            if attached && slots.is_empty() && !state.present {
                return;
            }
            state.present = false;
            state.mandate.clone()
        };
        let proof = match self.link.attach_proof(&channel.config.key, Role::Device) {
            Ok(proof) => proof,
            Err(error) => return self.attach_failed(channel, error),
        };
        let request = Request::Attach {
            role: Role::Device,
            signature: proof,
            escrow: Some(channel.config.escrow),
            mandate,
            lanes,
        };
        let link = Arc::clone(&self.link);
        let deadline = self.session.connector.config().deadline;
        let place = channel.place;
        self.attach_under_way.insert(place);
        self.attaching.spawn(async move {
            let attached = within(deadline, link.attach(&request)).await;
            (place, slots, attached)
        });
    }

    pub(super) async fn finish_attach(&mut self, (place, slots, outcome): AttachDone) {
        self.attach_under_way.remove(&place);
        let Some(channel) = self.session.channel(place) else {
            return;
        };
        let merged = match outcome {
            Ok(attached) => self.merge(&channel, &slots, &attached),
            Err(error) => Err(error),
        };
        match merged {
            Ok(terms) => {
                self.attached_any = true;
                self.attach_attempts = 0;
                channel.standing.send_replace(Standing::Attached(terms));
                // Whatever was opened meanwhile, or did not fit into one attach. Nothing is sent where nothing is left.
                if !wanted_lanes(&channel).0.is_empty() {
                    self.attach_waiting.push_back(place);
                }
            }
            Err(error) => self.attach_failed(&channel, error),
        }
    }

    fn attach_failed(&mut self, channel: &Channel, error: ClientError) {
        tracing::debug!(channel = %channel.id, %error, "attach failed");
        // The hub holds this mandate or a newer one, and need not see it again.
        if matches!(error, ClientError::Refused(Refusal::MandateNotNewer)) && channel.state().mandate.take().is_some() {
            self.attach_waiting.push_back(channel.place);
            return;
        }
        if error.retry_helps() {
            let delay = self.session.connector.config().reconnect.delay(self.attach_attempts, backoff::random());
            self.attach_attempts = self.attach_attempts.saturating_add(1).min(16);
            self.at(clock::now() + delay, Timer::Attach(channel.place));
        } else {
            channel.fail_lanes(&error);
            channel.standing.send_replace(Standing::Failed(error));
        }
    }

    /// Checks the reply as a whole, then takes it over lane by lane.
    fn merge(&mut self, channel: &Channel, slots: &[u16], attached: &Attached) -> Result<ChannelTerms, ClientError> {
        let identities = attached.address == channel.config.key.address()
            && (channel.config.lone_payer || attached.channel == Some(channel.id))
            && attached.lanes.len() == slots.len();
        if !identities {
            return Err(HubFault::OtherIdentity.into());
        }
        for (slot, view) in slots.iter().zip(&attached.lanes) {
            self.merge_lane(channel, *slot, view)?;
        }
        let mut state = channel.state();
        if let Some(limit) = attached.limit {
            state.limit = known_limit(state.mandate.as_ref(), limit, attached.serial);
        }
        Ok(ChannelTerms {
            limit: state.limit,
            authorised: attached.authorised.unwrap_or(0),
            expiry: attached.expiry,
            serial: attached.serial,
        })
    }

    fn merge_lane(&mut self, channel: &Channel, slot_place: u16, view: &LaneView) -> Result<(), ClientError> {
        let mut state = channel.state();
        let slot = state.lanes.get_mut(usize::from(slot_place)).ok_or(HubFault::Unexpected)?;
        if view.lane != *slot.wallet.lane() {
            return Err(HubFault::OtherIdentity.into());
        }
        let key = &channel.config.key;
        slot.wallet.resume(view, slot.restored.as_ref(), key, &self.link.domain).map_err(|_| HubFault::ForeignProof)?;
        if slot.wallet.proven().amount() < view.authorised {
            tracing::warn!(lane = %view.lane, authorised = view.authorised, "the hub claims more than it can prove");
        }
        slot.restored = None;
        slot.unsaved = true;
        slot.handle = Some(view.handle);
        slot.tariff = Some(TariffTerms {
            hash: view.tariff,
            base_amount: view.tariff_base_amount,
            base_units: view.tariff_base_units,
        });
        slot.publish_grant(view.grant.clone());
        slot.publish_progress();
        let lane = LaneKey { channel: channel.place, slot: slot_place };
        self.handles.insert(view.handle, lane);
        if slot.wallet.is_behind() {
            self.session.enqueue(slot, lane);
        }
        Ok(())
    }
}

/// Lanes of the channel that are not attached on this connection, as many as fit into one attach. The reply is one frame,
/// so a device with many lanes attaches again for the rest.
fn wanted_lanes(channel: &Channel) -> (Vec<u16>, Vec<LaneOffer>) {
    let state = channel.state();
    state
        .lanes
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.handle.is_none())
        .filter_map(|(place, slot)| {
            let offer = LaneOffer { payee: slot.payee, rating_group: slot.rating_group };
            Some((u16::try_from(place).ok()?, offer))
        })
        .take(LANES_PER_ATTACH_MAX)
        .unzip()
}

/// The limit that holds: the configured mandate's, unless the hub holds a newer one.
fn known_limit(mandate: Option<&MandateBundle>, said: u64, serial: Option<u64>) -> u64 {
    match mandate.and_then(|bundle| bundle.mandates.first()) {
        Some(terms) if serial.is_none_or(|serial| serial <= terms.serial) => {
            u64::try_from(terms.limit).unwrap_or(u64::MAX).min(said)
        }
        _ => said,
    }
}
