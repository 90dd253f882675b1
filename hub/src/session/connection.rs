//! What one connection has proven and opened.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use farthing_channel::id::{Address, ChannelId, EscrowId, Hash32, LaneId};
use farthing_channel::lane::TipChain;
use farthing_channel::mandate::MandateBundle;
use farthing_channel::sign::{LibSecpPublicKey, UncheckedSignature};
use farthing_channel::wire::{LaneOffer, LaneRef, Role};

use super::outbox::Place;
use super::small_map::SmallMap;
use crate::gate::{Gate, SourceLimits};
use crate::risk::Granted;
use crate::table::{Channel, Lane};
use crate::transport::{ConnectionId, StreamId};

/// Up to this many lanes are looked through for an identity; a gateway with more has them indexed.
const LANES_UNINDEXED_MAX: usize = 8;

/// A lane opened on this connection.
#[derive(Debug)]
pub(super) struct OpenLane {
    pub(super) lane: Arc<Lane>,
    /// The device's key, where it was proven here.
    key: Option<LibSecpPublicKey>,
    /// The lane's newest chain as of `version`, so that a tick need not fetch it.
    chain: Option<TipChain>,
    version: Option<u64>,
    /// Where its acknowledgement stands among those that gather for the journal.
    pub(super) gathering: Place,
    /// Where its acknowledgement stands among those of this turn.
    pub(super) released: Place,
    /// Its total when it was opened here, base units.
    pub(super) opened_at: u64,
    /// Where payments from here come from, as a number that differs from one connection to the next.
    pub(super) place: u16,
    /// The last grant sent, so that an acknowledgement carries only what changed.
    pub(super) granted: Option<Granted>,
}

impl OpenLane {
    /// The key of the lane's device, where it was proven on this connection.
    pub(super) fn device_key(&self) -> Option<&LibSecpPublicKey> {
        self.key.as_ref()
    }

    /// The newest chain of the lane, whose state has this version now.
    pub(super) fn chain(&mut self, version: u64) -> Option<TipChain> {
        if self.version != Some(version) {
            let (held, chain) = self.lane.evidence().chain();
            self.version = Some(held);
            self.chain = chain;
        }
        self.chain
    }
}

/// What a stream has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamUse {
    /// Frames of payments, frames of answers.
    Payments,
    /// A provider's conversation.
    Subscription { payee: Address },
    /// A request was answered or is being answered; nothing may follow it.
    Answered,
}

/// A source as a number: an IPv4 address, or the 64 bits of an IPv6 network.
fn source_of(address: IpAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    match address.to_canonical() {
        IpAddr::V4(address) => address.hash(&mut hasher),
        IpAddr::V6(address) => address.segments()[..4].hash(&mut hasher),
    }
    hasher.finish()
}

/// A connection in the high byte, never 0, and in the low one whence it comes.
fn place_of(id: ConnectionId, from: IpAddr) -> u16 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    let [source, ..] = source_of(from).to_le_bytes();
    let [connection, ..] = hasher.finish().to_le_bytes();
    u16::from_le_bytes([source, connection.max(1)])
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// In the hello; attach proofs are bound to it.
    pub(super) nonce: Hash32,
    /// Where it came from, as a number under which sources are counted.
    pub(super) source: u64,
    /// The same with the connection's own number, never 0.
    place: u16,
    pub(super) gate: Gate,
    /// Devices attached, by channel.
    pub(super) channels: SmallMap<ChannelId, Arc<Channel>>,
    /// Providers attached. A connection may carry several, as a gateway carries several devices.
    pub(super) providers: Vec<Address>,
    lanes: Vec<OpenLane>,
    /// The lanes by identity, where they are many.
    handles: Option<HashMap<LaneId, u32>>,
    /// Requests of this connection that wait for their turn.
    pub(super) requests_waiting: u16,
    /// Streams that stay open.
    pub(super) streams: SmallMap<StreamId, StreamUse>,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, nonce: Hash32, from: IpAddr, limits: &SourceLimits, now: Instant) -> Self {
        Self {
            nonce,
            source: source_of(from),
            place: place_of(id, from),
            gate: Gate::new(limits, now),
            channels: SmallMap::default(),
            providers: Vec::new(),
            lanes: Vec::new(),
            handles: None,
            requests_waiting: 0,
            streams: SmallMap::default(),
        }
    }

    /// The handle of a lane, given on first use; `key` is its device's, where that has just been proven.
    pub(super) fn open(&mut self, lane: &Arc<Lane>, key: Option<LibSecpPublicKey>) -> u32 {
        if let Some(handle) = self.handle(&lane.id()) {
            if let Some(open) = self.opened_mut(&LaneRef::Handle(handle)) {
                open.key = open.key.or(key);
            }
            return handle;
        }
        let handle = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        if self.lanes.is_empty() {
            // Most connections are a device with one lane.
            self.lanes.reserve_exact(1);
        }
        self.lanes.push(OpenLane {
            lane: Arc::clone(lane),
            key,
            chain: None,
            version: None,
            gathering: Place::NONE,
            released: Place::NONE,
            opened_at: lane.durable(),
            place: self.place,
            granted: None,
        });
        if let Some(handles) = &mut self.handles {
            handles.insert(lane.id(), handle);
        } else if self.lanes.len() > LANES_UNINDEXED_MAX {
            let index = (0..).zip(&self.lanes).map(|(handle, open)| (open.lane.id(), handle)).collect();
            self.handles = Some(index);
        }
        handle
    }

    fn handle(&self, id: &LaneId) -> Option<u32> {
        match &self.handles {
            Some(handles) => handles.get(id).copied(),
            None => {
                let at = self.lanes.iter().position(|open| open.lane.id() == *id)?;
                u32::try_from(at).ok()
            }
        }
    }

    /// The lane, if it is open here.
    pub(super) fn opened(&self, lane: &LaneRef) -> Option<&Arc<Lane>> {
        let handle = self.handle_of(lane)?;
        self.lanes.get(usize::try_from(handle).ok()?).map(|open| &open.lane)
    }

    pub(super) fn opened_mut(&mut self, lane: &LaneRef) -> Option<&mut OpenLane> {
        let handle = self.handle_of(lane)?;
        self.lanes.get_mut(usize::try_from(handle).ok()?)
    }

    /// The gate, and the lane if it is open here.
    pub(super) fn gate_and_lane(&mut self, lane: &LaneRef) -> (&mut Gate, Option<&mut OpenLane>) {
        let at = self.handle_of(lane).and_then(|handle| usize::try_from(handle).ok());
        (&mut self.gate, at.and_then(|at| self.lanes.get_mut(at)))
    }

    fn handle_of(&self, lane: &LaneRef) -> Option<u32> {
        match lane {
            LaneRef::Handle(handle) => Some(*handle),
            LaneRef::Id(id) => self.handle(id),
        }
    }

    /// The lanes open here.
    pub(super) fn open_lanes(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.lanes.iter().map(|open| &open.lane)
    }

    /// The lane, if it is open here by proof of its device's key: what happens on it is the device's doing.
    pub(super) fn proven(&self, lane: &LaneRef) -> Option<&Arc<Lane>> {
        let at = usize::try_from(self.handle_of(lane)?).ok()?;
        self.lanes.get(at).filter(|open| open.key.is_some()).map(|open| &open.lane)
    }

    /// Number of keys attached.
    pub(super) fn keys(&self) -> usize {
        self.channels.len().saturating_add(self.providers.len())
    }
}

/// The connections of one data-plane thread, by their place among the driver's.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Option<(ConnectionId, Box<Connection>)>>,
}

impl Connections {
    fn slot(id: &ConnectionId) -> usize {
        usize::try_from(id.slot()).unwrap_or(usize::MAX)
    }

    pub(super) fn insert(&mut self, id: ConnectionId, connection: Connection) {
        let slot = Self::slot(&id);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot.saturating_add(1), || None);
        }
        self.slots[slot] = Some((id, Box::new(connection)));
    }

    pub(super) fn get(&self, id: &ConnectionId) -> Option<&Connection> {
        let (held, connection) = self.slots.get(Self::slot(id))?.as_ref()?;
        (held == id).then_some(connection)
    }

    pub(super) fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut Connection> {
        let (held, connection) = self.slots.get_mut(Self::slot(id))?.as_mut()?;
        (held == id).then_some(connection)
    }

    pub(super) fn remove(&mut self, id: &ConnectionId) -> Option<Box<Connection>> {
        let slot = self.slots.get_mut(Self::slot(id))?;
        slot.take_if(|(held, _)| held == id).map(|(_, connection)| connection)
    }
}

/// An attach request's content.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) role: Role,
    pub(super) signature: UncheckedSignature,
    pub(super) escrow: Option<EscrowId>,
    pub(super) mandate: Option<MandateBundle>,
    pub(super) lanes: Vec<LaneOffer>,
}
