//! One thread's UDP socket for QUIC: many packets per system call, both ways.
//!
//! It knows QUIC's packets as quinn-proto has them and nothing of what they carry. Hub, load generator and benchmarks
//! share it, so that what is compared differs in what it does and not in how it reaches the kernel.
//!
//! | item | does |
//! | --- | --- |
//! | [`Socket`] | binds, alone or with others that share an address |
//! | [`sort_beginnings`] | keeps handshakes out of the socket of established connections |
//! | [`Inbox`] | receives with `recvmmsg` and GRO, and hands out one datagram after another |
//! | [`SendBatch`] | sends packets of many connections with `sendmmsg` |
#![warn(missing_docs)]

mod inbox;
mod send_batch;
mod socket;
mod steering;

pub use inbox::{Datagram, Inbox};
pub use send_batch::{PACKETS_MAX, SendBatch, Sent};
pub use socket::Socket;
pub use steering::sort_beginnings;
