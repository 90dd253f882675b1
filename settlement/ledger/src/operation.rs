//! What can be asked of a base ledger, as signed values.
//!
//! Every operation is EIP-712 typed data under the ledger's own domain, so a wallet, a key management service or a
//! secure element can sign it, and nothing signed for one ledger is valid on another. Each carries what makes it
//! unique (a reference, a proposal id, a counter or a revision), so that a replay is refused.
//!
//! | operation | signed by | cannot be replayed because |
//! | --- | --- | --- |
//! | [`Issue`] | two approvers | references are unique |
//! | [`Payout`] | two approvers | references are unique |
//! | [`RegisterAccount`] | two approvers | revisions count up |
//! | [`SetParticipant`] | two approvers | revisions count up |
//! | [`TransferBatch`] | two approvers | proposal ids are unique |
//! | [`CloseEpoch`] | two approvers | epochs of a hub count up |
//! | [`OpenEscrow`] | the payer | an escrow id opens once |
//! | [`TopUp`], [`RequestClose`], [`Withdraw`] | the payer | the escrow counts its payer's operations |
//! | [`CloseEscrow`] | the payee | an escrow is finalised once |
//! | [`SettleBatch`] | the payee | `prev_settled` must equal what is settled, and each batch raises it |
//! | [`RevokeMandate`] | the escrow's signer | serials of a device's revocations count up |
//! | [`SetPayout`] | the account | revisions count up |
//!
//! A participant may have approvers of its own ([`SetParticipant`]). Then they, and not the ledger's, approve its payouts, its
//! settings and the closing of its epochs; a batch of transfers in which it pays needs two of them beside two of the ledger's.

mod escrow;
mod participant;

use farthing_channel::eip712::{Domain, TypedData};
use farthing_channel::id::Address;
use farthing_channel::sign::{Signature, Signer, sign_typed};
use minicbor::{Decode, Encode};

use crate::batch::SettlementBatch;

pub use escrow::{CloseEscrow, OpenEscrow, RequestClose, RevokeMandate, SettleBatch, TopUp, Withdraw};
pub use participant::{
    CloseEpoch, Issue, JournalCursor, Leg, Payout, RegisterAccount, SetParticipant, SetPayout, TransferBatch,
};

/// An operation with the one signature it needs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Signed<T> {
    /// What is asked.
    #[n(0)]
    pub operation: T,
    /// By the key the operation's documentation names.
    #[n(1)]
    pub signature: Signature,
}

impl<T: TypedData> Signed<T> {
    /// Signs `operation` for the ledger of `domain`.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign<S: Signer>(signer: &S, domain: &Domain, operation: T) -> Result<Self, S::Error> {
        let signature = sign_typed(signer, domain, &operation)?;
        Ok(Self { operation, signature })
    }
}

/// An operation with the signatures of two different approvers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Approved<T> {
    /// What is asked.
    #[n(0)]
    pub operation: T,
    /// By two different approvers, in any order.
    #[n(1)]
    pub approvals: [Signature; 2],
}

impl<T: TypedData> Approved<T> {
    /// Puts two signatures under `operation` that were made elsewhere, over its digest under the ledger's domain.
    #[must_use]
    pub fn new(operation: T, first: Signature, second: Signature) -> Self {
        Self { operation, approvals: [first, second] }
    }
}

/// The signatures of two different approvers of one participant, over data that others approve too.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ParticipantApproval {
    /// The participant, which has approvers of its own.
    #[n(0)]
    pub account: Address,
    /// By two different ones of them, in any order.
    #[n(1)]
    pub approvals: [Signature; 2],
}

/// Everything that changes a ledger.
#[derive(Debug, Clone)]
pub enum SignedOperation {
    /// Money in.
    Issue(Approved<Issue>),
    /// Money out.
    Payout(Approved<Payout>),
    /// Name an account and say what it is.
    RegisterAccount(Approved<RegisterAccount>),
    /// Open an escrow.
    OpenEscrow(Signed<OpenEscrow>),
    /// Raise its deposit.
    TopUp(Signed<TopUp>),
    /// Announce the payer's exit.
    RequestClose(Signed<RequestClose>),
    /// Take back what is left, after the grace period.
    Withdraw(Signed<Withdraw>),
    /// Cooperative close by the payee.
    CloseEscrow {
        /// The payee's operation.
        close: Signed<CloseEscrow>,
        /// A [`farthing_channel::eip712::Voucher`] by the escrow's signer on the escrow id over exactly the closing
        /// total; needed only where that total is above what is settled.
        voucher: Option<Signature>,
    },
    /// Take back a mandate.
    RevokeMandate(Signed<RevokeMandate>),
    /// Collect from an escrow.
    SettleBatch(Box<SettlementBatch>),
    /// Give a participant approvers of its own and a cap.
    SetParticipant(Approved<SetParticipant>),
    /// Move money between participants.
    TransferBatch {
        /// The legs, under approvals of the ledger's approvers.
        batch: Approved<TransferBatch>,
        /// Approvals of those payers that have approvers of their own.
        participants: Vec<ParticipantApproval>,
    },
    /// Change where a participant's money goes.
    SetPayout(Signed<SetPayout>),
    /// Record that an epoch is settled.
    CloseEpoch(Approved<CloseEpoch>),
}
