//! What can be asked of a base ledger, as signed values.
//!
//! Every operation is EIP-712 typed data under the ledger's own domain, so a wallet, a key management service or a
//! secure element can sign it, and nothing signed for one ledger is valid on another. Each carries what makes it
//! unique (a reference, a proposal id, a counter or a revision), so that a replay is refused.
//!
//! | operation | signed by | cannot be replayed because |
//! | --- | --- | --- |
//! | [`Issue`] | two approvers | references are unique |
//! | [`RegisterAccount`] | two approvers | revisions count up |
//! | [`TransferBatch`] | two approvers | proposal ids are unique |
//! | [`CloseEpoch`] | two approvers | epochs of a hub count up |
//! | [`OpenEscrow`] | the payer | an escrow id opens once |
//! | [`TopUp`], [`RequestClose`], [`Withdraw`] | the payer | the escrow counts its payer's operations |
//! | [`CloseEscrow`] | the payee | an escrow is finalised once |
//! | [`SettleBatch`] | the payee | `prev_settled` must equal what is settled, and each batch raises it |
//! | [`RevokeMandate`] | the escrow's signer | serials of a device's revocations count up |
//! | [`SetPayout`] | the account | revisions count up |

use farthing_channel::eip712::{Domain, TypedData};
use farthing_channel::id::{Address, EscrowId, EscrowTerms, Hash32};
use farthing_channel::sign::{Signature, Signer, sign_typed};
use minicbor::{Decode, Encode};

use crate::account::AccountKind;
use crate::batch::SettlementBatch;
use crate::typed::{Word, address, array, hash_struct, string, uint};

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
        Ok(Self {
            operation,
            signature,
        })
    }
}

/// An operation with the signatures of two different approvers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Approved<T> {
    /// What is asked.
    #[n(0)]
    pub operation: T,
    /// By two different approvers of the ledger, in any order.
    #[n(1)]
    pub approvals: [Signature; 2],
}

/// Everything that changes a ledger.
#[derive(Debug, Clone)]
pub enum SignedOperation {
    /// Money in.
    Issue(Approved<Issue>),
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
    /// Move money between participants.
    TransferBatch(Approved<TransferBatch>),
    /// Change where a participant's money goes.
    SetPayout(Signed<SetPayout>),
    /// Record that an epoch is settled.
    CloseEpoch(Approved<CloseEpoch>),
}

/// Money enters the ledger: somebody paid outside of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Issue {
    /// Names the payment outside (a hash of the bank's reference, say); used once.
    #[n(0)]
    pub reference: Hash32,
    /// Who receives it.
    #[n(1)]
    pub account: Address,
    /// Base units.
    #[n(2)]
    pub amount: u64,
}

impl TypedData for Issue {
    const TYPE: &'static str = "Issue(bytes32 reference,address account,uint128 amount)";
    fn struct_hash(&self) -> Word {
        hash_struct(
            Self::TYPE,
            &[self.reference.0, address(&self.account), uint(self.amount)],
        )
    }
}

/// Gives an account its label and kind. A participant (hub or provider) stays one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RegisterAccount {
    /// The account.
    #[n(0)]
    pub account: Address,
    /// What it is.
    #[n(1)]
    pub kind: AccountKind,
    /// What people call it; 1 to 64 bytes without control characters.
    #[n(2)]
    pub label: String,
    /// One more than the account's registrations so far.
    #[n(3)]
    pub revision: u64,
}

impl TypedData for RegisterAccount {
    const TYPE: &'static str =
        "RegisterAccount(address account,uint8 kind,string label,uint64 revision)";
    fn struct_hash(&self) -> Word {
        let words = [
            address(&self.account),
            uint(self.kind.code()),
            string(&self.label),
            uint(self.revision),
        ];
        hash_struct(Self::TYPE, &words)
    }
}

/// A payer's deposit in favour of a hub, out of the payer's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenEscrow {
    /// What the escrow's id is made of.
    pub terms: EscrowTerms,
    /// Base units; refused where it does not fit 64 bits.
    pub deposit: u128,
}

impl TypedData for OpenEscrow {
    const TYPE: &'static str = "OpenEscrow(address payer,address payee,address token,bytes32 salt,address authorizedSigner,uint128 deposit)";
    fn struct_hash(&self) -> Word {
        let terms = &self.terms;
        let words = [
            address(&terms.payer),
            address(&terms.payee),
            address(&terms.token),
            terms.salt.0,
            address(&terms.authorized_signer),
            uint(self.deposit),
        ];
        hash_struct(Self::TYPE, &words)
    }
}

/// Raises an escrow's deposit out of the payer's account, and cancels a pending request to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopUp {
    /// The escrow.
    pub escrow: EscrowId,
    /// One more than the escrow's payer operations so far ([`crate::Escrow::payer_operations`]).
    pub counter: u64,
    /// Base units; refused where it does not fit 64 bits.
    pub amount: u128,
}

impl TypedData for TopUp {
    const TYPE: &'static str = "TopUp(bytes32 escrowId,uint64 counter,uint128 amount)";
    fn struct_hash(&self) -> Word {
        hash_struct(
            Self::TYPE,
            &[self.escrow.0, uint(self.counter), uint(self.amount)],
        )
    }
}

/// The payer wants out: after the grace period what is left may be withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestClose {
    /// The escrow.
    pub escrow: EscrowId,
    /// One more than the escrow's payer operations so far.
    pub counter: u64,
}

impl TypedData for RequestClose {
    const TYPE: &'static str = "RequestClose(bytes32 escrowId,uint64 counter)";
    fn struct_hash(&self) -> Word {
        hash_struct(Self::TYPE, &[self.escrow.0, uint(self.counter)])
    }
}

/// The payer takes back what is left, after the grace period; the escrow is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdraw {
    /// The escrow.
    pub escrow: EscrowId,
    /// One more than the escrow's payer operations so far.
    pub counter: u64,
}

impl TypedData for Withdraw {
    const TYPE: &'static str = "Withdraw(bytes32 escrowId,uint64 counter)";
    fn struct_hash(&self) -> Word {
        hash_struct(Self::TYPE, &[self.escrow.0, uint(self.counter)])
    }
}

/// The payee closes: the total is settled, the rest returns to the payer, the escrow is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseEscrow {
    /// The escrow.
    pub escrow: EscrowId,
    /// The final total: what is settled already, or more with the signer's voucher.
    pub total: u64,
}

impl TypedData for CloseEscrow {
    const TYPE: &'static str = "CloseEscrow(bytes32 escrowId,uint128 total)";
    fn struct_hash(&self) -> Word {
        hash_struct(Self::TYPE, &[self.escrow.0, uint(self.total)])
    }
}

/// Mandates of a device up to a serial are void. Totals under them may still grow in batches posted within 48 h.
/// Lowering a limit is this, and a new mandate with a higher serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokeMandate {
    /// The escrow the mandates draw on.
    pub escrow: EscrowId,
    /// The device.
    pub device: Address,
    /// The highest serial that is void; `u64::MAX` bars the device for good.
    pub serial: u64,
}

impl TypedData for RevokeMandate {
    const TYPE: &'static str = "RevokeMandate(bytes32 escrowId,address device,uint64 serial)";
    fn struct_hash(&self) -> Word {
        hash_struct(
            Self::TYPE,
            &[self.escrow.0, address(&self.device), uint(self.serial)],
        )
    }
}

/// Raises what is settled of an escrow to `total` and pays the difference to the payee, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SettleBatch {
    /// The escrow.
    #[n(0)]
    pub escrow: EscrowId,
    /// Must equal what is settled.
    #[n(1)]
    pub prev_settled: u64,
    /// Total over all lanes since opening, base units.
    #[n(2)]
    pub total: u64,
    /// Root of the tree of channels and lanes ([`crate::tree`]); zero where the signer's own proof covers all.
    #[n(3)]
    pub root: Hash32,
    /// Channel leaves.
    #[n(4)]
    pub channels: u32,
    /// Lane leaves over all channels.
    #[n(5)]
    pub lanes: u32,
    /// Root over the epoch's journal records, for later proofs.
    #[n(6)]
    pub journal_root: Hash32,
    /// The epoch it settles.
    #[n(7)]
    pub epoch: u64,
}

impl TypedData for SettleBatch {
    const TYPE: &'static str = "SettleBatch(bytes32 escrowId,uint128 prevSettled,uint128 total,bytes32 root,uint32 channels,uint32 lanes,bytes32 journalRoot,uint64 epoch)";
    fn struct_hash(&self) -> Word {
        let words = [
            self.escrow.0,
            uint(self.prev_settled),
            uint(self.total),
            self.root.0,
            uint(self.channels),
            uint(self.lanes),
            self.journal_root.0,
            uint(self.epoch),
        ];
        hash_struct(Self::TYPE, &words)
    }
}

/// One movement between participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Leg {
    /// The participant who pays.
    #[n(0)]
    pub from: Address,
    /// The participant who is paid; the money goes to its payout address.
    #[n(1)]
    pub to: Address,
    /// Base units.
    #[n(2)]
    pub amount: u64,
}

/// `encodeType` of a leg.
const LEG_TYPE: &str = "Leg(address from,address to,uint128 amount)";

/// Legs that happen together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TransferBatch {
    /// Names the proposal they come from, by its content; executed once.
    #[n(0)]
    pub proposal: Hash32,
    /// The epoch it settles.
    #[n(1)]
    pub epoch: u64,
    /// The legs, 1 to 4096.
    #[n(2)]
    pub legs: Vec<Leg>,
}

impl TypedData for TransferBatch {
    const TYPE: &'static str = "TransferBatch(bytes32 proposalId,uint64 epoch,Leg[] legs)Leg(address from,address to,uint128 amount)";
    fn struct_hash(&self) -> Word {
        let leg = |leg: &Leg| {
            hash_struct(
                LEG_TYPE,
                &[address(&leg.from), address(&leg.to), uint(leg.amount)],
            )
        };
        hash_struct(
            Self::TYPE,
            &[
                self.proposal.0,
                uint(self.epoch),
                array(self.legs.iter().map(leg)),
            ],
        )
    }
}

/// A participant's new payout address, in force after the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetPayout {
    /// The participant, whose own key signs.
    pub account: Address,
    /// Where its money shall go.
    pub payout: Address,
    /// One more than the account's payout changes so far.
    pub revision: u64,
}

impl TypedData for SetPayout {
    const TYPE: &'static str = "SetPayout(address account,address payout,uint64 revision)";
    fn struct_hash(&self) -> Word {
        hash_struct(
            Self::TYPE,
            &[
                address(&self.account),
                address(&self.payout),
                uint(self.revision),
            ],
        )
    }
}

/// How far into one thread of a hub's journal an epoch reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct JournalCursor {
    /// The journal's data-plane thread.
    #[n(0)]
    pub thread: u16,
    /// Sequence of the last block in the epoch.
    #[n(1)]
    pub sequence: u64,
    /// That block's hash.
    #[n(2)]
    pub block_hash: Hash32,
}

/// `encodeType` of a cursor.
const CURSOR_TYPE: &str = "JournalCursor(uint16 thread,uint64 sequence,bytes32 blockHash)";

/// An epoch of a hub is settled up to these places of its journal: the hub may free what lies before, and a hub
/// whose journal lacks them runs on a restored backup.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CloseEpoch {
    /// The hub.
    #[n(0)]
    pub hub: Address,
    /// One more than the hub's last closed epoch; the first is 1.
    #[n(1)]
    pub epoch: u64,
    /// The executed [`TransferBatch`], or zero where the night had no legs.
    #[n(2)]
    pub proposal: Hash32,
    /// One per thread, threads strictly ascending.
    #[n(3)]
    pub cursors: Vec<JournalCursor>,
    /// Root over the epoch's journal records.
    #[n(4)]
    pub journal_root: Hash32,
}

impl TypedData for CloseEpoch {
    const TYPE: &'static str = "CloseEpoch(address hub,uint64 epoch,bytes32 proposalId,JournalCursor[] cursors,bytes32 journalRoot)JournalCursor(uint16 thread,uint64 sequence,bytes32 blockHash)";
    fn struct_hash(&self) -> Word {
        let cursor = |cursor: &JournalCursor| {
            hash_struct(
                CURSOR_TYPE,
                &[
                    uint(cursor.thread),
                    uint(cursor.sequence),
                    cursor.block_hash.0,
                ],
            )
        };
        let words = [
            address(&self.hub),
            uint(self.epoch),
            self.proposal.0,
            array(self.cursors.iter().map(cursor)),
            self.journal_root.0,
        ];
        hash_struct(Self::TYPE, &words)
    }
}
