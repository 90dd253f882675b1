//! Stands between the program and its node, and holds a request at an exact point.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// Where a request was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The transaction is written down; the node has not heard of it.
    BeforeSending,
    /// The node has it; the program does not know.
    AfterSending,
}

/// What has happened to each transaction: held before its way to the node, or after it.
#[derive(Debug, Default)]
struct Seen {
    before: HashSet<String>,
    after: HashSet<String>,
}

/// A proxy that holds each transaction twice, and each other request never. A held request is not answered: whoever made
/// it waits until it is killed.
#[derive(Debug)]
pub struct Proxy {
    pub url: String,
    held: Receiver<Held>,
}

impl Proxy {
    pub fn start(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, held) = channel();
        let (node, seen) = (node.to_owned(), Arc::new(Mutex::new(Seen::default())));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (node, seen, told) = (node.clone(), Arc::clone(&seen), told.clone());
                std::thread::spawn(move || serve(stream, &node, &seen, &told));
            }
        });
        Self { url, held }
    }

    /// The point at which a request is held now, if one is.
    pub fn held(&self) -> Option<Held> {
        self.held.try_recv().ok()
    }
}

/// One request and its answer; the connection ends with it.
fn serve(client: TcpStream, node: &str, seen: &Mutex<Seen>, told: &Sender<Held>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let body = message(&mut reader)?;
    let request: Value = serde_json::from_slice(&body).ok()?;
    let raw = (request["method"] == "eth_sendRawTransaction").then(|| request["params"][0].to_string());
    if let Some(raw) = &raw
        && seen.lock().ok()?.before.insert(raw.clone())
    {
        return hold(reader, told, Held::BeforeSending);
    }
    let mut upstream = TcpStream::connect(node).ok()?;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {node}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    upstream.write_all(head.as_bytes()).ok()?;
    upstream.write_all(&body).ok()?;
    let answer = message(&mut BufReader::new(upstream))?;
    if let Some(raw) = raw
        && seen.lock().ok()?.after.insert(raw)
    {
        return hold(reader, told, Held::AfterSending);
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    let mut client = client;
    client.write_all(head.as_bytes()).ok()?;
    client.write_all(&answer).ok()
}

/// Tells that a request is held, and keeps its connection open until the other side is gone.
fn hold(mut reader: BufReader<TcpStream>, told: &Sender<Held>, held: Held) -> Option<()> {
    told.send(held).ok()?;
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).ok().map(drop)
}

/// The body of an HTTP message whose length is told.
fn message(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut fields = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let mut body = vec![0; fields.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
