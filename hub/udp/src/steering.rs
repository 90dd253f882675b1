//! Which of several sockets on one address the kernel puts a datagram into.
//!
//! A hub that a hundred thousand devices knock at in one second must go on hearing those that pay. What begins a
//! connection therefore waits in a socket of its own, and cannot fill the one in which the packets of established
//! connections arrive. QUIC shows which is which in the first bit of every packet: a long header (RFC 9000, section 17.2)
//! is part of a handshake, or of early data.
//!
//! The socket that a datagram finds is a matter of order and of loss alone. Whoever reads it treats it as what it is.
//!
//! This module has unsafe code: the program is handed to the kernel by pointer, and no library of ours offers that.
#![allow(unsafe_code)]

use std::io;

use super::Socket;

/// Sockets of each thread: the established, then the beginnings.
const SOCKETS_PER_THREAD: u16 = 2;

/// Has the kernel sort what arrives at an address. The sockets there, in the order in which they were bound, are those of
/// thread 0, then of thread 1 and so on; each thread's first receives packets with short headers, its second those with
/// long ones. A sender's packets, of either kind, all go to the same thread.
///
/// `socket` is any of them, bound as shared; the program then holds for those bound later as well. Where it names a
/// socket that does not exist (yet), the kernel spreads by its own hash.
///
/// # Errors
/// As the system says; on other systems than Linux always [`io::ErrorKind::Unsupported`].
pub fn sort_beginnings(socket: &Socket, threads: u16) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return linux::attach(socket, &mut linux::program(threads.max(1)));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (socket, threads, SOCKETS_PER_THREAD);
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::AsRawFd as _;

    use libc::sock_filter;

    use super::{SOCKETS_PER_THREAD, Socket};

    /// From here on offsets count from the IP header, not from the UDP payload: `SKF_NET_OFF` (-0x100000).
    const NETWORK_HEADER: u32 = 0xfff0_0000;
    /// The first bit of a packet's first byte is set in a long header.
    const HEADER_FORM_SHIFT: u32 = 7;
    /// Spreads neighbouring addresses and ports (the golden ratio, as in Fibonacci hashing).
    const SPREAD: u32 = 0x9e37_79b1;

    /// Opcodes of classic BPF (`linux/bpf_common.h`).
    const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
    const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    const COPY_TO_X: u32 = libc::BPF_MISC | libc::BPF_TAX;
    const ADD_X: u32 = libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X;
    const MULTIPLY: u32 = libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K;
    const MODULO: u32 = libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K;
    const SHIFT_RIGHT: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
    const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
    const JUMP_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN_A: u32 = libc::BPF_RET | libc::BPF_A;

    const fn instruction(code: u32, operand: u32) -> sock_filter {
        branch(code, operand, 0, 0)
    }

    /// Skips `then` instructions where the condition holds, `otherwise` where it does not.
    const fn branch(code: u32, operand: u32, then: u8, otherwise: u8) -> sock_filter {
        // All opcodes of classic BPF fit into a byte.
        sock_filter { code: code.to_le_bytes()[0] as u16, jt: then, jf: otherwise, k: operand }
    }

    /// Thread from the sender's address and port, then the kind of header. IP options or extension headers move what is
    /// read, but for all packets of a sender alike.
    pub(super) fn program(threads: u16) -> [sock_filter; 20] {
        [
            instruction(LOAD_BYTE, NETWORK_HEADER),
            instruction(SHIFT_RIGHT, 4),
            branch(JUMP_EQUAL, 6, 4, 0),
            // IPv4: source address, source port.
            instruction(LOAD_WORD, NETWORK_HEADER + 12),
            instruction(COPY_TO_X, 0),
            instruction(LOAD_HALF, NETWORK_HEADER + 20),
            instruction(JUMP, 3),
            // IPv6: the second half of the network's prefix, source port.
            instruction(LOAD_WORD, NETWORK_HEADER + 12),
            instruction(COPY_TO_X, 0),
            instruction(LOAD_HALF, NETWORK_HEADER + 40),
            instruction(ADD_X, 0),
            instruction(MULTIPLY, SPREAD),
            instruction(SHIFT_RIGHT, 16),
            instruction(MODULO, threads as u32),
            instruction(MULTIPLY, SOCKETS_PER_THREAD as u32),
            instruction(COPY_TO_X, 0),
            instruction(LOAD_BYTE, 0),
            // The first bit alone is left: 1 for a long header, the place of the second socket.
            instruction(SHIFT_RIGHT, HEADER_FORM_SHIFT),
            instruction(ADD_X, 0),
            instruction(RETURN_A, 0),
        ]
    }

    pub(super) fn attach(socket: &Socket, program: &mut [sock_filter]) -> io::Result<()> {
        let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
        let size = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: `program` lives in this frame and points to `length` instructions borrowed for the whole call; the kernel
        // copies them. The size is that of the type that this option takes.
        let outcome = unsafe {
            libc::setsockopt(
                socket.mio().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_REUSEPORT_CBPF,
                (&raw const program).cast(),
                size,
            )
        };
        if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
#[path = "steering/tests.rs"]
mod tests;
