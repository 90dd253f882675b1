//! Answers on their way out: whole messages, packed into as few datagrams as they fit.

use bytes::{Bytes, BytesMut};
use farthing_channel::codec::encode_into;
use farthing_channel::wire::{Answer, LaneRef, encode_acknowledged};

use super::outbox::{Recipient, Reply};
use crate::transport::{Io, Unsent};

/// Datagrams are cut from pieces of memory of this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// One answer among the bytes of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    to: Recipient,
    start: usize,
    end: usize,
}

/// The answers of one turn.
#[derive(Debug, Default)]
pub(super) struct Answers {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    chunk: BytesMut,
}

impl Answers {
    /// Adds an answer.
    pub(super) fn add(&mut self, to: Recipient, answer: &Answer) {
        let start = self.bytes.len();
        encode_into(answer, &mut self.bytes);
        self.messages.push(Message { to, start, end: self.bytes.len() });
    }

    /// Adds an acknowledgement without a grant.
    pub(super) fn acknowledge(&mut self, to: Recipient, lane: &LaneRef, authorised: u64, anchor: Option<(u64, u16)>) {
        let start = self.bytes.len();
        encode_acknowledged(lane, authorised, anchor, &mut self.bytes);
        self.messages.push(Message { to, start, end: self.bytes.len() });
    }

    /// Sends them all: as few datagrams to each recipient as they fit, or a frame for each on a stream.
    pub(super) fn flush(&mut self, io: &mut Io<'_>) {
        if self.messages.is_empty() {
            return;
        }
        let mut messages = std::mem::take(&mut self.messages);
        messages.sort_unstable();
        for run in messages.chunk_by(|a, b| a.to == b.to) {
            self.send(io, run);
        }
        messages.clear();
        self.messages = messages;
        self.bytes.clear();
    }

    fn send(&mut self, io: &mut Io<'_>, run: &[Message]) {
        let Some(Message { to, .. }) = run.first() else {
            return;
        };
        let Some(stream) = to.stream else {
            return self.send_datagrams(io, to, run);
        };
        for message in run {
            // A peer that is gone, or that does not read, needs no more of them.
            if io.send_frame(to.connection, stream, &self.bytes[message.start..message.end]).is_err() {
                return;
            }
        }
    }

    /// Packs whole answers into datagrams. One that is lost is asked for again by sending the payment again.
    fn send_datagrams(&mut self, io: &mut Io<'_>, to: &Recipient, run: &[Message]) {
        let Some(most) = io.datagram_bytes_max(to.connection) else {
            return;
        };
        let mut packet = self.room(most);
        for message in run {
            let length = message.end.saturating_sub(message.start);
            if packet.len().saturating_add(length) > most && !packet.is_empty() {
                if io.send_datagram(to.connection, self.cut(&mut packet)) == Err(Unsent::Gone) {
                    break;
                }
                self.chunk = packet;
                packet = self.room(most);
            }
            packet.extend_from_slice(&self.bytes[message.start..message.end]);
        }
        if !packet.is_empty() {
            // A datagram that finds no room is like one that is lost.
            let _unsent = io.send_datagram(to.connection, self.cut(&mut packet));
        }
        self.chunk = packet;
    }

    fn cut(&self, packet: &mut BytesMut) -> Bytes {
        packet.split().freeze()
    }

    /// Room for a datagram: what is left of the chunk, or a new one. A chunk lives until its last datagram is sent.
    fn room(&mut self, bytes: usize) -> BytesMut {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.capacity() >= bytes { chunk } else { BytesMut::with_capacity(CHUNK_BYTES.max(bytes)) }
    }
}

pub(super) fn send_reply(io: &mut Io<'_>, reply: &Reply) {
    // A peer that is gone needs no reply.
    if io.send_frame(reply.connection, reply.stream, &reply.frame).is_ok() && reply.last {
        io.finish_stream(reply.connection, reply.stream);
    }
}
