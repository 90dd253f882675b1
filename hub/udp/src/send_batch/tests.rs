use std::net::UdpSocket;
use std::time::Duration;

use super::*;

fn transmit(destination: SocketAddr, size: usize, source: Option<IpAddr>) -> Transmit {
    Transmit { destination, ecn: None, size, segment_size: None, src_ip: source }
}

fn queue(batch: &mut SendBatch, to: SocketAddr, payload: &[u8], source: Option<IpAddr>) {
    batch.buffer().extend_from_slice(payload);
    batch.commit(&transmit(to, payload.len(), source));
}

fn receiver(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

/// Sends to two receivers at once, with and without a source address, from a wildcard socket.
fn mixed_batch(wildcard: &str, loopback: &str, source: IpAddr) {
    let one = receiver(loopback);
    let two = receiver(loopback);
    let sender = Socket::bind(wildcard.parse().unwrap()).unwrap();
    let mut batch = SendBatch::new();
    for n in 0..20_u8 {
        let socket = if n % 2 == 0 { &one } else { &two };
        let named = (n % 3 == 0).then_some(source);
        let payload = vec![n; usize::from(n) + 1];
        queue(&mut batch, socket.local_addr().unwrap(), &payload, named);
    }
    let sent = batch.flush(&sender);
    assert_eq!(sent, Sent { packets: 20, bytes: (1..=20).sum(), failed: 0, blocked: false });
    assert_eq!((batch.begin, batch.end), (0, 0));
    for n in 0..20_u8 {
        let socket = if n % 2 == 0 { &one } else { &two };
        let (payload, from) = received(socket);
        assert_eq!(payload, vec![n; usize::from(n) + 1]);
        assert_eq!(from.ip(), source);
    }
}

#[test]
fn ipv4_packets_arrive_in_order_from_the_named_source() {
    mixed_batch("0.0.0.0:0", "127.0.0.1:0", "127.0.0.1".parse().unwrap());
}

#[test]
fn ipv6_packets_arrive_in_order_from_the_named_source() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    mixed_batch("[::]:0", "[::1]:0", "::1".parse().unwrap());
}

#[test]
fn the_named_source_is_used_where_the_route_would_choose_another() {
    let socket = receiver("127.0.0.1:0");
    let sender = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let mut batch = SendBatch::new();
    let source = "127.0.0.77".parse().unwrap();
    queue(&mut batch, socket.local_addr().unwrap(), b"x", Some(source));
    assert_eq!(batch.flush(&sender).packets, 1);
    assert_eq!(received(&socket).1.ip(), source);
}

#[test]
fn a_packet_the_kernel_refuses_is_dropped_and_the_rest_goes_out() {
    let socket = receiver("127.0.0.1:0");
    let to = socket.local_addr().unwrap();
    let sender = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut batch = SendBatch::new();
    queue(&mut batch, to, b"first", None);
    queue(&mut batch, "[2001:db8::1]:9".parse().unwrap(), b"wrong family", None);
    queue(&mut batch, to, b"last", None);
    let sent = batch.flush(&sender);
    assert_eq!((sent.packets, sent.failed, sent.blocked), (2, 1, false));
    assert_eq!(received(&socket).0, b"first");
    assert_eq!(received(&socket).0, b"last");
}

#[test]
fn a_full_batch_is_full() {
    let socket = receiver("127.0.0.1:0");
    let sender = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut batch = SendBatch::new();
    for _ in 0..PACKETS_MAX {
        assert!(!batch.is_full());
        queue(&mut batch, socket.local_addr().unwrap(), b"x", None);
    }
    assert!(batch.is_full());
    assert_eq!(batch.flush(&sender).packets, 64);
    assert!(!batch.is_full());
}
