//! What a payee hands in to collect from an escrow: the signed batch and everything that proves it.

use farthing_channel::id::{Address, RatingGroup};
use farthing_channel::lane::Evidence;
use farthing_channel::mandate::MandateBundle;
use minicbor::{Decode, Encode};

use crate::operation::{SettleBatch, Signed};

/// A batch with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SettlementBatch {
    /// Signed by the escrow's payee.
    #[n(0)]
    pub order: Signed<SettleBatch>,
    /// Why the total is owed.
    #[n(1)]
    pub proof: BatchProof,
}

/// Why a batch's total is owed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum BatchProof {
    /// A proof on the escrow id by the escrow's signer, worth at least the batch's total: the payer's
    /// countersignature under a batch, or everything a lone payer signs. Leaves are not looked at.
    #[n(0)]
    Signer(#[n(0)] Evidence),
    /// All leaves of the batch's tree.
    #[n(1)]
    Leaves(#[n(0)] LeafSet),
}

/// The leaves of a batch, whole: every lane ever settled under the escrow and every new one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct LeafSet {
    /// Mandates that claims name and the ledger does not remember yet.
    #[n(0)]
    pub mandates: Vec<MandateBundle>,
    /// Channels, devices strictly ascending.
    #[n(1)]
    pub channels: Vec<ChannelClaim>,
}

/// One channel of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ChannelClaim {
    /// The device.
    #[n(0)]
    pub device: Address,
    /// Serial of the mandate the channel's total stands under: among the batch's mandates, or the one the ledger
    /// remembers for the channel.
    #[n(1)]
    pub serial: u64,
    /// Its lanes, lane ids strictly ascending.
    #[n(2)]
    pub lanes: Vec<LaneClaim>,
}

/// One lane of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LaneClaim {
    /// Whom the lane pays.
    #[n(0)]
    pub payee: Address,
    /// For which service.
    #[n(1)]
    pub rating_group: RatingGroup,
    /// Base units since opening; may be less than the evidence is worth (credits, limits), never more.
    #[n(2)]
    pub total: u64,
    /// The device's proof. Needed only where the total is above what the ledger last settled for the lane.
    #[n(3)]
    pub evidence: Option<Evidence>,
}
