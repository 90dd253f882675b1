//! Whole sites of real processes: hub, ledger, finance, devices, providers.
#![allow(clippy::unwrap_used)]

mod bench;
mod chain;
mod commands;
mod crashes;
mod damage;
mod foreign;
mod hostile;
mod nights;
mod payments;
mod refusals;
mod relay;
mod risk;
mod support;
mod transport;
