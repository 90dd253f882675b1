//! A ledger on a chain: its configuration, its keys, making it and following it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use farthing_chain::deploy::Deployment;
use farthing_chain::keys::{TransactionSigner, from_variable};
use farthing_chain::{ChainConfig, ChainLedger, Finality};
use farthing_channel::id::Address;
use farthing_channel::sign::{LibSecpKey, Signer as _};
use farthing_ledger::LedgerView as _;

use super::Common;

/// Holds the sender's secret where there is no file of it.
const SENDER_VARIABLE: &str = "FARTHING_SENDER_KEY";

/// Where a new ledger is to be, if on a chain.
#[derive(Debug, Args)]
pub(super) struct ChainArguments {
    /// Make the ledger on the chain of this node (its JSON-RPC address).
    #[arg(long, value_name = "URL")]
    pub(super) chain_rpc: Option<String>,
    /// The token the ledger is for.
    #[arg(long, value_name = "ADDRESS", requires = "chain_rpc")]
    token: Option<Address>,
    /// Make a token without worth for it: for trying things out.
    #[arg(long, requires = "chain_rpc", conflicts_with = "token")]
    demo_token: bool,
    /// Blocks after which one is final, where the node does not say so itself.
    #[arg(long, value_name = "BLOCKS", requires = "chain_rpc")]
    finality_depth: Option<u64>,
    /// Milliseconds between two looks at the chain.
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    poll_ms: u64,
    /// What a false batch costs in the chain's own currency, wei.
    #[arg(long, value_name = "WEI", default_value_t = 10_000_000_000_000_000)]
    bond_wei: u64,
    /// The least price of gas that a demand prepays, wei.
    #[arg(long, value_name = "WEI", default_value_t = 1_000_000_000)]
    answer_gas_price_min: u64,
}

impl Common {
    fn chain_path(&self) -> PathBuf {
        self.chain.clone().unwrap_or_else(|| self.site.join("chain.toml"))
    }

    fn outbox_path(&self) -> PathBuf {
        self.ledger_path().with_extension("outbox")
    }

    /// Whoever sends to the chain.
    fn sender(&self) -> anyhow::Result<LibSecpKey> {
        if let Some(path) = &self.sender_key {
            return self.load_key(path);
        }
        let usual = self.site.join("sender.key");
        if usual.is_file() {
            return self.load_key(&usual);
        }
        let key = from_variable(SENDER_VARIABLE);
        key.with_context(|| {
            format!("name who sends to the chain: --sender-key, {} or {SENDER_VARIABLE}", usual.display())
        })
    }

    /// The ledger on its chain, with the sender's key, the hub's where it is at hand, and `keys`.
    pub(super) fn open_chain(&self, keys: Vec<LibSecpKey>) -> anyhow::Result<ChainLedger> {
        let path = self.chain_path();
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let config: ChainConfig = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let mut all = vec![self.sender()?];
        all.extend(self.load_hub_key()?);
        all.extend(keys);
        let all = all.into_iter().map(|key| Arc::new(key) as Arc<dyn TransactionSigner>).collect();
        let ledger = ChainLedger::open(config, &self.ledger_path(), &self.outbox_path(), all)?;
        ledger.catch_up()?;
        Ok(ledger)
    }

    /// Makes a ledger on a chain.
    pub(super) fn init_chain(&self, rpc: &str, asked: &ChainArguments, approvers: &[Address]) -> anyhow::Result<()> {
        if asked.token.is_none() && !asked.demo_token {
            bail!("name the ledger's token with --token, or have one without worth made with --demo-token");
        }
        let deployment = Deployment {
            rpc_url: rpc.to_owned(),
            finality: asked.finality_depth.map_or(Finality::Tag, Finality::Depth),
            poll_interval_ms: asked.poll_ms,
            token: asked.token,
            decimals: self.decimals,
            approvers: approvers.to_vec(),
            bond_wei: asked.bond_wei,
            answer_gas_price_min_wei: asked.answer_gas_price_min,
        };
        let deployer: Arc<dyn TransactionSigner> = Arc::new(self.sender()?);
        let config = deployment.make(&self.ledger_path(), &self.outbox_path(), &deployer)?;
        write(&self.chain_path(), &toml::to_string(&config)?)
    }

    /// Has a hub's payouts on a chain go to the contract of participants, where its key is at hand.
    pub(super) fn name_vault(&self, hub: &Address) -> anyhow::Result<()> {
        let ours = self.load_hub_key()?.is_some_and(|key| key.address() == *hub);
        if ours && self.open_reader()?.identity().chain.is_some() {
            self.open_chain(Vec::new())?.name_vault(hub)?;
        }
        Ok(())
    }

    /// Follows the chain until it is stopped: brings the mirror up to date, answers what is demanded of the hub's pending
    /// batches, and fetches what they paid. It ends with an error where trying again cannot help; where the node is away it goes
    /// on trying, and says so every minute, louder than before.
    pub(super) fn follow_chain(&self) -> anyhow::Result<()> {
        let ledger = self.open_chain(Vec::new())?;
        let hub = self.load_hub_key()?.map(|key| key.address());
        let pause = Duration::from_millis(ledger.config().poll_interval_ms);
        let looks_a_minute = Duration::from_secs(60).as_millis().checked_div(pause.as_millis()).unwrap_or(1).max(1);
        let mut failures = 0_u128;
        loop {
            match ledger.attend(hub.as_ref()) {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!(looks = failures, "the chain answers again");
                    }
                    failures = 0;
                }
                Err(error) if error.is_lasting() => {
                    tracing::error!(%error, "the chain is followed no further; until somebody looks, no deposit is credited and no exit is seen");
                    return Err(error.into());
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "cannot follow the chain; trying again");
                    } else if failures.is_multiple_of(looks_a_minute) {
                        tracing::error!(%error, looks = failures, "the chain is not followed; no deposit is credited and no exit is seen");
                    }
                    failures = failures.saturating_add(1);
                }
            }
            std::thread::sleep(pause);
        }
    }
}

/// Writes a new file; one that exists is not touched.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}
