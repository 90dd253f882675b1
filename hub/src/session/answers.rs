//! Answers on their way out: whole messages, packed into as few datagrams as they fit.

use bytes::Bytes;

use super::outbox::Reply;
use crate::transport::{ConnectionId, Io, Unsent};

/// The encodings of the answers in `messages`, one slice each.
pub(super) fn split_messages(mut messages: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mut decoder = minicbor::Decoder::new(messages);
        decoder.skip().ok()?;
        let (message, rest) =
            messages.split_at_checked(decoder.position()).filter(|(message, _)| !message.is_empty())?;
        messages = rest;
        Some(message)
    })
}

/// Packs whole answers into datagrams. One that is lost is asked for again by sending the payment again.
pub(super) fn send_datagrams(io: &mut Io<'_>, connection: ConnectionId, messages: &[u8]) {
    let Some(most) = io.datagram_bytes_max(connection) else {
        return;
    };
    let mut packet = Vec::with_capacity(most.min(messages.len()));
    for message in split_messages(messages) {
        if packet.len().saturating_add(message.len()) > most && !packet.is_empty() {
            let full = std::mem::take(&mut packet);
            if io.send_datagram(connection, Bytes::from(full)) == Err(Unsent::Gone) {
                return;
            }
        }
        packet.extend_from_slice(message);
    }
    if !packet.is_empty() {
        // A datagram that finds no room is like one that is lost.
        let _unsent = io.send_datagram(connection, Bytes::from(packet));
    }
}

pub(super) fn send_reply(io: &mut Io<'_>, reply: &Reply) {
    // A peer that is gone needs no reply.
    if io.send_frame(reply.connection, reply.stream, &reply.frame).is_ok() && reply.last {
        io.finish_stream(reply.connection, reply.stream);
    }
}
