//! Packets of many connections, sent with few system calls.
//!
//! This module has unsafe code: `sendmmsg` takes raw pointers, and no
//! library of ours offers it. Everything the pointers reach lives in one function's frame or in a
//! slice borrowed for the whole call.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use quinn_proto::Transmit;

use super::Socket;

/// Packets in one system call. More gain nothing that can be measured and make the stack frame of
/// [`send_many`] larger.
pub const PACKETS_MAX: usize = 64;

/// Room for the control message that names the source address, the larger (IPv6) form:
/// `CMSG_SPACE(sizeof(in6_pktinfo))`.
const CONTROL_BYTES: usize = 40;

#[derive(Debug)]
struct Packet {
    payload: Vec<u8>,
    destination: SocketAddr,
    /// The address the peer knows us by, where the socket is bound to all of them.
    source: Option<IpAddr>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets handed to the kernel.
    pub packets: u64,
    /// Their UDP payload.
    pub bytes: u64,
    /// Packets that the kernel refused for another reason than a full buffer, and that are gone.
    pub failed: u64,
    /// The socket's buffer is full; the rest of the batch waits.
    pub blocked: bool,
}

/// A queue of packets with buffers that are used again and again.
#[derive(Debug)]
pub struct SendBatch {
    packets: Vec<Packet>,
    /// Packets before this one are sent.
    begin: usize,
    /// Packets from this one on are only buffers.
    end: usize,
}

impl Default for SendBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl SendBatch {
    /// An empty batch.
    pub fn new() -> Self {
        let packets = (0..PACKETS_MAX)
            .map(|_| Packet { payload: Vec::new(), destination: SocketAddr::from(([0, 0, 0, 0], 0)), source: None })
            .collect();
        Self { packets, begin: 0, end: 0 }
    }

    /// Whether there is no room for a further packet.
    pub fn is_full(&self) -> bool {
        self.end == PACKETS_MAX
    }

    /// An empty buffer for the next packet. Only while the batch is not full.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        let buffer = &mut self.packets[self.end].payload;
        buffer.clear();
        buffer
    }

    /// Queues what was written to [`buffer`](Self::buffer).
    pub fn commit(&mut self, transmit: &Transmit) {
        let packet = &mut self.packets[self.end];
        packet.payload.truncate(transmit.size);
        packet.destination = transmit.destination;
        packet.source = transmit.src_ip;
        self.end += 1;
    }

    /// Hands out what has gathered, oldest first, instead of sending it: for whoever has no socket.
    pub fn drain(&mut self, mut each: impl FnMut(SocketAddr, &[u8])) {
        for packet in &self.packets[self.begin..self.end] {
            each(packet.destination, &packet.payload);
        }
        self.begin = 0;
        self.end = 0;
    }

    /// Sends what is queued, until all is sent or the socket's buffer is full.
    pub fn flush(&mut self, socket: &Socket) -> Sent {
        let socket = socket.mio();
        let mut sent = Sent::default();
        while self.begin < self.end {
            let waiting = &self.packets[self.begin..self.end];
            let outcome = match send_many(socket.as_fd(), waiting) {
                Err(error) if is_refusal(&error) => send_plainly(socket, &waiting[0]),
                outcome => outcome,
            };
            match outcome {
                Ok(count) => {
                    let done = &waiting[..count.min(waiting.len())];
                    sent.packets += u64::try_from(done.len()).unwrap_or(0);
                    let bytes: usize = done.iter().map(|packet| packet.payload.len()).sum();
                    sent.bytes += u64::try_from(bytes).unwrap_or(0);
                    self.begin += done.len();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sent.blocked = true;
                    return sent;
                }
                Err(error) => {
                    tracing::debug!(%error, to = %waiting[0].destination, "a packet was not sent");
                    sent.failed += 1;
                    self.begin += 1;
                }
            }
        }
        self.begin = 0;
        self.end = 0;
        sent
    }
}

/// Whether the kernel refused the first packet itself, or the way it was handed over.
fn is_refusal(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// Sends one packet without a source address: what remains when the kernel does not like the
/// batch's first packet, or does not know `sendmmsg`.
fn send_plainly(socket: &mio::net::UdpSocket, packet: &Packet) -> io::Result<usize> {
    socket.send_to(&packet.payload, packet.destination).map(|_bytes| 1)
}

#[derive(Clone, Copy)]
#[repr(C)]
union Address {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Sends the first packets of `packets` with one system call and says how many.
fn send_many(socket: BorrowedFd<'_>, packets: &[Packet]) -> io::Result<usize> {
    // SAFETY: all of these are plain C data, for which zeros are a valid value.
    let (mut addresses, mut vectors, mut headers): (
        [Address; PACKETS_MAX],
        [libc::iovec; PACKETS_MAX],
        [libc::mmsghdr; PACKETS_MAX],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    let mut controls = [Control([0; CONTROL_BYTES]); PACKETS_MAX];
    let count = packets.len().min(PACKETS_MAX);
    for (at, packet) in packets.iter().take(count).enumerate() {
        let address_bytes = write_address(packet.destination, &mut addresses[at]);
        vectors[at] = libc::iovec {
            // The kernel only reads what it sends; the C type knows no such difference.
            iov_base: packet.payload.as_ptr().cast_mut().cast(),
            iov_len: packet.payload.len(),
        };
        let header = &mut headers[at].msg_hdr;
        header.msg_name = (&raw mut addresses[at]).cast();
        header.msg_namelen = address_bytes;
        header.msg_iov = &raw mut vectors[at];
        header.msg_iovlen = 1;
        if let Some(source) = packet.source {
            header.msg_control = (&raw mut controls[at]).cast();
            header.msg_controllen = CONTROL_BYTES;
            // SAFETY: the header's control pointer and length describe `controls[at]`, which is
            // large enough for either form (asserted below), aligned for `cmsghdr`, and zeroed.
            header.msg_controllen = unsafe { write_source(header, source) };
        }
    }
    let vlen = libc::c_uint::try_from(count).unwrap_or(0);
    // SAFETY: the first `count` headers are initialised; their names, vectors and control data
    // point into arrays of this frame and into payloads borrowed for this whole call, with their
    // true lengths. The kernel writes only to `headers`.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), vlen, 0) };
    usize::try_from(sent).map_err(|_negative| io::Error::last_os_error())
}

fn write_address(address: SocketAddr, storage: &mut Address) -> libc::socklen_t {
    let bytes = match address {
        SocketAddr::V4(v4) => {
            // SAFETY: plain C data, for which zeros are a valid value.
            let mut raw: libc::sockaddr_in = unsafe { zeroed() };
            raw.sin_family = family(libc::AF_INET);
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            storage.v4 = raw;
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            // SAFETY: plain C data, for which zeros are a valid value.
            let mut raw: libc::sockaddr_in6 = unsafe { zeroed() };
            raw.sin6_family = family(libc::AF_INET6);
            raw.sin6_port = v6.port().to_be();
            raw.sin6_flowinfo = v6.flowinfo();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_scope_id = v6.scope_id();
            storage.v6 = raw;
            size_of::<libc::sockaddr_in6>()
        }
    };
    libc::socklen_t::try_from(bytes).unwrap_or(0)
}

fn family(number: libc::c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).unwrap_or(0)
}

const _: () = {
    assert!(size_of::<libc::in_pktinfo>() == 12 && size_of::<libc::in6_pktinfo>() == 20);
    // SAFETY: `CMSG_SPACE` only computes with its argument.
    let (v4, v6) = unsafe { (libc::CMSG_SPACE(12), libc::CMSG_SPACE(20)) };
    assert!(v4 as usize <= CONTROL_BYTES && v6 as usize <= CONTROL_BYTES);
    assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());
};

/// Writes the control message that names the source address, and returns the length used.
///
/// # Safety
///
/// `header` describes writable, zeroed control space of [`CONTROL_BYTES`], aligned for `cmsghdr`.
unsafe fn write_source(header: &libc::msghdr, source: IpAddr) -> usize {
    match source {
        IpAddr::V4(v4) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(v4.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            // SAFETY: passed on from the caller.
            unsafe { write_control(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info) }
        }
        IpAddr::V6(v6) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: v6.octets() }, ipi6_ifindex: 0 };
            // SAFETY: passed on from the caller.
            unsafe { write_control(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info) }
        }
    }
}

/// Writes one control message with `value` and returns the length used.
///
/// # Safety
///
/// As for [`write_source`], and `CMSG_SPACE(size_of::<T>())` is at most [`CONTROL_BYTES`].
unsafe fn write_control<T: Copy>(header: &libc::msghdr, level: libc::c_int, kind: libc::c_int, value: T) -> usize {
    let bytes = libc::c_uint::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the control space is long enough for one message with a `T`, so that the first
    // header exists and its data lies within the space; the data may be unaligned for `T`.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = usize::try_from(libc::CMSG_LEN(bytes)).unwrap_or(0);
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
        usize::try_from(libc::CMSG_SPACE(bytes)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
