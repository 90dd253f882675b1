//! Real clients against a real driver, in one process.

mod behaviour;
mod harness;
mod hostile;
mod lifecycle;

/// The time, for tests beside the code.
pub(super) fn now() -> std::time::Instant {
    crate::clock::now()
}
