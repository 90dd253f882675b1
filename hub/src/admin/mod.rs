//! The operator's socket: one JSON request per line, one JSON answer per line.
//!
//! `{"method":"status"}` is answered by `{"ok":{…}}` or `{"error":{"code":"…","message":"…"}}`. Who may open the socket
//! may do everything: the file's mode, 0600, is the authentication.
//!
//! | file | holds |
//! | --- | --- |
//! | [`protocol`] | requests and answers, shared with the command line |
//! | [`encoded`] | ids and bytes as JSON text |
//! | [`hub`] | what a request can ask of a hub |
//! | [`answer`] | requests into answers |
//! | [`list`] | pages over escrows and channels |
//! | [`risk_form`] | how far lanes are trusted, and why |
//! | [`tariff_form`] | a tariff as people write it |
//! | [`server`] | the socket |
//! | [`client`] | the other end of it |

pub mod answer;
pub mod client;
pub mod encoded;
pub mod hub;
pub mod list;
pub mod protocol;
pub mod risk_form;
pub mod server;
pub mod tariff_form;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::control::Control;
use crate::facts::HubFacts;
use crate::session::Shared;

/// Serves a running hub's socket until the future is dropped, which removes the socket's file.
///
/// # Errors
/// When another process answers on the socket, or the socket cannot be made.
pub async fn serve(path: &Path, shared: Arc<Shared>, control: Arc<Control>, facts: Arc<HubFacts>) -> io::Result<()> {
    let hub = hub::RunningHub { shared, control, facts };
    server::AdminSocket::bind(path)?.serve(Arc::new(hub)).await
}
