//! Constants of the embedded ledger, in one place. They are rules of the ledger, not configuration.

use std::time::Duration;

/// Chain id of every embedded ledger: "farth" in ASCII. It is given to no public chain and stays below 2^53, so
/// that wallets written in JavaScript can hold it. What tells one embedded ledger from another is its `contract`.
pub const EMBEDDED_CHAIN_ID: u64 = 0x66_6172_7468;

/// Chain id of every rehearsal: an embedded ledger whose money is play money. Nothing that is signed for a rehearsal is valid
/// on another ledger, so a hub may do there what would be wrong with money, such as running on a clock that is set by hand.
pub const REHEARSAL_CHAIN_ID: u64 = EMBEDDED_CHAIN_ID + 1;

/// Different approvers who must sign for money of participants to move.
pub const APPROVALS_REQUIRED: usize = 2;

/// Seconds between a payer's request to close and the withdrawal: the payee's last chance to settle.
pub const WITHDRAW_GRACE_SECONDS: u64 = 24 * 3600;

/// Batches the payee may still post between a request to close and the end of the grace period.
pub const BATCHES_AFTER_CLOSE_REQUEST: u8 = 1;

/// Seconds after a revocation or an expiry within which a batch may still raise the mandate's totals: what was
/// proven before must be collectible in the night that follows.
pub const MANDATE_END_GRACE_SECONDS: u64 = 48 * 3600;

/// Seconds within which a batch that was posted on a chain may be challenged: `CHALLENGE_WINDOW` of the contract. The embedded
/// ledger checks every leaf itself and decides at once.
pub const CHALLENGE_WINDOW_SECONDS: u64 = 12 * 3600;

/// Seconds before a new payout address receives money, so that a stolen key is noticed in time.
pub const PAYOUT_DELAY_SECONDS: u64 = 48 * 3600;

/// Most legs of one batch of transfers.
pub const LEGS_MAX: usize = 4096;

/// Longest label of an account, in bytes of UTF-8.
pub const LABEL_BYTES_MAX: usize = 64;

/// Most journal threads an epoch's cursors may name.
pub const EPOCH_CURSORS_MAX: usize = 256;

/// Most approvers a ledger knows.
pub const APPROVERS_MAX: usize = 32;

/// Most events returned at once.
pub const EVENTS_PER_READ_MAX: usize = 10_000;

/// Pause between two attempts to open a ledger file that another process holds.
pub(crate) const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Attempts before giving up: with the pause, half a minute. The longest legitimate holder commits a batch of a million
/// new leaves, which takes about twenty seconds.
pub(crate) const BUSY_ATTEMPTS: u32 = 6_000;

/// Fewest channels of a batch that are worth a thread of their own: some 10 ms of signatures.
pub(crate) const CLAIMS_PER_WORKER_MIN: usize = 256;

/// Page cache of the ledger file while it is open, in bytes.
pub(crate) const CACHE_BYTES: usize = 32 * 1024 * 1024;

const _: () = {
    assert!(APPROVALS_REQUIRED == 2, "approvals are a pair in every signed operation");
    assert!(MANDATE_END_GRACE_SECONDS >= WITHDRAW_GRACE_SECONDS, "an exit must not outrun the last batch");
    assert!(REHEARSAL_CHAIN_ID < 1 << 53, "chain ids stay exact in JavaScript");
};
