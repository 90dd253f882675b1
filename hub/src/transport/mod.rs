//! The hub's QUIC driver: bytes and time in, bytes and events out.
//!
//! One data-plane thread is one [`Driver`]: its own UDP sockets, its own QUIC endpoint, its own
//! connections. A thread has two sockets: the kernel puts what begins a connection into one, what
//! established connections send into the other, so that those who pay are heard through a rush of
//! those who knock. All sockets share one address through `SO_REUSEPORT`; every connection id they
//! give out carries the thread's number, so a datagram that the kernel hands to the wrong thread
//! (after a client's address has changed) is passed on through a bounded queue. What the threads
//! share sits in a [`Fabric`]: the TLS and transport configuration, the one store of resumable
//! sessions, the limits per address, the queues and the counters.
//!
//! No rule of the payment protocol lives here. An [`Application`] is told what arrived and sends
//! through [`Io`]; everything sent within one turn of the loop, across all connections, leaves in
//! batches of `sendmmsg`.
//!
//! # Framing
//!
//! A frame on a stream is its length as a big-endian `u16` and then that many bytes, at most
//! [`FRAME_BYTES_MAX`]. Clients open bidirectional streams only; the server opens unidirectional
//! ones, with the same framing. A datagram is one message without framing.
//!
//! # Limits
//!
//! Everything a peer can make grow is bounded by [`TransportLimits`]: connections and handshakes,
//! in total and per address (an IPv4 address, or an IPv6 /64), streams, receive windows, and what
//! waits for a slow reader. Every loop is bounded too, so that one busy peer delays the others by
//! a batch at most.

mod admission;
mod application;
mod cid;
mod config;
mod connection;
mod counters;
mod driver;
mod endpoint;
mod fabric;
mod in_process;
mod inlet;
mod io;
mod streams;
mod timer;
mod tls;

#[cfg(test)]
mod tests;

pub use application::Application;
pub use config::{ALPN, Identity, TransportError, TransportLimits};
pub use connection::{ConnectionId, StreamId};
pub use counters::{Counter, TransportCounters};
pub use driver::{Driver, WakeHandle};
pub use fabric::Fabric;
pub use farthing_udp::Datagram;
pub use in_process::InProcess;
pub use io::{Io, Unsent};
pub use streams::FRAME_BYTES_MAX;

pub use farthing_channel::wire::close_code;
