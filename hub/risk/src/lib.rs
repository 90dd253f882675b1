//! How far a lane is trusted: from what happens on it to what is done about it, and why.
//!
//! No input or output, no clock, no randomness, no floating point; time is an argument. Nothing on the way from an event
//! to an [`Assessment`](model::Assessment) allocates.
//!
//! ```text
//! event ─► signals (32 bytes a lane) ─► features ─► score ─► ladder ─► terms, reasons
//!             ▲                            ▲           ▲        ▲
//!          profile (what is usual)      facts      weights    rules, policy, override
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`signals`] | what is remembered of a lane |
//! | [`profile`] | what is usual in a fleet, and how that is learned |
//! | [`features`] | what the score looks at |
//! | [`score`] | a logistic of weighted features |
//! | [`usage`] | how far it is held against a lane that it uses much |
//! | [`ladder`] | from scores to actions: up at once, down rung by rung |
//! | [`policy`] | what an operator allows: tenants, measures, overrides |
//! | [`model`] | all of it put together |
//! | [`mod@file`] | the weights file |
//! | [`reason`] | codes and sentences |
//! | [`sketch`] | counts of sources in fixed memory |
//! | [`pulse`] | lanes of a fleet that move together |
//! | [`fleet`] | what that is: an update, or somebody who drives them |
//! | [`anomaly`] | half-space trees, for the side path |
//! | [`fixed`] | logarithms and decay in whole numbers |
//! | `fit` | the learner, with the feature of that name |

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

pub mod anomaly;
pub mod features;
pub mod file;
#[cfg(feature = "fit")]
pub mod fit;
pub mod fixed;
pub mod fleet;
pub mod ladder;
pub mod model;
pub mod policy;
pub mod profile;
pub mod pulse;
pub mod reason;
pub mod score;
pub mod signals;
pub mod sketch;
pub mod usage;
