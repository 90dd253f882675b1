//! What types cannot say: ranges and relations. Every problem is found, not only the first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farthing_channel::id::EscrowId;
use farthing_channel::limits::TICK_GAP_MAX;

use super::error::{ConfigError, Problem};
use super::form::{DATA_PLANE_THREADS_MAX, Form, LedgerKind, RehearsalForm};
use super::settings::{
    Config, DrainConfig, HubConfig, JournalSettings, LedgerConfig, ListenConfig, LogConfig, RehearsalConfig,
    TableSettings, TlsConfig,
};
use super::source::Source;
use crate::journal::config::SEGMENT_BYTES_MAX;
use crate::risk::engine::ModelSettings;
use crate::transport::{TransportError, TransportLimits};

const MIB: u64 = 1024 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// `sun_path` of a Unix socket's address holds this many bytes besides its end.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// A drain must end before an operator, or a service manager, loses patience.
const DRAIN_SECONDS_MAX: u64 = 3600;

#[derive(Debug)]
struct Checks<'a> {
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Checks<'_> {
    fn fail(&mut self, section: &str, key: &str, message: impl Into<String>) {
        self.problems.push(self.source.problem(section, key, message));
    }

    fn within(&mut self, section: &str, key: &str, value: u64, min: u64, max: u64) {
        if !(min..=max).contains(&value) {
            let range = if min == max { format!("must be {min}") } else { format!("must lie between {min} and {max}") };
            self.fail(section, key, format!("is {value} and {range}"));
        }
    }

    fn not_empty(&mut self, section: &str, key: &str, path: &Path) {
        if path.as_os_str().is_empty() {
            self.fail(section, key, "must not be empty");
        }
    }
}

/// The settings of a form that was read from `file` (absolute).
///
/// # Errors
/// [`ConfigError::Invalid`] with every problem found.
pub(super) fn config(source: &Source, form: Form, file: &Path) -> Result<Config, ConfigError> {
    let mut checks = Checks { source, problems: Vec::new() };
    paths(&mut checks, &form);
    numbers(&mut checks, &form);
    let fleets = fleets(&mut checks, &form);
    let transport = form.transport.limits(form.drain.goodbye_ms);
    transport_limits(&mut checks, &transport);
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&form.log.filter) {
        checks.fail("log", "filter", format!("is no filter: {error}"));
    }

    let base = file.parent().unwrap_or(Path::new("/"));
    let admin = base.join(&form.listen.admin);
    let length = admin.as_os_str().len();
    if length > SOCKET_PATH_BYTES_MAX {
        let message = format!(
            "leads to {} ({length} bytes), and the path of a Unix socket has at most {SOCKET_PATH_BYTES_MAX} bytes",
            admin.display()
        );
        checks.fail("listen", "admin", message);
    }
    if !checks.problems.is_empty() {
        return Err(ConfigError::Invalid(checks.problems));
    }
    Ok(assemble(form, transport, fleets, file, base, admin))
}

fn fleets(checks: &mut Checks<'_>, form: &Form) -> BTreeMap<EscrowId, String> {
    let mut fleets = BTreeMap::new();
    for (escrow, name) in &form.risk_model.fleets {
        match escrow.parse() {
            Ok(id) if !name.is_empty() => _ = fleets.insert(id, name.clone()),
            Ok(_) => checks.fail("risk_model", "fleets", format!("gives escrow {escrow} an empty name")),
            Err(error) => checks.fail("risk_model", "fleets", format!("names {escrow:?}, which is no escrow: {error}")),
        }
    }
    fleets
}

fn rehearsal(form: &RehearsalForm, base: &Path) -> Option<RehearsalConfig> {
    let named = |path: &PathBuf| (!path.as_os_str().is_empty()).then(|| base.join(path));
    Some(RehearsalConfig { clock_file: named(&form.clock_file)?, score_log: named(&form.score_log) })
}

fn paths(checks: &mut Checks<'_>, form: &Form) {
    checks.not_empty("hub", "data_dir", &form.hub.data_dir);
    checks.not_empty("hub", "key_file", &form.hub.key_file);
    checks.not_empty("listen", "admin", &form.listen.admin);
    checks.not_empty("tls", "certificate", &form.tls.certificate);
    checks.not_empty("tls", "key", &form.tls.key);
    checks.not_empty("ledger", "path", &form.ledger.path);
    if form.hub.key_file == form.tls.key {
        checks.fail("tls", "key", "names the file of the hub's own key, hub.key_file");
    }
}

fn numbers(checks: &mut Checks<'_>, form: &Form) {
    checks.within("ledger", "poll_interval_ms", form.ledger.poll_interval_ms, 10, 60_000);
    checks.within("journal", "segment_mib", form.journal.segment_mib, 1, SEGMENT_BYTES_MAX / MIB);
    checks.within("journal", "checkpoint_interval_ms", form.journal.checkpoint_interval_ms, 100, DAY_MS);
    checks.within("journal", "checkpoint_journal_mib", form.journal.checkpoint_journal_mib, 1, 64 * 1024);
    checks.within("journal", "checkpoint_cache_mib", form.journal.checkpoint_cache_mib.into(), 1, 1024 * 1024);
    checks.within("table", "idle_seconds", form.table.idle_seconds, 0, DAY_MS / 1000);
    checks.within("drain", "deadline_seconds", form.drain.deadline_seconds, 1, DRAIN_SECONDS_MAX);
    let threads = u64::from(form.data_plane.threads);
    checks.within("data_plane", "threads", threads, 1, DATA_PLANE_THREADS_MAX.into());

    let source = &form.source;
    let many = u64::from(u32::MAX);
    // A burst below the largest gap would refuse honest ticks for ever.
    let gap = u64::from(TICK_GAP_MAX);
    checks.within("source", "hashes_per_second", source.hashes_per_second.into(), 1, many);
    checks.within("source", "hashes_burst", source.hashes_burst.into(), gap, many);
    checks.within("source", "signatures_per_second", source.signatures_per_second.into(), 1, many);
    checks.within("source", "signatures_burst", source.signatures_burst.into(), 1, many);
    let channels = source.channels_per_connection_max.into();
    checks.within("source", "channels_per_connection_max", channels, 1, 10_000_000);
    checks.within("source", "connections_per_device_max", source.connections_per_device_max.into(), 1, 1024);

    let risk = &form.risk;
    checks.within("risk", "lane_limit_base_units", risk.lane_limit_base_units, 1, u64::MAX);
    checks.within("risk", "validity_seconds", risk.validity_seconds.into(), 1, DAY_MS / 1000);
    checks.within("risk", "pace_ms", risk.pace_ms.into(), 0, DAY_MS);
    checks.within("risk", "nearly_spent_permille", risk.nearly_spent_permille.into(), 0, 1000);
    if form.drain.goodbye_ms > form.drain.deadline_seconds.saturating_mul(1000) {
        checks.fail("drain", "goodbye_ms", "must not be longer than drain.deadline_seconds");
    }
}

fn transport_limits(checks: &mut Checks<'_>, limits: &TransportLimits) {
    match limits.check() {
        Err(TransportError::Limit { name, min, max }) => {
            let (section, key) = match name {
                "handshake_timeout" => ("transport", "handshake_timeout_ms"),
                "idle_timeout" => ("transport", "idle_timeout_ms"),
                "initial_rtt" => ("transport", "initial_rtt_ms"),
                "drain_timeout" => ("drain", "goodbye_ms"),
                other => ("transport", other),
            };
            checks.fail(section, key, format!("must lie between {min} and {max}"));
        }
        Err(error) => checks.fail("transport", "limits", error.to_string()),
        Ok(()) => {}
    }
}

fn bytes_of_mib(mib: u32) -> usize {
    usize::try_from(u64::from(mib).saturating_mul(MIB)).unwrap_or(usize::MAX)
}

fn assemble(
    form: Form,
    transport: TransportLimits,
    fleets: BTreeMap<EscrowId, String>,
    file: &Path,
    base: &Path,
    admin: PathBuf,
) -> Config {
    let ledger = match form.ledger.kind {
        LedgerKind::Embedded => LedgerConfig::Embedded {
            path: base.join(&form.ledger.path),
            poll_interval: Duration::from_millis(form.ledger.poll_interval_ms),
        },
    };
    Config {
        file: file.to_owned(),
        hub: HubConfig { data_dir: base.join(&form.hub.data_dir), key_file: base.join(&form.hub.key_file) },
        listen: ListenConfig { quic: form.listen.quic, admin, http: form.listen.http },
        tls: TlsConfig { certificate: base.join(&form.tls.certificate), key: base.join(&form.tls.key) },
        ledger,
        transport,
        source: form.source,
        risk: form.risk,
        risk_model: ModelSettings {
            mode: form.risk_model.mode,
            weights: form.risk_model.weights.map(|weights| base.join(weights)),
            fleets,
        },
        journal: JournalSettings {
            segment_bytes: form.journal.segment_mib.saturating_mul(MIB),
            checkpoint_interval: Duration::from_millis(form.journal.checkpoint_interval_ms),
            checkpoint_journal_bytes: form.journal.checkpoint_journal_mib.saturating_mul(MIB),
            checkpoint_cache_bytes: bytes_of_mib(form.journal.checkpoint_cache_mib),
        },
        table: TableSettings {
            idle: Duration::from_secs(form.table.idle_seconds),
            channels_in_memory_max: usize::try_from(form.table.channels_in_memory_max).unwrap_or(usize::MAX),
        },
        drain: DrainConfig { deadline: Duration::from_secs(form.drain.deadline_seconds) },
        log: LogConfig { format: form.log.format, filter: form.log.filter },
        data_plane_threads: form.data_plane.threads,
        rehearsal: rehearsal(&form.rehearsal, base),
    }
}
