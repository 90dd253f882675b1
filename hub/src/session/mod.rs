//! The data plane's conversation with devices and providers.
//!
//! datagram → decode → gate → verify → merge → journal → acknowledge and notify. One way: no step looks back. The
//! transport calls [`DataPlane`], which owns every connection's state and answers only for what the journal has made
//! durable.
//!
//! | file | holds |
//! | --- | --- |
//! | [`application`] | what the transport tells |
//! | [`connection`] | what one connection has proven and opened |
//! | [`attach`] | proofs of keys, mandates, opening of lanes |
//! | [`enrolment`] | what an attach would change, before it does |
//! | [`attached`] | on which connections each device is attached |
//! | [`payment`] | payments, from bytes to a changed lane |
//! | [`vouchers`] | payments that cost a signature: their line, a turn's part of it
//! | [`request`] | the line of requests; receipts, queries, tariffs, closing |
//! | [`report`] | what providers say they served |
//! | [`outbox`] | answers that wait for the journal |
//! | [`rounds`] | answers to the table: what was changed before is durable |
//! | [`subscription`] | providers that are told what is authorised |
//! | [`exchange`] | news for providers that are connected on another thread |
//! | [`small_map`] | a map of a handful of entries |
//! | [`answers`] | messages packed into datagrams |
//! | [`trust`] | what the risk model is told and what it hinders |
//! | [`view`] | a lane as its device or provider sees it |

mod answers;
mod application;
mod attach;
mod attached;
mod connection;
mod enrolment;
mod exchange;
mod outbox;
mod payment;
mod plane;
mod report;
mod request;
mod rounds;
mod small_map;
mod subscription;
mod trust;
mod view;
mod vouchers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use farthing_channel::eip712::Domain;
use farthing_channel::id::Address;
use farthing_channel::sign::LibSecpKey;

pub use exchange::Exchange;
pub use plane::DataPlane;

use crate::checkpoint::CheckpointProgress;
use crate::gate::SourceLimits;
use crate::journal::commit::JournalHandle;
use crate::observe::metrics::Metrics;
use crate::risk::engine::RiskEngine;
use crate::score_log::ScoreLog;
use crate::table::Table;

/// What every data-plane thread shares.
#[derive(Debug)]
pub struct Shared {
    /// The channel table.
    pub table: Arc<Table>,
    /// The journal.
    pub journal: JournalHandle,
    /// The ledger that proofs are good on.
    pub domain: Domain,
    /// The hub's key: signs receipts; its address is what devices attach to.
    pub key: LibSecpKey,
    /// The hub's account on the ledger, payee of every escrow.
    pub account: Address,
    /// The certificate that devices verify, DER.
    pub certificate: Vec<u8>,
    /// How far lanes are trusted.
    pub risk: Arc<RiskEngine>,
    /// What one connection may cost.
    pub source_limits: SourceLimits,
    /// How much of the journal the checkpoint holds.
    pub checkpointed: CheckpointProgress,
    /// Counters.
    pub metrics: Metrics,
    /// Whether payments are accepted: false while draining and after the journal has failed.
    pub serving: Serving,
    /// When the data plane last went round.
    pub heartbeat: Heartbeat,
    /// News between data-plane threads.
    pub exchange: Exchange,
    /// Where a rehearsal notes what the risk model makes of lanes.
    pub score_log: Option<ScoreLog>,
}

/// When each thread of the data plane last went round, in Unix milliseconds.
#[derive(Debug)]
pub struct Heartbeat(Vec<AtomicU64>);

impl Heartbeat {
    /// For `threads` threads, none of which has gone round yet.
    pub fn new(threads: u16) -> Self {
        Self((0..threads).map(|_| AtomicU64::new(0)).collect())
    }

    /// `thread` goes round now.
    pub fn beat(&self, thread: u16, unix_ms: u64) {
        if let Some(beat) = self.0.get(usize::from(thread)) {
            beat.store(unix_ms, Ordering::Relaxed);
        }
    }

    /// When the one that lags most last did.
    pub fn last_ms(&self) -> u64 {
        self.0.iter().map(|beat| beat.load(Ordering::Relaxed)).min().unwrap_or(0)
    }
}

/// Whether the hub accepts payments.
#[derive(Debug, Default)]
pub struct Serving(AtomicBool);

impl Serving {
    /// Accepts from now on.
    pub fn start(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Accepts nothing from now on.
    pub fn stop(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Whether payments are accepted.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
