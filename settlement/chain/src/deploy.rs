//! A new ledger on a chain: its contracts, and the mirror that will follow them.

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{SolCall as _, SolValue as _};
use farthing_channel::id::Address;
use farthing_ledger::{ChainContracts, LedgerIdentity, LedgerMirror};
use serde::Deserialize;

use crate::abi::{Escrow, Token, from_chain, to_chain};
use crate::call;
use crate::config::{ChainConfig, Finality};
use crate::error::ChainError;
use crate::follow::{final_head, place};
use crate::keys::TransactionSigner;
use crate::ledger::ChainLedger;
use crate::outbox::Call;
use crate::rpc::Rpc;

const ESCROW: &str = include_str!("../../contracts/artefacts/Escrow.json");
const NET_SETTLEMENT: &str = include_str!("../../contracts/artefacts/NetSettlement.json");
/// A token without worth, which anybody may mint: for trying things out.
const PLAIN_TOKEN: &str = include_str!("../../contracts/artefacts/PlainToken.json");

/// What the deployer of a demonstration gets of its token, base units.
const DEMO_SUPPLY: u64 = 1 << 60;

#[derive(Deserialize)]
struct Artefact {
    bytecode: Bytes,
}

fn code(artefact: &str) -> Result<Bytes, ChainError> {
    Ok(serde_json::from_str::<Artefact>(artefact).map_err(ChainError::unexpected)?.bytecode)
}

/// What a new ledger is made of.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The node.
    pub rpc_url: String,
    /// What counts as final.
    pub finality: Finality,
    /// Milliseconds between two looks at the chain.
    pub poll_interval_ms: u64,
    /// The token; none for one without worth, made with the ledger.
    pub token: Option<Address>,
    /// Digits after the point of an amount in tokens, as everybody who reads this ledger's amounts takes them.
    pub decimals: u8,
    /// Whose approvals count; at least two.
    pub approvers: Vec<Address>,
    /// What a false batch costs in the chain's own currency.
    pub bond_wei: u64,
    /// The least price for gas that a demand prepays.
    pub answer_gas_price_min_wei: u64,
}

impl Deployment {
    /// Makes the contracts with `deployer`'s key, and the mirror at `mirror`, which must not exist. The addresses follow from
    /// the deployer's transactions, which lie in `outbox` like any other.
    ///
    /// # Errors
    /// [`ChainError::OtherDecimals`], before any contract of the ledger is made; the node's, the outbox's and the mirror's.
    pub fn make(
        &self,
        mirror: &Path,
        outbox: &Path,
        deployer: &Arc<dyn TransactionSigner>,
    ) -> Result<ChainConfig, ChainError> {
        let rpc = Rpc::new(&self.rpc_url);
        let latest = rpc.latest()?;
        let from = place(&final_head(&rpc, self.finality, &latest)?);
        let mut approvers = self.approvers.clone();
        approvers.sort_unstable();
        let none = Address::ZERO;
        let mut config = ChainConfig::new(self.rpc_url.clone(), none, none, none, self.finality);
        config.poll_interval_ms = self.poll_interval_ms;
        // Until the addresses are known the mirror is a draft that only lends its chain's number.
        let draft = mirror.with_extension("draft");
        let chain = ChainContracts { net_settlement: none, token: none };
        let chain_id = rpc.chain_id()?;
        let identity = LedgerIdentity { chain_id, contract: none, approvers: approvers.clone(), chain: Some(chain) };
        LedgerMirror::create(&draft, &identity, from)?;
        let made = self.contracts(&draft, outbox, deployer, &approvers, config);
        std::fs::remove_file(&draft).map_err(|error| ChainError::unexpected(error.to_string()))?;
        let config = made?;
        let chain = ChainContracts { net_settlement: config.net_settlement, token: config.token };
        let identity = LedgerIdentity { contract: config.escrow, chain: Some(chain), ..identity };
        LedgerMirror::create(mirror, &identity, from)?;
        Ok(config)
    }

    fn contracts(
        &self,
        draft: &Path,
        outbox: &Path,
        deployer: &Arc<dyn TransactionSigner>,
        approvers: &[Address],
        mut config: ChainConfig,
    ) -> Result<ChainConfig, ChainError> {
        let ledger = ChainLedger::open(config.clone(), draft, outbox, vec![Arc::clone(deployer)])?;
        config.token = match self.token {
            Some(token) => token,
            None => self.demo_token(&ledger, deployer.account())?,
        };
        let found = ledger.view(&config.token, &Token::decimalsCall {})?;
        if found != self.decimals {
            return Err(ChainError::OtherDecimals { expected: self.decimals, found });
        }
        let arguments = (U256::from(self.bond_wei), U256::from(self.answer_gas_price_min_wei)).abi_encode_params();
        config.escrow = create(&ledger, "escrow", ESCROW, &arguments)?;
        let approvers: Vec<_> = approvers.iter().map(to_chain).collect();
        let arguments = (to_chain(&config.token), to_chain(&config.escrow), approvers).abi_encode_params();
        config.net_settlement = create(&ledger, "net settlement", NET_SETTLEMENT, &arguments)?;
        Ok(config)
    }

    fn demo_token(&self, ledger: &ChainLedger, deployer: Address) -> Result<Address, ChainError> {
        let token = create(ledger, "token", PLAIN_TOKEN, &[])?;
        let data = Token::mintCall { to: to_chain(&deployer), amount: U256::from(DEMO_SUPPLY) }.abi_encode();
        let mint = Call { from: deployer, to: Some(token), value: 0, data };
        ledger.send(&call::key("mint", &[&token.0]), &mint)?;
        Ok(token)
    }
}

/// Makes a contract, and returns its address.
fn create(ledger: &ChainLedger, name: &str, artefact: &str, arguments: &[u8]) -> Result<Address, ChainError> {
    let from = ledger.sender()?;
    let key = call::key("create", &[name.as_bytes()]);
    let call = Call { from, to: None, value: 0, data: call::creation(&code(artefact)?, arguments) };
    ledger.send(&key, &call)?;
    let intent = ledger.outbox.find(&key)?.ok_or_else(|| ChainError::unexpected("a row of the outbox is gone"))?;
    Ok(from_chain(&to_chain(&from).create(intent.nonce)))
}

impl ChainLedger {
    /// Names the contract of participants the vault of the hub's payouts, for good. The hub's key must be at hand.
    ///
    /// # Errors
    /// The node's and the outbox's.
    pub fn name_vault(&self, hub: &Address) -> Result<(), ChainError> {
        if self.has_vault(hub)? {
            return Ok(());
        }
        let (token, vault) = (to_chain(&self.config.token), to_chain(&self.config.net_settlement));
        let data = Escrow::setVaultCall { token, vault }.abi_encode();
        self.send(&call::key("vault", &[&hub.0]), &Call { from: *hub, to: Some(self.config.escrow), value: 0, data })
    }
}
