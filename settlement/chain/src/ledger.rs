//! The ledger on a chain.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use farthing_channel::id::{Address, Hash32};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{
    BaseLedger, Escrow, Issue, LedgerError, LedgerMirror, LedgerReader, LedgerRefusal, LedgerView, LoggedEvent,
    SignedOperation,
};

use crate::abi::{Token, from_chain, to_chain};
use crate::call::{self, Facts, Keyed};
use crate::config::ChainConfig;
use crate::error::ChainError;
use crate::fees::Fees;
use crate::follow::{Follower, final_head};
use crate::keys::TransactionSigner;
use crate::outbox::{Call, Intent, Outbox, Outcome, Terms, quantity};
use crate::rpc::{Head, Receipt, Rpc};

/// Gas is estimated at one state and used at another: this much more is allowed, as a part.
const GAS_MARGIN_DIVISOR: u64 = 4;

/// A ledger on a chain: its mirror, its outbox, and the keys at hand.
#[derive(Debug)]
pub struct ChainLedger {
    pub(crate) rpc: Rpc,
    pub(crate) config: ChainConfig,
    pub(crate) mirror: LedgerMirror,
    pub(crate) outbox: Outbox,
    keys: Vec<Arc<dyn TransactionSigner>>,
}

impl ChainLedger {
    /// The ledger whose mirror lies at `mirror` and whose outbox at `outbox`. The first of `keys` sends, and pays for, what
    /// anybody may send.
    ///
    /// # Errors
    /// [`ChainError::OtherChain`]; the node's and the mirror's.
    pub fn open(
        config: ChainConfig,
        mirror: &Path,
        outbox: &Path,
        keys: Vec<Arc<dyn TransactionSigner>>,
    ) -> Result<Self, ChainError> {
        let (rpc, mirror) = (Rpc::new(&config.rpc_url), LedgerMirror::open(mirror)?);
        let (expected, found) = (mirror.identity().chain_id, rpc.chain_id()?);
        if expected != found {
            return Err(ChainError::OtherChain { expected, found });
        }
        Ok(Self { rpc, config, mirror, outbox: Outbox::new(outbox), keys })
    }

    /// Brings the mirror up to the chain, and returns the newest block's time.
    ///
    /// # Errors
    /// As [`Follower::catch_up`].
    pub fn catch_up(&self) -> Result<UnixSeconds, ChainError> {
        Ok(UnixSeconds(self.follower().catch_up()?.timestamp.to()))
    }

    /// One look at the chain: brings the mirror up to it, and for `hub` answers what is demanded of its pending batches.
    ///
    /// # Errors
    /// The node's, the mirror's and the outbox's.
    pub fn attend(&self, hub: Option<&Address>) -> Result<(), ChainError> {
        self.catch_up()?;
        let Some(hub) = hub else { return Ok(()) };
        for escrow in self.escrows()?.iter().filter(|escrow| escrow.payee == *hub) {
            if let Some(pending) = &escrow.pending {
                self.answer_demands(escrow, pending)?;
            }
        }
        Ok(())
    }

    /// Where the ledger is.
    #[must_use]
    pub fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// The node.
    #[must_use]
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    fn follower(&self) -> Follower<'_> {
        Follower { rpc: &self.rpc, config: &self.config, mirror: &self.mirror }
    }

    /// Who sends what anybody may send.
    pub(crate) fn sender(&self) -> Result<Address, ChainError> {
        self.keys.first().map(|key| key.account()).ok_or(ChainError::NoKey(Address::ZERO))
    }

    pub(crate) fn key_of(&self, account: &Address) -> Result<&dyn TransactionSigner, ChainError> {
        let key = self.keys.iter().find(|key| key.account() == *account);
        key.map(AsRef::as_ref).ok_or(ChainError::NoKey(*account))
    }

    /// What a view of a contract answers.
    pub(crate) fn view<C: SolCall>(&self, contract: &Address, call: &C) -> Result<C::Return, ChainError> {
        let answer = self.rpc.view(&to_chain(contract), &call.abi_encode())?;
        C::abi_decode_returns(&answer).map_err(ChainError::unexpected)
    }

    /// Tokens that an account holds outside of the contracts.
    ///
    /// # Errors
    /// The node's.
    pub fn wallet(&self, account: &Address) -> Result<u128, ChainError> {
        let balance = self.view(&self.config.token, &Token::balanceOfCall { account: to_chain(account) })?;
        balance.try_into().map_err(ChainError::unexpected)
    }

    /// Sends a call, or goes on with it where it was begun, until it is final.
    pub(crate) fn send(&self, key: &Hash32, call: &Call) -> Result<(), ChainError> {
        let intent = match self.outbox.find(key)? {
            Some(Intent { outcome: Outcome::Done, .. }) => return Ok(()),
            Some(Intent { outcome: Outcome::Failed, .. }) => {
                self.outbox.forget(key, None)?;
                self.begin(key, call)?
            }
            Some(intent) => intent,
            None => self.begin(key, call)?,
        };
        self.see_through(key, intent)
    }

    /// The same for a call whose need shows on the chain itself: one that was carried out before does not stand in for it.
    pub(crate) fn send_anew(&self, key: &Hash32, call: &Call) -> Result<(), ChainError> {
        if let Some(Intent { outcome: Outcome::Done, .. }) = self.outbox.find(key)? {
            self.outbox.forget(key, None)?;
        }
        self.send(key, call)
    }

    fn begin(&self, key: &Hash32, call: &Call) -> Result<Intent, ChainError> {
        let signer = self.key_of(&call.from)?;
        let (from, to) = (to_chain(&call.from), call.to.as_ref().map(to_chain));
        let gas = self.rpc.estimate_gas(&from, to.as_ref(), call.value, &call.data)?;
        let gas = gas.saturating_add(gas.checked_div(GAS_MARGIN_DIVISOR).unwrap_or(0));
        let latest = self.rpc.latest()?;
        let fees = Fees::usual(&self.rpc, &latest, &self.config)?;
        self.check_gas(&call.from, fees.cost(gas, call.value))?;
        let nonce = self.rpc.transaction_count(&from, "pending")?;
        let chain_id = self.mirror.identity().chain_id;
        let terms = Terms { signer, chain_id, gas, fees, block: latest.number.to() };
        self.outbox.begin(key, call, nonce, &terms)
    }

    /// Sees to it that one of the intent's attempts is included, and waits until that is final.
    fn see_through(&self, key: &Hash32, mut intent: Intent) -> Result<(), ChainError> {
        for _ in 0..self.config.patience_polls {
            let latest = self.rpc.latest()?;
            let settled = final_head(&self.rpc, self.config.finality, &latest)?;
            match self.included(&intent)? {
                Some(receipt) if receipt.block_number <= settled.number => return self.ended(key, &receipt),
                Some(_) => {}
                None if self.is_replaced(&intent, &settled)? => {
                    let sender = intent.call.from;
                    self.outbox.forget(key, Some((sender, intent.nonce.saturating_add(1))))?;
                    intent = self.begin(key, &intent.call.clone())?;
                    continue;
                }
                None => {
                    // A nonce waits for those before it, which an interrupted call may have left behind.
                    for (older_key, older) in self.outbox.open_before(&intent.call.from, intent.nonce)? {
                        if self.included(&older)?.is_none() {
                            self.push(&older_key, older, &latest)?;
                        }
                    }
                    intent = self.push(key, intent, &latest)?;
                }
            }
            thread::sleep(self.config.poll_interval());
        }
        Err(ChainError::NotFinalYet)
    }

    fn ended(&self, key: &Hash32, receipt: &Receipt) -> Result<(), ChainError> {
        if receipt.status.is_zero() {
            self.outbox.end(key, Outcome::Failed)?;
            return Err(ChainError::Reverted("when it was carried out".into()));
        }
        self.outbox.end(key, Outcome::Done)
    }

    /// The receipt of whichever attempt is in a block.
    fn included(&self, intent: &Intent) -> Result<Option<Receipt>, ChainError> {
        for attempt in intent.attempts.iter().rev() {
            if let Some(receipt) = self.rpc.receipt(&attempt.transaction())? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    /// Whether another transaction with the intent's nonce is final: then no attempt ever will be.
    fn is_replaced(&self, intent: &Intent, settled: &Head) -> Result<bool, ChainError> {
        let used = self.rpc.transaction_count(&to_chain(&intent.call.from), quantity(settled.number.to()))?;
        // Looked at again after the count: an attempt may have become final in between.
        Ok(used > intent.nonce && self.included(intent)?.is_none())
    }

    /// Hands the newest attempt to the node where it does not hold it, or a dearer one where it has waited for long.
    fn push(&self, key: &Hash32, mut intent: Intent, latest: &Head) -> Result<Intent, ChainError> {
        let Some(last) = intent.attempts.last() else { return Err(ChainError::unexpected("an empty intent")) };
        let waited = latest.number.to::<u64>().saturating_sub(last.block);
        let usual = Fees::usual(&self.rpc, latest, &self.config)?;
        if waited >= self.config.bump_after_blocks
            && let Some(fees) = usual.raised(last.fees(), &self.config)
        {
            let signer = self.key_of(&intent.call.from)?;
            let chain_id = self.mirror.identity().chain_id;
            let terms = Terms { signer, chain_id, gas: intent.gas, fees, block: latest.number.to() };
            intent = self.outbox.again(key, &terms)?;
        }
        let Some(last) = intent.attempts.last() else { return Ok(intent) };
        if !self.rpc.knows(&last.transaction())? {
            match self.rpc.send_raw(&last.raw) {
                Ok(_) => {}
                // "Nonce too low" and "already known" are told by the next look; a node that is away, too. That there is
                // nothing to pay with is told by nobody else.
                Err(error @ (ChainError::Node { .. } | ChainError::Unreachable(_))) => {
                    self.check_gas(&intent.call.from, last.fees().cost(intent.gas, intent.call.value))?;
                    tracing::debug!(%error, nonce = intent.nonce, "the node does not take a transaction");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(intent)
    }

    fn check_gas(&self, account: &Address, needs: U256) -> Result<(), ChainError> {
        let has = self.rpc.balance(&to_chain(account))?;
        if has < needs { Err(ChainError::NoGas { account: *account, has, needs }) } else { Ok(()) }
    }

    /// Lets `spender` take `amount` of the token from `owner`, where it may not yet.
    pub(crate) fn allow(
        &self,
        owner: &Address,
        spender: &Address,
        amount: u128,
        key: &Hash32,
    ) -> Result<(), ChainError> {
        let allowance = self
            .view(&self.config.token, &Token::allowanceCall { owner: to_chain(owner), spender: to_chain(spender) })?;
        if allowance >= U256::from(amount) {
            return Ok(());
        }
        let data = call::approve(spender, amount);
        self.send_anew(key, &Call { from: *owner, to: Some(self.config.token), value: 0, data })
    }

    fn escrow_of(&self, operation: &SignedOperation) -> Result<Option<Escrow>, LedgerError> {
        let id = match operation {
            SignedOperation::TopUp(signed) => signed.operation.escrow,
            SignedOperation::RequestClose(signed) => signed.operation.escrow,
            SignedOperation::Withdraw(signed) => signed.operation.escrow,
            SignedOperation::CloseEscrow { close, .. } => close.operation.escrow,
            SignedOperation::RevokeMandate(signed) => signed.operation.escrow,
            _ => return Ok(None),
        };
        self.escrow(&id)
    }

    /// Money in: out of the sender's own tokens, to the account's wallet, or for a participant into the contract.
    fn issue(&self, issue: &Issue) -> Result<(), ChainError> {
        let sender = self.sender()?;
        let amount = U256::from(issue.amount);
        let key = call::key("money in", &[&issue.reference.0]);
        if !self.account(&issue.account)?.kind.is_participant() {
            let data = Token::transferCall { to: to_chain(&issue.account), amount }.abi_encode();
            return self.send(&key, &Call { from: sender, to: Some(self.config.token), value: 0, data });
        }
        let net = self.config.net_settlement;
        if self.outbox.find(&key)?.is_none() {
            let allowance = call::key("allow money in", &[&issue.reference.0]);
            self.allow(&sender, &net, issue.amount.into(), &allowance)?;
        }
        let account = to_chain(&issue.account);
        let data = crate::abi::NetSettlement::depositCall { account, amount }.abi_encode();
        self.send(&key, &Call { from: sender, to: Some(net), value: 0, data })
    }

    fn carry_out(&self, operation: &SignedOperation, now: UnixSeconds) -> Result<(), ChainError> {
        if let SignedOperation::SettleBatch(settlement) = operation {
            return self.settle(settlement, now);
        }
        if let SignedOperation::Issue(approved) = operation {
            let key = call::key("money in", &[&approved.operation.reference.0]);
            if self.outbox.find(&key)?.is_none() {
                self.mirror.rehearse(operation, now)?;
            }
            return self.issue(&approved.operation);
        }
        let escrow = self.escrow_of(operation)?;
        let former = match operation {
            SignedOperation::CloseEpoch(approved) => self.epoch_last(&approved.operation.hub)?,
            _ => None,
        };
        let facts = Facts {
            ledger: self.mirror.identity(),
            sender: self.sender()?,
            former: former.map(|closed| closed.cursors).unwrap_or_default(),
            approving: self.approving(operation)?,
            payer: escrow.as_ref().map_or(Address::ZERO, |escrow| escrow.payer),
            payee: escrow.as_ref().map_or(Address::ZERO, |escrow| escrow.payee),
        };
        let Some(Keyed { key, call }) = facts.call(operation) else { return Ok(()) };
        let begun = self.outbox.find(&key)?.is_some_and(|intent| intent.outcome == Outcome::Open);
        if !begun {
            self.mirror.rehearse(operation, now)?;
            self.collect_for(operation)?;
            let deposit = match operation {
                SignedOperation::OpenEscrow(signed) => signed.operation.deposit,
                SignedOperation::TopUp(signed) => signed.operation.amount,
                _ => 0,
            };
            if deposit > 0 {
                if self.wallet(&call.from)? < deposit {
                    return Err(LedgerError::Refused(LedgerRefusal::InsufficientBalance).into());
                }
                let allowance = call::key("allow", &[&key.0]);
                self.allow(&call.from, &self.config.escrow, deposit, &allowance)?;
            }
        }
        self.send(&key, &call)?;
        // Unlike a batch, a close has no later step that would fetch what it paid.
        if matches!(operation, SignedOperation::CloseEscrow { .. }) { self.collect(&facts.payee) } else { Ok(()) }
    }

    /// Whose approvers approve for the account that the operation is about.
    fn approving(&self, operation: &SignedOperation) -> Result<Address, ChainError> {
        let account = match operation {
            SignedOperation::Payout(approved) => approved.operation.account,
            SignedOperation::SetParticipant(approved) => approved.operation.account,
            SignedOperation::CloseEpoch(approved) => approved.operation.hub,
            _ => return Ok(Address::ZERO),
        };
        let own = !self.account(&account)?.approvers().is_empty();
        Ok(if own { account } else { Address::ZERO })
    }

    /// Money of hubs that the operation moves may still lie in the escrow contract, after a crash between payment and fetching.
    fn collect_for(&self, operation: &SignedOperation) -> Result<(), ChainError> {
        let payers: BTreeSet<Address> = match operation {
            SignedOperation::TransferBatch { batch, .. } => batch.operation.legs.iter().map(|leg| leg.from).collect(),
            SignedOperation::Payout(approved) => BTreeSet::from([approved.operation.account]),
            _ => return Ok(()),
        };
        payers.iter().try_for_each(|payer| self.collect(payer))
    }

    /// The accounts whose keys are at hand.
    #[must_use]
    pub fn accounts_at_hand(&self) -> Vec<Address> {
        self.keys.iter().map(|key| key.account()).collect()
    }

    /// Whether the hub's payouts go to the contract of participants.
    pub(crate) fn has_vault(&self, hub: &Address) -> Result<bool, ChainError> {
        let call = crate::abi::Escrow::vaultsCall { account: to_chain(hub), token: to_chain(&self.config.token) };
        Ok(from_chain(&self.view(&self.config.escrow, &call)?) == self.config.net_settlement)
    }
}

impl LedgerView for ChainLedger {
    fn reader(&self) -> &LedgerReader {
        self.mirror.reader()
    }
}

impl BaseLedger for ChainLedger {
    fn submit(&self, operation: &SignedOperation, _now: UnixSeconds) -> Result<Vec<LoggedEvent>, LedgerError> {
        let now = self.catch_up().map_err(LedgerError::from)?;
        let before = self.heads()?.finalized;
        self.carry_out(operation, now).map_err(LedgerError::from)?;
        self.catch_up().map_err(LedgerError::from)?;
        let finalized = self.heads()?.finalized;
        let mut events = self.events(before, farthing_ledger::limits::EVENTS_PER_READ_MAX)?;
        events.retain(|logged| logged.cursor <= finalized);
        Ok(events)
    }
}
