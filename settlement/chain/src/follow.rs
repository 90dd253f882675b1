//! Follows the contracts' log into the mirror.

use std::collections::HashMap;

use alloy_primitives::Address as ChainAddress;
use farthing_channel::id::Hash32;
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{Advance, BlockPlace, LedgerMirror, MirroredEvent};

use crate::abi::to_chain;
use crate::config::{ChainConfig, Finality};
use crate::error::ChainError;
use crate::outbox::quantity;
use crate::rpc::{Head, Rpc};
use crate::translate::Translator;

/// Brings a mirror up to its chain.
#[derive(Debug)]
pub struct Follower<'c> {
    /// The node.
    pub rpc: &'c Rpc,
    /// Where the contracts are.
    pub config: &'c ChainConfig,
    /// The mirror.
    pub mirror: &'c LedgerMirror,
}

/// A block as a place.
pub(crate) fn place(head: &Head) -> BlockPlace {
    BlockPlace { number: head.number.to(), hash: Hash32(head.hash.0) }
}

/// The newest final block.
pub(crate) fn final_head(rpc: &Rpc, finality: Finality, latest: &Head) -> Result<Head, ChainError> {
    let found = match finality {
        Finality::Tag => rpc.head("finalized")?,
        Finality::Depth(0) => Some(latest.clone()),
        Finality::Depth(depth) => rpc.head(quantity(latest.number.to::<u64>().saturating_sub(depth)))?,
    };
    found.ok_or_else(|| ChainError::unexpected("the chain has no final block"))
}

impl Follower<'_> {
    /// Takes in everything there is, and returns the newest block's head.
    ///
    /// # Errors
    /// [`ChainError::FinalityBroken`]; the node's and the mirror's.
    pub fn catch_up(&self) -> Result<Head, ChainError> {
        loop {
            let latest = self.rpc.latest()?;
            if self.step(&latest)? {
                return Ok(latest);
            }
        }
    }

    /// One step; `false` where there is more to take in.
    fn step(&self, latest: &Head) -> Result<bool, ChainError> {
        let from = self.mirror.block()?;
        let there = self.rpc.head(quantity(from.number))?;
        if there.as_ref().map(place) != Some(from) {
            return Err(ChainError::FinalityBroken(from.number));
        }
        let settled = final_head(self.rpc, self.config.finality, latest)?;
        let last = from.number.saturating_add(self.config.log_blocks_max);
        let whole = settled.number.to::<u64>() <= last;
        let to = match whole {
            true if settled.number.to::<u64>() > from.number => place(&settled),
            true => from,
            false => {
                place(&self.rpc.head(quantity(last))?.ok_or_else(|| ChainError::unexpected("a block is missing"))?)
            }
        };
        let mut translator = Translator::new(self.mirror, self.config);
        let finals = self.events(&mut translator, from.number.saturating_add(1), to.number)?;
        let mut tail = Vec::new();
        if whole {
            tail = self.events(&mut translator, to.number.saturating_add(1), latest.number.to())?;
        }
        let advanced = self.mirror.advance(Advance { from, to, finals, tail })?;
        Ok(advanced && whole)
    }

    /// What happened in the blocks `first` to `last`.
    fn events(&self, translator: &mut Translator<'_>, first: u64, last: u64) -> Result<Vec<MirroredEvent>, ChainError> {
        if first > last {
            return Ok(Vec::new());
        }
        let contracts: [ChainAddress; 2] = [to_chain(&self.config.escrow), to_chain(&self.config.net_settlement)];
        let mut entries = self.rpc.logs(first, last, &contracts)?;
        entries.sort_by_key(|entry| (entry.block_number, entry.log_index));
        let mut times = HashMap::new();
        let mut events = Vec::new();
        for transaction in entries.chunk_by(|a, b| a.transaction_hash == b.transaction_hash) {
            let Some(block) = transaction.first().map(|entry| entry.block_number.to::<u64>()) else { continue };
            let at = match times.get(&block) {
                Some(at) => *at,
                None => *times.entry(block).or_insert(self.time_of(block)?),
            };
            events.extend(translator.transaction(at, transaction)?);
        }
        Ok(events)
    }

    fn time_of(&self, block: u64) -> Result<UnixSeconds, ChainError> {
        let head = self.rpc.head(quantity(block))?;
        let head = head.ok_or_else(|| ChainError::Unreachable(format!("block {block} is gone")))?;
        Ok(UnixSeconds(head.timestamp.to()))
    }
}
