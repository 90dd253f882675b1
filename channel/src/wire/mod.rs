//! What travels between device, provider and hub. PROTOCOL.md has the CDDL and the sequence of a session.
//!
//! Every message is `[code, {integer key: value}]` in deterministic CBOR ([`crate::codec`]). Payments and
//! acknowledgements travel in QUIC datagrams, any number of messages one after another; control messages in frames on
//! bidirectional streams, each a 16-bit big-endian length and one message. Codes and keys are append-only.

mod acknowledgement;
mod control;
mod payment;
mod provider;
mod tick;

pub(crate) use acknowledgement::{put_uint, take_uint};

pub use acknowledgement::encode_acknowledged;
pub use control::{Attached, ClosedLane, Hello, LaneOffer, LaneView, Request, Response, Role, SignedReceipt};
pub use payment::{Answer, Grant, LaneRef, Payment, Payments, Reason};
pub use provider::{Notice, ServiceMessage, SignedReport};
pub use tick::Tick;

/// The protocol's name in TLS, with its version.
pub const ALPN: &[u8] = b"farthing/1";

/// Application error codes with which the hub closes a connection or resets a stream. Append-only; 0 is for a client
/// that is done.
pub mod close_code {
    /// The hub is shutting down; reconnect elsewhere or later.
    pub const SHUTDOWN: u32 = 1;
    /// A frame announced more than [`FRAME_BYTES_MAX`](crate::limits::FRAME_BYTES_MAX) bytes.
    pub const FRAME_TOO_LONG: u32 = 2;
    /// The peer did not read what it asked for, and too much of it was waiting.
    pub const SLOW_READER: u32 = 3;
    /// The handshake was not completed in time.
    pub const HANDSHAKE_TIMEOUT: u32 = 4;
    /// The peer broke the protocol in a way that no refusal can answer.
    pub const PROTOCOL: u32 = 5;
    /// The peer did not attach, or was idle, for too long.
    pub const IDLE: u32 = 6;
    /// Too many connections or handshakes from this address, or on this hub.
    pub const CROWDED: u32 = 7;
    /// Too many frames were begun on the connection's streams and not completed.
    pub const FRAMES_INCOMPLETE: u32 = 8;
}

#[cfg(test)]
mod tests;
