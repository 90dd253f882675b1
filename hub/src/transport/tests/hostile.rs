//! What a client gets that asks too much, and what it must not be able to do.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ConnectionError, TransportErrorCode};
use rustls::pki_types::ServerName;

use super::harness::{PATIENCE, Seen, Server, echo_datagram, echo_frames, framed, until};
use crate::clock;
use crate::transport::{TransportLimits, close_code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_a_client_proves_its_address_first() {
    let limits = TransportLimits { handshakes_before_retry: 0, ..TransportLimits::default() };
    let server = Server::start(limits, 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"proven").await;
    assert_eq!(server.sum(|counters| &counters.retries), 1);
    assert_eq!(server.sum(|counters| &counters.connections_accepted), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_gets_no_more_connections_than_it_may() {
    let limits = TransportLimits { connections_per_address_max: 2, ..TransportLimits::default() };
    let server = Server::start(limits, 1);
    let client = server.client();
    let first = server.connect(&client).await;
    let _second = server.connect(&client).await;
    let third = client.connect(server.address, "localhost").unwrap().await;
    assert!(
        matches!(third, Err(ConnectionError::ConnectionClosed(close)) if close.error_code == TransportErrorCode::CONNECTION_REFUSED)
    );
    assert_eq!(server.sum(|counters| &counters.refused_address), 1);
    echo_datagram(&first, b"still served").await;
    first.close(0_u32.into(), b"");
    until(|| server.sum(|counters| &counters.connections_closed) == 1).await;
    server.connect(&client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_hub_refuses() {
    let limits = TransportLimits { connections_max: 1, ..TransportLimits::default() };
    let server = Server::start(limits, 1);
    let client = server.client();
    let first = server.connect(&client).await;
    client.connect(server.address, "localhost").unwrap().await.unwrap_err();
    assert_eq!(server.sum(|counters| &counters.refused_full), 1);
    echo_datagram(&first, b"still served").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_too_long_costs_its_stream_only() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[0x40, 0x01, 1, 2, 3]).await.unwrap();
    let error = receive.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error, quinn::ReadError::Reset(close_code::FRAME_TOO_LONG.into()));
    assert_eq!(send.stopped().await.unwrap(), Some(close_code::FRAME_TOO_LONG.into()));
    echo_datagram(&connection, b"still served").await;
    echo_frames(&connection, &[b"on other streams too".to_vec()]).await;
    assert_eq!(server.sum(|counters| &counters.streams_reset_framing), 1);
    assert!(server.seen().contains(&Seen::StreamFinished));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_begun_and_never_completed_are_bounded() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        // Announces 16 KiB and stops one byte short.
        let mut begun = framed(&[5; 16 * 1024]);
        begun.pop();
        if send.write_all(&begun).await.is_ok() {
            streams.push((send, receive));
        }
    }
    until(|| server.sum(|counters| &counters.streams_reset_framing) == 1).await;
    echo_frames(&connection, &[b"still served".to_vec()]).await;
    assert_eq!(server.sum(|counters| &counters.frames_in), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_cut_off_is_nobodys() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[0, 9, 1, 2, 3]).await.unwrap();
    send.finish().unwrap();
    assert_eq!(receive.read(&mut [0; 1]).await.unwrap(), None);
    assert_eq!(server.sum(|counters| &counters.frames_in), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_slow_reader_is_bounded() {
    let server = Server::start(TransportLimits::default(), 1);
    let mut transport = quinn::TransportConfig::default();
    transport.stream_receive_window(1024_u32.into());
    let client = server.client_with(transport);
    let connection = server.connect(&client).await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&framed(b"flood")).await.unwrap();
    server.until_seen(|seen| *seen == Seen::Blocked).await;
    let mut received = 0;
    let error = loop {
        match receive.read(&mut [0; 512]).await {
            Ok(Some(bytes)) => received += bytes,
            Ok(None) => panic!("the stream ended in order"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, quinn::ReadError::Reset(close_code::SLOW_READER.into()));
    assert!(received <= 1024);
    assert_eq!(server.sum(|counters| &counters.streams_reset_slow), 1);
    // 64 KiB in the send window and 256 KiB behind it, in frames of 16 KiB.
    assert!(server.sum(|counters| &counters.frames_out) <= 21);
    echo_frames(&connection, &[b"still served".to_vec()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_opens_no_unidirectional_streams() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    let opening = tokio::time::timeout(Duration::from_millis(50), connection.open_uni()).await;
    opening.unwrap_err();
}

/// A client's first packet, as often as it is asked for, each for a connection of its own.
fn first_packet(server: &Server) -> Vec<u8> {
    let config = quinn_proto::ClientConfig::new(Arc::new(server.client_crypto()));
    ServerName::try_from("localhost").unwrap();
    let mut endpoint = quinn_proto::Endpoint::new(Arc::new(quinn_proto::EndpointConfig::default()), None, true, None);
    let now = clock::now();
    let (_, mut connection) = endpoint.connect(now, config, server.address, "localhost").unwrap();
    let mut packet = Vec::new();
    let transmit = connection.poll_transmit(now, 1, &mut packet).unwrap();
    packet.truncate(transmit.size);
    packet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_never_ends_is_given_up() {
    let limits = TransportLimits { handshake_timeout: Duration::from_millis(100), ..TransportLimits::default() };
    let server = Server::start(limits, 1);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..10 {
        socket.send_to(&first_packet(&server), server.address).unwrap();
    }
    until(|| server.sum(|counters| &counters.handshake_timeouts) == 10).await;
    until(|| server.sum(|counters| &counters.connections_closed) == 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_of_unproven_addresses_are_bounded() {
    let limits = TransportLimits { handshakes_before_retry: 5, ..TransportLimits::default() };
    let server = Server::start(limits, 1);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..50 {
        socket.send_to(&first_packet(&server), server.address).unwrap();
    }
    until(|| server.sum(|counters| &counters.retries) == 45).await;
    assert_eq!(server.sum(|counters| &counters.connections_accepted), 5);
    let client = server.client();
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"proven clients come through").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_changes_nothing() {
    let server = Server::start(TransportLimits::default(), 2);
    let client = server.client();
    let connection = server.connect(&client).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let packet = first_packet(&server);
    for n in 0..2000_usize {
        let mut noise = vec![0; n % 1400];
        getrandom::fill(&mut noise).unwrap();
        socket.send_to(&noise, server.address).unwrap();
        let mut torn = packet.clone();
        torn[n % packet.len()] ^= 1 << (n % 8);
        torn.truncate(packet.len() - n % 3);
        socket.send_to(&torn, server.address).unwrap();
        if n % 100 == 0 {
            tokio::time::timeout(PATIENCE, echo_datagram(&connection, &n.to_be_bytes())).await.unwrap();
        }
    }
    echo_frames(&connection, &[b"still served".to_vec()]).await;
    let opened = server.seen().iter().filter(|seen| matches!(seen, Seen::Established(_))).count();
    assert_eq!(opened, 1);
}
