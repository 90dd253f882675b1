//! What a well-behaved client gets.

use std::net::UdpSocket;
use std::time::Duration;

use super::harness::{PATIENCE, Seen, Server, echo_datagram, echo_frames, framed, read_frame};
use crate::transport::TransportLimits;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_greeting_travels_in_the_first_flight() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    let mut greeting = connection.accept_uni().await.unwrap();
    assert_eq!(read_frame(&mut greeting).await, b"hello");
    assert_eq!(greeting.read(&mut [0; 1]).await.unwrap(), None);
    server.until_seen(|seen| matches!(seen, Seen::Established(_))).await;
    let seen = server.seen();
    assert!(matches!(seen[..], [Seen::Opened(opened), Seen::Established(established)] if opened == established));
    connection.close(0_u32.into(), b"");
    server.until_seen(|seen| matches!(seen, Seen::Closed(_))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_and_frames_come_back() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"a datagram").await;
    let payloads: Vec<Vec<u8>> = [0, 1, 2, 300, 5000, 16 * 1024, 0, 7]
        .into_iter()
        .map(|length| vec![u8::try_from(length % 251).unwrap(); length])
        .collect();
    echo_frames(&connection, &payloads).await;
    // More streams than may be open at once, one after the other.
    for n in 0..40 {
        echo_frames(&connection, &[vec![n; 10]]).await;
    }
    assert!(server.seen().contains(&Seen::StreamFinished));
    assert_eq!(server.sum(|counters| &counters.frames_in), 48);
    assert_eq!(server.sum(|counters| &counters.frames_out), 49);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_an_answer_that_never_comes_is_acknowledged_all_the_same() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"a datagram").await;
    for round in 1..=3 {
        // The peer's own acknowledgements and the path's probing come to rest first.
        let quiet = until_quiet(&connection).await;
        connection.send_datagram("no answer".into()).unwrap();
        let waits = Seen::Datagram { early: false, payload: "no answer".into() };
        server.until_seen(|seen| *seen == waits).await;
        let acknowledged = async {
            while connection.stats().frame_rx.acks == quiet {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, acknowledged).await.unwrap();
        echo_datagram(&connection, format!("round {round}").as_bytes()).await;
    }
}

/// Waits until the connection has got no acknowledgement for a while, and says how many it has got.
async fn until_quiet(connection: &quinn::Connection) -> u64 {
    loop {
        let acks = connection.stats().frame_rx.acks;
        tokio::time::sleep(Duration::from_millis(60)).await;
        if connection.stats().frame_rx.acks == acks {
            return acks;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_our_protocol_is_turned_away() {
    let server = Server::start(TransportLimits::default(), 1);
    let mut roots = rustls::RootCertStore::empty();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    roots.add(made.cert.der().clone()).unwrap();
    let mut client = server.client();
    let config = quinn::ClientConfig::with_root_certificates(roots.into()).unwrap();
    client.set_default_client_config(config);
    client.connect(server.address, "localhost").unwrap().await.unwrap_err();
    assert!(server.seen().is_empty());
    assert_eq!(server.sum(|counters| &counters.connections_failed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_data_is_accepted_and_marked() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let first = server.connect(&client).await;
    echo_datagram(&first, b"first").await;
    first.close(0_u32.into(), b"");
    server.until_seen(|seen| matches!(seen, Seen::Closed(_))).await;

    let early_datagram = Seen::Datagram { early: true, payload: "early datagram".into() };
    let early_frame = Seen::Frame { early: true, payload: "early frame".into() };
    // What arrives together with the end of the handshake is not early any more, and on a busy machine that happens:
    // some connections may pass before one shows its data early.
    let mut connections = 0;
    while !(server.seen().contains(&early_datagram) && server.seen().contains(&early_frame)) {
        assert!(connections < 50, "no early data was marked as such: {:?}", server.seen());
        connections += 1;
        let connecting = client.connect(server.address, "localhost").unwrap();
        let (second, accepted) = connecting.into_0rtt().ok().unwrap();
        second.send_datagram("early datagram".into()).unwrap();
        let (mut send, mut receive) = second.open_bi().await.unwrap();
        send.write_all(&framed(b"early frame")).await.unwrap();
        assert!(tokio::time::timeout(PATIENCE, accepted).await.unwrap());
        assert_eq!(read_frame(&mut receive).await, b"early frame");
        send.write_all(&framed(b"late frame")).await.unwrap();
        assert_eq!(read_frame(&mut receive).await, b"late frame");
        second.close(0_u32.into(), b"");
    }
    let seen = server.seen();
    assert!(seen.contains(&Seen::Datagram { early: false, payload: "first".into() }));
    assert!(seen.contains(&Seen::Frame { early: false, payload: "late frame".into() }));
    assert!(server.sum(|counters| &counters.connections_early) >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_data_can_be_switched_off() {
    let limits = TransportLimits { early_data: false, ..TransportLimits::default() };
    let server = Server::start(limits, 1);
    let client = server.client();
    let first = server.connect(&client).await;
    echo_datagram(&first, b"first").await;
    let connecting = client.connect(server.address, "localhost").unwrap();
    assert!(connecting.into_0rtt().is_err());
}

fn rebind(client: &quinn::Endpoint) {
    client.rebind(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_moves_stays_connected() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"here").await;
    rebind(&client);
    echo_datagram(&connection, b"there").await;
    server.until_seen(|seen| *seen == Seen::Moved).await;
    assert_eq!(server.sum(|counters| &counters.migrations), 1);
    assert_eq!(server.sum(|counters| &counters.connections_accepted), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_moves_reaches_its_thread_from_another() {
    let server = Server::start(TransportLimits::default(), 2);
    let client = server.client();
    let connection = server.connect(&client).await;
    let mut moves = 0;
    while server.sum(|counters| &counters.handed_over) == 0 {
        assert!(moves < 64, "the kernel never chose the other socket");
        rebind(&client);
        moves += 1;
        echo_datagram(&connection, format!("move {moves}").as_bytes()).await;
    }
    echo_frames(&connection, &[b"on a stream too".to_vec()]).await;
    assert_eq!(server.sum(|counters| &counters.connections_accepted), 1);
    assert_eq!(server.sum(|counters| &counters.handover_dropped), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_can_be_resumed_on_any_thread() {
    let server = Server::start(TransportLimits::default(), 2);
    let client = server.client();
    for round in 0_u8..8 {
        let connecting = client.connect(server.address, "localhost").unwrap();
        let connection = match connecting.into_0rtt() {
            Ok((connection, accepted)) => {
                assert!(tokio::time::timeout(PATIENCE, accepted).await.unwrap());
                connection
            }
            Err(connecting) => {
                assert_eq!(round, 0);
                connecting.await.unwrap()
            }
        };
        echo_datagram(&connection, &[round]).await;
        connection.close(0_u32.into(), b"");
        rebind(&client);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_are_served() {
    let server = Server::start(TransportLimits::default(), 2);
    // Several sockets, for one socket's receive buffer is no match for five hundred devices.
    let clients: Vec<_> = (0..10).map(|_| server.client()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (n, client) in (0..500_u32).zip(clients.iter().cycle()) {
        let connecting = client.connect(server.address, "localhost").unwrap();
        tasks.spawn(async move {
            let connection = connecting.await.unwrap();
            echo_datagram(&connection, &n.to_be_bytes()).await;
            echo_frames(&connection, &[n.to_be_bytes().to_vec()]).await;
            connection
        });
    }
    let connections = tasks.join_all().await;
    assert_eq!(server.sum(|counters| &counters.connections_established), 500);
    assert_eq!(connections.len(), 500);
}
