//! The session's task: connect, drive the connection until it ends, wait, connect again.

use std::sync::Arc;

use super::active::Active;
use super::channel::Standing;
use super::{LinkState, Session, lock};
use crate::backoff;
use crate::clock;
use crate::connection::{Link, within};
use crate::error::ClientError;

/// Runs until the session is stopped.
pub(super) async fn run(session: Arc<Session>) {
    let mut attempt = 0;
    while !session.is_stopping() {
        let ended = match connect(&session).await {
            Ok(link) => {
                let (error, attached) = Active::new(&session, link).drive().await;
                if attached {
                    attempt = 0;
                }
                error
            }
            Err(error) => error,
        };
        for channel in session.channels() {
            channel.detach();
        }
        if session.is_stopping() {
            break;
        }
        tracing::debug!(error = %ended, "no connection to the hub");
        if !ended.retry_helps() {
            // Those who wait would wait in vain until somebody changes something.
            for channel in session.channels() {
                channel.fail_lanes(&ended);
            }
        }
        session.link.send_replace(LinkState::Down(Some(ended)));
        let delay = session.connector.config().reconnect.delay(attempt, backoff::random());
        attempt = attempt.saturating_add(1);
        rest(&session, delay).await;
    }
    finish(&session).await;
}

/// Waits, meanwhile keeping records of what callers want to have paid.
async fn rest(session: &Session, delay: std::time::Duration) {
    let until = clock::now() + delay;
    while !session.is_stopping() {
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            () = session.wake.notified() => save_wants(session).await,
        }
    }
}

/// Saves the lanes in the queue. They come back into it when their channel attaches.
async fn save_wants(session: &Session) {
    let mut records = Vec::new();
    for key in session.take_queue() {
        let Some(channel) = session.channel(key.channel) else {
            continue;
        };
        let mut state = channel.state();
        if let Some(slot) = state.lanes.get_mut(usize::from(key.slot)) {
            slot.sending.queued = false;
            records.push(slot.record());
        }
    }
    if let Err(error) = session.save(records).await {
        tracing::warn!(%error, "what is to be paid could not be recorded");
    }
}

async fn finish(session: &Session) {
    save_wants(session).await;
    session.link.send_replace(LinkState::Stopped);
    for channel in session.channels() {
        channel.standing.send_replace(Standing::Closed);
        channel.fail_lanes(&ClientError::Stopped);
    }
}

/// Makes a connection and waits for the hub's first words. Where the last connection can be resumed, payments leave
/// with the first packet.
async fn connect(session: &Arc<Session>) -> Result<Arc<Link>, ClientError> {
    let config = session.connector.config();
    let making = async {
        let connecting = session.connector.dial().await?;
        let quic = if config.early_data {
            match connecting.into_0rtt() {
                Ok((quic, accepted)) => {
                    session.send_early(&quic).await;
                    // Whether they were taken does not matter: what is not acknowledged is sent again.
                    let taken = accepted.await;
                    tracing::trace!(taken, "early data");
                    quic
                }
                Err(connecting) => connecting.await?,
            }
        } else {
            connecting.await?
        };
        Link::introduce(quic, config).await
    };
    tokio::select! {
        link = within(config.connect_timeout, making) => {
            let link = Arc::new(link?);
            *lock(&session.domain) = Some(link.domain);
            Ok(link)
        }
        () = stopped(session) => Err(ClientError::Stopped),
    }
}

/// Resolves when the session is being stopped.
async fn stopped(session: &Session) {
    loop {
        session.wake.notified().await;
        if session.is_stopping() {
            return;
        }
        save_wants(session).await;
    }
}
