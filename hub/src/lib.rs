//! The Farthing hub: verifies and keeps every payment, limits the risk, tells providers to serve.
//!
//! One way of data: [`transport`] (QUIC) → [`session`] (decode, [`gate`], verify) → [`table`] (merge within the
//! limits) → [`journal`] (group commit) → acknowledgements and notices. [`checkpoint`] folds the journal into a file
//! from which [`recovery`] starts again. [`control`] makes every change that is not a payment, for the operator
//! ([`admin`], [`cli`]) and for the base ledger ([`follower`]). [`daemon`] puts it together.

pub mod admin;
pub mod checkpoint;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod facts;
pub mod follower;
pub mod gate;
pub mod journal;
pub mod observe;
pub mod recovery;
pub mod risk;
pub mod score_log;
pub mod session;
pub mod table;
pub mod transport;
