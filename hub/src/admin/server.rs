//! The socket: bounded lines, bounded connections, nothing slow on the async threads.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::answer;
use super::hub::AdministeredHub;
use super::protocol::{ANSWER_BYTES_MAX, AdminError, Outcome, REQUEST_BYTES_MAX, Request};

/// Only the owner may open the socket, and who may open it may do everything.
const MODE: u32 = 0o600;
/// Operators at once, scripts among them; the next one waits.
const CONNECTIONS_MAX: usize = 16;
const BACKLOG: i32 = 16;
/// A silent operator is hung up on, so that forgotten scripts do not keep others out.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// After a failed accept (usually no file descriptors left) others need time to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound socket. Its file goes when it is dropped.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the admin socket's file stays behind");
        }
    }
}

impl AdminSocket {
    /// Binds the socket. A file left behind by a hub that died is replaced.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] where a process answers on it, [`io::ErrorKind::AlreadyExists`] where the file is no
    /// socket, and whatever the system reports.
    pub fn bind(path: &Path) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Set before the file exists, for the file takes over the socket's mode: nobody gets in between.
        let file = File::from(OwnedFd::from(socket));
        file.set_permissions(Permissions::from_mode(MODE))?;
        let socket = Socket::from(OwnedFd::from(file));
        socket.bind(&SockAddr::unix(path)?)?;
        std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(OwnedFd::from(socket).into())?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until the future is dropped, and its connections with it.
    ///
    /// # Errors
    /// None at present; a failed accept is tried again.
    pub async fn serve(self, hub: Arc<dyn AdministeredHub>) -> io::Result<()> {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return Ok(());
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let hub = Arc::clone(&hub);
                    connections.spawn(async move {
                        if let Err(error) = converse(stream, hub).await {
                            tracing::debug!(%error, "an admin connection ended");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the admin socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        let message = format!("{} exists and is no socket", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        // Whoever holds it is alive, even when it cannot take a connection at this moment.
        _ => {
            let message = format!("another process answers on {}", path.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, message))
        }
    }
}

async fn converse(stream: UnixStream, hub: Arc<dyn AdministeredHub>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let bound = u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
        let mut bounded = (&mut reader).take(bound);
        let read = match timeout(IDLE_TIMEOUT, bounded.read_until(b'\n', &mut line)).await {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        if read == 0 {
            return Ok(());
        }
        let is_whole = line.ends_with(b"\n") || read < REQUEST_BYTES_MAX;
        let mut text = if is_whole {
            let hub = Arc::clone(&hub);
            let request = std::mem::take(&mut line);
            tokio::task::spawn_blocking(move || respond(&*hub, &request)).await.map_err(io::Error::other)?
        } else {
            let message = format!("a request has at most {REQUEST_BYTES_MAX} bytes");
            encode(&Outcome::<()>::Error(AdminError::new("too_large", message)))
        };
        text.push(b'\n');
        match timeout(IDLE_TIMEOUT, writer.write_all(&text)).await {
            Ok(written) => written?,
            Err(_) => return Ok(()),
        }
        if !is_whole {
            return Ok(());
        }
    }
}

fn respond(hub: &dyn AdministeredHub, line: &[u8]) -> Vec<u8> {
    let outcome = match serde_json::from_slice::<Request>(line) {
        Ok(request) => {
            log(&request);
            match answer(hub, request) {
                Ok(answer) => Outcome::Ok(answer),
                Err(error) => Outcome::Error(error),
            }
        }
        Err(error) => Outcome::Error(AdminError::new("bad_request", error.to_string())),
    };
    let text = encode(&outcome);
    if text.len() < ANSWER_BYTES_MAX {
        return text;
    }
    encode(&Outcome::<()>::Error(AdminError::new("too_large", "the answer is too long; ask for fewer entries")))
}

fn encode<T: serde::Serialize>(outcome: &Outcome<T>) -> Vec<u8> {
    serde_json::to_vec(outcome).unwrap_or_else(|error| {
        tracing::error!(%error, "cannot encode an admin answer");
        br#"{"error":{"code":"internal","message":"the answer could not be encoded"}}"#.to_vec()
    })
}

/// What an operator changed stands in the log; what they looked at does not.
fn log(request: &Request) {
    match request {
        Request::ChannelFreeze { channel } => tracing::info!(%channel, "admin: channel freeze"),
        Request::ChannelThaw { channel } => tracing::info!(%channel, "admin: channel thaw"),
        Request::ChannelClose { channel } => tracing::info!(%channel, "admin: channel close"),
        Request::MandatesImport { bundles } => {
            tracing::info!(bundles = bundles.len(), "admin: mandates import")
        }
        Request::ProviderAdd { address, name } => {
            tracing::info!(%address, name, "admin: provider add")
        }
        Request::ProviderSetActive { address, active } => {
            tracing::info!(%address, active, "admin: provider switched");
        }
        Request::TariffAdd { payee, rating_group, .. } => tracing::info!(%payee, rating_group, "admin: tariff add"),
        _ => {}
    }
}
