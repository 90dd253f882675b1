//! The rules of Farthing channels, and nothing else.
//!
//! Everything here is a pure function of its arguments: no clock, no randomness, no sockets, no files. The
//! hub, the device SDK and the settlement run all call these rules, so what one accepts the others accept.
//!
//! | module | holds |
//! | --- | --- |
//! | [`id`] | addresses and identities, and how they are derived |
//! | [`eip712`] | the typed data that people and devices sign, and its digests |
//! | [`sign`] | low-s secp256k1 signatures behind two interchangeable backends |
//! | [`chain`] | hash chains: ticks for the hub, checkpoints for the device |
//! | [`mandate`] | permissions to spend, single or thousands under one signature |
//! | [`tariff`] | what units cost |
//! | [`lane`] | a lane's total as a maximum: propose, then commit |
//! | [`admission`] | the limits a total must respect before it is collectible |
//! | [`refusal`] | every reason to say no, numbered, in order of precedence |
//! | [`wire`] | what travels between device, provider and hub |
//! | [`record`] | what the journal keeps |
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)]
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod admission;
pub mod chain;
pub mod codec;
pub mod eip712;
pub mod id;
pub mod lane;
pub mod limits;
pub mod mandate;
pub mod record;
pub mod refusal;
pub mod sign;
pub mod tariff;
pub mod time;
pub mod wire;
