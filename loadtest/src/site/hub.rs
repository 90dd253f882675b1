//! The site's hub: its process and its operator's commands.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use farthing_channel::id::{Address, EscrowId};
use serde_json::Value;

use super::command::{Tool, number, text};
use super::port::free_port;
use super::{Process, Site, SiteOptions};
use crate::clock;

/// Longest wait for a hub to serve; a million channels are read in a few seconds.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// Longest wait for a hub to end after SIGTERM: more than its own drain may take.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// Longest wait for the hub to hear of a ledger event.
const LEDGER_DEADLINE: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(10);

/// Lines of the log that an error carries.
const LOG_LINES: usize = 12;

/// Channels per page of the operator's list.
const PAGE: &str = "4000";

/// How a hub says it stands.
#[derive(Debug, Clone)]
pub struct HubStatus {
    /// What is authorised over all escrows, base units.
    pub authorised: u128,
    /// Channels it knows.
    pub channels: u64,
    /// The whole answer.
    pub answer: Value,
}

#[derive(Debug)]
pub(super) struct Hub {
    tool: Tool,
    log: PathBuf,
    quic: SocketAddr,
    http: SocketAddr,
    admin: PathBuf,
    environment: Vec<(String, String)>,
    launcher: Vec<String>,
    start_deadline: Duration,
    process: Option<Process>,
    kills: u32,
}

impl Hub {
    /// Makes the hub's folder and sets its ports. Returns what `init` said.
    pub(super) fn init(program: PathBuf, site: &Path, options: &SiteOptions) -> anyhow::Result<(Self, Value)> {
        let folder = site.join("hub");
        let config = folder.join("farthing-hub.toml");
        let admin = folder.join("admin.sock");
        let (quic, http) = (free_port()?, free_port()?);
        let [quic, http] = [quic, http].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let init: [OsString; 7] = [
            "init".into(),
            "--dir".into(),
            folder.into(),
            "--ledger".into(),
            site.join("ledger.redb").into(),
            "--listen".into(),
            quic.to_string().into(),
        ];
        let made = Tool::new(program.clone(), []).json(init)?;
        set_http(&config, http)?;
        let tool = Tool::new(program, ["--config".into(), config.into()]);
        let mut environment = options.hub_environment.clone();
        if let Some(clock) = &options.rehearsal_clock {
            environment.push(("FARTHING_HUB__REHEARSAL__CLOCK_FILE".to_owned(), clock.display().to_string()));
        }
        let launcher = options.hub_launcher.clone();
        let start_deadline = options.start_deadline.unwrap_or(READY_DEADLINE);
        let log = site.join("hub.log");
        Ok((
            Self { tool, log, quic, http, admin, environment, launcher, start_deadline, process: None, kills: 0 },
            made,
        ))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.quic
    }

    pub(super) fn is_started(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn shown(&self, arguments: &str) -> String {
        self.tool.shown(arguments)
    }

    /// Runs one of the operator's commands.
    pub(super) fn ask(&self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> anyhow::Result<Value> {
        self.tool.json(arguments)
    }

    /// Waits until the hub has heard of an escrow.
    pub(super) fn wait_for_escrow(&self, escrow: &EscrowId) -> anyhow::Result<()> {
        let begun = clock::now();
        let id = escrow.to_string();
        loop {
            match self.ask(["escrow", "show", &id]) {
                Ok(_) => return Ok(()),
                Err(error) if clock::now().duration_since(begun) > LEDGER_DEADLINE => {
                    return Err(error);
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    fn start(&mut self) -> anyhow::Result<()> {
        ensure!(self.process.is_none(), "the hub runs already");
        let mut command = self.tool.launched_by(&self.launcher);
        command.arg("run").envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.process = Some(Process::start(command, &self.log)?);
        Ok(())
    }

    /// Waits until the hub says that it accepts payments, and takes its operator's commands.
    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let begun = clock::now();
        loop {
            let accepts_payments = self.get("/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"));
            if accepts_payments && UnixStream::connect(&self.admin).is_ok() {
                return Ok(());
            }
            let process = self.process.as_mut().context("the hub was not started")?;
            if let Some(status) = process.ended()? {
                self.process = None;
                bail!("the hub ended ({status}):\n{}", self.last_lines());
            }
            if clock::now().duration_since(begun) > self.start_deadline {
                bail!("the hub does not serve within {:?}:\n{}", self.start_deadline, self.last_lines());
            }
            std::thread::sleep(POLL);
        }
    }

    /// The answer of the hub's HTTP server, head and body.
    fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.http, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
    }
}

/// Puts another address for metrics and health into the configuration.
fn set_http(config: &Path, http: SocketAddr) -> anyhow::Result<()> {
    let shown = config.display();
    let text = std::fs::read_to_string(config).with_context(|| format!("cannot read {shown}"))?;
    let lines = text
        .lines()
        .map(|line| if line.starts_with("http = ") { format!("http = \"{http}\"\n") } else { format!("{line}\n") });
    std::fs::write(config, lines.collect::<String>()).with_context(|| format!("cannot write {shown}"))
}

impl Site {
    /// Starts the hub and waits until it serves. Returns how long that took.
    ///
    /// # Errors
    /// Where it does not start or ends at once; the error carries what it said last.
    pub fn start_hub(&mut self) -> anyhow::Result<Duration> {
        let begun = clock::now();
        self.hub.start()?;
        self.hub.wait_ready()?;
        Ok(clock::now().duration_since(begun))
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// Where the hub does not run.
    pub fn kill_hub(&mut self) -> anyhow::Result<()> {
        self.hub.process.take().context("the hub does not run")?.kill()?;
        self.hub.kills = self.hub.kills.saturating_add(1);
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// Where the hub does not run, or does not end as it should.
    pub fn stop_hub(&mut self) -> anyhow::Result<()> {
        let process = self.hub.process.take().context("the hub does not run")?;
        let status = process.terminate(STOP_DEADLINE)?;
        ensure!(status.success(), "the hub ended with {status}:\n{}", self.hub.last_lines());
        Ok(())
    }

    /// How the hub's process ended, if it did by itself.
    ///
    /// # Errors
    /// Where it was not started.
    pub fn hub_ended(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        self.hub.process.as_mut().context("the hub does not run")?.ended()
    }

    /// Kills of the hub so far.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.hub.kills
    }

    /// The hub's process id.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn hub_process_id(&self) -> anyhow::Result<u32> {
        Ok(self.hub.process.as_ref().context("the hub does not run")?.id())
    }

    /// Resident memory of the hub, bytes.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn hub_resident_bytes(&self) -> anyhow::Result<u64> {
        self.hub.process.as_ref().context("the hub does not run")?.resident_bytes()
    }

    /// What the hub said so far.
    ///
    /// # Errors
    /// Where there is no log.
    pub fn hub_log(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(&self.hub.log).context("cannot read the hub's log")
    }

    /// The body of a page of the hub's HTTP server, such as `/metrics`.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn hub_page(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.hub.get(path)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
        Ok(body.to_owned())
    }

    /// Runs one of the operator's commands, with `--json`.
    ///
    /// # Errors
    /// Where it fails.
    pub fn ask_hub(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        self.hub.ask(arguments)
    }

    /// How the hub says it stands.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn status(&self) -> anyhow::Result<HubStatus> {
        let answer = self.hub.ask(["status"])?;
        Ok(HubStatus {
            authorised: number(&answer, "authorised_base_units")?.into(),
            channels: number(&answer, "channels")?,
            answer,
        })
    }

    /// What the device of each channel owes, base units, as the operator sees it.
    ///
    /// # Errors
    /// Where the hub does not run.
    pub fn channel_totals(&self) -> anyhow::Result<HashMap<Address, u64>> {
        let mut totals = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let mut arguments = vec!["channel", "list", "--limit", PAGE];
            arguments.extend(after.as_deref().map(|after| ["--after", after]).into_iter().flatten());
            let page = self.hub.ask(arguments)?;
            let items = page.get("items").or(page.get("channels")).unwrap_or(&page);
            for channel in items.as_array().context("the hub lists no channels")? {
                let device = text(channel, "device")?.parse()?;
                totals.insert(device, number(channel, "authorised_base_units")?);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(totals),
            }
        }
    }
}
