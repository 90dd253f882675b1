//! What can happen to a site, in any order.

use arbitrary::{Arbitrary, Unstructured};

/// One thing that happens.
#[derive(Debug, Clone, Arbitrary)]
pub enum Operation {
    /// A voucher arrives.
    Voucher { lane: u8, amount: Amount, flaw: Rarely<SignatureFlaw> },
    /// An anchor arrives.
    Anchor { lane: u8, terms: Terms, flaw: Rarely<SignatureFlaw> },
    /// A preimage of an anchor that was made earlier arrives.
    Tick { lane: u8, anchor: u8, index: Index, flaw: Rarely<TickFlaw> },
    /// Every payment that was counted arrives once more.
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

/// Present once in eight times, so that most sequences get somewhere.
#[derive(Debug, Clone, Copy)]
pub struct Rarely<T>(pub Option<T>);

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Rarely<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let present = u.ratio(1, 8)?;
        Ok(Self(if present { Some(T::arbitrary(u)?) } else { None }))
    }
}

/// How much a voucher says.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Amount {
    /// This much more than the lane's whole total.
    Above(u16),
    /// Just what the mandate still allows, and this much more or less.
    ToMandateLimit(i8),
    /// Just what the deposit still allows, and this much more or less.
    ToDeposit(i8),
    /// This much.
    Total(u64),
}

/// Which preimage a tick shows.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Index {
    /// The one after the last one accepted.
    Next,
    /// This many after the last one accepted.
    Skip(u8),
    /// As far after the last one accepted as may be, and this much more or less.
    Furthest(i8),
    /// This one.
    At(u16),
}

/// A number that is small more often than not.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Number {
    Small(u8),
    Medium(u16),
    Any(u64),
}

impl Number {
    /// The number, cut to `u64`.
    #[must_use]
    pub fn long(self) -> u64 {
        match self {
            Self::Small(number) => u64::from(number),
            Self::Medium(number) => u64::from(number),
            Self::Any(number) => number,
        }
    }

    /// The number, its upper half dropped.
    #[must_use]
    pub fn short(self) -> u32 {
        u32::try_from(self.long() & u64::from(u32::MAX)).unwrap_or(u32::MAX)
    }
}

/// What an anchor says; `length` is shortened to [`Terms::LENGTH_MAX`], as the chain has to be built.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Terms {
    pub base: Amount,
    pub base_ticks: Number,
    pub tick_amount: Number,
    pub ticks_per_amount: Number,
    pub length: u16,
    pub other_tariff: Rarely<()>,
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
