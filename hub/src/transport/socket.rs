//! The UDP socket of one thread.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use bytes::BytesMut;
use quinn_proto::EcnCodepoint;
use quinn_udp::{RecvMeta, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use super::fabric::Datagram;

/// Messages taken with one system call; each may hold many datagrams of one sender (GRO).
const MESSAGES_MAX: usize = 16;

/// The largest message the kernel puts together.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Room the kernel is asked to give for datagrams that wait, each way. It may give less.
const KERNEL_BUFFER_BYTES: usize = 4 << 20;

/// A socket with room to receive.
#[derive(Debug)]
pub(super) struct Face {
    pub(super) socket: mio::net::UdpSocket,
    state: UdpSocketState,
    buffer: Vec<u8>,
    metas: [RecvMeta; MESSAGES_MAX],
}

impl Face {
    /// Binds the address. With `shared`, other sockets may bind it too (`SO_REUSEPORT`), and the
    /// kernel spreads the senders over them.
    pub(super) fn bind(address: SocketAddr, shared: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            socket.set_only_v6(false)?;
        }
        if shared {
            socket.set_reuse_port(true)?;
        }
        // A smaller buffer means more loss under bursts, not a fault.
        for outcome in
            [socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES), socket.set_send_buffer_size(KERNEL_BUFFER_BYTES)]
        {
            if let Err(error) = outcome {
                tracing::debug!(%error, "the kernel keeps its own socket buffer size");
            }
        }
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            socket: mio::net::UdpSocket::from_std(socket),
            state,
            buffer: vec![0; MESSAGES_MAX * MESSAGE_BYTES_MAX],
            metas: [RecvMeta::default(); MESSAGES_MAX],
        })
    }

    pub(super) fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// Receives some messages and says how many. Their datagrams are then read with
    /// [`datagrams`](Self::datagrams).
    pub(super) fn receive(&mut self) -> io::Result<usize> {
        let mut rooms = self.buffer.chunks_mut(MESSAGE_BYTES_MAX);
        let mut slices: [IoSliceMut<'_>; MESSAGES_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
        self.state.recv((&self.socket).into(), &mut slices, &mut self.metas)
    }

    /// The datagrams of one received message. Each is copied into memory of its own: whoever keeps
    /// a few bytes of one must not keep 64 KiB of others.
    pub(super) fn datagrams(&self, message: usize) -> impl Iterator<Item = Datagram> {
        let meta = self.metas[message];
        let start = message * MESSAGE_BYTES_MAX;
        self.buffer[start..start + meta.len.min(MESSAGE_BYTES_MAX)].chunks(meta.stride.max(1)).map(move |payload| {
            Datagram {
                remote: meta.addr,
                local_ip: meta.dst_ip,
                ecn: meta.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8)),
                payload: BytesMut::from(payload),
            }
        })
    }
}
