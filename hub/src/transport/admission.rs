//! Who may start a connection: limits in total and per address.
//!
//! An address is an IPv4 address or an IPv6 /64. Before it is validated (by a Retry, or by a
//! completed handshake) anyone may have forged it, so an unvalidated attempt uses at most half of
//! an address's allowance and is then asked to prove itself. A stranger who forges the address of
//! a device can thus slow the device down by a round trip, not shut it out.
//!
//! A connection stays on the account of the address it came from, also after it has moved: the new
//! address is unproven when the move is reported, and charging it would let anyone fill a
//! stranger's account.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::config::TransportLimits;

/// Addresses without a connection that are remembered for their rate, at most.
const IDLE_ADDRESSES_MAX: usize = 65_536;

/// A full table is searched for idle addresses at most this often: the search reads all of it.
const CLEANING_INTERVAL: Duration = Duration::from_secs(1);

/// What limits per address are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum AddressKey {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl AddressKey {
    pub(super) fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// What to do with an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on; the attempt is counted until [`Admission::release`].
    Accept,
    /// Make the client prove its address, then try again.
    Retry,
    /// Refuse: the hub is full.
    RefuseFull,
    /// Refuse: the address holds as many connections as it may.
    RefuseAddress,
    /// Do not answer: too many handshakes; the client repeats itself, ever more slowly.
    UnansweredBusy,
    /// Do not answer: too many attempts from this address.
    UnansweredRate,
}

/// One address's account.
#[derive(Clone, Copy, Debug)]
struct Account {
    connections: u32,
    handshakes: u32,
    /// The time by which the attempts so far would have come at the sustained rate: a token
    /// bucket in one number (the "generic cell rate algorithm").
    paid_until: Instant,
}

impl Account {
    fn is_idle(&self, now: Instant) -> bool {
        self.connections == 0 && self.handshakes == 0 && self.paid_until <= now
    }
}

/// The accounts of all addresses, shared by all threads and asked once per connection.
#[derive(Debug)]
pub(super) struct Admission {
    accounts: HashMap<AddressKey, Account>,
    accounts_max: usize,
    cleaned_at: Option<Instant>,
    connections: u32,
    handshakes: u32,
    connections_max: u32,
    connections_per_address_max: u32,
    handshakes_max: u32,
    handshakes_before_retry: u32,
    handshakes_per_address_max: u32,
    attempt_interval: Duration,
    burst_span: Duration,
}

impl Admission {
    pub(super) fn new(limits: &TransportLimits) -> Self {
        let attempt_interval = Duration::from_secs(1) / limits.attempts_per_address_per_second.max(1);
        Self {
            accounts: HashMap::new(),
            accounts_max: usize::try_from(limits.connections_max)
                .unwrap_or(usize::MAX)
                .saturating_add(IDLE_ADDRESSES_MAX),
            cleaned_at: None,
            connections: 0,
            handshakes: 0,
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
            handshakes_max: limits.handshakes_max,
            handshakes_before_retry: limits.handshakes_before_retry,
            handshakes_per_address_max: limits.handshakes_per_address_max,
            attempt_interval,
            burst_span: attempt_interval.saturating_mul(limits.attempts_per_address_burst),
        }
    }

    /// Decides on an attempt and, if it is accepted, counts it as a handshake in progress.
    pub(super) fn admit(&mut self, now: Instant, key: AddressKey, validated: bool) -> Verdict {
        if self.connections >= self.connections_max {
            return Verdict::RefuseFull;
        }
        if !validated && self.handshakes >= self.handshakes_before_retry {
            return Verdict::Retry;
        }
        if self.handshakes >= self.handshakes_max {
            return Verdict::UnansweredBusy;
        }
        let Some(account) = self.account(now, key) else {
            return if validated { Verdict::UnansweredBusy } else { Verdict::Retry };
        };
        let verdict = self.judge(now, account, validated);
        if verdict == Verdict::Accept {
            self.connections += 1;
            self.handshakes += 1;
            let paid_until = account.paid_until.max(now) + self.attempt_interval;
            self.accounts.insert(
                key,
                Account { connections: account.connections + 1, handshakes: account.handshakes + 1, paid_until },
            );
        }
        verdict
    }

    fn judge(&self, now: Instant, account: Account, validated: bool) -> Verdict {
        let share = |limit: u32| if validated { limit } else { limit.div_ceil(2) };
        let otherwise = |verdict| if validated { verdict } else { Verdict::Retry };
        if account.connections >= share(self.connections_per_address_max) {
            return otherwise(Verdict::RefuseAddress);
        }
        if account.handshakes >= share(self.handshakes_per_address_max) {
            return otherwise(Verdict::UnansweredBusy);
        }
        let ahead = account.paid_until.saturating_duration_since(now);
        let span = if validated { self.burst_span } else { self.burst_span / 2 };
        // A burst of one must let the first attempt through.
        if ahead + self.attempt_interval > span.max(self.attempt_interval) {
            return otherwise(Verdict::UnansweredRate);
        }
        Verdict::Accept
    }

    /// The address's account, a fresh one if it has none and the table has room for it.
    fn account(&mut self, now: Instant, key: AddressKey) -> Option<Account> {
        if let Some(account) = self.accounts.get(&key) {
            return Some(*account);
        }
        if self.accounts.len() >= self.accounts_max {
            let recently = self.cleaned_at.is_some_and(|at| now.saturating_duration_since(at) < CLEANING_INTERVAL);
            if recently {
                return None;
            }
            self.cleaned_at = Some(now);
            self.accounts.retain(|_, account| !account.is_idle(now));
            if self.accounts.len() >= self.accounts_max {
                return None;
            }
        }
        Some(Account { connections: 0, handshakes: 0, paid_until: now })
    }

    /// A handshake that was accepted has completed.
    pub(super) fn handshake_completed(&mut self, key: AddressKey) {
        self.handshakes = self.handshakes.saturating_sub(1);
        if let Some(account) = self.accounts.get_mut(&key) {
            account.handshakes = account.handshakes.saturating_sub(1);
        }
    }

    /// An accepted connection is gone; `in_handshake` if its handshake never completed.
    pub(super) fn release(&mut self, now: Instant, key: AddressKey, in_handshake: bool) {
        if in_handshake {
            self.handshake_completed(key);
        }
        self.connections = self.connections.saturating_sub(1);
        if let Some(account) = self.accounts.get_mut(&key) {
            account.connections = account.connections.saturating_sub(1);
            if account.is_idle(now) {
                self.accounts.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
