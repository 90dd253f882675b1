//! The base ledger on an EVM chain.
//!
//! [`ChainLedger`] is a [`farthing_ledger::BaseLedger`] whose money is a token in the contracts of `settlement/contracts`. Its
//! books are a [`farthing_ledger::LedgerMirror`]: the follower folds the contracts' log into them as far as it is final, so
//! whoever reads the ledger needs no chain client, the hub least of all. What is sent to the chain is written down first
//! in an outbox with its nonce and signature, so that a crash at any point leads to the same transaction again, and never
//! to a second one.
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | where the chain and the contracts are; what counts as final |
//! | [`ledger`] | the ledger: an operation's way to the chain and back |
//! | [`follow`], `translate` | the log, step by step, in the ledger's words |
//! | [`outbox`], `fees` | what was sent, and what it may cost |
//! | [`rpc`] | the node |
//! | [`keys`] | who signs transactions |
//! | [`deploy`] | a new ledger on a chain |
//! | `abi`, `call`, `batch`, `proof` | the contracts' words |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod abi;
mod answer;
mod batch;
mod call;
pub mod config;
pub mod deploy;
pub mod error;
mod fees;
pub mod follow;
pub mod keys;
pub mod ledger;
pub mod outbox;
mod proof;
pub mod rpc;
mod translate;

pub use config::{ChainConfig, Finality};
pub use error::ChainError;
pub use keys::{KeyError, TransactionSigner};
pub use ledger::ChainLedger;
