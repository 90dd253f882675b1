//! PostgreSQL as a peer: a conditional UPDATE, every commit synced before its answer.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::{self, Failure};
use crate::service::{self, Core, Service};
use crate::tools::debian::{self, Programs, Suite};
use crate::workspace::Workspace;

const SUITE: Suite = Suite {
    name: "postgresql",
    packages: &["postgresql"],
    programs: &["initdb", "postgres", "psql", "pgbench"],
    versioned: Some(("usr/lib/postgresql", "bin")),
};

/// PostgreSQL refuses to run as root; root lends it the user that owns nothing.
const NOBODY: u32 = 65_534;

/// Accounts; with the clients below each client has a range of its own for batches.
const ACCOUNTS: u32 = 100_000;

/// Connections that send batches.
const BATCH_CLIENTS: u32 = 8;

/// Rows of one batch statement.
pub(super) const BATCH_ROWS: u32 = 1_000;

/// Free room in each page keeps an update on its page, which is PostgreSQL's fast way.
const TABLE: &str = "CREATE TABLE account (id int PRIMARY KEY, spent bigint NOT NULL, credit bigint NOT NULL) \
    WITH (fillfactor = 50, autovacuum_enabled = false)";

const ONE: &str = "\\set id random(0, 99999)\n\
    UPDATE account SET spent = spent + 7 WHERE id = :id AND spent + 7 <= credit;\n";

/// A batch as a gateway would send it: scattered accounts with their amounts. Ranges of clients are apart, so no
/// statement waits for another's locks; 7,919 has no factor in common with 10,000, so no account comes twice.
const BATCH: &str = "\\set first random(0, 9999)\n\
    UPDATE account SET spent = spent + batch.amount FROM (\
    SELECT :client_id * 10000 + (:first + i * 7919) % 10000 AS id, 7 AS amount FROM generate_series(0, 999) AS i) AS batch \
    WHERE account.id = batch.id AND spent + batch.amount <= credit;\n";

const _: () = assert!(BATCH_CLIENTS * 10_000 <= ACCOUNTS && BATCH_ROWS <= 10_000);

/// What a statement updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    One,
    Batch,
}

/// A running PostgreSQL with filled accounts.
#[derive(Debug)]
pub(super) struct Postgres {
    programs: Programs,
    address: SocketAddr,
    data: PathBuf,
    owner: Option<u32>,
    service: Option<Service>,
    folder: TempDir,
}

impl Postgres {
    pub(super) fn start(workspace: &Workspace) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let owner = (std::fs::metadata(folder.path())?.uid() == 0).then_some(NOBODY);
        let programs = readable(debian::programs(workspace, &SUITE)?, owner, folder.path())?;
        if let Some(owner) = owner {
            chown(folder.path(), Some(owner), Some(owner))?;
        }
        let address = service::free_address()?;
        let data = folder.path().join("data");
        let mut postgres = Self { programs, address, data, owner, service: None, folder };
        let mut initdb = postgres.as_owner("initdb")?;
        initdb.arg("--pgdata").arg(&postgres.data);
        initdb.args(["--username", "farthing", "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]);
        process::quietly(&mut initdb)?;
        let mut server = postgres.as_owner("postgres")?;
        server.arg("-D").arg(&postgres.data).arg("-k").arg(postgres.folder.path());
        for setting in [
            "synchronous_commit=on",
            "fsync=on",
            "shared_buffers=512MB",
            "max_connections=120",
            "max_wal_size=8GB",
            "checkpoint_timeout=30min",
            "autovacuum=off",
            "jit=off",
        ] {
            server.arg("-c").arg(setting);
        }
        server.arg("-h").arg(address.ip().to_string()).arg("-p").arg(address.port().to_string());
        let log = postgres.folder.path().join("log");
        postgres.service = Some(Service::start(&mut service::on_core(Core::Server, &server), address, &log)?);
        postgres.wait_for_queries()?;
        let fill =
            format!("INSERT INTO account SELECT i, 0, 1000000000000 FROM generate_series(0, {ACCOUNTS} - 1) AS i");
        postgres.query(&format!("{TABLE}; {fill}; VACUUM ANALYZE account"))?;
        Ok(postgres)
    }

    /// What was installed.
    pub(super) fn version(&self) -> Result<String, Failure> {
        let said = process::stdout(self.programs.command("postgres")?.arg("--version"))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let version = said.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        Ok(format!("PostgreSQL {}", version.unwrap_or("of unknown version")))
    }

    /// Durable updates of a row per second.
    pub(super) fn updates_per_s(&self, statement: Statement, seconds: u32) -> Result<f64, Failure> {
        let (text, clients, rows) = match statement {
            Statement::One => (ONE, 50, 1),
            Statement::Batch => (BATCH, BATCH_CLIENTS, BATCH_ROWS),
        };
        // What earlier runs left behind costs this one nothing.
        self.query("VACUUM account; CHECKPOINT;")?;
        let script = self.folder.path().join("script.sql");
        std::fs::write(&script, text)?;
        let mut command = self.client("pgbench")?;
        command.args(["--no-vacuum", "--protocol", "prepared", "--jobs", "1"]);
        command.arg("--client").arg(clients.to_string()).arg("--time").arg(seconds.to_string());
        command.arg("--file").arg(&script).arg("postgres");
        let said = process::stdout(&mut service::on_core(Core::Client, &command))?;
        Ok(rate_of(&String::from_utf8_lossy(&said))? * f64::from(rows))
    }

    /// The port is open before queries are taken.
    fn wait_for_queries(&self) -> Result<(), Failure> {
        let mut last = Ok(());
        for _ in 0..100 {
            last = self.query("SELECT 1");
            if last.is_ok() {
                return last;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        last
    }

    fn query(&self, text: &str) -> Result<(), Failure> {
        let mut command = self.client("psql")?;
        command.args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", "postgres"]);
        // Several statements in one argument would be one transaction, in which VACUUM may not stand.
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            command.arg("--command").arg(part);
        }
        process::quietly(&mut command)
    }

    fn client(&self, program: &str) -> Result<Command, Failure> {
        let mut command = self.programs.command(program)?;
        command.arg("--host").arg(self.address.ip().to_string()).arg("--port").arg(self.address.port().to_string());
        command.args(["--username", "farthing"]);
        Ok(command)
    }

    /// A program as the user that may run it.
    fn as_owner(&self, program: &str) -> Result<Command, Failure> {
        let program = self.programs.path(program)?;
        let Some(owner) = self.owner else {
            return Ok(self.programs.prepared(&program));
        };
        let mut command = self.programs.prepared(Path::new("setpriv"));
        command.arg(format!("--reuid={owner}")).arg(format!("--regid={owner}")).arg("--clear-groups").arg(program);
        command.current_dir(self.folder.path());
        Ok(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its processes end in order; killing the first of them would leave the others behind for a while.
        let stopped = self.as_owner("pg_ctl").map(|mut command| {
            command.arg("--pgdata").arg(&self.data).args(["--mode", "immediate", "--wait", "stop"]);
            process::succeeds(&mut command)
        });
        if matches!(stopped, Ok(true))
            && let Some(mut service) = self.service.take()
        {
            let _ = service.wait();
        }
    }
}

/// The programs where `owner` can read them: unpacked ones may lie in a folder of root's.
fn readable(programs: Programs, owner: Option<u32>, folder: &Path) -> Result<Programs, Failure> {
    let (Some(_), Some(root)) = (owner, programs.root()) else {
        return Ok(programs);
    };
    let copy = folder.join("programs");
    process::quietly(Command::new("cp").arg("-r").arg(root).arg(&copy))?;
    let root = root.to_path_buf();
    Ok(programs.moved(&root, &copy))
}

/// The rate that pgbench tells, in statements per second.
fn rate_of(said: &str) -> Result<f64, Failure> {
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    let failed = said.lines().find_map(|line| line.strip_prefix("number of failed transactions: "));
    if failed.is_some_and(|failed| !failed.starts_with("0 ")) {
        return Err(Failure::new(format!("statements have failed:\n{said}")));
    }
    rate.ok_or_else(|| Failure::new(format!("pgbench tells no rate:\n{said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_and_failures_are_seen() {
        let said = "number of failed transactions: 0 (0.000%)\ntps = 12345.678901 (without initial connection time)\n";
        assert!((rate_of(said).unwrap() - 12_345.678_901).abs() < 0.001);
        assert!(rate_of("number of failed transactions: 3 (0.1%)\ntps = 1.0 (x)\n").is_err());
        assert!(rate_of("").is_err());
    }
}
