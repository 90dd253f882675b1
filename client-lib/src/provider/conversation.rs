//! The provider's task: attach, subscribe, pass notices on, send reports until they are kept, and again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farthing_channel::codec::{decode_exact, encode_into};
use farthing_channel::id::{Address, LaneId};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{UncheckedSignature, sign_typed};
use farthing_channel::wire::{Grant, Notice, Request, Response, Role, ServiceMessage, SignedReport};
use quinn::{RecvStream, SendStream};
use tokio::sync::{Notify, mpsc, watch};

use super::ProviderConfig;
use super::notices::{Authorised, Inbox, Notices};
use crate::backoff;
use crate::connection::{Link, within};
use crate::connector::Connector;
use crate::error::{ClientError, HubFault};
use crate::frame;

/// Notices read from the stream and not yet sorted in. A hub that sends more waits, by flow control.
const NOTICES_WAITING_MAX: usize = 256;

/// The conversation, as callers see it.
#[derive(Debug, Clone)]
pub(super) enum Line {
    Down(Option<ClientError>),
    Up(Arc<Link>),
    Stopped,
}

/// What became of a lane's newest report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReportState {
    Waiting,
    Kept { revision: u64, grant: Grant },
    Refused { revision: u64, refusal: Refusal },
}

impl ReportState {
    /// Whether it says what became of `revision` or of a newer one.
    pub(super) fn concerns(&self, revision: u64) -> bool {
        match self {
            Self::Waiting => false,
            Self::Kept { revision: kept, .. } => *kept >= revision,
            Self::Refused { revision: said, .. } => *said >= revision,
        }
    }
}

/// A lane's newest report, kept until the hub has said what became of it.
#[derive(Debug)]
struct Report {
    revision: u64,
    used_units: u64,
    credited: u64,
    /// Signed when there is a connection, whose hub names the ledger.
    unsent: bool,
    pending: bool,
    state: watch::Sender<ReportState>,
}

/// What callers and the provider's task share.
#[derive(Debug)]
pub(super) struct Desk {
    connector: Connector,
    config: ProviderConfig,
    reports: Mutex<BTreeMap<LaneId, Report>>,
    inbox: Arc<Inbox>,
    line: watch::Sender<Line>,
    wake: Notify,
    stopping: AtomicBool,
}

impl Desk {
    pub(super) fn new(connector: Connector, config: ProviderConfig) -> Self {
        Self {
            connector,
            config,
            reports: Mutex::default(),
            inbox: Arc::default(),
            line: watch::Sender::new(Line::Down(None)),
            wake: Notify::new(),
            stopping: AtomicBool::new(false),
        }
    }

    pub(super) fn address(&self) -> Address {
        self.config.key.address()
    }

    pub(super) fn notices(&self) -> Notices {
        Notices { inbox: Arc::clone(&self.inbox) }
    }

    pub(super) fn line(&self) -> watch::Receiver<Line> {
        self.line.subscribe()
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn reports(&self) -> MutexGuard<'_, BTreeMap<LaneId, Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a report to send, unless a newer one of the lane is noted already.
    pub(super) fn post(
        &self,
        lane: LaneId,
        revision: u64,
        used_units: u64,
        credited: u64,
    ) -> Result<watch::Receiver<ReportState>, ClientError> {
        if self.is_stopping() {
            return Err(ClientError::Stopped);
        }
        let mut reports = self.reports();
        let report = reports.entry(lane).or_insert_with(|| Report {
            revision: 0,
            used_units: 0,
            credited: 0,
            unsent: false,
            pending: false,
            state: watch::Sender::new(ReportState::Waiting),
        });
        if !report.pending || revision > report.revision {
            report.revision = revision;
            report.used_units = used_units;
            report.credited = credited;
            report.unsent = true;
            report.pending = true;
            report.state.send_replace(ReportState::Waiting);
        }
        let state = report.state.subscribe();
        drop(reports);
        self.wake.notify_one();
        Ok(state)
    }

    /// On a new connection everything the hub has not answered goes out again.
    fn resend_reports(&self) {
        for report in self.reports().values_mut() {
            report.unsent = report.pending;
        }
    }

    /// The frames of all reports to send.
    fn unsent_frames(&self, link: &Link) -> Result<Vec<u8>, ClientError> {
        let mut frames = Vec::new();
        for (lane, report) in self.reports().iter_mut().filter(|(_, r)| r.unsent) {
            let mut signed = SignedReport {
                lane: *lane,
                revision: report.revision,
                used_units: report.used_units,
                credited: report.credited,
                signature: UncheckedSignature([0; 64]),
            };
            signed.signature = sign_typed(&self.config.key, &link.domain, &signed.typed())?.into();
            let message = ServiceMessage::Report(signed);
            frame::append(&mut frames, |out| encode_into(&message, out))?;
            report.unsent = false;
        }
        Ok(frames)
    }

    fn take_notice(&self, notice: Notice) {
        match notice {
            Notice::Authorised { lane, device, rating_group, authorised, grant } => {
                self.inbox.put(Authorised { lane, device, rating_group, authorised, grant })
            }
            Notice::Reported { lane, revision, grant } => {
                if let Some(report) = self.reports().get_mut(&lane) {
                    report.pending &= revision < report.revision;
                    report.state.send_replace(ReportState::Kept { revision, grant });
                }
            }
            Notice::ReportRefused { lane, refusal } => {
                if let Some(report) = self.reports().get_mut(&lane) {
                    // What a later attempt may mend stays pending, and goes out with the next connection or report.
                    report.pending &= refusal.retry_helps();
                    let revision = report.revision;
                    report.state.send_replace(ReportState::Refused { revision, refusal });
                }
            }
        }
    }
}

/// Runs until the provider is stopped.
pub(super) async fn run(desk: Arc<Desk>) {
    let mut attempt = 0;
    while !desk.is_stopping() {
        let ended = match connect(&desk).await {
            Ok((link, send, receive)) => {
                attempt = 0;
                desk.resend_reports();
                desk.line.send_replace(Line::Up(Arc::clone(&link)));
                let ended = converse(&desk, &link, send, receive).await;
                link.close();
                ended
            }
            Err(error) => error,
        };
        if desk.is_stopping() {
            break;
        }
        tracing::debug!(error = %ended, "no conversation with the hub");
        desk.line.send_replace(Line::Down(Some(ended)));
        let delay = desk.connector.config().reconnect.delay(attempt, backoff::random());
        attempt = attempt.saturating_add(1);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stopped(&desk) => {}
        }
    }
    desk.line.send_replace(Line::Stopped);
    desk.inbox.end();
    // Dropping the senders tells those who wait for a report.
    desk.reports().clear();
}

async fn stopped(desk: &Desk) {
    while !desk.is_stopping() {
        desk.wake.notified().await;
    }
}

/// Connects, attaches the key as a provider and subscribes.
async fn connect(desk: &Desk) -> Result<(Arc<Link>, SendStream, RecvStream), ClientError> {
    let config = desk.connector.config();
    let making = async {
        let quic = desk.connector.dial().await?.await?;
        let link = Link::introduce(quic, config).await?;
        let attached = link
            .attach(&Request::Attach {
                role: Role::Provider,
                signature: link.attach_proof(&desk.config.key, Role::Provider)?,
                escrow: None,
                mandate: None,
                lanes: Vec::new(),
            })
            .await?;
        if attached.address != desk.config.key.address() {
            return Err(HubFault::OtherIdentity.into());
        }
        let (send, mut receive) =
            link.open(&Request::Subscribe { rating_groups: desk.config.rating_groups.clone() }).await?;
        match frame::read_response(&mut receive).await? {
            Response::Ready {} => Ok((Arc::new(link), send, receive)),
            _ => Err(HubFault::Unexpected.into()),
        }
    };
    tokio::select! {
        made = within(config.connect_timeout, making) => made,
        () = stopped(desk) => Err(ClientError::Stopped),
    }
}

/// Passes notices on and sends reports until the connection ends.
async fn converse(desk: &Desk, link: &Link, mut send: SendStream, receive: RecvStream) -> ClientError {
    let (sender, mut notices) = mpsc::channel(NOTICES_WAITING_MAX);
    let reader = tokio::spawn(read_notices(receive, sender));
    let patience = desk.connector.config().idle_timeout;
    let ended = loop {
        let frames = match desk.unsent_frames(link) {
            Ok(frames) => frames,
            Err(error) => break error,
        };
        if !frames.is_empty() {
            let written = within(patience, async { Ok(send.write_all(&frames).await?) }).await;
            if let Err(error) = written {
                break error;
            }
        }
        tokio::select! {
            error = link.quic.closed() => break error.into(),
            notice = notices.recv() => match notice {
                Some(notice) => desk.take_notice(notice),
                None => break ClientError::Unreachable("the conversation ended".into()),
            },
            () = desk.wake.notified() => {}
        }
        if desk.is_stopping() {
            break ClientError::Stopped;
        }
    };
    reader.abort();
    ended
}

async fn read_notices(mut receive: RecvStream, notices: mpsc::Sender<Notice>) {
    while let Ok(Some(bytes)) = frame::read(&mut receive).await {
        let Ok(notice) = decode_exact(&bytes) else {
            return;
        };
        if notices.send(notice).await.is_err() {
            return;
        }
    }
}
