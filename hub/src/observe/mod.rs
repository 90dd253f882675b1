//! What the hub tells about itself: metrics, liveness, readiness.

pub mod metrics;
mod transport;
