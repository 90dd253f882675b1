//! A batch's way over the chain: bond, posting, the window in which it may be challenged, payment into the vault.

use alloy_primitives::U256;
use alloy_sol_types::SolCall as _;
use farthing_channel::id::{Address, Hash32};
use farthing_channel::lane::Evidence;
use farthing_channel::sign::Signature;
use farthing_channel::time::UnixSeconds;
use farthing_ledger::limits::CHALLENGE_WINDOW_SECONDS;
use farthing_ledger::{
    BatchProof, Escrow as EscrowRow, LeafSet, LedgerError, LedgerRefusal, LedgerView as _, PendingBatch, SettleBatch,
    SettlementBatch, SignedOperation,
};

use crate::abi::{Escrow, NetSettlement, to_chain};
use crate::call;
use crate::error::ChainError;
use crate::ledger::ChainLedger;
use crate::outbox::{Call, Outcome};
use crate::proof;

/// `BOND_DIVISOR` of the contract.
const BOND_DIVISOR: u64 = 10;

impl ChainLedger {
    /// Posts a batch, or pays it where its window has passed.
    pub(crate) fn settle(&self, settlement: &SettlementBatch, now: UnixSeconds) -> Result<(), ChainError> {
        let order = settlement.order.operation;
        let unknown = || LedgerError::Refused(LedgerRefusal::UnknownEscrow);
        let escrow = self.escrow(&order.escrow)?.ok_or_else(unknown)?;
        match escrow.pending {
            Some(pending) if pending.batch == order => return self.decide(&escrow, &pending, now),
            Some(_) => return Err(LedgerError::Refused(LedgerRefusal::BatchPending).into()),
            None => {}
        }
        // Each posting has a key of its own: a batch that was voided may be posted again.
        let state = self.view(&self.config.escrow, &Escrow::batchStateCall { escrowId: order.escrow.0.into() })?;
        let key = call::key(
            "batch",
            &[&order.escrow.0, &order.root.0, &order.total.to_be_bytes(), &order.epoch.to_be_bytes()],
        );
        let begun = self.outbox.find(&key)?.map(|intent| intent.outcome);
        if begun == Some(Outcome::Done) && state.postedAt == 0 {
            self.outbox.forget(&key, None)?;
        }
        if begun != Some(Outcome::Open) {
            self.mirror.rehearse(&SignedOperation::SettleBatch(Box::new(settlement.clone())), now)?;
        }
        match &settlement.proof {
            BatchProof::Signer(evidence) => self.settle_agreed(&escrow, &order, evidence, &key),
            BatchProof::Leaves(leaves) => {
                // The bond of a posting that is under way may be locked already, and is not put down again.
                if begun != Some(Outcome::Open) {
                    self.prepare(&escrow, &order, leaves, &key)?;
                }
                self.send(&key, &self.by_payee(&escrow, settle_batch(&order, None)))?;
                let now = self.catch_up()?;
                let posted = self.escrow(&order.escrow)?.and_then(|escrow| escrow.pending);
                match posted {
                    Some(pending) => self.decide(&escrow, &pending, now),
                    None => Err(ChainError::NotFinalYet),
                }
            }
        }
    }

    /// The signer's own proof covers the total: it is paid at once.
    fn settle_agreed(
        &self,
        escrow: &EscrowRow,
        order: &SettleBatch,
        evidence: &Evidence,
        key: &Hash32,
    ) -> Result<(), ChainError> {
        let voucher = match evidence {
            Evidence::Voucher(voucher) if voucher.amount == order.total => voucher.signature.check().ok(),
            _ => None,
        };
        let data = match voucher {
            Some(signature) => settle_batch(order, Some(&signature)),
            None => Escrow::settleEvidenceCall {
                escrowId: order.escrow.0.into(),
                total: order.total.into(),
                evidence: proof::evidence(evidence)?,
            }
            .abi_encode(),
        };
        self.send(key, &self.by_payee(escrow, data))?;
        self.collect(&escrow.payee)
    }

    fn by_payee(&self, escrow: &EscrowRow, data: Vec<u8>) -> Call {
        Call { from: escrow.payee, to: Some(self.config.escrow), value: 0, data }
    }

    /// What a batch without agreement needs before it is posted: its bond, and its leaves kept, for they answer every demand.
    fn prepare(
        &self,
        escrow: &EscrowRow,
        order: &SettleBatch,
        leaves: &LeafSet,
        key: &Hash32,
    ) -> Result<(), ChainError> {
        if !self.has_vault(&escrow.payee)? {
            return Err(ChainError::Reverted(format!(
                "the hub {} has not named the contract of participants its vault",
                escrow.payee
            )));
        }
        let leaves = self.whole(order, leaves)?;
        self.mirror.keep_leaves(&order.root, &leaves)?;
        let increase = order.total.saturating_sub(order.prev_settled);
        self.ensure_bond(&escrow.payee, increase.checked_div(BOND_DIVISOR).unwrap_or(0), key)
    }

    /// The leaves with every mandate that a channel stands under: those the ledger remembers are added from the last
    /// batch, so that a batch's leaves alone suffice to answer for it.
    fn whole(&self, order: &SettleBatch, leaves: &LeafSet) -> Result<LeafSet, ChainError> {
        let mut whole = leaves.clone();
        let last = self.last_leaves(&order.escrow)?;
        let Some((_, last)) = last else { return Ok(whole) };
        for claim in &leaves.channels {
            let stands = |bundle: &farthing_channel::mandate::MandateBundle| {
                bundle.mandates.iter().any(|terms| terms.device == claim.device && terms.serial == claim.serial)
            };
            if !whole.mandates.iter().any(stands)
                && let Some(bundle) = last.mandates.iter().find(|bundle| stands(bundle))
            {
                whole.mandates.push(bundle.clone());
            }
        }
        Ok(whole)
    }

    /// The last batch of leaves that was paid, with its leaves, where they are known here.
    pub(crate) fn last_leaves(
        &self,
        escrow: &farthing_channel::id::EscrowId,
    ) -> Result<Option<(PendingBatch, LeafSet)>, ChainError> {
        let mut last = None;
        let mut posted = None;
        let (mut after, finalized) = (0, self.heads()?.finalized);
        while after < finalized {
            let events = self.events(after, farthing_ledger::limits::EVENTS_PER_READ_MAX)?;
            let Some(end) = events.last() else { break };
            after = end.cursor;
            for logged in events.iter().filter(|logged| logged.cursor <= finalized) {
                match &logged.event {
                    farthing_ledger::Event::BatchPosted { id, batch } if batch.escrow == *escrow => {
                        posted = Some(PendingBatch { id: *id, batch: *batch, posted_at: logged.at });
                    }
                    farthing_ledger::Event::EscrowSettled { escrow: of, root, .. }
                        if of == escrow && !root.is_zero() =>
                    {
                        last = posted.take();
                    }
                    _ => {}
                }
            }
        }
        let Some(last) = last else { return Ok(None) };
        Ok(self.mirror.leaves(&last.batch.root)?.map(|leaves| (last, leaves)))
    }

    /// Puts down what is missing of the hub's bond, out of the sender's own tokens and currency.
    fn ensure_bond(&self, hub: &Address, tokens: u64, key: &Hash32) -> Result<(), ChainError> {
        let sender = self.sender()?;
        let wei = self.view(&self.config.escrow, &Escrow::bondWeiCall {})?;
        let needs = [(self.config.token, U256::from(tokens)), (Address::ZERO, wei)];
        for (token, needed) in needs {
            let (account, of) = (to_chain(hub), to_chain(&token));
            let free = self.view(&self.config.escrow, &Escrow::bondsCall { account, token: of })?;
            let missing: u64 = needed.saturating_sub(free).try_into().map_err(ChainError::unexpected)?;
            let bond = call::key("bond", &[&key.0, &token.0, &free.to_be_bytes::<32>()]);
            if missing == 0 {
                continue;
            }
            let value = if token.is_zero() { missing } else { 0 };
            if !token.is_zero() {
                let allowance = call::key("allow bond", &[&bond.0]);
                self.allow(&sender, &self.config.escrow, missing.into(), &allowance)?;
            }
            let data = Escrow::addBondCall { account, token: of, amount: U256::from(missing) }.abi_encode();
            self.send_anew(&bond, &Call { from: sender, to: Some(self.config.escrow), value, data })?;
        }
        Ok(())
    }

    /// Pays a posted batch once nobody can challenge it any more; answers what is demanded until then.
    fn decide(&self, escrow: &EscrowRow, pending: &PendingBatch, now: UnixSeconds) -> Result<(), ChainError> {
        self.answer_demands(escrow, pending)?;
        let until = UnixSeconds(pending.posted_at.0.saturating_add(CHALLENGE_WINDOW_SECONDS));
        if now < until {
            return Err(LedgerError::Waiting { until }.into());
        }
        let data = Escrow::finalizeBatchCall { batch: proof::batch(&pending.batch) }.abi_encode();
        let key = call::key("finalize", &[&pending.id.0]);
        self.send(&key, &Call { from: self.sender()?, to: Some(self.config.escrow), value: 0, data })?;
        self.collect(&escrow.payee)
    }

    /// Fetches what the escrow contract holds for the hub into the contract of participants, where legs draw on it. A fetch
    /// takes all there is, so there is one row for every fetch of a hub: an interrupted one is gone on with, even where the newest
    /// block has it already, for it may not stay there.
    pub(crate) fn collect(&self, hub: &Address) -> Result<(), ChainError> {
        let (account, token) = (to_chain(hub), to_chain(&self.config.token));
        let key = call::key("collect", &[&hub.0]);
        let data = NetSettlement::collectCall { account }.abi_encode();
        let call = Call { from: self.sender()?, to: Some(self.config.net_settlement), value: 0, data };
        if self.outbox.find(&key)?.is_some_and(|intent| intent.outcome == Outcome::Open) {
            self.send(&key, &call)?;
        }
        let credits = self.view(&self.config.escrow, &Escrow::creditsCall { account, token })?;
        if credits.is_zero() { Ok(()) } else { self.send_anew(&key, &call) }
    }
}

fn settle_batch(order: &SettleBatch, agreement: Option<&Signature>) -> Vec<u8> {
    let agreement = agreement.map(proof::signature).unwrap_or_default();
    Escrow::settleBatchCall { batch: proof::batch(order), agreement }.abi_encode()
}
