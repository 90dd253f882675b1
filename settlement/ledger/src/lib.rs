//! The base ledger: where money really moves.
//!
//! Two traits: [`LedgerView`] shows what there is, [`BaseLedger`] changes it; operations are signed values, results are
//! events. Behind them stands [`EmbeddedLedger`], one redb file that hub and settlement share without a server, for sites
//! without a chain. A [`LedgerMirror`] is the same file for a ledger on a chain: what the chain's log says, folded into the
//! same books, so that whoever reads a ledger needs no chain client.
//!
//! | module | holds |
//! | --- | --- |
//! | [`view`], [`base`] | the traits |
//! | [`operation`] | what can be asked, and what is signed for it |
//! | [`batch`] | what a payee hands in to collect from an escrow |
//! | [`event`] | what happened, in order |
//! | [`account`], [`escrow`] | what there is |
//! | [`tree`] | the tree of a batch, and proofs in it |
//! | [`embedded`] | the ledger in a file |
//! | [`mirror`] | a chain's ledger in a file |
//! | [`refusal`], [`error`] | why not |
//! | [`limits`] | its constants |
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod account;
pub mod base;
pub mod batch;
mod books;
pub mod embedded;
pub mod error;
pub mod escrow;
pub mod event;
pub mod limits;
pub mod mirror;
pub mod operation;
pub mod refusal;
mod rules;
pub mod tree;
mod typed;
pub mod view;

pub use account::{Account, AccountKind, ParticipantSettings, PendingPayout};
pub use base::{Audit, BaseLedger, ChainContracts, ChangeMark, LedgerHeads, LedgerIdentity};
pub use batch::{BatchProof, ChannelClaim, LaneClaim, LeafSet, SettlementBatch};
pub use embedded::{EmbeddedLedger, GenesisAccount};
pub use error::LedgerError;
pub use escrow::{Escrow, EscrowState, PendingBatch, Revocation, SettledChannel};
pub use event::{ClosedEpoch, Event, LoggedEvent};
pub use mirror::{Advance, BlockPlace, LedgerMirror, MirroredEvent};
pub use operation::{
    Approved, CloseEpoch, CloseEscrow, Issue, JournalCursor, Leg, OpenEscrow, ParticipantApproval, Payout,
    RegisterAccount, RequestClose, RevokeMandate, SetParticipant, SetPayout, SettleBatch, Signed, SignedOperation,
    TopUp, TransferBatch, Withdraw,
};
pub use refusal::LedgerRefusal;
pub use view::{LedgerReader, LedgerView};
