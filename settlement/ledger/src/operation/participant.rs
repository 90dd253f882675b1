//! Operations of approvers and participants.

use farthing_channel::eip712::TypedData;
use farthing_channel::id::{Address, Hash32};
use minicbor::{Decode, Encode};

use crate::account::AccountKind;
use crate::typed::{Word, address, array, hash_struct, string, uint};

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
        hash_struct(Self::TYPE, &[self.reference.0, address(&self.account), uint(self.amount)])
    }
}

/// A participant's money leaves the ledger, to its payout address.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Payout {
    /// Names the payment; used once.
    #[n(0)]
    pub reference: Hash32,
    /// Whose money it is.
    #[n(1)]
    pub account: Address,
    /// Base units.
    #[n(2)]
    pub amount: u64,
}

impl TypedData for Payout {
    const TYPE: &'static str = "Payout(bytes32 reference,address account,uint128 amount)";
    fn struct_hash(&self) -> Word {
        hash_struct(Self::TYPE, &[self.reference.0, address(&self.account), uint(self.amount)])
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
    const TYPE: &'static str = "RegisterAccount(address account,uint8 kind,string label,uint64 revision)";
    fn struct_hash(&self) -> Word {
        let words = [address(&self.account), uint(self.kind.code()), string(&self.label), uint(self.revision)];
        hash_struct(Self::TYPE, &words)
    }
}

/// Gives a participant approvers of its own (none: the ledger's again) and a cap on what it may owe in one batch of transfers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SetParticipant {
    /// The participant.
    #[n(0)]
    pub account: Address,
    /// Most it may owe in one batch, net, base units.
    #[n(1)]
    pub net_debit_cap: u64,
    /// None, or 2 to 32, strictly ascending, none of them a participant.
    #[n(2)]
    pub approvers: Vec<Address>,
    /// One more than the account's settings so far.
    #[n(3)]
    pub revision: u64,
}

impl TypedData for SetParticipant {
    const TYPE: &'static str =
        "SetParticipant(address account,uint128 netDebitCap,address[] approvers,uint64 revision)";
    fn struct_hash(&self) -> Word {
        let words = [
            address(&self.account),
            uint(self.net_debit_cap),
            array(self.approvers.iter().map(address)),
            uint(self.revision),
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
    const TYPE: &'static str =
        "TransferBatch(bytes32 proposalId,uint64 epoch,Leg[] legs)Leg(address from,address to,uint128 amount)";
    fn struct_hash(&self) -> Word {
        let leg = |leg: &Leg| hash_struct(LEG_TYPE, &[address(&leg.from), address(&leg.to), uint(leg.amount)]);
        hash_struct(Self::TYPE, &[self.proposal.0, uint(self.epoch), array(self.legs.iter().map(leg))])
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
        hash_struct(Self::TYPE, &[address(&self.account), address(&self.payout), uint(self.revision)])
    }
}

/// How far into one thread of a hub's journal an epoch reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct JournalCursor {
    /// The journal's data-plane thread.
    #[n(0)]
    pub thread: u16,
    /// The term under which the hub wrote the last block of the epoch: it counts how often the hub took its journal
    /// over, a restored one included.
    #[n(1)]
    pub term: u64,
    /// That block's sequence.
    #[n(2)]
    pub sequence: u64,
    /// That block's hash.
    #[n(3)]
    pub block_hash: Hash32,
}

impl JournalCursor {
    /// Whether a journal that was read up to here lies past `earlier`, a cursor of the same thread: in a later term, or
    /// further in the same one, or at the very block. A journal that was restored from a backup goes on from a lower
    /// sequence, always under a higher term, so the term decides first.
    #[must_use]
    pub fn reaches(&self, earlier: &Self) -> bool {
        let place = (self.term, self.sequence).cmp(&(earlier.term, earlier.sequence));
        self.thread == earlier.thread && (place.is_gt() || (place.is_eq() && self.block_hash == earlier.block_hash))
    }
}

/// `encodeType` of a cursor.
const CURSOR_TYPE: &str = "JournalCursor(uint16 thread,uint64 term,uint64 sequence,bytes32 blockHash)";

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
    const TYPE: &'static str = "CloseEpoch(address hub,uint64 epoch,bytes32 proposalId,JournalCursor[] cursors,bytes32 journalRoot)JournalCursor(uint16 thread,uint64 term,uint64 sequence,bytes32 blockHash)";
    fn struct_hash(&self) -> Word {
        let cursor = |cursor: &JournalCursor| {
            let words = [uint(cursor.thread), uint(cursor.term), uint(cursor.sequence), cursor.block_hash.0];
            hash_struct(CURSOR_TYPE, &words)
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
