//! The limits a lane's growth must respect. They depend on order and belong to the owning hub alone, unlike the
//! total, which is a maximum anywhere.

use crate::refusal::Refusal;
use crate::time::UnixSeconds;

/// Where a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ChannelStatus {
    /// Payments are accepted.
    Open = 0,
    /// An operator stopped it; it can be thawed.
    Frozen = 1,
    /// Closed by the device or the operator; a mandate with a higher serial opens it again.
    Closed = 2,
}

impl ChannelStatus {
    /// The status with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Open),
            1 => Some(Self::Frozen),
            2 => Some(Self::Closed),
            _ => None,
        }
    }
}

/// What decides, besides amounts, whether a channel may pay now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The channel's status.
    pub status: ChannelStatus,
    /// The mandate's expiry.
    pub expiry: UnixSeconds,
    /// Whether the mandate's serial has been revoked on the ledger.
    pub revoked: bool,
    /// Whether the mandate lets it pay this payee.
    pub payee_allowed: bool,
    /// Whether the escrow accepts new payments: open, with no exit requested.
    pub escrow_open: bool,
}

/// Whether the channel may pay at `now`. Asked before any proof is looked at.
///
/// # Errors
/// In this order: [`Refusal::MandateExpired`], [`Refusal::MandateRevoked`], [`Refusal::PayeeNotAllowed`],
/// [`Refusal::ChannelFrozen`], [`Refusal::ChannelClosed`], [`Refusal::EscrowClosing`].
pub fn check_standing(standing: &Standing, now: UnixSeconds) -> Result<(), Refusal> {
    if now >= standing.expiry {
        return Err(Refusal::MandateExpired);
    }
    if standing.revoked {
        return Err(Refusal::MandateRevoked);
    }
    if !standing.payee_allowed {
        return Err(Refusal::PayeeNotAllowed);
    }
    match standing.status {
        ChannelStatus::Open => {}
        ChannelStatus::Frozen => return Err(Refusal::ChannelFrozen),
        ChannelStatus::Closed => return Err(Refusal::ChannelClosed),
    }
    if standing.escrow_open { Ok(()) } else { Err(Refusal::EscrowClosing) }
}

/// `current + increase`, if it stays within `limit`.
///
/// # Errors
/// `refusal`, where it does not (or does not fit 64 bits, which is beyond any limit).
pub fn reserve(current: u64, increase: u64, limit: u64, refusal: Refusal) -> Result<u64, Refusal> {
    current.checked_add(increase).filter(|total| *total <= limit).ok_or(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Standing = Standing {
        status: ChannelStatus::Open,
        expiry: UnixSeconds(10),
        revoked: false,
        payee_allowed: true,
        escrow_open: true,
    };

    #[test]
    fn refusals_come_in_order_of_precedence() {
        let cases = [
            (GOOD, 9, Ok(())),
            (GOOD, 10, Err(Refusal::MandateExpired)),
            (Standing { revoked: true, ..GOOD }, 10, Err(Refusal::MandateExpired)),
            (Standing { revoked: true, status: ChannelStatus::Frozen, ..GOOD }, 9, Err(Refusal::MandateRevoked)),
            (
                Standing { payee_allowed: false, status: ChannelStatus::Frozen, ..GOOD },
                9,
                Err(Refusal::PayeeNotAllowed),
            ),
            (Standing { status: ChannelStatus::Frozen, escrow_open: false, ..GOOD }, 9, Err(Refusal::ChannelFrozen)),
            (Standing { status: ChannelStatus::Closed, escrow_open: false, ..GOOD }, 9, Err(Refusal::ChannelClosed)),
            (Standing { escrow_open: false, ..GOOD }, 9, Err(Refusal::EscrowClosing)),
        ];
        for (standing, now, expected) in cases {
            assert_eq!(check_standing(&standing, UnixSeconds(now)), expected, "{standing:?} at {now}");
        }
    }

    #[test]
    fn reservations_never_pass_the_limit() {
        assert_eq!(reserve(5, 5, 10, Refusal::EscrowLimit), Ok(10));
        assert_eq!(reserve(5, 6, 10, Refusal::EscrowLimit), Err(Refusal::EscrowLimit));
        assert_eq!(reserve(u64::MAX, 1, u64::MAX, Refusal::MandateLimit), Err(Refusal::MandateLimit));
    }
}
