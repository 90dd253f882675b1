//! The UDP socket of one thread.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use mio::{Interest, Registry, Token};
use quinn_udp::{RecvMeta, UdpSocketState};
use socket2::{Domain, Protocol, Type};

/// Room the kernel is asked to give for datagrams that wait, each way. It may give less.
const KERNEL_BUFFER_BYTES: usize = 4 << 20;

/// A non-blocking UDP socket that tells of each datagram which of our addresses it came to, and its ECN mark.
#[derive(Debug)]
pub struct Socket {
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
}

impl Socket {
    /// Binds an address that nobody else has.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::of(new_socket(address)?, address)
    }

    /// Binds an address that nobody else has, so that others may come to share it with
    /// [`bind_shared_with`](Self::bind_shared_with).
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind_shared(address: SocketAddr) -> io::Result<Self> {
        // Sockets that are to share an address (`SO_REUSEPORT`) bind one that another process of the same user shares,
        // and are even given one such where any port will do. A socket that shares with nobody finds out first.
        let claim = Self::bind(address)?;
        let address = claim.local_addr()?;
        drop(claim);
        Self::bind_shared_with(address)
    }

    /// Binds an address together with those that share it already. The kernel spreads the senders over all of them, or
    /// does as [`sort_beginnings`](crate::sort_beginnings) has told it.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind_shared_with(address: SocketAddr) -> io::Result<Self> {
        let socket = new_socket(address)?;
        socket.set_reuse_port(true)?;
        Self::of(socket, address)
    }

    fn of(socket: socket2::Socket, address: SocketAddr) -> io::Result<Self> {
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
        Ok(Self { socket: mio::net::UdpSocket::from_std(socket), state })
    }

    /// Has `registry` tell when the socket may be read from or written to, at the edge.
    ///
    /// # Errors
    /// As the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Whether the path may split what is sent, so that probing for larger packets would prove nothing.
    pub fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    pub(crate) fn mio(&self) -> &mio::net::UdpSocket {
        &self.socket
    }

    pub(crate) fn receive(&self, rooms: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> io::Result<usize> {
        self.state.recv((&self.socket).into(), rooms, metas)
    }
}

fn new_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}
