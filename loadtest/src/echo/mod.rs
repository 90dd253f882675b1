//! The least that a QUIC server can do with a payment: answer it.
//!
//! A bare echo on quinn-proto, mio and the hub's own UDP face, with the hub's transport settings: no table, no proof, no
//! disk. What the hub takes more than this is what Farthing itself costs. `bench --echo` drives it with the generator that
//! drives the hub, cycle by cycle in turn.

mod process;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use clap::Args;

pub use process::EchoProcess;
pub use server::EchoServer;

/// The name of the thread that serves.
pub const THREAD: &str = "echo-server";

/// The protocol's name in the handshake.
pub const ALPN: &[u8] = b"farthing-echo/1";

/// What the server says when it listens; its address follows.
const LISTENING: &str = "listening on ";

/// A bare QUIC echo, to compare the hub with.
#[derive(Debug, Clone, Args)]
pub struct EchoServerArgs {
    /// Where to listen.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:4434")]
    pub listen: SocketAddr,
    /// Bytes of each answer: the beginning of what is answered.
    #[arg(long, value_name = "BYTES", default_value_t = 16)]
    pub answer_bytes: usize,
}

/// Serves until the command is ended.
///
/// # Errors
/// Where the address cannot be bound, or the system fails.
pub async fn run(args: &EchoServerArgs) -> anyhow::Result<()> {
    let mut server = EchoServer::bind(args.listen, args.answer_bytes)?;
    let address = server.local_addr()?;
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, ended) = tokio::sync::oneshot::channel();
    let wanted = Arc::clone(&stop);
    let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
        // Said by the thread itself, which has its name by then: whoever hears it may look for the thread.
        println!("{LISTENING}{address}");
        // Nobody listens any more where the command was ended.
        let _ = sender.send(server.run(&wanted));
    })?;
    let _serving = Serving { stop, thread: Some(thread) };
    Ok(ended.await??)
}

/// The serving thread. Dropping this ends it.
struct Serving {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there shows as an outcome that never came.
            let _ = thread.join();
        }
    }
}
