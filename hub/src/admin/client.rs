//! The other end of the socket, for the command line. Blocking: a command has nothing else to do.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::protocol::{ANSWER_BYTES_MAX, AdminError, Outcome, Request};

/// An import may wait for many syncs of a slow disk.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Why there is no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers on the socket.
    #[error("no hub answers on {} ({error}); is `farthing-hub run` running with this configuration?", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The connection broke off. Whether a change was made is not known.
    #[error("the connection to the hub broke off: {0}")]
    Broken(#[from] io::Error),
    /// The answer is not what this version expects.
    #[error("the hub's answer is not understood: {0}")]
    Unexpected(String),
    /// The hub refuses.
    #[error(transparent)]
    Hub(#[from] AdminError),
}

/// A connection to a hub's socket.
#[derive(Debug)]
pub struct AdminClient {
    reader: BufReader<UnixStream>,
}

impl AdminClient {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`].
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let unreachable = |error| ClientError::Unreachable { path: path.to_owned(), error };
        let stream = UnixStream::connect(path).map_err(unreachable)?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(unreachable)?;
        stream.set_write_timeout(Some(TIMEOUT)).map_err(unreachable)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Asks, and waits for the answer. `T` is what the request's documentation names.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, ClientError> {
        let unexpected = |error: serde_json::Error| ClientError::Unexpected(error.to_string());
        let mut line = serde_json::to_vec(request).map_err(unexpected)?;
        line.push(b'\n');
        self.reader.get_mut().write_all(&line)?;
        line.clear();
        let bound = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
        (&mut self.reader).take(bound).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Err(ClientError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_slice(&line).map_err(unexpected)? {
            Outcome::Ok(answer) => Ok(answer),
            Outcome::Error(error) => Err(error.into()),
        }
    }
}
