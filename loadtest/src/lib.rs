//! Fleets of simulated devices over real connections: load, replay of recorded use, and a whole night of the site.
//!
//! Nothing here knows the hub from inside. A site is made of the real binaries, driven by their command lines; devices
//! are those of the SDK; every figure is taken where a device or an accountant would take it.
//!
//! | module | does |
//! | --- | --- |
//! | [`site`] | a whole site in a folder: ledger, hub, providers, escrows, mandates, and its processes |
//! | [`fleet`] | simulated devices: keys from a seed, connections, payments, what was acknowledged |
//! | [`trace`] | reads what devices used, and bills it |
//! | [`load`] | an open loop at a chosen rate, with latencies |
//! | [`engine`] | load of many shapes from one thread, and what it costs the hub; [`quic`] has its connections |
//! | [`attack`] | attacks with honest devices beside, and what these notice |
//! | [`echo`] | a bare QUIC echo, to compare the hub with |
//! | [`open`] | many channels at once, and how long a hub with them takes to start |
//! | [`idle`] | millions of channels that nobody uses |
//! | [`replay`] | bills a recorded trace |
//! | [`risk_eval`] | a labelled trace at a hub whose clock is stepped: how well it tells attacks from honest use |
//! | [`demo`] | a day with a power cut and its night |
//! | [`crash`] | many power cuts |
//! | [`report`] | histograms, tables, progress, JSON |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod attack;
pub mod clock;
pub mod crash;
pub mod demo;
pub mod echo;
pub mod engine;
pub mod fleet;
pub mod idle;
pub mod load;
pub mod open;
pub mod quic;
pub mod replay;
pub mod report;
pub mod risk_eval;
pub mod site;
pub mod trace;
