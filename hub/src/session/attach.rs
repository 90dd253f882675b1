//! Proofs of keys, mandates, and the opening of lanes.

use std::sync::Arc;
use std::time::Instant;

use farthing_channel::eip712::Attach;
use farthing_channel::id::{Address, ChannelId, EscrowId};
use farthing_channel::lane::Verified;
use farthing_channel::mandate::MandateBundle;
use farthing_channel::record::Record;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{KnownKey as _, LibSecp, LibSecpPublicKey, Signer as _};
use farthing_channel::wire::{Attached, Response, Role};

use super::connection::Proof;
use super::outbox::Recipient;
use super::plane::DataPlane;
use super::{enrolment, view};
use crate::table::escrow::EscrowUse;
use crate::table::{Channel, Escrow, HeldChannel};
use crate::transport::{ConnectionId, StreamId};

impl DataPlane {
    pub(super) fn attach(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        stream: StreamId,
        proof: Proof,
    ) -> Result<(), Refusal> {
        if !self.shared.serving.is_on() || !self.outbox.has_room() {
            return Err(Refusal::NotServing);
        }
        let from = Recipient { connection, stream: Some(stream) };
        let key = self.attached_key(now, from, &proof)?;
        match (proof.role, proof.escrow) {
            (Role::Provider, None) if proof.mandate.is_none() && proof.lanes.is_empty() => {
                self.attach_provider(connection, stream, key.address())
            }
            (Role::Device, Some(escrow)) => self.attach_device(now, from, stream, key, escrow, proof),
            _ => Err(Refusal::Malformed),
        }
    }

    /// Whose key the proof is by. ECDSA recovery finds some key for almost any signature, so a proof for another
    /// connection, hub or role shows as a key that has no mandate or is no provider.
    fn attached_key(&mut self, now: Instant, from: Recipient, proof: &Proof) -> Result<LibSecpPublicKey, Refusal> {
        let signature = proof.signature.check().map_err(|_| Refusal::BadAttach)?;
        let nonce = self.connections.get(&from.connection).ok_or(Refusal::NotAttached)?.nonce;
        let role = proof.role.code();
        self.pay_signature(now, from, |shared| {
            let typed =
                Attach { binding: Attach::binding(&nonce, &shared.certificate), hub: shared.key.address(), role };
            LibSecpPublicKey::recover(&shared.domain.digest(&typed), &signature).map_err(|_| Refusal::BadAttach)
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
        public: LibSecpPublicKey,
        escrow: EscrowId,
        proof: Proof,
    ) -> Result<(), Refusal> {
        let key = public.address();
        let escrow = self.shared.table.escrow(&escrow).ok_or(Refusal::UnknownEscrow)?;
        self.check_room(from.connection, &ChannelId::derive(&escrow.id(), &key))?;
        let mandate = match proof.mandate {
            Some(bundle) => self.check_mandate(now, from, &escrow, key, bundle)?,
            None => None,
        };
        let hold = self.hold_channel(&escrow, &key)?;
        let plan = enrolment::plan(&self.shared.table, &escrow, &key, mandate, &proof.lanes, self.unix)?;
        for record in plan.records {
            self.apply(record)?;
        }
        let channel = self.shared.table.channel_of(&escrow.id(), &key)?.ok_or(Refusal::NoMandate)?;
        let hold = hold.or_else(|| HeldChannel::take(&channel, self.holder));
        self.outbox.pending().holds.extend(hold);
        self.remember_attached(from.connection, &channel);
        let mut views = Vec::with_capacity(plan.lanes.len());
        for id in &plan.lanes {
            let lane = self.shared.table.lane(id)?.ok_or(Refusal::UnknownLane)?;
            let state = self.connections.get_mut(&from.connection).ok_or(Refusal::NotAttached)?;
            let (handle, source) = (state.open(&lane, Some(public)), state.source);
            self.lane_attached(&lane, source);
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

    /// The right to change the device's channel, if there is one yet.
    fn hold_channel(&self, escrow: &Escrow, key: &Address) -> Result<Option<HeldChannel>, Refusal> {
        match self.shared.table.channel_of(&escrow.id(), key)? {
            // Another connection of the device changes it at this moment; a moment later it can come again.
            Some(channel) => HeldChannel::take(&channel, self.holder).map(Some).ok_or(Refusal::NotServing),
            None => Ok(None),
        }
    }

    /// Whether the connection may carry this channel beside those it has.
    fn check_room(&self, connection: ConnectionId, channel: &ChannelId) -> Result<(), Refusal> {
        let most = usize::try_from(self.shared.source_limits.channels_per_connection_max).unwrap_or(usize::MAX);
        let state = self.connections.get(&connection).ok_or(Refusal::NotAttached)?;
        if state.channels.contains_key(channel) || state.keys() < most { Ok(()) } else { Err(Refusal::TooManyChannels) }
    }

    /// Notes the channel as attached here. A device that comes back again and again over a bad link is never shut out by
    /// its own dead connections: its newest ones count.
    fn remember_attached(&mut self, connection: ConnectionId, channel: &Arc<Channel>) {
        let Some(state) = self.connections.get_mut(&connection) else { return };
        if state.channels.insert(channel.id(), Arc::clone(channel)).is_some() {
            return;
        }
        let most = self.shared.source_limits.connections_per_device_max.max(1);
        let device = channel.device();
        let displaced = self.attached.attach(device, connection, usize::try_from(most).unwrap_or(usize::MAX));
        if let Some(oldest) = displaced
            && let Some(state) = self.connections.get_mut(&oldest)
        {
            state.channels.retain(|_, channel| channel.device() != device);
            // A gateway's connection stays open for its other devices.
            if state.keys() == 0 {
                self.displaced.push(oldest);
            }
        }
    }

    /// Checks a mandate that a device brings. Nothing comes back for one that is no news.
    fn check_mandate(
        &mut self,
        now: Instant,
        from: Recipient,
        escrow: &Arc<Escrow>,
        key: Address,
        bundle: MandateBundle,
    ) -> Result<Option<Verified<MandateBundle>>, Refusal> {
        let [terms] = bundle.mandates.as_slice() else {
            return Err(Refusal::BadMandate);
        };
        if terms.device != key || bundle.escrow != escrow.id() {
            return Err(Refusal::BadMandate);
        }
        if escrow.usage() == EscrowUse::Itself {
            return Err(Refusal::EscrowMixed);
        }
        if let Some(channel) = self.shared.table.channel_of(&escrow.id(), &key)?
            && channel.serial().is_some_and(|serial| terms.serial <= serial)
            && channel.limit() > 0
        {
            // A device shows its mandate each time it attaches; one that is not newer is no error.
            return Ok(None);
        }
        let signer = escrow.signer();
        self.pay_signature(now, from, |shared| bundle.verify(&LibSecp, &shared.domain, &signer)).map(Some)
    }

    /// Applies a record and gives it to the journal; what depends on it is said when it is durable.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), Refusal> {
        // The record was built from the table's own entries, so it fits them.
        self.shared.table.apply(&record).map_err(|_| Refusal::UnknownLane)?;
        self.outbox.record(&record);
        Ok(())
    }
}
