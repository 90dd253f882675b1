//! Frames on streams: putting received ones together, queueing sent ones.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use quinn_proto::{Connection, Dir, ReadError, StreamId, VarInt, WriteError};

use super::close_code;
use super::io::Unsent;

/// The largest payload of a frame on a stream, in bytes.
pub use farthing_channel::limits::FRAME_BYTES_MAX;

/// A frame's length comes first, as a big-endian `u16`.
pub(super) const FRAME_HEADER_BYTES: usize = 2;

/// Bytes of incomplete frames that are kept for one connection, all its streams together: four
/// frames of the largest size. A frame that arrives in one packet is never kept.
const INCOMPLETE_BYTES_MAX: usize = 4 * (FRAME_HEADER_BYTES + FRAME_BYTES_MAX);

/// How much of a stream is taken at once.
const READ_BYTES_MAX: usize = 4096;

/// The announced length exceeds [`FRAME_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq)]
struct FrameTooLong;

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
struct FrameReader {
    /// The beginning of a frame that is not complete; never more than one frame.
    partial: BytesMut,
    /// Received and not yet cut.
    rest: Bytes,
}

impl FrameReader {
    fn length_of(header: &[u8]) -> Result<Option<usize>, FrameTooLong> {
        let Some(header) = header.first_chunk::<FRAME_HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*header));
        if length > FRAME_BYTES_MAX {
            return Err(FrameTooLong);
        }
        Ok(Some(length))
    }

    /// The next whole frame in what was received, without copying where it came in one piece.
    fn next_frame(&mut self) -> Result<Option<Bytes>, FrameTooLong> {
        if self.partial.is_empty()
            && let Some(length) = Self::length_of(&self.rest)?
            && self.rest.len() >= FRAME_HEADER_BYTES + length
        {
            let mut frame = self.rest.split_to(FRAME_HEADER_BYTES + length);
            return Ok(Some(frame.split_off(FRAME_HEADER_BYTES)));
        }
        self.fill(FRAME_HEADER_BYTES);
        let Some(length) = Self::length_of(&self.partial)? else {
            return Ok(None);
        };
        self.fill(FRAME_HEADER_BYTES + length);
        if self.partial.len() < FRAME_HEADER_BYTES + length {
            return Ok(None);
        }
        let mut frame = std::mem::take(&mut self.partial).freeze();
        Ok(Some(frame.split_off(FRAME_HEADER_BYTES)))
    }

    fn fill(&mut self, length: usize) {
        let missing = length.saturating_sub(self.partial.len());
        let taken = self.rest.split_to(missing.min(self.rest.len()));
        self.partial.extend_from_slice(&taken);
    }
}

/// What reading a stream brought.
#[derive(Debug)]
pub(super) enum Read {
    /// A whole frame; there may be more.
    Frame(Bytes),
    /// Nothing until more arrives.
    Blocked,
    /// The peer is done.
    Finished,
    /// The peer announced a frame that is too long, or began too many; the stream was reset.
    Broken,
    /// There is no such stream any more.
    Unknown,
}

#[derive(Debug)]
struct Stream {
    id: StreamId,
    /// `None` once the peer is done, and on streams of ours.
    reader: Option<FrameReader>,
    /// Framed bytes that QUIC did not take yet.
    queue: VecDeque<Bytes>,
    /// The application wants the stream finished once the queue is empty.
    finish: bool,
    /// False once the stream is finished or reset towards the peer.
    sending: bool,
}

/// The open streams of one connection. Few, so a list is searched from its start.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Vec<Stream>,
    queued_bytes: usize,
}

impl Streams {
    fn position(&self, id: StreamId) -> Option<usize> {
        self.open.iter().position(|stream| stream.id == id)
    }

    /// The client has opened a bidirectional stream.
    pub(super) fn accepted(&mut self, id: StreamId) {
        self.open.push(Stream {
            id,
            reader: Some(FrameReader::default()),
            queue: VecDeque::new(),
            finish: false,
            sending: true,
        });
    }

    /// Bytes of frames that are not complete yet.
    fn incomplete_bytes(&self) -> usize {
        let readers = self.open.iter().filter_map(|stream| stream.reader.as_ref());
        readers.map(|reader| reader.partial.len()).sum()
    }

    /// Takes the next frame from a stream.
    pub(super) fn read(&mut self, quic: &mut Connection, id: StreamId) -> Read {
        loop {
            let Some(at) = self.position(id) else {
                return Read::Unknown;
            };
            let Some(reader) = self.open[at].reader.as_mut() else {
                return Read::Unknown;
            };
            match reader.next_frame() {
                Ok(Some(frame)) => return Read::Frame(frame),
                Ok(None) => {}
                Err(FrameTooLong) => {
                    self.reset(quic, id, close_code::FRAME_TOO_LONG);
                    return Read::Broken;
                }
            }
            if self.incomplete_bytes() > INCOMPLETE_BYTES_MAX {
                self.reset(quic, id, close_code::FRAMES_INCOMPLETE);
                return Read::Broken;
            }
            match take_chunk(quic, id) {
                Ok(Some(chunk)) => {
                    if let Some(reader) = self.open[at].reader.as_mut() {
                        reader.rest = chunk;
                    }
                }
                Err(ReadError::Blocked) => return Read::Blocked,
                // A frame that was cut off is nobody's.
                Ok(None) | Err(ReadError::Reset(_)) => {
                    self.open[at].reader = None;
                    self.forget_if_done(at);
                    return Read::Finished;
                }
            }
        }
    }

    /// Queues a frame. If more than `queue_bytes_max` would wait, the stream is reset instead.
    pub(super) fn send(
        &mut self,
        quic: &mut Connection,
        id: StreamId,
        frame: &[u8],
        queue_bytes_max: usize,
    ) -> Result<(), Unsent> {
        let framed = framed(frame)?;
        let at = self.position(id).ok_or(Unsent::Gone)?;
        if !self.open[at].sending || self.open[at].finish {
            return Err(Unsent::Gone);
        }
        if self.queued_bytes + framed.len() > queue_bytes_max {
            self.reset(quic, id, close_code::SLOW_READER);
            return Err(Unsent::Blocked);
        }
        self.queued_bytes += framed.len();
        self.open[at].queue.push_back(framed);
        self.pump_at(quic, at);
        Ok(())
    }

    /// Whether no stream is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Opens a stream towards the client with one frame on it.
    pub(super) fn open_and_finish(
        &mut self,
        quic: &mut Connection,
        frame: &[u8],
        queue_bytes_max: usize,
    ) -> Result<(), Unsent> {
        let framed = framed(frame)?;
        if self.queued_bytes + framed.len() > queue_bytes_max {
            return Err(Unsent::Blocked);
        }
        let id = quic.streams().open(Dir::Uni).ok_or(Unsent::Unsupported)?;
        self.queued_bytes += framed.len();
        self.open.push(Stream { id, reader: None, queue: VecDeque::from([framed]), finish: true, sending: true });
        self.pump_at(quic, self.open.len() - 1);
        Ok(())
    }

    /// Ends our side of a stream after what is queued.
    pub(super) fn finish(&mut self, quic: &mut Connection, id: StreamId) {
        if let Some(at) = self.position(id) {
            self.open[at].finish = true;
            self.pump_at(quic, at);
        }
    }

    /// Abandons a stream in both directions.
    pub(super) fn reset(&mut self, quic: &mut Connection, id: StreamId, code: u32) {
        let Some(at) = self.position(id) else {
            return;
        };
        let stream = self.open.swap_remove(at);
        self.queued_bytes -= stream.queue.iter().map(Bytes::len).sum::<usize>();
        // Either half may be closed already; then there is nothing left to abandon on it.
        if stream.sending {
            let _ = quic.send_stream(id).reset(VarInt::from_u32(code));
        }
        if stream.reader.is_some() {
            let _ = quic.recv_stream(id).stop(VarInt::from_u32(code));
        }
    }

    /// The peer reads nothing more from this stream.
    pub(super) fn stopped(&mut self, quic: &mut Connection, id: StreamId, code: VarInt) {
        // QUIC demands that a stop is answered with a reset.
        let _ = quic.send_stream(id).reset(code);
        if let Some(at) = self.position(id) {
            self.stop_sending(at);
        }
    }

    /// The stream may take more of what is queued.
    pub(super) fn writable(&mut self, quic: &mut Connection, id: StreamId) {
        if let Some(at) = self.position(id) {
            self.pump_at(quic, at);
        }
    }

    fn stop_sending(&mut self, at: usize) {
        let stream = &mut self.open[at];
        let dropped: usize = stream.queue.iter().map(Bytes::len).sum();
        stream.queue.clear();
        stream.sending = false;
        self.queued_bytes -= dropped;
        self.forget_if_done(at);
    }

    fn forget_if_done(&mut self, at: usize) {
        let stream = &self.open[at];
        if stream.reader.is_none() && !stream.sending {
            self.open.swap_remove(at);
            if self.open.is_empty() {
                // Most connections have no stream open most of the time, and there are very many of them.
                self.open = Vec::new();
            }
        }
    }

    fn pump_at(&mut self, quic: &mut Connection, at: usize) {
        let stream = &mut self.open[at];
        if !stream.sending {
            return;
        }
        while let Some(front) = stream.queue.front_mut() {
            match quic.send_stream(stream.id).write_chunks(std::slice::from_mut(front)) {
                Ok(written) => {
                    self.queued_bytes -= written.bytes;
                    if front.is_empty() {
                        stream.queue.pop_front();
                    }
                }
                Err(WriteError::Blocked) => return,
                Err(WriteError::Stopped(_) | WriteError::ClosedStream) => {
                    self.stop_sending(at);
                    return;
                }
            }
        }
        if stream.finish {
            // It fails only where the peer has stopped the stream: then it is over as well.
            let _ = quic.send_stream(stream.id).finish();
            stream.sending = false;
            self.forget_if_done(at);
        }
    }
}

/// The next bytes of a stream in order; `None` at its end.
fn take_chunk(quic: &mut Connection, id: StreamId) -> Result<Option<Bytes>, ReadError> {
    let mut stream = quic.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else {
        // Stopped or reset by ourselves.
        return Ok(None);
    };
    let chunk = chunks.next(READ_BYTES_MAX);
    // Whether window updates are due does not matter: the connection is flushed anyway.
    let _ = chunks.finalize();
    Ok(chunk?.map(|chunk| chunk.bytes))
}

fn framed(frame: &[u8]) -> Result<Bytes, Unsent> {
    let length = u16::try_from(frame.len()).ok().filter(|_| frame.len() <= FRAME_BYTES_MAX).ok_or(Unsent::TooLarge)?;
    let mut framed = BytesMut::with_capacity(FRAME_HEADER_BYTES + frame.len());
    framed.put_u16(length);
    framed.put_slice(frame);
    Ok(framed.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
            cuts in prop::collection::vec(1_usize..200, 1..50),
        ) {
            let mut wire = BytesMut::new();
            for frame in &frames {
                wire.extend_from_slice(&framed(frame).unwrap());
            }
            let mut wire = wire.freeze();
            let mut reader = FrameReader::default();
            let mut received = Vec::new();
            let mut cuts = cuts.into_iter().cycle();
            while !wire.is_empty() {
                let cut = cuts.next().unwrap().min(wire.len());
                reader.rest = wire.split_to(cut);
                while let Some(frame) = reader.next_frame().unwrap() {
                    received.push(frame.to_vec());
                }
            }
            prop_assert_eq!(received, frames);
        }
    }

    #[test]
    fn an_announced_length_beyond_the_limit_is_refused_before_any_payload() {
        let mut reader = FrameReader { rest: Bytes::from_static(&[0x40, 0x01]), ..FrameReader::default() };
        assert_eq!(reader.next_frame(), Err(FrameTooLong));
        let mut split = FrameReader { rest: Bytes::from_static(&[0x40]), ..FrameReader::default() };
        assert_eq!(split.next_frame(), Ok(None));
        split.rest = Bytes::from_static(&[0x01]);
        assert_eq!(split.next_frame(), Err(FrameTooLong));
    }
}
