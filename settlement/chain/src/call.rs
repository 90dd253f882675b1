//! Operations as calls of the contracts.

use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolCall as _;
use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::{Address, Hash32, keccak256};
use farthing_ledger::{JournalCursor, LedgerIdentity, SignedOperation};

use crate::abi::{Escrow, NetSettlement, to_chain, word};
use crate::outbox::Call;
use crate::proof::{approval, cursors, signature};

/// A call under the key that fixes it in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keyed {
    pub(crate) key: Hash32,
    pub(crate) call: Call,
}

/// The key of a purpose: what it is, and what it is about.
pub(crate) fn key(purpose: &str, parts: &[&[u8]]) -> Hash32 {
    let mut bytes = encode_to_vec(&purpose.to_owned());
    for part in parts {
        bytes.extend_from_slice(&encode_to_vec(&minicbor::bytes::ByteVec::from(part.to_vec())));
    }
    Hash32(keccak256(&[&bytes]))
}

/// What else a call needs to know.
#[derive(Debug)]
pub(crate) struct Facts<'l> {
    pub(crate) ledger: &'l LedgerIdentity,
    /// Who sends what anybody may send.
    pub(crate) sender: Address,
    /// For a [`SignedOperation::CloseEpoch`]: the cursors of the epoch before it.
    pub(crate) former: Vec<JournalCursor>,
    /// Whose approvers approve for the account it is about: its own (then the account), or the ledger's (zero).
    pub(crate) approving: Address,
    /// For operations on an escrow: its payer, payee and signer.
    pub(crate) payer: Address,
    pub(crate) payee: Address,
}

impl Facts<'_> {
    fn to_escrow(&self, from: Address, key: Hash32, data: Vec<u8>) -> Keyed {
        Keyed { key, call: Call { from, to: Some(self.ledger.contract), value: 0, data } }
    }

    fn to_net(&self, key: Hash32, data: Vec<u8>) -> Keyed {
        Keyed { key, call: Call { from: self.sender, to: Some(self.ledger.net_contract()), value: 0, data } }
    }

    /// The operation's call. `None` for what takes more than one call: money in, and batches.
    pub(crate) fn call(&self, operation: &SignedOperation) -> Option<Keyed> {
        match operation {
            SignedOperation::Issue(_) | SignedOperation::SettleBatch(_) => None,
            SignedOperation::OpenEscrow(_)
            | SignedOperation::TopUp(_)
            | SignedOperation::RequestClose(_)
            | SignedOperation::Withdraw(_)
            | SignedOperation::CloseEscrow { .. }
            | SignedOperation::RevokeMandate(_) => self.escrow_call(operation),
            _ => self.net_call(operation),
        }
    }

    fn escrow_call(&self, operation: &SignedOperation) -> Option<Keyed> {
        let id = |escrow: &farthing_channel::id::EscrowId| B256::new(escrow.0);
        Some(match operation {
            SignedOperation::OpenEscrow(signed) => {
                let terms = &signed.operation.terms;
                let data = Escrow::openCall {
                    payee: to_chain(&terms.payee),
                    token: to_chain(&terms.token),
                    deposit: signed.operation.deposit,
                    salt: word(&terms.salt),
                    authorizedSigner: to_chain(&terms.authorized_signer),
                };
                let escrow = terms.id(&self.ledger.contract, self.ledger.chain_id);
                self.to_escrow(terms.payer, key("open", &[&escrow.0]), data.abi_encode())
            }
            SignedOperation::TopUp(signed) => {
                let top_up = &signed.operation;
                let data = Escrow::topUpCall { channelId: id(&top_up.escrow), additionalDeposit: top_up.amount };
                let key = key("top up", &[&top_up.escrow.0, &top_up.counter.to_be_bytes()]);
                self.to_escrow(self.payer, key, data.abi_encode())
            }
            SignedOperation::RequestClose(signed) => {
                let request = &signed.operation;
                let data = Escrow::requestCloseCall { channelId: id(&request.escrow) };
                let key = key("request close", &[&request.escrow.0, &request.counter.to_be_bytes()]);
                self.to_escrow(self.payer, key, data.abi_encode())
            }
            SignedOperation::Withdraw(signed) => {
                let withdraw = &signed.operation;
                let data = Escrow::withdrawCall { channelId: id(&withdraw.escrow) };
                let key = key("withdraw", &[&withdraw.escrow.0, &withdraw.counter.to_be_bytes()]);
                self.to_escrow(self.payer, key, data.abi_encode())
            }
            SignedOperation::CloseEscrow { close, voucher } => {
                let close = &close.operation;
                let data = Escrow::closeCall {
                    channelId: id(&close.escrow),
                    cumulativeAmount: close.total.into(),
                    signature: voucher.as_ref().map(signature).unwrap_or_default(),
                };
                self.to_escrow(self.payee, key("close", &[&close.escrow.0]), data.abi_encode())
            }
            SignedOperation::RevokeMandate(signed) => {
                let revoke = &signed.operation;
                let data = Escrow::revokeMandateCall {
                    escrowId: id(&revoke.escrow),
                    device: to_chain(&revoke.device),
                    serial: revoke.serial,
                    signature: signature(&signed.signature),
                };
                let parts: [&[u8]; 3] = [&revoke.escrow.0, &revoke.device.0, &revoke.serial.to_be_bytes()];
                self.to_escrow(self.sender, key("revoke", &parts), data.abi_encode())
            }
            _ => return None,
        })
    }

    fn net_call(&self, operation: &SignedOperation) -> Option<Keyed> {
        Some(match operation {
            SignedOperation::RegisterAccount(approved) => {
                let wanted = &approved.operation;
                let data = NetSettlement::registerAccountCall {
                    account: to_chain(&wanted.account),
                    kind: wanted.kind.code(),
                    label: wanted.label.clone(),
                    revision: wanted.revision,
                    approval: approval(Address::ZERO, &approved.approvals),
                };
                let key = key("register", &[&wanted.account.0, &wanted.revision.to_be_bytes()]);
                self.to_net(key, data.abi_encode())
            }
            SignedOperation::Payout(approved) => {
                let payout = &approved.operation;
                let data = NetSettlement::payOutCall {
                    paymentReference: word(&payout.reference),
                    account: to_chain(&payout.account),
                    amount: payout.amount.into(),
                    approval: approval(self.approving, &approved.approvals),
                };
                self.to_net(key("pay out", &[&payout.reference.0]), data.abi_encode())
            }
            SignedOperation::SetParticipant(approved) => {
                let wanted = &approved.operation;
                let data = NetSettlement::setParticipantCall {
                    account: to_chain(&wanted.account),
                    netDebitCap: wanted.net_debit_cap.into(),
                    approvers: wanted.approvers.iter().map(to_chain).collect(),
                    revision: wanted.revision,
                    approval: approval(self.approving, &approved.approvals),
                };
                let key = key("participant", &[&wanted.account.0, &wanted.revision.to_be_bytes()]);
                self.to_net(key, data.abi_encode())
            }
            SignedOperation::TransferBatch { batch: approved, participants } => {
                let batch = &approved.operation;
                let leg = |leg: &farthing_ledger::Leg| crate::abi::Leg {
                    from: to_chain(&leg.from),
                    to: to_chain(&leg.to),
                    amount: leg.amount.into(),
                };
                let own = participants.iter().map(|own| approval(own.account, &own.approvals));
                let approvals = [approval(Address::ZERO, &approved.approvals)].into_iter().chain(own).collect();
                let data = NetSettlement::settleNetCall {
                    proposalId: word(&batch.proposal),
                    epoch: batch.epoch,
                    legs: batch.legs.iter().map(leg).collect(),
                    approvals,
                };
                self.to_net(key("transfers", &[&batch.proposal.0]), data.abi_encode())
            }
            SignedOperation::SetPayout(signed) => {
                let wanted = &signed.operation;
                let data = NetSettlement::setPayoutCall {
                    account: to_chain(&wanted.account),
                    payout: to_chain(&wanted.payout),
                    revision: wanted.revision,
                    signature: signature(&signed.signature),
                };
                let key = key("payout address", &[&wanted.account.0, &wanted.revision.to_be_bytes()]);
                self.to_net(key, data.abi_encode())
            }
            SignedOperation::CloseEpoch(approved) => {
                let close = &approved.operation;
                let data = NetSettlement::closeEpochCall {
                    hub: to_chain(&close.hub),
                    epoch: close.epoch,
                    proposalId: word(&close.proposal),
                    cursors: cursors(&close.cursors),
                    journalRoot: word(&close.journal_root),
                    lastCursors: cursors(&self.former),
                    approval: approval(self.approving, &approved.approvals),
                };
                self.to_net(key("close epoch", &[&close.hub.0, &close.epoch.to_be_bytes()]), data.abi_encode())
            }
            _ => return None,
        })
    }
}

/// `approve` of the token.
pub(crate) fn approve(spender: &Address, amount: u128) -> Vec<u8> {
    crate::abi::Token::approveCall { spender: to_chain(spender), amount: U256::from(amount) }.abi_encode()
}

/// A contract's code with the arguments of its constructor.
pub(crate) fn creation(code: &Bytes, arguments: &[u8]) -> Vec<u8> {
    [code, arguments].concat()
}
