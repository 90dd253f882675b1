//! What the hub tells about itself: metrics, liveness, readiness.

pub mod http;
pub mod metrics;
mod transport;
