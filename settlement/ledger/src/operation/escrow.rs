//! Operations on an escrow.

use farthing_channel::eip712::TypedData;
use farthing_channel::id::{Address, EscrowId, EscrowTerms, Hash32};
use minicbor::{Decode, Encode};

use crate::typed::{Word, address, hash_struct, uint};

/// A payer's deposit in favour of a hub, out of the payer's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenEscrow {
    /// What the escrow's id is made of.
    pub terms: EscrowTerms,
    /// Base units; refused where it does not fit 64 bits.
    pub deposit: u128,
}

impl TypedData for OpenEscrow {
    const TYPE: &'static str =
        "OpenEscrow(address payer,address payee,address token,bytes32 salt,address authorizedSigner,uint128 deposit)";
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
        hash_struct(Self::TYPE, &[self.escrow.0, uint(self.counter), uint(self.amount)])
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
        hash_struct(Self::TYPE, &[self.escrow.0, address(&self.device), uint(self.serial)])
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
