//! Redis as a peer: a Lua script that checks a credit and debits it, every write synced before its answer.

use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::process::{self, Failure};
use crate::service::{self, Core, Service};
use crate::tools::debian::{self, Programs, Suite};
use crate::workspace::Workspace;

const SUITE: Suite = Suite {
    name: "redis",
    packages: &["redis-server", "redis-tools"],
    programs: &["redis-server", "redis-cli", "redis-benchmark"],
    versioned: None,
};

/// Accounts, each with a credit that no run exhausts. Keys are as `redis-benchmark` writes its random numbers.
const FILL: &str = "for i = 0, tonumber(ARGV[1]) - 1 do \
    redis.call('SET', 'account:' .. string.format('%012d', i), '1000000000000') end";

/// Takes an integer amount off an account, if its credit allows.
const DEBIT: &str = "local credit = redis.call('GET', KEYS[1]) \
    if not credit or tonumber(credit) < tonumber(ARGV[1]) then return -1 end \
    return redis.call('DECRBY', KEYS[1], ARGV[1])";

/// How clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) connections: u32,
    /// Debits sent before an answer is awaited.
    pub(super) pipeline: u32,
    pub(super) accounts: u32,
}

/// A running Redis with filled accounts.
#[derive(Debug)]
pub(super) struct Redis {
    programs: Programs,
    address: SocketAddr,
    script: String,
    _service: Service,
    _folder: TempDir,
}

impl Redis {
    pub(super) fn start(workspace: &Workspace) -> Result<Self, Failure> {
        let programs = debian::programs(workspace, &SUITE)?;
        let folder = tempfile::tempdir()?;
        let address = service::free_address()?;
        let mut command = programs.command("redis-server")?;
        command.arg("--bind").arg(address.ip().to_string()).arg("--port").arg(address.port().to_string());
        command.arg("--dir").arg(folder.path());
        // Durable before it is answered; no snapshot or rewrite beside the measurement.
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"]);
        command.args(["--save", "", "--maxclients", "10000", "--daemonize", "no"]);
        let log = folder.path().join("log");
        let service = Service::start(&mut service::on_core(Core::Server, &command), address, &log)?;
        let mut redis = Self { programs, address, script: String::new(), _service: service, _folder: folder };
        redis.script = redis.ask(&["SCRIPT", "LOAD", DEBIT])?;
        Ok(redis)
    }

    /// What was installed.
    pub(super) fn version(&self) -> Result<String, Failure> {
        let said = process::stdout(self.programs.command("redis-server")?.arg("--version"))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let version = said.split_whitespace().find_map(|word| word.strip_prefix("v="));
        Ok(format!("Redis {}", version.unwrap_or("of unknown version")))
    }

    /// Durable debits per second.
    pub(super) fn debits_per_s(&self, load: Load, debits: u64) -> Result<f64, Failure> {
        self.ask(&["FLUSHALL"])?;
        self.ask(&["EVAL", FILL, "0", &load.accounts.to_string()])?;
        let mut command = self.client("redis-benchmark")?;
        command.arg("-c").arg(load.connections.to_string()).arg("-n").arg(debits.to_string());
        command.arg("-P").arg(load.pipeline.to_string()).arg("-r").arg(load.accounts.to_string());
        command.args(["--csv", "EVALSHA", &self.script, "1", "account:__rand_int__", "7"]);
        let said = process::stdout(&mut service::on_core(Core::Client, &command))?;
        // Each debit is 7, so the accounts tell whether all of them were made.
        let rate = rate_of(&String::from_utf8_lossy(&said))?;
        self.check_debited(load, debits)?;
        Ok(rate)
    }

    /// The sum taken off the accounts is what was asked for: a script that fails is quick, too.
    fn check_debited(&self, load: Load, debits: u64) -> Result<(), Failure> {
        const SUM: &str = "local sum = 0 for i = 0, tonumber(ARGV[1]) - 1 do \
            sum = sum + 1000000000000 - tonumber(redis.call('GET', 'account:' .. string.format('%012d', i))) end \
            return tostring(sum)";
        let sum = self.ask(&["EVAL", SUM, "0", &load.accounts.to_string()])?;
        let debited = sum.parse::<f64>().unwrap_or(0.0) / 7.0;
        // `redis-benchmark` may send a few more than it was asked for.
        #[allow(clippy::cast_precision_loss, reason = "a count of a few millions")]
        let enough = debited >= debits as f64;
        if enough { Ok(()) } else { Err(Failure::new(format!("Redis made {debited} debits of {debits}"))) }
    }

    fn client(&self, program: &str) -> Result<Command, Failure> {
        let mut command = self.programs.command(program)?;
        command.arg("-h").arg(self.address.ip().to_string()).arg("-p").arg(self.address.port().to_string());
        Ok(command)
    }

    fn ask(&self, words: &[&str]) -> Result<String, Failure> {
        let said = process::stdout(self.client("redis-cli")?.args(words))?;
        let said = String::from_utf8_lossy(&said).trim().to_string();
        if said.starts_with("ERR") || said.starts_with("(error)") {
            return Err(Failure::new(format!("redis-cli {}: {said}", words.join(" "))));
        }
        Ok(said)
    }
}

/// The rate in the second column of the benchmark's last line.
fn rate_of(csv: &str) -> Result<f64, Failure> {
    let line = csv.lines().rev().find(|line| line.starts_with('"') && !line.starts_with("\"test\""));
    let rate = line.and_then(|line| line.rsplit("\",\"").nth(6)).and_then(|rate| rate.parse().ok());
    rate.ok_or_else(|| Failure::new(format!("redis-benchmark tells no rate:\n{csv}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_benchmarks_table() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
                   \"EVALSHA a 1 account:__rand_int__ 7\",\"38461.54\",\"1.2\",\"0.3\",\"1.1\",\"2.0\",\"2.9\",\"3.5\"\n";
        assert!((rate_of(csv).unwrap() - 38_461.54).abs() < 0.001);
        assert!(rate_of("Connection refused").is_err());
    }
}
