//! A hundred thousand QUIC clients on one thread: quinn-proto, mio and the hub's own UDP face.
//!
//! The SDK gives every device a task of its own and is made for devices. A load generator that shares a machine with
//! what it measures must cost as little as it can: one loop, connections in a slab, packets of many connections in one
//! system call. Settings are those of a small device, so that both ends of a connection are small.
//!
//! | module | does |
//! | --- | --- |
//! | [`client`] | all connections: sockets in, events out, packets out; [`turn`] has a turn of its loop |
//! | [`connection`] | one connection and its few streams |
//! | [`config`] | TLS and QUIC settings |
//! | [`timers`] | the deadlines of all connections |

pub mod client;
pub mod config;
pub mod connection;
pub(crate) mod timers;
mod turn;

pub use client::{Client, ClientSettings, Peer, Traffic};
pub use config::Trust;
pub use connection::Event;
