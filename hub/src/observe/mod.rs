//! What the hub tells about itself: metrics, liveness, readiness.

pub(crate) mod fleets;
pub mod http;
pub mod metrics;
mod transport;
