//! Whose turn it is to change something.

use crate::sync::{AtomicU64, Ordering};

/// Who may hold: a data-plane thread's number, or the control plane's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HolderId(pub u16);

/// A right to change something, taken by one holder any number of times and given back as often. While it is taken, no
/// other holder gets it.
///
/// It is taken for as long as a change is on its way to the disk. So the changes of one thing reach the journal in the
/// order in which they were made, from whichever threads they come, and nobody waits: who does not get it comes again.
#[derive(Debug, Default)]
pub struct Hold(AtomicU64);

/// The low half counts, the high half names the holder.
const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

impl Hold {
    /// Held by nobody.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes it (once more) for `holder`. False while another has it.
    #[must_use]
    pub fn take(&self, holder: HolderId) -> bool {
        let owner = u64::from(holder.0) << COUNT_BITS;
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            let count = current & COUNT_MASK;
            if count == COUNT_MASK || (count > 0 && current & !COUNT_MASK != owner) {
                return false;
            }
            // Acquire: what the last holder wrote is seen.
            match self.0.compare_exchange_weak(current, owner | (count + 1), Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => current = newer,
            }
        }
    }

    /// Gives back one taking. To be called once for each [`take`](Self::take) that succeeded.
    pub fn give_back(&self) {
        // Release: what was written while it was held is seen by the next holder.
        let before = self.0.fetch_sub(1, Ordering::Release);
        debug_assert!(before & COUNT_MASK > 0, "given back more often than taken");
    }

    /// Whether anybody has it.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire) & COUNT_MASK > 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_any_number_of_times() {
        let hold = Hold::new();
        let (a, b) = (HolderId(0), HolderId(7));
        assert!(!hold.is_taken() && hold.take(a) && hold.take(a));
        assert!(!hold.take(b));
        hold.give_back();
        assert!(!hold.take(b) && hold.is_taken());
        hold.give_back();
        assert!(hold.take(b) && !hold.take(a));
    }
}
