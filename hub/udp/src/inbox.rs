//! Datagrams received, one after another.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use quinn_proto::EcnCodepoint;
use quinn_udp::RecvMeta;

use super::Socket;

/// Messages taken with one system call; each may hold many datagrams of one sender (GRO).
const MESSAGES_MAX: usize = 16;

/// The largest message the kernel puts together.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Memory from which datagrams are cut. One allocation then serves several datagrams, some forty of the size of a
/// small payment. Whoever keeps a byte of one keeps all of the piece, so it is no larger than this: QUIC holds a fragment
/// of a stream until the gap before it is filled, and puts its fragments together in memory of their own only when some
/// 32 KiB of packets hang on them. With pieces of 64 KiB a hostile peer could make each of its fragments hold that much.
const PIECE_BYTES: usize = 4 * 1024;

/// A UDP datagram.
#[derive(Debug)]
pub struct Datagram {
    /// Who sent it.
    pub remote: SocketAddr,
    /// Which of our addresses it was sent to, where the system tells.
    pub local_ip: Option<IpAddr>,
    /// Its ECN mark.
    pub ecn: Option<EcnCodepoint>,
    /// What it holds.
    pub payload: BytesMut,
}

/// Room to receive, and what was received and not handed out yet.
#[derive(Debug)]
pub struct Inbox {
    buffer: Vec<u8>,
    metas: [RecvMeta; MESSAGES_MAX],
    /// Messages received.
    messages: usize,
    /// The message to be handed out next.
    message: usize,
    /// Bytes of it that have been handed out.
    taken: usize,
    piece: BytesMut,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// Room for as much as one system call gives, a mebibyte.
    pub fn new() -> Self {
        Self {
            buffer: vec![0; MESSAGES_MAX * MESSAGE_BYTES_MAX],
            metas: [RecvMeta::default(); MESSAGES_MAX],
            messages: 0,
            message: 0,
            taken: 0,
            piece: BytesMut::new(),
        }
    }

    /// Receives some messages, whose datagrams [`pop`](Self::pop) then hands out. What was not handed out is lost.
    ///
    /// # Errors
    /// `WouldBlock` where nothing waits; otherwise as the system says.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<()> {
        let mut rooms = self.buffer.chunks_mut(MESSAGE_BYTES_MAX);
        let mut slices: [IoSliceMut<'_>; MESSAGES_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
        (self.messages, self.message, self.taken) = (0, 0, 0);
        self.messages = socket.receive(&mut slices, &mut self.metas)?.min(MESSAGES_MAX);
        Ok(())
    }

    /// The next datagram received; `None` when all are handed out.
    pub fn pop(&mut self) -> Option<Datagram> {
        while self.message < self.messages {
            let meta = self.metas[self.message];
            let start = self.message * MESSAGE_BYTES_MAX;
            let message = &self.buffer[start..start + meta.len.min(MESSAGE_BYTES_MAX)];
            let rest = &message[self.taken..];
            if rest.is_empty() {
                self.message += 1;
                self.taken = 0;
                continue;
            }
            let payload = &rest[..rest.len().min(meta.stride.max(1))];
            self.taken += payload.len();
            if self.piece.capacity() < payload.len() {
                // The rest of the old piece is left; the piece goes when the last datagram cut from it does.
                self.piece = BytesMut::with_capacity(PIECE_BYTES.max(payload.len()));
            }
            self.piece.extend_from_slice(payload);
            return Some(Datagram {
                remote: meta.addr,
                local_ip: meta.dst_ip,
                ecn: meta.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8)),
                payload: self.piece.split(),
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    fn receiver() -> (Socket, Poll) {
        let mut socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let poll = Poll::new().unwrap();
        socket.register(poll.registry(), Token(0)).unwrap();
        (socket, poll)
    }

    /// Everything that was sent, in order. Datagrams on the loopback are there when they were sent.
    fn received(socket: &Socket, poll: &mut Poll, count: usize) -> Vec<Datagram> {
        let (mut inbox, mut datagrams) = (Inbox::new(), Vec::new());
        while datagrams.len() < count {
            match inbox.receive(socket) {
                Ok(()) => datagrams.extend(std::iter::from_fn(|| inbox.pop())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll.poll(&mut Events::with_capacity(4), Some(Duration::from_millis(100))).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        datagrams
    }

    #[test]
    fn datagrams_come_whole_in_order_and_with_their_sender() {
        let (socket, mut poll) = receiver();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        for n in 0..100_u8 {
            sender.send_to(&vec![n; usize::from(n) * 14 + 1], to).unwrap();
        }
        let datagrams = received(&socket, &mut poll, 100);
        for (n, datagram) in (0..100_u8).zip(&datagrams) {
            assert_eq!(datagram.payload, vec![n; usize::from(n) * 14 + 1]);
            assert_eq!(datagram.remote, sender.local_addr().unwrap());
            assert_eq!(datagram.local_ip, Some(to.ip()));
        }
    }

    #[test]
    fn a_datagram_changed_by_its_owner_leaves_its_neighbours_alone() {
        let (socket, mut poll) = receiver();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for n in 0..3_u8 {
            sender.send_to(&[n; 100], socket.local_addr().unwrap()).unwrap();
        }
        let mut datagrams = received(&socket, &mut poll, 3);
        datagrams[1].payload.fill(9);
        datagrams[1].payload.extend_from_slice(&[9; 5000]);
        assert_eq!((&datagrams[0].payload[..], &datagrams[2].payload[..]), (&[0; 100][..], &[2; 100][..]));
    }

    #[test]
    fn a_message_of_several_datagrams_is_cut_apart() {
        let mut inbox = Inbox::new();
        inbox.buffer[..250].copy_from_slice(&[7; 250]);
        inbox.buffer[MESSAGE_BYTES_MAX] = 8;
        inbox.metas[0].len = 250;
        inbox.metas[0].stride = 100;
        (inbox.metas[1].len, inbox.metas[1].stride) = (1, 1);
        inbox.messages = 2;
        let lengths: Vec<_> = std::iter::from_fn(|| inbox.pop()).map(|datagram| datagram.payload.len()).collect();
        assert_eq!(lengths, [100, 100, 50, 1]);
    }
}
