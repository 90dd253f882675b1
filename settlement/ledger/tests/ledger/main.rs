//! The embedded ledger from outside: rules, refusals, storage, and a model beside it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batches;
mod escrows;
mod mandates;
mod mirror;
mod model;
mod participant_settings;
mod participants;
mod random_operations;
mod storage;
mod vectors;
mod world;
