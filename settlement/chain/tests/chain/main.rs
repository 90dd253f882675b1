//! The ledger on a chain against a real node: anvil, named by `FARTHING_ANVIL` or found on the search path.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod anvil;
mod challenge;
mod crash;
mod deployment;
mod foreign;
mod random_operations;
mod reorganised;
mod scenario;
mod world;
