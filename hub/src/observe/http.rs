//! Metrics and health over plain HTTP.
//!
//! `/livez` asks whether the process should be killed, `/readyz` whether devices should be sent here. They differ: a hub
//! whose disk is full is alive and not ready, and restarting it would help nobody.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use super::metrics::CONTENT_TYPE;
use crate::clock;
use crate::facts::HubFacts;
use crate::session::Shared;

/// A data plane that did not go round for this long hangs. It wakes every second or so even when nobody pays.
const HEARTBEAT_AGE_MS_MAX: u64 = 15_000;

/// What health is judged by.
pub trait Health: Send + Sync + 'static {
    /// The exposition text.
    fn metrics(&self) -> String;

    /// Milliseconds since the data plane last went round.
    fn heartbeat_age_ms(&self) -> u64;

    /// What keeps the hub from serving; empty when it serves.
    fn not_ready(&self) -> Vec<NotReady>;
}

/// One thing that keeps the hub from serving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotReady {
    /// The part.
    pub part: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Debug, Serialize)]
struct Liveness {
    alive: bool,
    heartbeat_age_ms: u64,
}

#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    not_ready: Vec<NotReady>,
}

#[derive(Debug)]
struct RunningHub {
    shared: Arc<Shared>,
}

impl Health for RunningHub {
    fn metrics(&self) -> String {
        self.shared.metrics.render()
    }

    fn heartbeat_age_ms(&self) -> u64 {
        clock::unix_milliseconds().saturating_sub(self.shared.heartbeat.last_ms())
    }

    fn not_ready(&self) -> Vec<NotReady> {
        let mut found = Vec::new();
        let journal = &self.shared.journal;
        if let Some(fault) = journal.fault() {
            found.push(NotReady { part: "journal", reason: fault.to_string() });
        } else if journal.is_short_of_space() {
            let reason = "the disk has no room for the next segment".to_owned();
            found.push(NotReady { part: "journal", reason });
        }
        if !self.shared.serving.is_on() {
            let reason = "payments are not accepted: starting, draining or stopped".to_owned();
            found.push(NotReady { part: "serving", reason });
        }
        if self.heartbeat_age_ms() > HEARTBEAT_AGE_MS_MAX {
            found.push(NotReady { part: "data_plane", reason: "it does not go round".to_owned() });
        }
        found
    }
}

/// Answers until the future is dropped.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, facts: Arc<HubFacts>) -> io::Result<()> {
    tracing::debug!(http = %facts.http, "metrics and health");
    serve_health(listener, Arc::new(RunningHub { shared })).await
}

async fn serve_health(listener: TcpListener, health: Arc<dyn Health>) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(health);
    axum::serve(listener, router).await
}

async fn metrics(State(health): State<Arc<dyn Health>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], health.metrics()).into_response()
}

async fn live(State(health): State<Arc<dyn Health>>) -> Response {
    let heartbeat_age_ms = health.heartbeat_age_ms();
    let alive = heartbeat_age_ms <= HEARTBEAT_AGE_MS_MAX;
    answer(alive, &Liveness { alive, heartbeat_age_ms })
}

async fn ready(State(health): State<Arc<dyn Health>>) -> Response {
    let not_ready = health.not_ready();
    let ready = not_ready.is_empty();
    answer(ready, &Readiness { ready, not_ready })
}

fn answer(good: bool, body: &impl Serialize) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = serde_json::to_string(body).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    struct Fake {
        age_ms: u64,
        not_ready: Vec<NotReady>,
    }

    impl Health for Fake {
        fn metrics(&self) -> String {
            "up 1\n".to_owned()
        }

        fn heartbeat_age_ms(&self) -> u64 {
            self.age_ms
        }

        fn not_ready(&self) -> Vec<NotReady> {
            self.not_ready.clone()
        }
    }

    async fn get(fake: Fake, path: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve_health(listener, Arc::new(fake)));
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        server.abort();
        text
    }

    #[tokio::test]
    async fn metrics_come_as_prometheus_text() {
        let text = get(Fake { age_ms: 0, not_ready: Vec::new() }, "/metrics").await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(text.contains("content-type: text/plain; version=0.0.4") && text.ends_with("up 1\n"), "{text}");
    }

    #[tokio::test]
    async fn a_hub_that_cannot_serve_is_alive_and_not_ready() {
        let stuck = || NotReady { part: "journal", reason: "the disk is full".to_owned() };
        let alive = get(Fake { age_ms: 5, not_ready: vec![stuck()] }, "/livez").await;
        assert!(
            alive.starts_with("HTTP/1.1 200") && alive.ends_with(r#"{"alive":true,"heartbeat_age_ms":5}"#),
            "{alive}"
        );
        let ready = get(Fake { age_ms: 5, not_ready: vec![stuck()] }, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
        assert!(ready.ends_with(r#"{"ready":false,"not_ready":[{"part":"journal","reason":"the disk is full"}]}"#));
    }

    #[tokio::test]
    async fn a_hanging_data_plane_is_not_alive() {
        let text = get(Fake { age_ms: HEARTBEAT_AGE_MS_MAX + 1, not_ready: Vec::new() }, "/livez").await;
        assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    }
}
