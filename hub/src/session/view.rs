//! A lane as its device or provider sees it.

use farthing_channel::lane::Evidence;
use farthing_channel::sign::Signer as _;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{Grant, LaneView, SignedReceipt};

use super::Shared;
use crate::risk::{self, Granted};
use crate::table::Lane;

/// The grant on a lane now, for what is durable.
pub(super) fn granted(shared: &Shared, lane: &Lane, now: UnixSeconds) -> Granted {
    let decision = shared.risk.decide(lane, now);
    risk::grant(lane, &decision, lane.durable())
}

/// The same as a message's part.
pub(super) fn grant(shared: &Shared, lane: &Lane, now: UnixSeconds) -> Grant {
    granted(shared, lane, now).into()
}

/// Everything a device needs to go on from nothing but its key. The proofs are the device's own signatures; it
/// believes nothing else in here.
pub(super) fn lane(shared: &Shared, lane: &Lane, handle: u32, now: UnixSeconds) -> LaneView {
    let state = lane.state();
    let tariff = lane.tariff();
    let voucher = match state.evidence() {
        Some(Evidence::Voucher(voucher)) => Some(voucher),
        _ => None,
    };
    LaneView {
        handle,
        lane: lane.id(),
        payee: lane.payee(),
        rating_group: lane.rating_group(),
        authorised: lane.durable(),
        voucher,
        anchors: state.proofs(),
        tariff: tariff.hash(),
        tariff_base_amount: tariff.base_amount,
        tariff_base_units: tariff.base_units,
        used_units: lane.used_units(),
        credited: lane.credited(),
        grant: grant(shared, lane, now),
    }
}

/// A signed statement of a lane.
pub(super) fn receipt(shared: &Shared, lane: &Lane, now: UnixSeconds) -> SignedReceipt {
    let mut receipt = SignedReceipt {
        lane: lane.id(),
        authorised: lane.durable(),
        used: lane.used_units(),
        tariff: lane.tariff().hash(),
        time: now,
        signature: farthing_channel::sign::UncheckedSignature([0; 64]),
    };
    let Ok(signature) = shared.key.sign(&shared.domain.digest(&receipt.typed()));
    receipt.signature = signature.into();
    receipt
}
