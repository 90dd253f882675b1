//! Starting, waking, stopping, crashing.

use std::net::SocketAddr;

use quinn::ConnectionError;

use super::harness::{PATIENCE, Seen, Server, TestIdentity, echo_datagram, until};
use crate::clock;
use crate::transport::{Driver, TransportError, TransportLimits, close_code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_hub_says_goodbye() {
    let mut server = Server::start(TransportLimits::default(), 2);
    let client = server.client();
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(server.connect(&client).await);
    }
    server.stop();
    for connection in &connections {
        let last_words = tokio::time::timeout(PATIENCE, connection.read_datagram()).await;
        assert_eq!(last_words.unwrap().unwrap(), "bye");
        let reason = tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap();
        assert!(
            matches!(reason, ConnectionError::ApplicationClosed(close) if close.error_code == close_code::SHUTDOWN.into())
        );
    }
    tokio::task::block_in_place(|| server.join());
    let closed = server.seen().iter().filter(|seen| matches!(seen, Seen::Closed(_))).count();
    assert_eq!(closed, 20);
    assert!(server.fabric.counters().all(|counters| counters.connections_open() == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_closes_with_its_own_code() {
    let server = Server::start(TransportLimits::default(), 1);
    let client = server.client();
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"x").await;
    connection.send_datagram("close me".into()).unwrap();
    let reason = tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap();
    assert!(
        matches!(reason, ConnectionError::ApplicationClosed(close) if close.error_code == 77_u32.into() && close.reason == "as you wish")
    );
    server.until_seen(|seen| matches!(seen, Seen::Closed(_))).await;
    until(|| server.sum(|counters| &counters.connections_closed) == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_a_client_learns_at_once_that_its_connection_is_gone() {
    let identity = TestIdentity::new();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::start_at(any, &identity, TransportLimits::default(), 1);
    let address = server.address;
    let client = server.client();
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"before").await;
    tokio::task::block_in_place(|| server.crash());
    let server = Server::start_at(address, &identity, TransportLimits::default(), 1);
    connection.send_datagram("after".into()).unwrap();
    let reason = tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap();
    assert_eq!(reason, ConnectionError::Reset);
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_threads_wake_the_application_and_so_does_its_timer() {
    let server = Server::start(TransportLimits::default(), 1);
    server.wakers[0].wake();
    server.until_seen(|seen| *seen == Seen::Woken).await;
    let client = server.client();
    let connection = server.connect(&client).await;
    echo_datagram(&connection, b"timer").await;
    server.until_seen(|seen| *seen == Seen::Timeout).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_in_the_fabric_is_taken_once() {
    let server = Server::start(TransportLimits::default(), 1);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    for thread in [0, 1] {
        let bound = Driver::bind(any, &server.fabric, thread, clock::now);
        assert!(matches!(bound, Err(TransportError::Thread(number)) if number == thread));
    }
}
