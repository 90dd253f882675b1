//! Where cold units are read from.

use farthing_channel::id::EscrowId;

use crate::checkpoint::row::UnitRow;

/// A cold unit cannot be read: the checkpoint file fails or is damaged. What the table holds is not known then, so
/// nothing may be decided; the cause is logged where it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint file cannot be read")]
pub struct Unreadable;

impl From<Unreadable> for farthing_channel::refusal::Refusal {
    /// The same answer as of a hub that has stopped: it is not the device's fault, and another time may do.
    fn from(_: Unreadable) -> Self {
        Self::NotServing
    }
}

/// Reads units that are not in memory, as the last checkpoint left them.
pub trait ColdUnits: std::fmt::Debug + Send + Sync {
    /// The unit in a slot, as of a checkpoint not older than the call; none where the slot has no row.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn unit(&self, slot: u32) -> Result<Option<UnitRow>, Unreadable>;

    /// Every unit in `slots`, ascending, as of one checkpoint not older than the call.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn units(&self, slots: std::ops::Range<u32>) -> Result<Vec<(u32, UnitRow)>, Unreadable>;
}

/// A table all of which is in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoColdUnits;

impl ColdUnits for NoColdUnits {
    fn unit(&self, _: u32) -> Result<Option<UnitRow>, Unreadable> {
        Ok(None)
    }

    fn units(&self, _: std::ops::Range<u32>) -> Result<Vec<(u32, UnitRow)>, Unreadable> {
        Ok(Vec::new())
    }
}

/// A row that does not fit the rest of the state.
pub(super) fn misfit(slot: u32, escrow: &EscrowId, why: &str) -> Unreadable {
    tracing::error!(slot, %escrow, why, "a unit of the checkpoint cannot be taken up");
    Unreadable
}
