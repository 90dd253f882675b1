//! Entries of the contracts' log in the ledger's words.
//!
//! The contracts are anybody's. Only escrows in this ledger's token, in favour of a registered hub, belong to the ledger;
//! a token amount beyond 64 bits is not taken in. Money that enters the contracts is an [`Event::Issued`], money that
//! leaves them an [`Event::PaidOut`]; so the books of a mirror add up like the embedded ledger's.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{U256, keccak256};
use farthing_channel::id::{Address, EscrowId, Hash32};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{
    AccountKind, ClosedEpoch, Event, JournalCursor, LedgerMirror, LedgerView as _, MirroredEvent, SettleBatch,
};

use crate::abi::{self, Batch, Escrow, NetSettlement, from_chain, to_chain};
use crate::config::ChainConfig;
use crate::error::ChainError;
use crate::rpc::LogEntry;

/// What must be known of an escrow to translate what happens to it.
#[derive(Debug, Clone)]
struct Known {
    payer: Address,
    payee: Address,
    settled: u64,
    deposit: u64,
    withdrawable_at: Option<u64>,
    posted: Option<(Hash32, SettleBatch)>,
}

/// Translates the log in order: what earlier entries said is needed for later ones.
#[derive(Debug)]
pub(crate) struct Translator<'c> {
    mirror: &'c LedgerMirror,
    config: &'c ChainConfig,
    escrows: HashMap<EscrowId, Option<Known>>,
    hubs: HashSet<Address>,
}

fn base_units(amount: U256) -> Option<u64> {
    amount.try_into().ok()
}

fn escrow_id(word: &alloy_primitives::B256) -> EscrowId {
    EscrowId(word.0)
}

pub(crate) fn from_batch(batch: &Batch) -> Option<SettleBatch> {
    Some(SettleBatch {
        escrow: escrow_id(&batch.escrowId),
        prev_settled: batch.prevSettled.try_into().ok()?,
        total: batch.total.try_into().ok()?,
        root: Hash32(batch.root.0),
        channels: batch.channels,
        lanes: batch.lanes,
        journal_root: Hash32(batch.journalRoot.0),
        epoch: batch.epoch,
    })
}

/// The decoded entry, where it is of this kind.
fn read<E: alloy_sol_types::SolEvent>(entry: &LogEntry) -> Option<E> {
    E::decode_raw_log(entry.topics.iter().copied(), &entry.data).ok()
}

/// Names money that came in by its place in the log.
fn reference(entry: &LogEntry) -> Hash32 {
    let index: u64 = entry.log_index.to();
    Hash32(keccak256([entry.transaction_hash.as_slice(), &index.to_be_bytes()].concat()).0)
}

impl<'c> Translator<'c> {
    pub(crate) fn new(mirror: &'c LedgerMirror, config: &'c ChainConfig) -> Self {
        Self { mirror, config, escrows: HashMap::new(), hubs: HashSet::new() }
    }

    /// All entries of one transaction, in order.
    pub(crate) fn transaction(
        &mut self,
        at: UnixSeconds,
        entries: &[LogEntry],
    ) -> Result<Vec<MirroredEvent>, ChainError> {
        let mut events = Vec::new();
        for entry in entries {
            if entry.address == to_chain(&self.config.escrow) {
                self.of_escrow(at, entry, entries, &mut events)?;
            } else if entry.address == to_chain(&self.config.net_settlement) {
                self.of_net(entry, &mut events)?;
            }
        }
        let told = |mut event: Event| {
            if let Event::EpochClosed(closed) = &mut event {
                closed.at = at;
            }
            MirroredEvent { at, event }
        };
        Ok(events.into_iter().map(told).collect())
    }

    fn is_hub(&self, account: &Address) -> Result<bool, ChainError> {
        Ok(self.hubs.contains(account) || self.mirror.account(account)?.kind == AccountKind::Hub)
    }

    fn known(&mut self, id: &EscrowId) -> Result<Option<&mut Known>, ChainError> {
        if !self.escrows.contains_key(id) {
            let known = self.mirror.escrow(id)?.map(|escrow| Known {
                payer: escrow.payer,
                payee: escrow.payee,
                settled: escrow.settled,
                deposit: escrow.deposit,
                withdrawable_at: escrow.withdrawable_at().map(|at| at.0),
                posted: escrow.pending.map(|pending| (pending.id, pending.batch)),
            });
            self.escrows.insert(*id, known);
        }
        Ok(self.escrows.get_mut(id).and_then(Option::as_mut))
    }

    fn of_escrow(
        &mut self,
        at: UnixSeconds,
        entry: &LogEntry,
        transaction: &[LogEntry],
        events: &mut Vec<Event>,
    ) -> Result<(), ChainError> {
        if let Some(opened) = read::<Escrow::ChannelOpened>(entry) {
            return self.opened(&opened, entry, transaction, events);
        }
        let Some(id) = entry.topics.get(1).map(escrow_id) else { return Ok(()) };
        let Some(known) = self.known(&id)? else { return Ok(()) };
        if let Some(raised) = read::<Escrow::TopUp>(entry) {
            // What a payer deposits beyond 64 bits stays its own matter: nothing of it can be spent, and it goes back.
            let deposit = base_units(raised.newDeposit).unwrap_or(u64::MAX);
            let amount = deposit.saturating_sub(known.deposit);
            known.deposit = deposit;
            known.withdrawable_at = None;
            if amount > 0 {
                events.push(Event::Issued { reference: reference(entry), account: known.payer, amount });
            }
            events.push(Event::EscrowToppedUp { escrow: id, amount, deposit });
        } else if let Some(requested) = read::<Escrow::CloseRequested>(entry) {
            let withdrawable_at = UnixSeconds(base_units(requested.closeGraceEnd).unwrap_or(u64::MAX));
            known.withdrawable_at = Some(withdrawable_at.0);
            events.push(Event::EscrowCloseRequested { escrow: id, withdrawable_at });
        } else if let Some(posted) = read::<Escrow::BatchPosted>(entry) {
            let batch = from_batch(&posted.batch).ok_or_else(|| ChainError::unexpected("a batch beyond 64 bits"))?;
            let batch_id = Hash32(posted.batchId.0);
            known.posted = Some((batch_id, batch));
            events.push(Event::BatchPosted { id: batch_id, batch });
        } else if let Some(voided) = read::<Escrow::BatchVoided>(entry) {
            known.posted = None;
            events.push(Event::BatchVoided { escrow: id, id: Hash32(voided.batchId.0) });
        } else if let Some(settled) = read::<Escrow::Settled>(entry) {
            settle(known, id, &settled, transaction, events)?;
        } else if read::<Escrow::ChannelClosed>(entry).is_some() {
            close(known, id, at, entry, events);
        } else if let Some(revoked) = read::<Escrow::MandateRevoked>(entry) {
            let device = from_chain(&revoked.device);
            events.push(Event::MandateRevoked { escrow: id, device, serial: revoked.serial });
        }
        Ok(())
    }

    fn opened(
        &mut self,
        opened: &Escrow::ChannelOpened,
        entry: &LogEntry,
        transaction: &[LogEntry],
        events: &mut Vec<Event>,
    ) -> Result<(), ChainError> {
        let escrow = escrow_id(&opened.channelId);
        let (payer, payee) = (from_chain(&opened.payer), from_chain(&opened.payee));
        let (token, authorized_signer) = (from_chain(&opened.token), from_chain(&opened.authorizedSigner));
        if token != self.config.token || !self.is_hub(&payee)? {
            return Ok(());
        }
        let Some(deposit) = base_units(opened.deposit) else {
            tracing::warn!(%escrow, deposit = %opened.deposit, "an escrow's deposit does not fit 64 bits; it is left out");
            return Ok(());
        };
        let salts = transaction.iter().filter_map(read::<Escrow::ChannelSalt>);
        let salt = salts.into_iter().find(|salt| salt.channelId == opened.channelId).map(|salt| Hash32(salt.salt.0));
        let salt = salt.ok_or_else(|| ChainError::unexpected(format_args!("escrow {escrow} opened without salt")))?;
        let known = Known { payer, payee, settled: 0, deposit, withdrawable_at: None, posted: None };
        self.escrows.insert(escrow, Some(known));
        events.push(Event::Issued { reference: reference(entry), account: payer, amount: deposit });
        events.push(Event::EscrowOpened { escrow, payer, payee, token, salt, authorized_signer, deposit });
        Ok(())
    }

    fn of_net(&mut self, entry: &LogEntry, events: &mut Vec<Event>) -> Result<(), ChainError> {
        let fits = |amount: U256| base_units(amount).ok_or_else(|| ChainError::unexpected("an amount beyond 64 bits"));
        if let Some(registered) = read::<NetSettlement::AccountRegistered>(entry) {
            let account = from_chain(&registered.account);
            let kind = match registered.kind {
                1 => AccountKind::Hub,
                2 => AccountKind::Provider,
                _ => AccountKind::Payer,
            };
            if kind == AccountKind::Hub {
                self.hubs.insert(account);
            }
            events.push(Event::AccountRegistered { account, kind, label: registered.label });
        } else if let Some(set) = read::<NetSettlement::ParticipantSet>(entry) {
            events.push(Event::ParticipantSet {
                account: from_chain(&set.account),
                // No sum on the ledger is above this, so neither holds anybody back.
                net_debit_cap: set.netDebitCap.try_into().unwrap_or(u64::MAX),
                approvers: set.approvers.iter().map(from_chain).collect(),
            });
        } else if let Some(changed) = read::<NetSettlement::PayoutChanged>(entry) {
            events.push(Event::PayoutChanged {
                account: from_chain(&changed.account),
                payout: from_chain(&changed.payout),
                effective: UnixSeconds(changed.effective),
            });
        } else if let Some(deposited) = read::<NetSettlement::Deposited>(entry) {
            let account = from_chain(&deposited.account);
            events.push(Event::Issued { reference: reference(entry), account, amount: fits(deposited.amount)? });
        } else if let Some(out) = read::<NetSettlement::Withdrawn>(entry) {
            events.push(Event::PaidOut {
                reference: Hash32(out.paymentReference.0),
                account: from_chain(&out.account),
                to: from_chain(&out.to),
                amount: fits(out.amount)?,
            });
        } else if let Some(moved) = read::<NetSettlement::Transferred>(entry) {
            events.push(Event::Transferred {
                proposal: Hash32(moved.proposalId.0),
                epoch: moved.epoch,
                leg: moved.leg.try_into().unwrap_or(u32::MAX),
                from: from_chain(&moved.from),
                to: from_chain(&moved.to),
                credited: from_chain(&moved.credited),
                amount: fits(U256::from(moved.amount))?,
            });
        } else if let Some(closed) = read::<NetSettlement::EpochClosed>(entry) {
            events.push(Event::EpochClosed(ClosedEpoch {
                hub: from_chain(&closed.hub),
                epoch: closed.epoch,
                proposal: Hash32(closed.proposalId.0),
                cursors: closed.cursors.iter().map(cursor).collect(),
                journal_root: Hash32(closed.journalRoot.0),
                at: UnixSeconds(0),
            }));
        }
        Ok(())
    }
}

fn cursor(cursor: &abi::JournalCursor) -> JournalCursor {
    JournalCursor {
        thread: cursor.thread,
        term: cursor.term,
        sequence: cursor.sequence,
        block_hash: Hash32(cursor.blockHash.0),
    }
}

/// The payee was paid, by a batch where one became final in the same transaction.
fn settle(
    known: &mut Known,
    escrow: EscrowId,
    settled: &Escrow::Settled,
    transaction: &[LogEntry],
    events: &mut Vec<Event>,
) -> Result<(), ChainError> {
    let beyond = || ChainError::unexpected("a settlement beyond 64 bits");
    let total = base_units(settled.newSettled).ok_or_else(beyond)?;
    let delta = base_units(settled.deltaPaid).ok_or_else(beyond)?;
    let mut decided = transaction.iter().filter_map(read::<Escrow::BatchFinal>);
    let decided = decided.any(|batch| escrow_id(&batch.escrowId) == escrow);
    let batch = known.posted.take().map(|(_, batch)| batch).filter(|_| decided);
    events.push(Event::EscrowSettled {
        escrow,
        payee: known.payee,
        prev_settled: known.settled,
        total,
        root: batch.map_or(Hash32::ZERO, |batch| batch.root),
        channels: batch.map_or(0, |batch| batch.channels),
        lanes: batch.map_or(0, |batch| batch.lanes),
        journal_root: batch.map_or(Hash32::ZERO, |batch| batch.journal_root),
        epoch: batch.map_or(0, |batch| batch.epoch),
    });
    known.settled = total;
    // A payee without a vault is paid at once, outside of the contracts.
    let mut credits = transaction.iter().filter_map(read::<Escrow::Credited>);
    if !credits.any(|credit| from_chain(&credit.account) == known.payee && credit.amount == settled.deltaPaid) {
        events.push(Event::PaidOut { reference: Hash32::ZERO, account: known.payee, to: known.payee, amount: delta });
    }
    Ok(())
}

/// The escrow ended. The log does not tell a withdrawal from a close by the payee; after the grace period it is the payer's
/// to take, whoever calls.
fn close(known: &mut Known, escrow: EscrowId, at: UnixSeconds, entry: &LogEntry, events: &mut Vec<Event>) {
    let refunded = known.deposit.saturating_sub(known.settled);
    if known.withdrawable_at.is_some_and(|from| from <= at.0) {
        events.push(Event::EscrowWithdrawn { escrow, payer: known.payer, amount: refunded });
    }
    events.push(Event::EscrowFinalized { escrow, settled: known.settled, refunded });
    if refunded > 0 {
        let (account, to) = (known.payer, known.payer);
        events.push(Event::PaidOut { reference: reference(entry), account, to, amount: refunded });
    }
}
