//! One connection and its few streams.

use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use quinn_proto::{ConnectionHandle, Dir, StreamEvent, StreamId};

/// Bytes of a frame's length.
const HEADER_BYTES: usize = 2;

/// What happened on a connection.
#[derive(Debug)]
pub enum Event {
    /// The handshake is complete.
    Connected,
    /// A frame on the stream that the server opened: its hello.
    Hello(Bytes),
    /// A frame on a stream of ours.
    Response {
        /// The request's stream.
        stream: StreamId,
        /// The frame's payload.
        payload: Bytes,
    },
    /// A further stream may be opened.
    StreamAvailable,
    /// A datagram.
    Datagram(Bytes),
    /// The connection is over, and why.
    Closed(String),
}

/// A stream being read.
#[derive(Debug)]
struct Reading {
    id: StreamId,
    buffer: BytesMut,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) quic: quinn_proto::Connection,
    pub(super) handle: ConnectionHandle,
    /// The socket it uses.
    pub(super) face: u16,
    pub(super) armed: Option<Instant>,
    /// Whether it stands in the queue of those to be served.
    pub(super) queued: bool,
    /// Whether something may be left to tell.
    pub(super) untold: bool,
    datagrams: bool,
    lost: Option<String>,
    told_lost: bool,
    reading: Vec<Reading>,
    readable: Vec<StreamId>,
}

impl Connection {
    pub(super) fn new(quic: quinn_proto::Connection, handle: ConnectionHandle, face: u16) -> Self {
        Self {
            quic,
            handle,
            face,
            armed: None,
            queued: false,
            untold: true,
            datagrams: false,
            lost: None,
            told_lost: false,
            reading: Vec::new(),
            readable: Vec::new(),
        }
    }

    /// The next thing to tell; `None` when all is told.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        if self.datagrams {
            if let Some(payload) = self.quic.datagrams().recv() {
                return Some(Event::Datagram(payload));
            }
            self.datagrams = false;
        }
        loop {
            if let Some(event) = self.next_frame() {
                return Some(event);
            }
            let Some(event) = self.quic.poll() else { break };
            match event {
                quinn_proto::Event::Connected => return Some(Event::Connected),
                quinn_proto::Event::DatagramReceived => {
                    self.datagrams = true;
                    return self.next_event();
                }
                quinn_proto::Event::ConnectionLost { reason } => self.lost = Some(reason.to_string()),
                quinn_proto::Event::Stream(event) => {
                    if let Some(event) = self.take_stream_event(event) {
                        return Some(event);
                    }
                }
                quinn_proto::Event::HandshakeDataReady | quinn_proto::Event::DatagramsUnblocked => {}
            }
        }
        if !self.told_lost
            && let Some(reason) = &self.lost
        {
            self.told_lost = true;
            return Some(Event::Closed(reason.clone()));
        }
        self.untold = false;
        None
    }

    fn take_stream_event(&mut self, event: StreamEvent) -> Option<Event> {
        match event {
            StreamEvent::Opened { dir: Dir::Uni } => {
                while let Some(id) = self.quic.streams().accept(Dir::Uni) {
                    self.readable.push(id);
                }
            }
            StreamEvent::Readable { id } => self.readable.push(id),
            StreamEvent::Available { dir: Dir::Bi } => return Some(Event::StreamAvailable),
            _ => {}
        }
        None
    }

    /// The next whole frame of any stream that has something to read.
    fn next_frame(&mut self) -> Option<Event> {
        while let Some(&id) = self.readable.last() {
            if let Some(payload) = self.read_frame(id) {
                return Some(match id.dir() {
                    Dir::Uni => Event::Hello(payload),
                    Dir::Bi => Event::Response { stream: id, payload },
                });
            }
            self.readable.pop();
        }
        None
    }

    fn read_frame(&mut self, id: StreamId) -> Option<Bytes> {
        let place = match self.reading.iter().position(|reading| reading.id == id) {
            Some(place) => place,
            None => {
                self.reading.push(Reading { id, buffer: BytesMut::new() });
                self.reading.len() - 1
            }
        };
        let mut ended = true;
        if let Ok(mut chunks) = self.quic.recv_stream(id).read(true) {
            ended = loop {
                match chunks.next(usize::MAX) {
                    Ok(Some(chunk)) => self.reading[place].buffer.extend_from_slice(&chunk.bytes),
                    Ok(None) => break true,
                    Err(error) => break !matches!(error, quinn_proto::ReadError::Blocked),
                }
            };
            // What this releases of the windows is sent with the next packet, for every connection is flushed after.
            let _ = chunks.finalize();
        }
        let buffer = &mut self.reading[place].buffer;
        let frame = buffer.first_chunk::<HEADER_BYTES>().map(|header| usize::from(u16::from_be_bytes(*header)));
        if let Some(length) = frame
            && buffer.len() >= HEADER_BYTES + length
        {
            buffer.advance(HEADER_BYTES);
            return Some(buffer.split_to(length).freeze());
        }
        if ended {
            self.reading.swap_remove(place);
        }
        None
    }

    /// Opens a stream, sends one frame on it and finishes it. `None` while the server allows no further stream.
    pub(super) fn request(&mut self, payload: &[u8]) -> Option<StreamId> {
        let id = self.quic.streams().open(Dir::Bi)?;
        let length = u16::try_from(payload.len()).ok()?;
        let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(payload);
        let mut stream = self.quic.send_stream(id);
        // A request is far smaller than the send window, and one connection has few of them under way.
        if stream.write(&frame).ok() != Some(frame.len()) {
            let _ = stream.reset(quinn_proto::VarInt::from_u32(0));
            return None;
        }
        let _ = stream.finish();
        Some(id)
    }
}
