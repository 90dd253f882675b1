//! The node: Ethereum's JSON-RPC over HTTP, as much of it as is needed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::abi;
use crate::error::ChainError;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest answer, in bytes: some hundred thousand log entries.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A node.
#[derive(Debug)]
pub struct Rpc {
    agent: ureq::Agent,
    url: String,
    next_id: AtomicU64,
}

/// A block's head.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Its number.
    pub number: U64,
    /// Its hash.
    pub hash: B256,
    /// Its time, Unix seconds.
    pub timestamp: U64,
    /// What a unit of gas costs at least, wei.
    #[serde(default)]
    pub base_fee_per_gas: U256,
}

/// An entry of the log.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// The contract.
    pub address: Address,
    /// Indexed fields, the event's own hash first.
    pub topics: Vec<B256>,
    /// The other fields.
    pub data: Bytes,
    /// Its block.
    pub block_number: U64,
    /// Its transaction.
    pub transaction_hash: B256,
    /// Its place in the block.
    pub log_index: U64,
}

/// What became of a transaction.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// One where it succeeded.
    pub status: U64,
    /// Its block.
    pub block_number: U64,
    /// The contract that it made.
    pub contract_address: Option<Address>,
    /// What it used.
    pub gas_used: U64,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Value,
    error: Option<NodeError>,
}

#[derive(Deserialize)]
struct NodeError {
    code: i64,
    message: String,
    #[serde(default)]
    data: Value,
}

impl NodeError {
    /// A contract's refusal by its name, where it is one.
    fn into_error(self) -> ChainError {
        let data = self.data.as_str().or_else(|| self.data.get("data").and_then(Value::as_str));
        let bytes = data.and_then(|text| text.parse::<Bytes>().ok());
        match bytes {
            Some(bytes) => ChainError::Reverted(abi::refusal(&bytes)),
            None if self.message.contains("revert") => ChainError::Reverted(self.message),
            None => ChainError::Node { code: self.code, message: self.message },
        }
    }
}

fn unreachable(error: impl std::fmt::Display) -> ChainError {
    ChainError::Unreachable(error.to_string())
}

impl Rpc {
    /// The node at `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).build().into();
        Self { agent, url: url.to_owned(), next_id: AtomicU64::new(1) }
    }

    /// One call.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`], [`ChainError::Node`], [`ChainError::Reverted`].
    pub fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, ChainError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        let sent = self.agent.post(&self.url).header("content-type", "application/json").send(request.as_bytes());
        let mut response = sent.map_err(unreachable)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreachable)?;
        let answer: Answer = serde_json::from_slice(&body).map_err(unreachable)?;
        if let Some(error) = answer.error {
            return Err(error.into_error());
        }
        serde_json::from_value(answer.result).map_err(|error| ChainError::unexpected(format_args!("{method}: {error}")))
    }

    /// The chain's number.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn chain_id(&self) -> Result<u64, ChainError> {
        Ok(self.ask::<U64>("eth_chainId", json!([]))?.to())
    }

    /// A block's head, by number or tag; `None` where the chain has none there.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn head(&self, block: impl Into<Value>) -> Result<Option<Head>, ChainError> {
        self.ask("eth_getBlockByNumber", json!([block.into(), false]))
    }

    /// The newest block's head.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn latest(&self) -> Result<Head, ChainError> {
        self.head("latest")?.ok_or_else(|| ChainError::unexpected("the chain has no block"))
    }

    /// The log entries of `addresses` in the blocks `from` to `to`, in order.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn logs(&self, from: u64, to: u64, addresses: &[Address]) -> Result<Vec<LogEntry>, ChainError> {
        let filter = json!({"fromBlock": U64::from(from), "toBlock": U64::from(to), "address": addresses});
        self.ask("eth_getLogs", json!([filter]))
    }

    /// What became of a transaction; `None` where it is in no block.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn receipt(&self, transaction: &B256) -> Result<Option<Receipt>, ChainError> {
        self.ask("eth_getTransactionReceipt", json!([transaction]))
    }

    /// Whether the node holds a transaction, in a block or waiting for one.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn knows(&self, transaction: &B256) -> Result<bool, ChainError> {
        Ok(!self.ask::<Value>("eth_getTransactionByHash", json!([transaction]))?.is_null())
    }

    /// Transactions of an account up to `block` (a tag or a number): its next nonce.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn transaction_count(&self, account: &Address, block: impl Into<Value>) -> Result<u64, ChainError> {
        Ok(self.ask::<U64>("eth_getTransactionCount", json!([account, block.into()]))?.to())
    }

    /// What an account holds of the chain's own currency, wei.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn balance(&self, account: &Address) -> Result<U256, ChainError> {
        self.ask("eth_getBalance", json!([account, "latest"]))
    }

    /// Hands a signed transaction to the node.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn send_raw(&self, raw: &[u8]) -> Result<B256, ChainError> {
        self.ask("eth_sendRawTransaction", json!([Bytes::copy_from_slice(raw)]))
    }

    /// Gas that a call would use now.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] where it would be refused; and as [`Self::ask`].
    pub fn estimate_gas(
        &self,
        from: &Address,
        to: Option<&Address>,
        value: u64,
        data: &[u8],
    ) -> Result<u64, ChainError> {
        let mut call = json!({"from": from, "value": U64::from(value), "data": Bytes::copy_from_slice(data)});
        if let (Some(to), Some(fields)) = (to, call.as_object_mut()) {
            fields.insert("to".to_owned(), json!(to));
        }
        Ok(self.ask::<U64>("eth_estimateGas", json!([call]))?.to())
    }

    /// What a view of a contract answers at the newest block.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn view(&self, to: &Address, data: &[u8]) -> Result<Bytes, ChainError> {
        self.ask("eth_call", json!([{"to": to, "data": Bytes::copy_from_slice(data)}, "latest"]))
    }

    /// What to add to the base fee to be included soon, wei.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn priority_fee(&self) -> Result<U256, ChainError> {
        self.ask("eth_maxPriorityFeePerGas", json!([]))
    }
}
