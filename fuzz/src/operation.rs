//! What can happen to a site, in any order.

use arbitrary::Arbitrary;

/// One thing that happens.
#[derive(Debug, Clone, Arbitrary)]
pub enum Operation {
    /// A voucher arrives.
    Voucher {
        lane: u8,
        amount: Amount,
        flaw: Option<SignatureFlaw>,
    },
    /// An anchor arrives.
    Anchor {
        lane: u8,
        terms: Terms,
        flaw: Option<SignatureFlaw>,
    },
    /// A preimage of an anchor that was made earlier arrives.
    Tick {
        lane: u8,
        anchor: u8,
        index: Index,
        flaw: Option<TickFlaw>,
    },
    /// Every payment ever sent arrives once more.
    Replay,
    /// The payer deposits more.
    TopUp { by: u32 },
    /// A mandate with a higher limit is accepted.
    RaiseLimit { channel: u8, by: u32 },
    /// The operator freezes a channel, or thaws it.
    Freeze { channel: u8, frozen: bool },
    /// The payer revokes a mandate.
    Revoke { channel: u8 },
    /// The payer asks for the deposit back.
    RequestClose,
    /// Time goes by.
    Wait { seconds: u8 },
    /// The hub starts again, from its journal or from a checkpoint.
    Restart { checkpoint: bool },
}

/// How much a voucher says.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Amount {
    /// This much.
    Total(u64),
    /// This much more than the lane's whole total.
    Above(u16),
}

/// Which preimage a tick shows.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Index {
    /// This one.
    At(u16),
    /// This many after the last one accepted.
    Next(u16),
}

/// What an anchor says; `length` is shortened to [`Terms::LENGTH_MAX`] where the chain has to be built.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Terms {
    pub base: Amount,
    pub base_ticks: u64,
    pub tick_amount: u32,
    pub ticks_per_amount: u32,
    pub length: u16,
    pub other_tariff: bool,
}

impl Terms {
    /// Longest chain that is really built: above two gaps, and quick to hash.
    pub const LENGTH_MAX: u16 = 600;
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum SignatureFlaw {
    /// Another device signed.
    OtherSigner,
    /// It was signed for another lane.
    OtherLane,
    /// It was signed for another ledger.
    OtherLedger,
    /// The amount was raised after signing.
    Raised,
    /// Its `s` is the high twin.
    HighS,
    /// All its bytes are zero.
    Zero,
}

/// What is wrong with a tick.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum TickFlaw {
    /// One bit is flipped.
    Flipped { bit: u8 },
    /// It is shown under the next index.
    OtherIndex,
    /// It is shown on another lane.
    OtherLane,
}
