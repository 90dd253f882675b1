//! The site's ledger and its nights: what finance types.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId};
use farthing_client::FileKey;
use serde_json::Value;

use super::Site;
use super::chain::held_and_withdrawable;
use super::command::{number, text};

/// The two people whose keys approve.
const APPROVERS: [&str; 2] = ["approver-anna", "approver-ben"];

const HUB_LABEL: &str = "Farthing hub";

/// Blocks on top of one that make it final on a development chain.
const FINALITY_DEPTH: u64 = 1;

/// Milliseconds between two looks at a development chain.
const CHAIN_POLL_MS: &str = "50";

/// A settled night.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Night {
    /// Its number.
    pub epoch: u64,
    /// What was moved out of the escrows, base units.
    pub settled: u128,
    /// What went to providers and hub, base units.
    pub paid_out: u128,
    /// What is owed and waits, base units.
    pub carried: u128,
    /// Transfers.
    pub legs: usize,
    /// The statement.
    pub statement_html: PathBuf,
    /// Whether the night reconciles, the ledger's audit finds every unit, and it has settled as much as all nights.
    pub ledger_adds_up: bool,
}

impl Site {
    /// Draws the approvers' keys and makes the ledger. Returns which ledger it is.
    pub(super) fn init_ledger(&mut self, hub: &Address, rehearsal: bool) -> anyhow::Result<Domain> {
        let mut arguments = vec!["ledger".to_owned(), "init".to_owned()];
        arguments.extend(rehearsal.then(|| "--rehearsal".to_owned()));
        for name in APPROVERS {
            let key = self.new_key(name)?;
            arguments.extend(["--approver".to_owned(), key.address().to_string()]);
        }
        match &self.chain {
            None => arguments.extend(["--hub-account".to_owned(), format!("{hub}={HUB_LABEL}")]),
            Some(chain) => {
                let sender = FileKey::create(self.folder.join("sender.key"))?;
                chain.fund(&sender.address())?;
                chain.fund(hub)?;
                let (url, depth) = (chain.url(), FINALITY_DEPTH.to_string());
                let terms =
                    ["--chain-rpc", &url, "--demo-token", "--finality-depth", &depth, "--poll-ms", CHAIN_POLL_MS];
                arguments.extend(terms.map(str::to_owned));
            }
        }
        let info = self.settle.json(arguments)?;
        if let Some(chain) = &mut self.chain {
            chain.follow(&self.settle, &self.folder)?;
            self.register(&hub.to_string(), "hub", HUB_LABEL)?;
        }
        Ok(Domain::new(number(&info, "chain_id")?, text(&info, "contract")?.parse()?))
    }

    /// Has every payer leave: exit requested, grace period passed on the chain, the rest withdrawn. Returns what went back to
    /// payers, base units; `None` on an embedded ledger, whose time is the system's.
    ///
    /// # Errors
    /// Where a step fails.
    pub fn withdraw_all(&self) -> anyhow::Result<Option<u128>> {
        let Some(chain) = &self.chain else { return Ok(None) };
        let ask = |command: &str, escrow: &EscrowId, key: &Path| {
            let arguments: [OsString; 5] =
                ["escrow".into(), command.into(), escrow.to_string().into(), "--key".into(), key.into()];
            self.settle.json(arguments)
        };
        let mut withdrawable = 0;
        let mut withdrawn = 0_u128;
        for (escrow, key) in &self.escrows {
            let (held, at) = held_and_withdrawable(&ask("request-close", escrow, key)?)?;
            withdrawable = withdrawable.max(at.context("an exit without a date")?);
            withdrawn = withdrawn.saturating_add(held.into());
        }
        chain.pass_to(withdrawable)?;
        for (escrow, key) in &self.escrows {
            let (held, _) = held_and_withdrawable(&ask("withdraw", escrow, key)?)?;
            ensure!(held == 0, "{held} base units stay in escrow {escrow}");
        }
        Ok(Some(withdrawn))
    }

    /// Runs a command that both approvers' keys sign.
    fn approved(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut all: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        for name in APPROVERS {
            all.extend(["--key".into(), self.key_file(name).into()]);
        }
        self.settle.json(all)
    }

    pub(super) fn register(&self, account: &str, kind: &str, label: &str) -> anyhow::Result<()> {
        self.approved(&["ledger", "register", account, "--kind", kind, "--label", label]).map(drop)
    }

    pub(super) fn issue(&self, account: &str, amount: u64) -> anyhow::Result<()> {
        self.approved(&["ledger", "issue", account, &amount.to_string()]).map(drop)
    }

    pub(super) fn open_escrow(&self, payer: &Path, deposit: u64) -> anyhow::Result<EscrowId> {
        let deposit = deposit.to_string();
        let arguments: [OsString; 6] =
            ["escrow".into(), "open".into(), "--key".into(), payer.into(), "--deposit".into(), deposit.into()];
        Ok(text(&self.settle.json(arguments)?, "escrow")?.parse()?)
    }

    /// Runs one of finance's commands, with `--json`.
    ///
    /// # Errors
    /// Where it fails.
    pub fn ask_settle(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        self.settle.json(arguments)
    }

    /// What a settlement made now would find proven since the last night, base units, by its own reading of the
    /// journal. Nothing of it stays.
    ///
    /// # Errors
    /// Where the night cannot be run, or waits for approvals already.
    pub fn authorised_in_journal(&self) -> anyhow::Result<u128> {
        let run = self.settle.json(["run"])?;
        match text(&run, "state")? {
            "nothing_to_settle" => Ok(0),
            "needs_approvals" => {
                self.settle.json(["discard"])?;
                Ok(wide(&run, "settled_base_units")?.saturating_add(wide(&run, "carried_base_units")?))
            }
            other => bail!("a night that nobody approved is {other}"),
        }
    }

    /// Settles the night: proposal, two approvals by two keys, submission, and an audit of the ledger. `None` where
    /// there was nothing to settle.
    ///
    /// # Errors
    /// Where a step fails.
    pub fn try_settle_night(&self) -> anyhow::Result<Option<Night>> {
        let proposed = self.settle.json(["run"])?;
        if text(&proposed, "state")? == "nothing_to_settle" {
            return Ok(None);
        }
        let proposal = text(&proposed, "proposal")?;
        for name in APPROVERS {
            let key = self.key_file(name);
            let arguments: [OsString; 5] =
                ["approve".into(), "--key".into(), key.into(), "--proposal".into(), proposal.into()];
            self.settle.json(arguments)?;
        }
        let mut closed = self.settle.json(["run"])?;
        if let Some(chain) = &self.chain
            && text(&closed, "state")? == "waits_for_ledger"
        {
            chain.pass_to(number(&closed, "decided_at")?)?;
            closed = self.settle.json(["run"])?;
        }
        ensure!(text(&closed, "state")? == "closed", "the approved night is not closed: {closed}");
        let audit = self.settle.json(["ledger", "audit"])?;
        let flag = |answer: &Value, field: &str| answer.get(field).and_then(Value::as_bool).unwrap_or(false);
        Ok(Some(Night {
            epoch: number(&closed, "epoch")?,
            settled: wide(&closed, "settled_base_units")?,
            paid_out: wide(&closed, "paid_base_units")?,
            carried: wide(&closed, "carried_base_units")?,
            legs: usize::try_from(number(&closed, "legs")?)?,
            statement_html: text(&closed, "statement_html")?.into(),
            ledger_adds_up: flag(&closed, "reconciled") && flag(&audit, "conserved"),
        }))
    }

    /// As [`Self::try_settle_night`].
    ///
    /// # Errors
    /// Where there is nothing to settle, too.
    pub fn settle_night(&self) -> anyhow::Result<Night> {
        self.try_settle_night()?.context("there is nothing to settle")
    }

    /// What the ledger has settled out of all escrows to date, base units.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub fn settled_on_ledger(&self) -> anyhow::Result<u128> {
        wide(&self.settle.json(["ledger", "audit"])?, "settled")
    }
}

/// A sum in an answer. Numbers of JSON are read exactly up to 64 bits, which no ledger's sum exceeds.
fn wide(answer: &Value, field: &str) -> anyhow::Result<u128> {
    number(answer, field).map(u128::from)
}
