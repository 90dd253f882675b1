//! A payer's deposit, as the ledger shows it, and what is authorised against it here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use farthing_cells::{Counter, Rounds};
use farthing_channel::id::{Address, EscrowId, EscrowTerms};
use farthing_channel::record::{EscrowImage, EscrowState};

use crate::risk::levels::LevelCounts;

/// How an escrow pays. The two ways exclude each other: a voucher on the escrow id states the total over all lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscrowUse {
    /// Not used yet.
    Unused,
    /// Through mandated channels.
    Mandates,
    /// A lone payer, on the escrow itself.
    Itself,
}

/// An escrow. Amounts in base units.
#[derive(Debug)]
pub struct Escrow {
    id: EscrowId,
    terms: EscrowTerms,
    deposit: AtomicU64,
    settled: AtomicU64,
    state: AtomicU8,
    usage: AtomicU8,
    /// Sum over its lanes of what is authorised, but never less than what is settled already.
    authorised: Counter,
    /// The table's rounds, by which its channels are stamped.
    rounds: Arc<Rounds>,
    /// The table's counts of levels, among which its lanes are.
    levels: Arc<LevelCounts>,
}

const STATE_OPEN: u8 = 0;
const STATE_CLOSE_REQUESTED: u8 = 1;
const STATE_FINALIZED: u8 = 2;

fn state_code(state: EscrowState) -> u8 {
    match state {
        EscrowState::Open => STATE_OPEN,
        EscrowState::CloseRequested => STATE_CLOSE_REQUESTED,
        EscrowState::Finalized => STATE_FINALIZED,
    }
}

impl Escrow {
    pub(super) fn new(image: &EscrowImage, rounds: Arc<Rounds>, levels: Arc<LevelCounts>) -> Self {
        Self {
            id: image.id,
            terms: image.terms(),
            deposit: AtomicU64::new(image.deposit),
            settled: AtomicU64::new(image.settled),
            state: AtomicU8::new(state_code(image.state)),
            usage: AtomicU8::new(0),
            authorised: Counter::default(),
            rounds,
            levels,
        }
    }

    /// The counts of levels among which its lanes are.
    pub(super) fn levels(&self) -> &LevelCounts {
        &self.levels
    }

    pub(super) fn update(&self, image: &EscrowImage) {
        self.deposit.store(image.deposit, Ordering::Release);
        self.settled.store(image.settled, Ordering::Release);
        self.state.store(state_code(image.state), Ordering::Release);
    }

    /// Its identity.
    pub fn id(&self) -> EscrowId {
        self.id
    }

    /// What the identity is made of.
    pub fn terms(&self) -> &EscrowTerms {
        &self.terms
    }

    /// Whose signatures move its money.
    pub fn signer(&self) -> Address {
        self.terms.signer()
    }

    /// All that was paid in.
    pub fn deposit(&self) -> u64 {
        self.deposit.load(Ordering::Acquire)
    }

    /// All that was settled out of it.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }

    /// What all its lanes owe together.
    pub fn authorised(&self) -> u64 {
        self.authorised.get()
    }

    /// Where it stands on the ledger.
    pub fn state(&self) -> EscrowState {
        match self.state.load(Ordering::Acquire) {
            STATE_OPEN => EscrowState::Open,
            STATE_CLOSE_REQUESTED => EscrowState::CloseRequested,
            _ => EscrowState::Finalized,
        }
    }

    /// Whether new payments may draw on it.
    pub fn is_open(&self) -> bool {
        self.state() == EscrowState::Open
    }

    /// How it pays.
    pub fn usage(&self) -> EscrowUse {
        match self.usage.load(Ordering::Acquire) {
            0 => EscrowUse::Unused,
            1 => EscrowUse::Mandates,
            _ => EscrowUse::Itself,
        }
    }

    /// Fixes how it pays, if that is not fixed yet. Returns false where it pays the other way.
    pub(crate) fn claim_usage(&self, usage: EscrowUse) -> bool {
        let code = match usage {
            EscrowUse::Unused => return true,
            EscrowUse::Mandates => 1,
            EscrowUse::Itself => 2,
        };
        match self.usage.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(held) => held == code,
        }
    }

    pub(super) fn authorised_counter(&self) -> &Counter {
        &self.authorised
    }

    /// The round that runs.
    pub(super) fn round(&self) -> u64 {
        self.rounds.current()
    }

    /// After a restored backup the lanes may sum to less than the ledger has settled. What is settled is gone from the
    /// deposit, so it counts until the devices have shown their proofs again.
    pub(super) fn raise_to_settled(&self) {
        self.authorised.raise(self.settled());
    }

    /// The escrow as a record.
    pub fn image(&self) -> EscrowImage {
        EscrowImage {
            id: self.id,
            payer: self.terms.payer,
            payee: self.terms.payee,
            token: self.terms.token,
            salt: self.terms.salt,
            authorized_signer: self.terms.authorized_signer,
            deposit: self.deposit(),
            settled: self.settled(),
            state: self.state(),
        }
    }
}
