//! One socket to read from.

use std::io;

use farthing_udp::{Datagram, Inbox, Socket};

/// A socket, and what was read from it and not looked at yet.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) socket: Socket,
    inbox: Inbox,
    /// The socket may have more to read.
    pub(super) readable: bool,
}

impl Inlet {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, inbox: Inbox::new(), readable: true }
    }

    /// The next datagram, if one waits.
    pub(super) fn next(&mut self) -> Option<Datagram> {
        loop {
            if let Some(datagram) = self.inbox.pop() {
                return Some(datagram);
            }
            if !self.readable {
                return None;
            }
            match self.inbox.receive(&self.socket) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) => {
                    // An ICMP answer to something sent earlier; QUIC finds out by itself. The turn goes on without this
                    // socket, so that one which only fails cannot hold the loop.
                    tracing::debug!(%error, "receiving failed");
                    return None;
                }
            }
        }
    }
}
