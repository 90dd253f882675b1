//! What is compared with what.

use super::ecdsa::Kind;
use super::generator::Profile;
use super::postgres::Statement;
use super::redis::Load;

/// A way of paying, and the peers that do the like.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) hub: Contender,
    pub(super) peers: &'static [Peer],
}

/// Something the hub is compared with.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) contender: Contender,
}

/// Something with a rate.
#[derive(Debug, Clone, Copy)]
pub(super) enum Contender {
    /// The hub behind the load generator.
    Hub(Profile),
    /// What took turns with the hub in the run just before.
    Beside,
    Redis(Load),
    Postgres(Statement),
    Ecdsa(Kind),
    /// A rate that was told elsewhere, and is not measured here.
    Published(f64),
}

const REDIS_SINGLE: Load = Load { connections: 1_000, pipeline: 1, accounts: 1_000 };
const REDIS_PIPELINED: Load = Load { connections: 50, pipeline: 64, accounts: 10_000 };

/// TigerBeetle's own `benchmark` on a machine of this kind (2 cores, loopback): one replica, 10,000 accounts, batches of
/// 8,189 transfers. It needs io_uring and several gigabytes to itself, so it is not run here.
const TIGERBEETLE_PER_S: f64 = 300_000.0;

/// Every comparison.
pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "tick",
        about: "one tick per packet, 1,000 connections",
        hub: Contender::Hub(Profile::Tick),
        peers: &[
            Peer { name: "quinn-proto echo, sendmmsg", contender: Contender::Beside },
            Peer { name: "Redis Lua debit, AOF always, one per request", contender: Contender::Redis(REDIS_SINGLE) },
            Peer { name: "PostgreSQL UPDATE, one row", contender: Contender::Postgres(Statement::One) },
        ],
    },
    Shape {
        name: "risk",
        about: "one tick per packet, 1,000 connections, the risk model acting",
        hub: Contender::Hub(Profile::Risk),
        peers: &[Peer { name: "the hub without its risk model", contender: Contender::Beside }],
    },
    Shape {
        name: "batch",
        about: "gateway batches: 16 or more ticks of distinct lanes per packet",
        hub: Contender::Hub(Profile::Batch),
        peers: &[
            Peer { name: "Redis Lua debit, AOF always, pipelined 64", contender: Contender::Redis(REDIS_PIPELINED) },
            Peer { name: "PostgreSQL UPDATE, 1,000 rows", contender: Contender::Postgres(Statement::Batch) },
            Peer {
                name: "TigerBeetle, batches of 8,189 (published, not run here)",
                contender: Contender::Published(TIGERBEETLE_PER_S),
            },
        ],
    },
    Shape {
        name: "stream",
        about: "ticks back to back over 100 or more distinct lanes, cumulative acknowledgements",
        hub: Contender::Hub(Profile::Stream),
        peers: &[],
    },
    Shape {
        name: "voucher",
        about: "8 or more vouchers per packet, known keys",
        hub: Contender::Hub(Profile::Voucher),
        peers: &[
            Peer { name: "libsecp256k1 verify, one core", contender: Contender::Ecdsa(Kind::Verify) },
            Peer { name: "libsecp256k1 recover, one core", contender: Contender::Ecdsa(Kind::Recover) },
        ],
    },
];
