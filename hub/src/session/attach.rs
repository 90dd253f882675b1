//! Proofs of keys, mandates, and the opening of lanes.

use std::sync::Arc;
use std::time::Instant;

use farthing_channel::admission::check_standing;
use farthing_channel::eip712::Attach;
use farthing_channel::id::{Address, EscrowId, LaneId, RatingGroup};
use farthing_channel::limits::{LANES_PER_ATTACH_MAX, LANES_PER_CHANNEL_MAX};
use farthing_channel::mandate::MandateBundle;
use farthing_channel::record::{LaneImage, Record};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{LibSecp, Recover as _, Signer as _};
use farthing_channel::wire::{Attached, LaneOffer, Response, Role};

use super::connection::Proof;
use super::outbox::Recipient;
use super::plane::DataPlane;
use super::view;
use crate::risk;
use crate::table::escrow::EscrowUse;
use crate::table::{Channel, Escrow, Lane};
use crate::transport::{ConnectionId, StreamId};

impl DataPlane {
    pub(super) fn attach(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        stream: StreamId,
        proof: Proof,
    ) -> Result<(), Refusal> {
        if !self.shared.serving.is_on() {
            return Err(Refusal::NotServing);
        }
        let from = Recipient { connection, stream: Some(stream) };
        let key = self.attached_key(now, from, &proof)?;
        match (proof.role, proof.escrow) {
            (Role::Provider, None) => self.attach_provider(connection, stream, key),
            (Role::Device, Some(escrow)) => self.attach_device(now, from, stream, key, escrow, proof),
            _ => Err(Refusal::Malformed),
        }
    }

    /// Whose key the proof is by. ECDSA recovery finds some key for almost any signature, so a proof for another
    /// connection, hub or role shows as a key that has no mandate or is no provider.
    fn attached_key(&mut self, now: Instant, from: Recipient, proof: &Proof) -> Result<Address, Refusal> {
        let signature = proof.signature.check().map_err(|_| Refusal::BadAttach)?;
        let nonce = self.connections.get(&from.connection).ok_or(Refusal::NotAttached)?.nonce;
        let role = proof.role.code();
        self.pay_signature(now, from, |shared| {
            let typed =
                Attach { binding: Attach::binding(&nonce, &shared.certificate), hub: shared.key.address(), role };
            LibSecp.recover(&shared.domain.digest(&typed), &signature).map_err(|_| Refusal::BadAttach)
        })
    }

    fn attach_provider(&mut self, connection: ConnectionId, stream: StreamId, key: Address) -> Result<(), Refusal> {
        let known = self.shared.table.directory.provider(&key).is_some_and(|provider| provider.active);
        if !known {
            return Err(Refusal::UnknownPayee);
        }
        let most = usize::try_from(self.shared.source_limits.channels_per_connection_max).unwrap_or(usize::MAX);
        let state = self.connections.get_mut(&connection).ok_or(Refusal::NotAttached)?;
        if !state.providers.contains(&key) {
            if state.keys() >= most {
                return Err(Refusal::TooManyChannels);
            }
            state.providers.push(key);
        }
        let attached = Attached {
            address: key,
            channel: None,
            limit: None,
            authorised: None,
            expiry: None,
            serial: None,
            lanes: Vec::new(),
        };
        self.reply_durable(connection, stream, &Response::Attached(attached), true);
        Ok(())
    }

    fn attach_device(
        &mut self,
        now: Instant,
        from: Recipient,
        stream: StreamId,
        key: Address,
        escrow: EscrowId,
        proof: Proof,
    ) -> Result<(), Refusal> {
        let escrow = self.shared.table.escrow(&escrow).ok_or(Refusal::UnknownEscrow)?;
        if let Some(bundle) = proof.mandate {
            self.accept_mandate(now, from, &escrow, key, bundle)?;
        }
        if proof.lanes.len() > LANES_PER_ATTACH_MAX {
            return Err(Refusal::TooManyLanes);
        }
        let channel = match self.shared.table.channel_of(&escrow.id(), &key) {
            Some(channel) => channel,
            None if key == escrow.signer() => self.open_lone(&escrow)?,
            None => return Err(Refusal::NoMandate),
        };
        check_standing(&channel.standing(None), self.unix)?;
        self.remember_attached(from.connection, &channel)?;
        let mut views = Vec::with_capacity(proof.lanes.len());
        for offer in &proof.lanes {
            let lane = self.open_lane(&channel, offer)?;
            let state = self.connections.get_mut(&from.connection).ok_or(Refusal::NotAttached)?;
            let handle = state.open(&lane);
            views.push(view::lane(&self.shared, &lane, handle, self.unix));
        }
        let attached = Attached {
            address: key,
            channel: Some(channel.id()),
            limit: Some(channel.limit()),
            authorised: Some(channel.authorised()),
            expiry: Some(channel.expiry()),
            serial: channel.serial(),
            lanes: views,
        };
        self.reply_durable(from.connection, stream, &Response::Attached(attached), true);
        Ok(())
    }

    /// Notes the channel as attached here, within the limits per connection and per device. A device that comes back again
    /// and again over a bad link is never shut out by its own dead connections: its newest ones count.
    fn remember_attached(&mut self, connection: ConnectionId, channel: &Arc<Channel>) -> Result<(), Refusal> {
        let limits = &self.shared.source_limits;
        let state = self.connections.get_mut(&connection).ok_or(Refusal::NotAttached)?;
        let id = channel.id();
        if state.channels.contains_key(&id) {
            return Ok(());
        }
        if state.keys() >= usize::try_from(limits.channels_per_connection_max).unwrap_or(usize::MAX) {
            return Err(Refusal::TooManyChannels);
        }
        state.channels.insert(id, Arc::clone(channel));
        let most = usize::try_from(limits.connections_per_device_max.max(1)).unwrap_or(usize::MAX);
        let device = channel.device();
        let displaced = self.attached.attach(device, connection, most);
        if let Some(oldest) = displaced
            && let Some(state) = self.connections.get_mut(&oldest)
        {
            state.channels.retain(|_, channel| channel.device() != device);
            // A gateway's connection stays open for its other devices.
            if state.keys() == 0 {
                self.displaced.push(oldest);
            }
        }
        Ok(())
    }

    /// Checks and takes up a mandate that a device brings.
    fn accept_mandate(
        &mut self,
        now: Instant,
        from: Recipient,
        escrow: &Arc<Escrow>,
        key: Address,
        bundle: MandateBundle,
    ) -> Result<(), Refusal> {
        let [terms] = bundle.mandates.as_slice() else {
            return Err(Refusal::BadMandate);
        };
        if terms.device != key || bundle.escrow != escrow.id() {
            return Err(Refusal::BadMandate);
        }
        if escrow.usage() == EscrowUse::Itself {
            return Err(Refusal::EscrowMixed);
        }
        if let Some(channel) = self.shared.table.channel_of(&escrow.id(), &key)
            && channel.serial().is_some_and(|serial| terms.serial <= serial)
            && channel.limit() > 0
        {
            // A device shows its mandate each time it attaches; one that is not newer is no news, and no error.
            return Ok(());
        }
        let signer = escrow.signer();
        let verified = self.pay_signature(now, from, |shared| bundle.verify(&LibSecp, &shared.domain, &signer))?;
        let record = Record::Mandates(verified.into_inner());
        self.apply(record)
    }

    /// The channel of a lone payer, who pays on the escrow itself.
    fn open_lone(&mut self, escrow: &Arc<Escrow>) -> Result<Arc<Channel>, Refusal> {
        if escrow.usage() == EscrowUse::Mandates {
            return Err(Refusal::EscrowMixed);
        }
        let image = LaneImage {
            lane: LaneId::of_escrow(&escrow.id()),
            escrow: escrow.id(),
            device: escrow.signer(),
            payee: escrow.terms().payee,
            rating_group: RatingGroup(0),
            tariff: farthing_channel::id::TariffHash::ZERO,
            tariff_base_amount: 0,
            tariff_base_units: 0,
        };
        self.apply(Record::Lane(image))?;
        self.shared.table.channel_of(&escrow.id(), &escrow.signer()).ok_or(Refusal::NoMandate)
    }

    /// Opens or resumes a lane, and takes up the payee's current tariff for what comes.
    fn open_lane(&mut self, channel: &Arc<Channel>, offer: &LaneOffer) -> Result<Arc<Lane>, Refusal> {
        let escrow = channel.escrow();
        if escrow.usage() == EscrowUse::Itself {
            let lone = LaneOffer { payee: escrow.terms().payee, rating_group: RatingGroup(0) };
            let lane = self.shared.table.lane(&LaneId::of_escrow(&escrow.id()));
            return lane.filter(|_| *offer == lone).ok_or(Refusal::EscrowMixed);
        }
        let directory = &self.shared.table.directory;
        let id = LaneId::derive(&channel.id(), &offer.payee, offer.rating_group);
        let held = self.shared.table.lane(&id);
        // A provider that was switched off gets no new lanes; what is owed on open ones stays payable.
        if held.is_none() && !directory.provider(&offer.payee).is_some_and(|provider| provider.active) {
            return Err(Refusal::UnknownPayee);
        }
        channel.check_payee(&offer.payee)?;
        if held.is_none() && channel.lanes().len() >= LANES_PER_CHANNEL_MAX {
            return Err(Refusal::TooManyLanes);
        }
        let current = directory.current_tariff(&offer.payee, offer.rating_group).map(|entry| entry.hash());
        let current = current.unwrap_or(farthing_channel::id::TariffHash::ZERO);
        if let Some(lane) = &held
            && lane.tariff().hash() == current
        {
            return Ok(Arc::clone(lane));
        }
        // Under a new price the units granted so far stay granted; the new price counts from the total now.
        let base_amount = held.as_ref().map_or(0, |lane| lane.state().total().amount());
        let image = LaneImage {
            lane: id,
            escrow: escrow.id(),
            device: channel.device(),
            payee: offer.payee,
            rating_group: offer.rating_group,
            tariff: current,
            tariff_base_amount: base_amount,
            tariff_base_units: held.as_ref().map_or(0, |lane| risk::units_for(lane, base_amount)),
        };
        self.apply(Record::Lane(image))?;
        self.shared.table.lane(&id).ok_or(Refusal::UnknownLane)
    }

    /// Applies a record and gives it to the journal; what depends on it is said when it is durable.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), Refusal> {
        // The record was built from the table's own entries, so it fits them.
        self.shared.table.apply(&record).map_err(|_| Refusal::UnknownLane)?;
        self.outbox.record(record);
        Ok(())
    }
}
