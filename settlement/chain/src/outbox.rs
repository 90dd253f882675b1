//! The outbox: every transaction is written down, with its nonce and signature, before the node hears of it.
//!
//! A row is found by a key that its purpose fixes. Who comes again with the same key goes on with the same nonce, so
//! whatever happened to the process in between, at most one of a row's attempts is ever included. A transaction that a
//! reorganisation took out of the chain is handed to the node again, for it does not come back by itself.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use alloy_consensus::{SignableTransaction as _, TxEip1559};
use alloy_primitives::{B256, Bytes, Signature as ChainSignature, TxKind, U64, U256};
use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::id::{Address, Digest, Hash32};
use minicbor::{Decode, Encode};
use redb::{Database, DatabaseError, ReadableTable as _, TableDefinition};

use crate::abi::to_chain;
use crate::error::ChainError;
use crate::fees::Fees;
use crate::keys::TransactionSigner;

const INTENTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("intents");
/// The next nonce of each sender, as far as this outbox has given any out.
const NONCES: TableDefinition<'_, &[u8; 20], u64> = TableDefinition::new("nonces");

/// Pause between two attempts to open the file while another process has it.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Attempts before giving up: with the pause, half a minute.
const BUSY_ATTEMPTS: u32 = 6_000;

/// What shall be done on the chain.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Call {
    /// Who sends it.
    #[n(0)]
    pub(crate) from: Address,
    /// The contract; none where the call makes one.
    #[n(1)]
    pub(crate) to: Option<Address>,
    /// Wei that go with it.
    #[n(2)]
    pub(crate) value: u64,
    /// Function and arguments.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) data: Vec<u8>,
}

/// A transaction as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Attempt {
    #[n(0)]
    pub(crate) hash: Hash32,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) raw: Vec<u8>,
    #[n(2)]
    most: u64,
    #[n(3)]
    tip: u64,
    /// The newest block when it was signed.
    #[n(4)]
    pub(crate) block: u64,
}

impl Attempt {
    pub(crate) fn fees(&self) -> Fees {
        Fees { most: self.most, tip: self.tip }
    }

    pub(crate) fn transaction(&self) -> B256 {
        B256::new(self.hash.0)
    }
}

/// How far a row has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Outcome {
    /// Not final.
    #[n(0)]
    Open,
    /// Final, and carried out.
    #[n(1)]
    Done,
    /// Final, and refused by the contract.
    #[n(2)]
    Failed,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Intent {
    #[n(0)]
    pub(crate) call: Call,
    #[n(1)]
    pub(crate) nonce: u64,
    #[n(2)]
    pub(crate) gas: u64,
    #[n(3)]
    pub(crate) attempts: Vec<Attempt>,
    #[n(4)]
    pub(crate) outcome: Outcome,
}

/// The outbox's file. Opened for a moment by each call, as the ledger's is.
#[derive(Debug, Clone)]
pub struct Outbox {
    path: PathBuf,
}

impl Outbox {
    /// The outbox at `path`, which is made when it is first written to.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn database(&self) -> Result<Database, ChainError> {
        for _ in 0..BUSY_ATTEMPTS {
            match Database::create(&self.path) {
                Err(DatabaseError::DatabaseAlreadyOpen) => thread::sleep(BUSY_PAUSE),
                other => return Ok(other?),
            }
        }
        Err(DatabaseError::DatabaseAlreadyOpen.into())
    }

    /// Changes one row, durably, before it returns.
    fn change<T>(
        &self,
        change: impl FnOnce(
            &mut redb::Table<'_, &'static [u8; 32], &'static [u8]>,
            &mut redb::Table<'_, &'static [u8; 20], u64>,
        ) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        let database = self.database()?;
        let mut transaction = database.begin_write()?;
        transaction.set_two_phase_commit(true);
        let outcome = {
            let (mut intents, mut nonces) = (transaction.open_table(INTENTS)?, transaction.open_table(NONCES)?);
            change(&mut intents, &mut nonces)
        };
        match outcome {
            Ok(value) => {
                transaction.commit()?;
                Ok(value)
            }
            Err(error) => {
                transaction.abort()?;
                Err(error)
            }
        }
    }

    /// The row under `key`.
    pub(crate) fn find(&self, key: &Hash32) -> Result<Option<Intent>, ChainError> {
        if !self.path.exists() {
            return Ok(None);
        }
        self.change(|intents, _| intents.get(&key.0)?.map(|row| decode(row.value())).transpose())
    }

    /// Makes the row under `key` with the sender's next nonce, which is at least `nonce_least`, and its first attempt.
    /// A row that is there already stays as it is.
    pub(crate) fn begin(
        &self,
        key: &Hash32,
        call: &Call,
        nonce_least: u64,
        first: &Terms<'_>,
    ) -> Result<Intent, ChainError> {
        self.change(|intents, nonces| {
            if let Some(row) = intents.get(&key.0)? {
                return decode(row.value());
            }
            let given = nonces.get(&call.from.0)?.map_or(0, |row| row.value());
            let nonce = nonce_least.max(given);
            let attempt = sign(call, nonce, first)?;
            let gas = first.gas;
            let intent = Intent { call: call.clone(), nonce, gas, attempts: vec![attempt], outcome: Outcome::Open };
            intents.insert(&key.0, encode_to_vec(&intent).as_slice())?;
            nonces.insert(&call.from.0, nonce.saturating_add(1))?;
            Ok(intent)
        })
    }

    /// The open rows of a sender with nonces below `nonce`, by nonce.
    pub(crate) fn open_before(&self, sender: &Address, nonce: u64) -> Result<Vec<(Hash32, Intent)>, ChainError> {
        self.change(|intents, _| {
            let mut open = Vec::new();
            for row in intents.iter()? {
                let (key, bytes) = row?;
                let intent = decode(bytes.value())?;
                if intent.outcome == Outcome::Open && intent.call.from == *sender && intent.nonce < nonce {
                    open.push((Hash32(*key.value()), intent));
                }
            }
            open.sort_by_key(|(_, intent)| intent.nonce);
            Ok(open)
        })
    }

    /// Adds an attempt at the same nonce.
    pub(crate) fn again(&self, key: &Hash32, terms: &Terms<'_>) -> Result<Intent, ChainError> {
        self.change(|intents, _| {
            let mut intent = row(intents, key)?;
            let terms = Terms { gas: intent.gas, ..*terms };
            intent.attempts.push(sign(&intent.call, intent.nonce, &terms)?);
            intents.insert(&key.0, encode_to_vec(&intent).as_slice())?;
            Ok(intent)
        })
    }

    /// Writes down how it ended. What was sent is not needed any more then.
    pub(crate) fn end(&self, key: &Hash32, outcome: Outcome) -> Result<(), ChainError> {
        self.change(|intents, _| {
            let mut intent = row(intents, key)?;
            intent.outcome = outcome;
            intent.call.data.clear();
            intent.attempts.iter_mut().for_each(|attempt| attempt.raw.clear());
            intents.insert(&key.0, encode_to_vec(&intent).as_slice())?;
            Ok(())
        })
    }

    /// Takes a row back whose nonce somebody else's transaction used up, finally, or that failed: nothing of it will ever
    /// happen.
    pub(crate) fn forget(&self, key: &Hash32, nonce_used: Option<(Address, u64)>) -> Result<(), ChainError> {
        self.change(|intents, nonces| {
            intents.remove(&key.0)?;
            if let Some((sender, next)) = nonce_used {
                let given = nonces.get(&sender.0)?.map_or(0, |row| row.value());
                nonces.insert(&sender.0, given.max(next))?;
            }
            Ok(())
        })
    }
}

fn row(intents: &redb::Table<'_, &'static [u8; 32], &'static [u8]>, key: &Hash32) -> Result<Intent, ChainError> {
    let row = intents.get(&key.0)?.ok_or_else(|| ChainError::unexpected("a row of the outbox is gone"))?;
    decode(row.value())
}

fn decode(bytes: &[u8]) -> Result<Intent, ChainError> {
    decode_exact(bytes).map_err(|error| ChainError::unexpected(format_args!("outbox: {error}")))
}

/// On what terms a call is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'s> {
    pub(crate) signer: &'s dyn TransactionSigner,
    pub(crate) chain_id: u64,
    pub(crate) gas: u64,
    pub(crate) fees: Fees,
    pub(crate) block: u64,
}

fn sign(call: &Call, nonce: u64, terms: &Terms<'_>) -> Result<Attempt, ChainError> {
    let Fees { most, tip } = terms.fees;
    let transaction = TxEip1559 {
        chain_id: terms.chain_id,
        nonce,
        gas_limit: terms.gas,
        max_fee_per_gas: u128::from(most),
        max_priority_fee_per_gas: u128::from(tip),
        to: call.to.as_ref().map_or(TxKind::Create, |to| TxKind::Call(to_chain(to))),
        value: U256::from(call.value),
        access_list: Default::default(),
        input: Bytes::copy_from_slice(&call.data),
    };
    let digest = Digest(transaction.signature_hash().0);
    let rsv = terms.signer.sign_digest(&digest)?.to_rsv();
    let signature = ChainSignature::from_raw_array(&rsv).map_err(ChainError::unexpected)?;
    let signed = transaction.into_signed(signature);
    let mut raw = Vec::new();
    signed.eip2718_encode(&mut raw);
    Ok(Attempt { hash: Hash32(signed.hash().0), raw, most, tip, block: terms.block })
}

/// A block number as nodes take it.
pub(crate) fn quantity(number: u64) -> serde_json::Value {
    serde_json::json!(U64::from(number))
}
