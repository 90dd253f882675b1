//! What an application may do to its driver's connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn_proto::SendDatagramError;

use super::close_code;
use super::connection::{Connection, ConnectionId, StreamId};
use super::endpoint::Endpoint;

/// How long QUIC's own acknowledgements wait for an announced answer: well within the 25 ms that peers allow for.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(20);

/// Why something was not sent. Nothing was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// Longer than a frame, or than the path's datagrams, may be.
    #[error("too large to be sent in one piece")]
    TooLarge,
    /// The peer takes no datagrams, or no streams of ours.
    #[error("not supported by the peer")]
    Unsupported,
    /// Too much is waiting for this peer. A stream on which this happens has been reset.
    #[error("too much is waiting for the peer")]
    Blocked,
    /// The connection or stream is closed.
    #[error("the connection or stream is closed")]
    Gone,
}

/// The application's hands: everything it may do, while it is called. What is sent leaves at the
/// end of the turn, together with what goes to other connections.
#[derive(Debug)]
pub struct Io<'a> {
    endpoint: &'a mut Endpoint,
}

impl<'a> Io<'a> {
    pub(super) fn new(endpoint: &'a mut Endpoint) -> Self {
        Self { endpoint }
    }

    /// The time of this turn.
    pub fn now(&self) -> Instant {
        self.endpoint.now
    }

    /// The number of this data-plane thread.
    pub fn thread(&self) -> u16 {
        self.endpoint.thread()
    }

    /// How many connections this thread holds, those in handshake or closing included.
    pub fn connections(&self) -> usize {
        self.endpoint.connections()
    }

    /// Whether the application may send on this connection.
    pub fn is_open(&mut self, connection: ConnectionId) -> bool {
        self.endpoint.open_connection(connection).is_some()
    }

    /// The address the peer sends from at present.
    pub fn peer_address(&mut self, connection: ConnectionId) -> Option<SocketAddr> {
        Some(self.endpoint.open_connection(connection)?.quic.remote_address())
    }

    /// The largest datagram that the peer's path takes now; `None` if the peer takes none.
    pub fn datagram_bytes_max(&mut self, connection: ConnectionId) -> Option<usize> {
        self.endpoint.open_connection(connection)?.quic.datagrams().max_size()
    }

    /// Says that something will be sent on this connection within milliseconds. What QUIC has to say by itself waits
    /// for it, so that both leave in one packet.
    pub fn expect_answer(&mut self, connection: ConnectionId) {
        let due = self.endpoint.now + ANSWER_WAIT_MAX;
        if let Some(connection) = self.endpoint.open_connection(connection) {
            connection.expect_answer(due);
        }
    }

    /// Sends a datagram, unreliably.
    ///
    /// # Errors
    ///
    /// Any [`Unsent`].
    pub fn send_datagram(&mut self, connection: ConnectionId, payload: Bytes) -> Result<(), Unsent> {
        let sent = self.with(connection, |connection, _| {
            connection.queued_datagram();
            connection.quic.datagrams().send(payload, false).map_err(|error| match error {
                SendDatagramError::TooLarge => Unsent::TooLarge,
                SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => Unsent::Unsupported,
                SendDatagramError::Blocked(_) => Unsent::Blocked,
            })
        });
        let counters = self.endpoint.counters();
        match sent {
            Ok(()) => counters.datagrams_out.add(1),
            Err(_) => counters.datagrams_dropped.add(1),
        }
        sent
    }

    /// Opens a unidirectional stream, sends one frame on it and finishes it.
    ///
    /// # Errors
    ///
    /// Any [`Unsent`]; [`Unsent::Unsupported`] if the peer allows no such stream now.
    pub fn open_uni_and_finish(&mut self, connection: ConnectionId, frame: &[u8]) -> Result<(), Unsent> {
        let sent = self.with(connection, |connection, queue_bytes_max| {
            let Connection { streams, quic, .. } = connection;
            streams.open_and_finish(quic, frame, queue_bytes_max)
        });
        self.count_frame(sent)
    }

    /// Sends a frame on a stream that the client opened.
    ///
    /// # Errors
    ///
    /// Any [`Unsent`]. After [`Unsent::Blocked`] the stream is reset, for its reader does not keep
    /// up; [`Application::stream_finished`](super::Application::stream_finished) does not follow.
    pub fn send_frame(&mut self, connection: ConnectionId, stream: StreamId, frame: &[u8]) -> Result<(), Unsent> {
        let sent = self.with(connection, |connection, queue_bytes_max| {
            let Connection { streams, quic, .. } = connection;
            streams.send(quic, stream.0, frame, queue_bytes_max)
        });
        if sent == Err(Unsent::Blocked) {
            self.endpoint.counters().streams_reset_slow.add(1);
            tracing::debug!(code = close_code::SLOW_READER, "reset the stream of a slow reader");
        }
        self.count_frame(sent)
    }

    /// Ends our side of a stream once what is queued has been sent.
    pub fn finish_stream(&mut self, connection: ConnectionId, stream: StreamId) {
        // A stream that is gone needs no end.
        let _ = self.with(connection, |connection, _| {
            let Connection { streams, quic, .. } = connection;
            streams.finish(quic, stream.0);
            Ok(())
        });
    }

    /// Abandons a stream in both directions.
    pub fn reset_stream(&mut self, connection: ConnectionId, stream: StreamId, code: u32) {
        let _ = self.with(connection, |connection, _| {
            let Connection { streams, quic, .. } = connection;
            streams.reset(quic, stream.0, code);
            Ok(())
        });
    }

    /// Closes a connection with an application error code. What is queued and not yet sent is
    /// dropped; [`Application::closed`](super::Application::closed) follows.
    pub fn close(&mut self, connection: ConnectionId, code: u32, reason: &[u8]) {
        let now = self.endpoint.now;
        let _ = self.with(connection, |connection, _| {
            connection.close(now, code, reason);
            Ok(())
        });
    }

    fn with(
        &mut self,
        id: ConnectionId,
        action: impl FnOnce(&mut Connection, usize) -> Result<(), Unsent>,
    ) -> Result<(), Unsent> {
        let queue_bytes_max = self.endpoint.send_queue_bytes_max();
        let connection = self.endpoint.open_connection(id).ok_or(Unsent::Gone)?;
        let done = action(connection, queue_bytes_max);
        connection.answered();
        self.endpoint.enqueue(id.slot);
        done
    }

    fn count_frame(&self, sent: Result<(), Unsent>) -> Result<(), Unsent> {
        if sent.is_ok() {
            self.endpoint.counters().frames_out.add(1);
        }
        sent
    }
}
