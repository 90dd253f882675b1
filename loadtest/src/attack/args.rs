//! The command line of `attack`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::engine::args::setting;

/// What an attacker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A device's key is used at two places, by the device and by a copy that does not know what the device paid.
    ClonedKey,
    /// Who stole a key spends what its mandate allows, as fast as the hub takes it.
    SpendingFast,
    /// Payments that were made are sent again and again.
    ReplayStorm,
    /// Preimages and signatures that are none.
    BadProofs,
    /// Ticks that skip as many steps as may be, so that each costs the hub as many hashes.
    GapAbuse,
    /// Use that grows so slowly that no moment is unlike the one before.
    SlowDrift,
    /// One key on several connections and lanes at once, each spending the same limit.
    OverspendRace,
    /// Strangers who begin connections and attach nothing.
    HandshakeFlood,
    /// Events that carry nothing, one after another.
    EmptyEvents,
}

/// Attacks on a hub with honest devices beside: what the attacker gets, and what the honest ones notice.
#[derive(Debug, Clone, Args)]
pub struct AttackArgs {
    /// Which attacks. Default: all, each on a site of its own.
    #[arg(value_enum, value_name = "NAME")]
    pub kinds: Vec<Kind>,
    /// Honest devices, each on a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub honest: usize,
    /// Payments per second of all honest devices together.
    #[arg(long, value_name = "RATE", default_value_t = 1000)]
    pub rate: u32,
    /// Devices of the attacker.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub attackers: usize,
    /// Seconds before the attack, and of it.
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    pub seconds: u64,
    /// A further setting of the hub, such as FARTHING_HUB__SOURCE__SIGNATURES_PER_SECOND=500.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub hub_setting: Vec<(String, String)>,
    /// Write the result to this file; - for standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
