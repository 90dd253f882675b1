use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::*;
use crate::Inbox;

const SHORT: u8 = 0x40;
const LONG: u8 = 0xc0;
const SENDERS: u16 = 32;

/// Sockets of `threads` threads on one address, in order.
fn sockets(any: SocketAddr, threads: u16) -> Vec<Socket> {
    let mut sockets = vec![Socket::bind_shared(any).unwrap()];
    let address = sockets[0].local_addr().unwrap();
    sort_beginnings(&sockets[0], threads).unwrap();
    for _ in 1..threads * SOCKETS_PER_THREAD {
        sockets.push(Socket::bind_shared_with(address).unwrap());
    }
    sockets
}

/// What each socket received: first byte and number of the sender.
fn received(sockets: &mut [Socket], count: usize) -> Vec<BTreeSet<(u8, u16)>> {
    let mut poll = Poll::new().unwrap();
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.register(poll.registry(), Token(number)).unwrap();
    }
    let mut found = vec![BTreeSet::new(); sockets.len()];
    let mut inbox = Inbox::new();
    for _ in 0..100 {
        for (socket, found) in sockets.iter().zip(&mut found) {
            while inbox.receive(socket).is_ok() {
                let datagrams = std::iter::from_fn(|| inbox.pop());
                found.extend(datagrams.map(|datagram| {
                    (datagram.payload[0], u16::from_be_bytes([datagram.payload[1], datagram.payload[2]]))
                }));
            }
        }
        if found.iter().map(BTreeSet::len).sum::<usize>() == count {
            return found;
        }
        poll.poll(&mut Events::with_capacity(16), Some(Duration::from_millis(100))).unwrap();
    }
    panic!("{found:?}");
}

fn every_sender_says_both(any: SocketAddr, threads: u16) {
    let mut sockets = sockets(any, threads);
    let to = sockets[0].local_addr().unwrap();
    for sender in 0..SENDERS {
        let socket = UdpSocket::bind(SocketAddr::new(any.ip(), 0)).unwrap();
        let [high, low] = sender.to_be_bytes();
        for first in [LONG, SHORT] {
            socket.send_to(&[first, high, low, 0, 0, 0, 0, 0], to).unwrap();
        }
    }
    let found = received(&mut sockets, usize::from(SENDERS) * 2);
    for (thread, pair) in found.chunks(2).enumerate() {
        let senders = |of: &BTreeSet<(u8, u16)>| of.iter().map(|(_, sender)| *sender).collect::<BTreeSet<_>>();
        assert!(pair[0].iter().all(|(first, _)| *first == SHORT), "thread {thread}: {pair:?}");
        assert!(pair[1].iter().all(|(first, _)| *first == LONG), "thread {thread}: {pair:?}");
        assert_eq!(senders(&pair[0]), senders(&pair[1]), "a sender's packets go to one thread");
        assert!(!pair[0].is_empty(), "thread {thread} of {threads} has no sender");
    }
}

#[test]
fn beginnings_wait_apart_from_the_packets_of_established_connections() {
    every_sender_says_both(([127, 0, 0, 1], 0).into(), 1);
}

#[test]
fn senders_are_spread_over_threads_and_stay_there() {
    every_sender_says_both(([127, 0, 0, 1], 0).into(), 3);
}

#[test]
fn ipv6_is_sorted_alike() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    every_sender_says_both("[::1]:0".parse().unwrap(), 2);
}

#[test]
fn an_address_is_shared_with_nobody_who_was_not_asked() {
    let ours = Socket::bind_shared(([127, 0, 0, 1], 0).into()).unwrap();
    let address = ours.local_addr().unwrap();
    assert!(Socket::bind_shared(address).is_err());
    assert!(Socket::bind(address).is_err());
    Socket::bind_shared_with(address).unwrap();
}
