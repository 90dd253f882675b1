//! Puts the hub together, runs it, and takes it apart again in the right order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use farthing_channel::sign::Signer as _;
use farthing_ledger::limits::REHEARSAL_CHAIN_ID;
use farthing_ledger::{LedgerReader, LedgerView};
use tokio::signal::unix::{SignalKind, signal};

use crate::checkpoint::{CheckpointProgress, Checkpointer};
use crate::clock;
use crate::config::material::pin_of;
use crate::config::{Config, LedgerConfig};
use crate::control::Control;
use crate::facts::HubFacts;
use crate::follower::Follower;
use crate::journal::commit::{CommitThread, Hooks};
use crate::journal::lock::JournalLock;
use crate::observe::metrics::Metrics;
use crate::recovery::{self, Recovered};
use crate::risk::engine::RiskEngine;
use crate::score_log::{ScoreLog, ScoreWriter};
use crate::session::{DataPlane, Exchange, Heartbeat, Serving, Shared};
use crate::table::Table;
use crate::transport::{Driver, Fabric, WakeHandle};

/// How far the checkpointer stands behind the threads that somebody waits for.
const CHECKPOINT_NICENESS: i32 = 10;

/// How often gauges that are read off the table are brought up to date.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);

/// How often a stopping hub looks whether the last checkpoint is made.
const CHECKPOINT_POLL: Duration = Duration::from_millis(20);

/// Everything of a hub that runs beside the data plane.
struct Running {
    shared: Arc<Shared>,
    commit: CommitThread,
    stop: Arc<AtomicBool>,
    data_plane: Vec<JoinHandle<std::io::Result<()>>>,
    background: Vec<JoinHandle<()>>,
    checkpointer: JoinHandle<()>,
    checkpointer_stop: Arc<AtomicBool>,
    score_writer: Option<ScoreWriter>,
    _lock: JournalLock,
}

/// Runs a hub until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting, and a data plane that ends by itself.
pub fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // Bound before anything else, so that a taken address is found before state is touched.
    let http = runtime
        .block_on(tokio::net::TcpListener::bind(config.listen.http))
        .with_context(|| format!("cannot listen on {} for HTTP", config.listen.http))?;
    let (running, facts, control) = start(&config, http.local_addr()?)?;
    tracing::info!(hub = %facts.hub, quic = %facts.quic, http = %facts.http, term = running.shared.table.term(), "serving");
    let outcome = runtime.block_on(serve(&config, &running, facts, control, http));
    let stopped = running.stop(config.drain.deadline);
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome.and(stopped)
}

/// Puts the hub on a rehearsal's clock, if the ledger is a rehearsal's.
fn rehearse(clock_file: &Path, chain_id: u64) -> anyhow::Result<()> {
    ensure!(
        chain_id == REHEARSAL_CHAIN_ID,
        "[rehearsal] clock_file is set, and the ledger holds real money: only one made with --rehearsal may run on such a clock"
    );
    clock::rehearse(clock_file).with_context(|| format!("cannot read the clock {}", clock_file.display()))?;
    tracing::warn!(clock = %clock_file.display(), "this is a rehearsal: the time of day is read from a file, and no money moves");
    Ok(())
}

/// Brings the state back and starts every thread.
fn start(config: &Config, http: SocketAddr) -> anyhow::Result<(Running, HubFacts, Arc<Control>)> {
    let key = config.load_key()?;
    let identity = config.load_identity()?;
    let certificate = identity.certificate_chain.first().context("the certificate file is empty")?.to_vec();
    let hub = key.address();
    let LedgerConfig::Embedded { path, poll_interval } = &config.ledger;
    let ledger: Arc<dyn LedgerView> =
        Arc::new(LedgerReader::open(path).with_context(|| format!("cannot open the ledger {}", path.display()))?);
    let domain = ledger.identity().domain();
    if let Some(rehearsal) = &config.rehearsal {
        rehearse(&rehearsal.clock_file, domain.chain_id())?;
    }
    let scores = config.rehearsal.as_ref().and_then(|rehearsal| rehearsal.score_log.as_deref());
    let scores = scores.map(ScoreLog::start).transpose().context("cannot begin the score log")?;
    let (score_log, score_writer) = scores.unzip();

    let settled = recovery::settled_cursor(&*ledger, &hub)?;
    let begun = clock::now();
    let recovered =
        recovery::recover(&config.hub.data_dir, hub.0, &config.sizes(), settled.as_ref(), clock::unix_milliseconds())?;
    let table = Arc::clone(&recovered.table);
    report_recovery(&recovered, &table, begun.elapsed());

    let pin = pin_of(&certificate);
    let threads = config.data_plane_threads;
    let fabric = Fabric::new(identity, config.transport.clone(), threads)?;
    let drivers = bind_drivers(config.listen.quic, &fabric)?;
    let quic = drivers.first().context("there is no data-plane thread")?.local_addr();
    let wakers: Vec<WakeHandle> = drivers.iter().map(Driver::waker).collect();
    let exchange = Exchange::new(threads);
    for (thread, wake) in (0..).zip(&wakers) {
        exchange.join(thread, wake.clone());
    }
    let notify = Arc::new(move || wakers.iter().for_each(WakeHandle::wake));
    let hooks = Hooks { now_ms: Box::new(clock::unix_milliseconds), notify };
    let commit = CommitThread::start(recovered.writer, hooks)?;
    let shared = Arc::new(Shared {
        table,
        journal: commit.handle(),
        domain,
        key,
        account: hub,
        certificate,
        risk: Arc::new(RiskEngine::new(config.risk, &config.risk_model)?),
        source_limits: config.source,
        checkpointed: CheckpointProgress::default(),
        metrics: Metrics::new(fabric)?,
        serving: Serving::default(),
        heartbeat: Heartbeat::new(threads),
        exchange,
        score_log,
    });
    let control = Arc::new(Control::new(Arc::clone(&shared)));
    let started = clock::unix_seconds();
    describe(&shared, started, recovered.behind_ledger.is_some());

    let journal_directory = config.hub.data_dir.join("journal");
    let mut follower = Follower::new(ledger, Arc::clone(&shared), Arc::clone(&control), journal_directory);
    follower.catch_up().context("cannot take in the base ledger's events")?;
    let checkpointer = Checkpointer::new(recovered.checkpoint, Arc::clone(&shared), config.pace());

    shared.serving.start();
    let stop = Arc::new(AtomicBool::new(false));
    let checkpointer_stop = Arc::new(AtomicBool::new(false));
    let data_plane = spawn_data_plane(drivers, &shared, &stop)?;
    let follower_stop = Arc::clone(&stop);
    let interval = *poll_interval;
    let background = vec![spawn("ledger-follower", move || follower.run(interval, &follower_stop))?];
    let stop_checkpoints = Arc::clone(&checkpointer_stop);
    let checkpointer = spawn("checkpointer", move || {
        step_aside();
        checkpointer.run(&stop_checkpoints);
    })?;
    let behind_ledger = recovered.behind_ledger.map(|cursor| cursor.sequence);
    let facts = HubFacts { hub, account: hub, pin, quic, http, started, behind_ledger };
    let running = Running {
        shared,
        commit,
        stop,
        data_plane,
        background,
        checkpointer,
        checkpointer_stop,
        score_writer,
        _lock: recovered.lock,
    };
    Ok((running, facts, control))
}

/// One driver for each data-plane thread, all on one address.
fn bind_drivers(address: SocketAddr, fabric: &Arc<Fabric>) -> anyhow::Result<Vec<Driver>> {
    let mut drivers: Vec<Driver> = Vec::new();
    for thread in 0..fabric.threads() {
        // With port 0 the first one's port is everyone's.
        let address = drivers.first().map_or(address, Driver::local_addr);
        let driver = Driver::bind(address, fabric, thread, clock::now)
            .with_context(|| format!("cannot listen on {address} for QUIC"))?;
        drivers.push(driver);
    }
    Ok(drivers)
}

fn spawn_data_plane(
    drivers: Vec<Driver>,
    shared: &Arc<Shared>,
    stop: &Arc<AtomicBool>,
) -> std::io::Result<Vec<JoinHandle<std::io::Result<()>>>> {
    let threads = (0..).zip(drivers).map(|(thread, mut driver)| {
        let (mut plane, stop) = (DataPlane::new(Arc::clone(shared), thread), Arc::clone(stop));
        spawn(&format!("data-plane-{thread}"), move || driver.run(&mut plane, &stop))
    });
    threads.collect()
}

/// Lets every other thread go first: a checkpoint may take longer, an acknowledgement must not. On Linux the niceness is the
/// thread's own.
fn step_aside() {
    if let Err(error) = rustix::process::nice(CHECKPOINT_NICENESS) {
        tracing::debug!(%error, "the checkpointer keeps its priority");
    }
}

fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

fn report_recovery(recovered: &Recovered, table: &Table, took: Duration) {
    let (escrows, channels, lanes) = table.counts();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(escrows, channels, lanes, tail_blocks = recovered.tail_blocks, took_ms, "state recovered");
    if recovered.torn_tail {
        tracing::warn!("the remains of a write that was cut short were removed; it had never been acknowledged");
    }
    if let Some(cursor) = recovered.behind_ledger {
        tracing::error!(
            settled_sequence = cursor.sequence,
            settled_term = cursor.term,
            term = recovered.term,
            "restored backup: the ledger has settled journal blocks that this journal does not have; payments are \
             merged, but settlement refuses this journal until `farthing-settle run --confirm-restore`"
        );
    }
}

fn describe(shared: &Shared, started: u64, restored: bool) {
    let metrics = &shared.metrics;
    metrics.start_time_seconds.set(i64::try_from(started).unwrap_or(i64::MAX));
    metrics.restored.set(i64::from(restored));
    metrics.show_fleets(&[]);
    metrics.term.set(i64::try_from(shared.table.term()).unwrap_or(i64::MAX));
}

/// The control plane, until a signal comes or the data plane ends.
async fn serve(
    config: &Config,
    running: &Running,
    facts: HubFacts,
    control: Arc<Control>,
    http: tokio::net::TcpListener,
) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let reloaded = reload_weights(Arc::clone(&running.shared));
    let facts = Arc::new(facts);
    let observed = crate::observe::http::serve(http, Arc::clone(&running.shared), Arc::clone(&facts));
    let administered = crate::admin::serve(&config.listen.admin, Arc::clone(&running.shared), control, facts);
    tokio::select! {
        _ = interrupt.recv() => tracing::info!("interrupted: draining"),
        _ = terminate.recv() => tracing::info!("told to stop: draining"),
        outcome = observed => outcome.context("the HTTP server ended")?,
        outcome = administered => outcome.context("the admin socket ended")?,
        outcome = watch(running) => outcome?,
        outcome = reloaded => outcome?,
    }
    Ok(())
}

/// Reads the weights of the risk model again at each SIGHUP. A file that is not in order changes nothing.
async fn reload_weights(shared: Arc<Shared>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        match shared.risk.reload() {
            Ok(revision) => tracing::info!(revision, "weights of the risk model loaded"),
            Err(error) => tracing::error!(%error, "the weights of the risk model stay as they were"),
        }
    }
    Ok(())
}

/// Keeps the gauges fresh; ends when the data plane has.
async fn watch(running: &Running) -> anyhow::Result<()> {
    loop {
        running.refresh_gauges();
        crate::observe::fleets::tell(&running.shared);
        if running.data_plane.iter().any(JoinHandle::is_finished) {
            bail!("a data-plane thread has ended by itself");
        }
        tokio::time::sleep(GAUGE_INTERVAL).await;
    }
}

impl Running {
    fn refresh_gauges(&self) {
        let metrics = &self.shared.metrics;
        let journal = &self.shared.journal;
        let (escrows, channels, lanes) = self.shared.table.counts();
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.escrows.set(gauge(escrows));
        metrics.channels.set(gauge(channels));
        metrics.lanes.set(gauge(lanes));
        metrics.journal_durable_sequence.set(i64::try_from(journal.durable_sequence().0).unwrap_or(i64::MAX));
        metrics.journal_failed.set(i64::from(journal.fault().is_some()));
        metrics.journal_short_of_space.set(i64::from(journal.is_short_of_space()));
        metrics.serving.set(i64::from(self.shared.serving.is_on()));
        metrics.show_levels(self.shared.table.levels());
    }

    /// Drains: no new payments, what was taken is made durable and acknowledged, connections are closed, a last
    /// checkpoint is made.
    fn stop(self, deadline: Duration) -> anyhow::Result<()> {
        let until = clock::now() + deadline;
        let drained = Arc::new(AtomicBool::new(false));
        give_up_after(deadline, Arc::clone(&drained))?;
        self.stop.store(true, Ordering::Release);
        self.shared.exchange.wake_all();
        let ended: Vec<_> = self.data_plane.into_iter().map(JoinHandle::join).collect();
        for thread in self.background {
            if thread.join().is_err() {
                tracing::error!("a background thread had panicked");
            }
        }
        let journal = self.commit.stop();
        match self.score_writer.map(ScoreWriter::join) {
            None | Some(Ok(0)) => {}
            Some(Ok(dropped)) => {
                tracing::error!(dropped, "assessments are missing in the score log: it could not keep up")
            }
            Some(Err(error)) => tracing::error!(%error, "the score log could not be written"),
        }
        drained.store(true, Ordering::Release);
        self.checkpointer_stop.store(true, Ordering::Release);
        while !self.checkpointer.is_finished() && clock::now() < until {
            std::thread::sleep(CHECKPOINT_POLL);
        }
        if !self.checkpointer.is_finished() {
            tracing::warn!("the last checkpoint is not finished; the next start reads more of the journal instead");
        } else if self.checkpointer.join().is_err() {
            tracing::error!("the checkpointer had panicked");
        }
        for outcome in ended {
            match outcome {
                Ok(outcome) => outcome.context("the data plane failed")?,
                Err(_) => bail!("the data plane panicked"),
            }
        }
        journal.context("the journal had failed")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Ends the process where draining hangs: a stop has to end, and the journal has everything that was said.
fn give_up_after(deadline: Duration, drained: Arc<AtomicBool>) -> std::io::Result<()> {
    spawn("drain-deadline", move || {
        std::thread::sleep(deadline);
        if !drained.load(Ordering::Acquire) {
            tracing::error!(?deadline, "not drained within the deadline; giving up");
            std::process::exit(1);
        }
    })?;
    Ok(())
}
