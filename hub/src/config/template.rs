//! The commented file that `init` writes: every setting with its default, its unit and its reason.
//!
//! What is set differs from site to site; what is commented out is the default, to be changed with a cause.

use std::path::Path;

/// What `init` decides for a site.
#[derive(Debug, Clone)]
pub struct Choices<'a> {
    /// The address for devices and providers.
    pub quic: &'a str,
    /// The ledger's file.
    pub ledger: &'a Path,
}

/// The file's text.
pub fn render(choices: &Choices<'_>) -> String {
    let quic = quoted(choices.quic);
    let ledger = quoted(&choices.ledger.to_string_lossy());
    let sections = [
        HEADER.to_owned(),
        HUB.to_owned(),
        LISTEN.replace("{quic}", &quic),
        TLS.to_owned(),
        LEDGER.replace("{ledger}", &ledger),
        TRANSPORT.to_owned(),
        SOURCE.to_owned(),
        RISK.to_owned(),
        REST.to_owned(),
    ];
    sections.join("\n")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

const HEADER: &str = "\
# Settings of a Farthing hub.
#
# Relative paths start at this file's directory. A line that is commented out shows the default.
# An environment variable FARTHING_HUB__SECTION__KEY overrides a key, for example
# FARTHING_HUB__LISTEN__QUIC=0.0.0.0:7000 or FARTHING_HUB__RISK__VALIDITY_SECONDS=60.
# `farthing-hub check-config` reads this file exactly as `farthing-hub run` does.
";

const HUB: &str = r#"[hub]
# Journal and checkpoints. The journal is the record of money: keep it on a disk whose flushes are real.
data_dir = "data"
# The hub's secret key, 64 hexadecimal digits, readable by its owner alone. It signs receipts; its address is
# what devices attach to, and the hub's account on the ledger, payee of every escrow.
key_file = "hub.key"
"#;

const LISTEN: &str = r#"[listen]
# Devices and providers: QUIC over UDP.
quic = {quic}
# The operator's commands: a Unix socket, made with mode 0600. Its path has at most 107 bytes.
admin = "admin.sock"
# /metrics, /livez and /readyz over plain HTTP. Without authentication, hence on this machine alone.
http = "127.0.0.1:9464"
"#;

const TLS: &str = r#"[tls]
# The server's certificate chain and its key, PEM. Clients check it against a CA, or pin the fingerprint that
# `farthing-hub pin` prints; a new certificate means a new pin.
certificate = "hub-cert.pem"
key = "hub-cert.key"
"#;

const LEDGER: &str = r#"[ledger]
# A redb file shared with farthing-settle, made by `farthing-settle ledger init`: the embedded ledger itself, or what
# `farthing-settle ledger follow` mirrors of one on a chain.
kind = "embedded"
path = {ledger}
# Milliseconds between two looks for new ledger events, 10 to 60000. A look at an unchanged ledger is one stat().
# poll_interval_ms = 200
"#;

const TRANSPORT: &str = "\
[transport]
# Bounds for what strangers can make the hub hold. Totals are for the whole hub.
# Connections at once; each holds some tens of KiB.
# connections_max = 32768
# Connections from one address (IPv6: one /64). Large, for carriers put thousands of devices behind one address.
# connections_per_address_max = 16384
# Handshakes in progress. Attempts beyond it stay unanswered: the client's own retransmission is the queue.
# handshakes_max = 4096
# From this many on a client proves its address first, at the price of one round trip (Retry).
# handshakes_before_retry = 512
# Handshakes in progress from one address.
# handshakes_per_address_max = 2048
# Attempts per second from one address, sustained, and how many may come at once.
# attempts_per_address_per_second = 2000
# attempts_per_address_burst = 4000
# Milliseconds that a handshake may take; slow radio links need seconds.
# handshake_timeout_ms = 30000
# Milliseconds of silence after which a connection is forgotten. Coming back costs a device a handshake.
# idle_timeout_ms = 300000
# Bidirectional streams per connection at once. Payments need none.
# streams_per_connection_max = 7
# Unread bytes on one stream, on all of them, and sent but not acknowledged bytes, per connection. Messages have
# at most 16 KiB, so little is enough.
# stream_receive_window_bytes = 32768
# receive_window_bytes = 65536
# send_window_bytes = 65536
# Bytes that may wait, beyond the send window, for a client that does not read; then its stream is reset.
# send_queue_bytes_max = 262144
# Payments that wait to be read, and answers that wait for the congestion window, in bytes per connection.
# datagram_receive_buffer_bytes = 65536
# datagram_send_buffer_bytes = 65536
# Round-trip time assumed before the first measurement, in milliseconds. Long, so that ten thousand devices that
# come at once do not all repeat themselves.
# initial_rtt_ms = 500
# TLS sessions kept for resumption; the oldest go first.
# resumable_sessions_max = 32768
# Whether resumed clients may send payments before the handshake ends (0-RTT). Safe: a lane is a maximum.
# early_data = true
";

const SOURCE: &str = "\
[source]
# What one connection may cost. Failed proofs cost more than good ones.
# SHA-256 steps per second for ticks, sustained and at once. A step takes about 50 ns.
# hashes_per_second = 4000000
# hashes_burst = 4000000
# Signatures verified per second, sustained and at once. One takes about 35 us.
# signatures_per_second = 10000
# signatures_burst = 20000
# Receipts that the hub signs per second.
# receipts_per_second = 100
# Keys attached on one connection. A gateway carries many devices.
# channels_per_connection_max = 65536
# Connections on which one device key may be attached at once. More than one, for a device that reconnects
# before its old connection is forgotten; beyond that the oldest gives way.
# connections_per_device_max = 4
";

const RISK: &str = "\
[risk]
# Limits for every lane, whatever its mandate allows. Amounts in base units of the token.
# Most that one lane may owe in all. Default: no limit besides mandate and escrow.
# lane_limit_base_units = 1000000000
# What a provider may serve beyond what is authorised: what the hub trusts a device with. 0: prepaid.
# credit_window_base_units = 0
# Seconds for which a grant of units is good; the device pays again before.
# validity_seconds = 300
# Least milliseconds between two payments of a lane; 0 for none.
# pace_ms = 0
# Devices are warned from this part of mandate or deposit left, in thousandths.
# nearly_spent_permille = 50

[risk_model]
# off: no model. shadow: it watches, scores and journals what it would do, and does nothing. enforce: it acts, as far as the
# tenants in the weights file allow; on those that the file does not name, as far as its default tenant allows.
# mode = \"shadow\"
# weights: the path of a weights file, read again on SIGHUP. Default: the weights that ship with the hub.
# Names of fleets by escrow id: a fleet has a profile, and its tenant a policy, of that name in the weights file.
# fleets = {}
";

const REST: &str = r#"[journal]
# MiB per segment file, 1 to 256. Files are written full of zeros ahead of need, so twice this much is in use.
# segment_mib = 64
# Milliseconds between two checkpoints. Longer means fewer writes and a longer restart.
# checkpoint_interval_ms = 5000
# MiB of journal after which a checkpoint is made ahead of time. A start reads so much of the journal again, at most.
# checkpoint_journal_mib = 16
# MiB of the checkpoint file kept in memory. It serves devices that come back, and the checkpoints themselves.
# checkpoint_cache_mib = 32

[table]
# Seconds after which an idle channel leaves memory. It is read again from the checkpoint when its device comes back.
# idle_seconds = 60
# Channels in memory from which on every idle one leaves at the next checkpoint. One takes about 1 KiB with a lane.
# channels_in_memory_max = 200000

[drain]
# Seconds that a stop may take in all; what is not durable by then was never acknowledged.
# deadline_seconds = 10
# Milliseconds of it for saying goodbye to connected clients.
# goodbye_ms = 5000

[log]
# "text" for people, "json" for machines: one object per line on standard error.
# format = "text"
# What is logged: a level (error, warn, info, debug, trace), or target=level pairs with commas between them.
# filter = "info"

[data_plane]
# Threads that carry payments, each with its own socket on the one address. One less than there are cores by default:
# journal, checkpoints and the control plane want one, too.
# threads = 1

[rehearsal]
# For a hub on a ledger made by `farthing-settle ledger init --rehearsal`, and refused on any other: the time of day is read
# from this file (eight bytes, milliseconds since 1970, least significant first), so that recorded days can be
# played in minutes. Empty: it is the system's.
# clock_file = ""
# What the risk model makes of every lane: a table with a row for each lane and hour. Empty: none.
# score_log = ""
"#;
