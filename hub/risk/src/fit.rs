//! Learning weights from labelled features, and judging them. Floating point is used here and nowhere else in the crate; what
//! comes out is quantised.
//!
//! | module | holds |
//! | --- | --- |
//! | [`attacks`] | attacks on a generated fleet |
//! | [`export`] | feature exports, read and written |
//! | [`from_export`] | weights from an export |
//! | [`trace`] | traces of devices, read |
//! | [`fleets`] | honest fleets, made from a seed |
//! | [`surges`] | updates of such fleets |
//! | [`mod@replay`] | events through signals to features |
//! | [`study`] | weights from traces, scenarios held out with their profiles |
//! | [`logistic`] | the regression |
//! | [`metrics`] | what scores achieve |

#![allow(clippy::float_arithmetic, reason = "a regression; what comes out is quantised, and no money is near")]

pub mod attacks;
pub mod export;
pub mod fleets;
pub mod from_export;
pub mod logistic;
pub mod metrics;
pub mod replay;
pub mod study;
pub mod surges;
pub mod trace;
