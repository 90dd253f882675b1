//! What one connection has proven and opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use farthing_channel::id::{Address, ChannelId, EscrowId, Hash32, LaneId};
use farthing_channel::mandate::MandateBundle;
use farthing_channel::sign::UncheckedSignature;
use farthing_channel::wire::{Grant, LaneOffer, LaneRef, Role};

use crate::gate::{Gate, SourceLimits};
use crate::table::{Channel, Lane};
use crate::transport::StreamId;

/// A lane opened on this connection.
#[derive(Debug)]
pub(super) struct OpenLane {
    pub(super) lane: Arc<Lane>,
    /// The last grant sent, so that an acknowledgement carries only what changed.
    pub(super) granted: Option<Grant>,
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

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// In the hello; attach proofs are bound to it.
    pub(super) nonce: Hash32,
    pub(super) gate: Gate,
    /// Devices attached, by channel.
    pub(super) channels: BTreeMap<ChannelId, Arc<Channel>>,
    /// Providers attached. A connection may carry several, as a gateway carries several devices.
    pub(super) providers: Vec<Address>,
    lanes: Vec<OpenLane>,
    handles: HashMap<LaneId, u32>,
    /// Streams that stay open.
    pub(super) streams: BTreeMap<StreamId, StreamUse>,
}

impl Connection {
    pub(super) fn new(nonce: Hash32, limits: &SourceLimits, now: Instant) -> Self {
        Self {
            nonce,
            gate: Gate::new(limits, now),
            channels: BTreeMap::new(),
            providers: Vec::new(),
            lanes: Vec::new(),
            handles: HashMap::new(),
            streams: BTreeMap::new(),
        }
    }

    /// The handle of a lane, given on first use.
    pub(super) fn open(&mut self, lane: &Arc<Lane>) -> u32 {
        if let Some(handle) = self.handles.get(&lane.id()) {
            return *handle;
        }
        let handle = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
        self.lanes.push(OpenLane { lane: Arc::clone(lane), granted: None });
        self.handles.insert(lane.id(), handle);
        handle
    }

    pub(super) fn by_handle(&self, handle: u32) -> Option<&Arc<Lane>> {
        self.lanes.get(usize::try_from(handle).ok()?).map(|open| &open.lane)
    }

    /// The lane, if it is open here.
    pub(super) fn opened(&self, lane: &LaneRef) -> Option<&Arc<Lane>> {
        match lane {
            LaneRef::Handle(handle) => self.by_handle(*handle),
            LaneRef::Id(id) => self.handles.get(id).and_then(|handle| self.by_handle(*handle)),
        }
    }

    pub(super) fn opened_mut(&mut self, lane: &LaneRef) -> Option<&mut OpenLane> {
        let handle = match lane {
            LaneRef::Handle(handle) => *handle,
            LaneRef::Id(id) => *self.handles.get(id)?,
        };
        self.lanes.get_mut(usize::try_from(handle).ok()?)
    }

    /// Number of keys attached.
    pub(super) fn keys(&self) -> usize {
        self.channels.len().saturating_add(self.providers.len())
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
