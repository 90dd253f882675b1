//! A development chain beside a site: foundry's anvil, and the follower that brings it to hub and settlement.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use farthing_channel::id::Address;
use serde_json::{Value, json};

use super::command::{Tool, number, text};
use super::port::free_port;
use super::{Process, Site};
use crate::clock;

/// Names anvil's program, where it is not on the search path.
pub const ANVIL_VARIABLE: &str = "FARTHING_ANVIL";

/// Longest wait for the chain to answer.
const READY_DEADLINE: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(20);

/// A hundred of the chain's own currency, in hexadecimal wei: more gas than a site ever uses.
const GAS_MONEY: &str = "0x56bc75e2d63100000";

/// Where a site's money really moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LedgerKind {
    /// In a file of the site's.
    #[default]
    Embedded,
    /// On a development chain that is started with the site.
    Evm,
}

/// The running chain. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Chain {
    address: SocketAddr,
    _node: Process,
    follower: Option<Process>,
}

impl Chain {
    /// Starts a chain with five blocks a second.
    pub(super) fn start(site: &Path) -> anyhow::Result<Self> {
        let program = std::env::var_os(ANVIL_VARIABLE).unwrap_or_else(|| "anvil".into());
        let port = free_port()?;
        let mut command = Command::new(PathBuf::from(program));
        command.args(["--block-time", "0.2", "--accounts", "1", "--port", &port.to_string()]);
        let node = Process::start(command, &site.join("anvil.log"))
            .with_context(|| format!("a ledger on a chain needs anvil; name its program in {ANVIL_VARIABLE}"))?;
        let chain = Self { address: (Ipv4Addr::LOCALHOST, port).into(), _node: node, follower: None };
        let begun = clock::now();
        while let Err(error) = chain.time() {
            if clock::now().duration_since(begun) > READY_DEADLINE {
                return Err(error.context("the chain does not answer"));
            }
            std::thread::sleep(POLL);
        }
        Ok(chain)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has the ledger's books follow the chain.
    pub(super) fn follow(&mut self, settle: &Tool, site: &Path) -> anyhow::Result<()> {
        let mut command = settle.launched_by(&[]);
        command.args(["ledger", "follow"]);
        self.follower = Some(Process::start(command, &site.join("follow.log"))?);
        Ok(())
    }

    /// One call of the node.
    fn ask(&self, method: &str, params: &Value) -> anyhow::Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let mut stream = TcpStream::connect(self.address)?;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the chain answers no HTTP")?;
        let body = body.get(body.find('{').unwrap_or(0)..=body.rfind('}').unwrap_or(0)).unwrap_or_default();
        let mut answer: Value = serde_json::from_str(body).with_context(|| format!("the chain answers {body}"))?;
        match answer.get("error") {
            Some(error) => bail!("{method}: {error}"),
            None => Ok(answer["result"].take()),
        }
    }

    /// The newest block's time, Unix seconds.
    fn time(&self) -> anyhow::Result<u64> {
        let block = self.ask("eth_getBlockByNumber", &json!(["latest", false]))?;
        let digits = text(&block, "timestamp")?;
        Ok(u64::from_str_radix(digits.trim_start_matches("0x"), 16)?)
    }

    /// Gives an account what it needs to send transactions.
    pub(super) fn fund(&self, account: &Address) -> anyhow::Result<()> {
        self.ask("anvil_setBalance", &json!([account.to_string(), GAS_MONEY])).map(drop)
    }

    /// Lets time pass on the chain until `at`, Unix seconds.
    pub(super) fn pass_to(&self, at: u64) -> anyhow::Result<()> {
        let ahead = at.saturating_sub(self.time()?);
        if ahead > 0 {
            self.ask("evm_increaseTime", &json!([ahead]))?;
            // One block with the new time, and one more that makes it final.
            self.ask("evm_mine", &json!([]))?;
            self.ask("evm_mine", &json!([]))?;
        }
        Ok(())
    }
}

impl Site {
    fn chain(&self) -> anyhow::Result<&Chain> {
        self.chain.as_ref().context("the site's ledger is on no chain")
    }

    /// Has the chain make no block until it is asked for one.
    ///
    /// # Errors
    /// Where there is no chain, or it does not answer.
    pub fn hold_blocks(&self) -> anyhow::Result<()> {
        self.chain()?.ask("evm_setIntervalMining", &json!([0])).map(drop)
    }

    /// Waits until a transaction waits for a block, and makes that block. Nothing in it is final before the next one.
    ///
    /// # Errors
    /// As [`Self::hold_blocks`]; where no transaction comes.
    pub fn make_block_of_what_waits(&self) -> anyhow::Result<()> {
        let (chain, begun) = (self.chain()?, clock::now());
        while text(&chain.ask("txpool_status", &json!([]))?, "pending")? == "0x0" {
            if clock::now().duration_since(begun) > READY_DEADLINE {
                bail!("no transaction waits for a block");
            }
            std::thread::sleep(POLL);
        }
        chain.ask("evm_mine", &json!([])).map(drop)
    }

    /// Has the chain make a block every second again.
    ///
    /// # Errors
    /// As [`Self::hold_blocks`].
    pub fn release_blocks(&self) -> anyhow::Result<()> {
        self.chain()?.ask("evm_setIntervalMining", &json!([1])).map(drop)
    }
}

/// What an escrow holds, and from when on its payer may withdraw that.
pub(super) fn held_and_withdrawable(escrow: &Value) -> anyhow::Result<(u64, Option<u64>)> {
    Ok((number(escrow, "held")?, number(escrow, "withdrawable_at").ok()))
}
