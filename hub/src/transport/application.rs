//! What the driver tells the code that holds the rules.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::{ConnectionId, Io, StreamId};

/// The code behind one driver. All calls come from that driver's thread, one at a time.
///
/// For every connection, `opened` comes first and `closed` last, each exactly once; a connection
/// that fails before `opened` is never mentioned. Payloads share memory with the received packet:
/// whoever keeps one for long copies it.
pub trait Application {
    /// A connection exists and the server can already send to it, though the handshake is not
    /// complete: what is sent here travels in the server's first flight.
    fn opened(&mut self, io: &mut Io<'_>, connection: ConnectionId, peer: SocketAddr);

    /// The handshake is complete: from now on the peer is known to be alive, not a replay.
    fn established(&mut self, io: &mut Io<'_>, connection: ConnectionId);

    /// A datagram arrived. `early` says that the handshake was not complete (0-RTT), so that the
    /// datagram may be a replay. What arrived early but is handed over after the handshake has
    /// completed is not marked: the completed handshake proves it fresh.
    fn datagram(&mut self, io: &mut Io<'_>, connection: ConnectionId, early: bool, payload: Bytes);

    /// A whole frame arrived on a bidirectional stream that the client opened. `early` as for
    /// [`datagram`](Self::datagram).
    fn frame(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId, early: bool, payload: Bytes);

    /// The client will send nothing more on this stream: it finished it, reset it, or broke the
    /// framing. Whoever still holds the stream ends it with [`Io::finish_stream`].
    fn stream_finished(&mut self, io: &mut Io<'_>, connection: ConnectionId, stream: StreamId);

    /// The peer's address has changed. The new one may not be validated yet.
    fn moved(&mut self, io: &mut Io<'_>, connection: ConnectionId, from: SocketAddr, to: SocketAddr) {
        let _ = (io, connection, from, to);
    }

    /// The connection is gone, for whatever reason; nothing can be sent to it any more.
    fn closed(&mut self, io: &mut Io<'_>, connection: ConnectionId);

    /// A bounded batch of input has been handed over: the place to submit what was gathered.
    fn batch_end(&mut self, io: &mut Io<'_>, now: Instant) {
        let _ = (io, now);
    }

    /// Another thread used the [`WakeHandle`](super::WakeHandle) since the last call.
    fn woken(&mut self, io: &mut Io<'_>, now: Instant) {
        let _ = (io, now);
    }

    /// When [`timeout`](Self::timeout) is due next, if at all.
    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// The time given by [`next_timeout`](Self::next_timeout) has come.
    fn timeout(&mut self, io: &mut Io<'_>, now: Instant) {
        let _ = (io, now);
    }

    /// The driver is about to stop: no new connection is accepted, and after
    /// [`drained`](Self::drained) or at `deadline` all connections are closed.
    fn draining(&mut self, io: &mut Io<'_>, now: Instant, deadline: Instant) {
        let _ = (io, now, deadline);
    }

    /// While draining: whether nothing is left that the application wants to send.
    fn drained(&self) -> bool {
        true
    }
}
