//! What a device and a hub do, once each: sign and verify a voucher, build a chain, verify a tick of it.

use farthing_channel::chain::{self, DeviceChain};
use farthing_channel::eip712::{Domain, Voucher};
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, Preimage, RatingGroup};
use farthing_channel::sign::{RustCrypto, RustCryptoKey, SignatureError, Signer as _, sign_typed, verify_typed};

/// The text names the check that does not hold.
pub(crate) type Outcome = Result<(), &'static str>;

/// Every check.
pub(crate) fn run() -> Outcome {
    let channel = ChannelId::derive(&EscrowId([1; 32]), &Address([2; 20]));
    let lane = LaneId::derive(&channel, &Address([3; 20]), RatingGroup(4));
    voucher(lane)?;
    tick(lane)
}

fn holds(condition: bool, check: &'static str) -> Outcome {
    if condition { Ok(()) } else { Err(check) }
}

fn voucher(lane: LaneId) -> Outcome {
    let domain = Domain::new(1, Address([9; 20]));
    let key = RustCryptoKey::from_bytes([7; 32]).map_err(|_| "a secret key is accepted")?;
    let voucher = Voucher { lane, cumulative_amount: 1_000 };
    let signature = sign_typed(&key, &domain, &voucher).map_err(|_| "a voucher is signed")?;
    holds(
        verify_typed(&RustCrypto, &domain, &voucher, &signature, &key.address()) == Ok(()),
        "a voucher verifies",
    )?;
    let raised = Voucher { cumulative_amount: 1_001, ..voucher };
    holds(
        verify_typed(&RustCrypto, &domain, &raised, &signature, &key.address()) == Err(SignatureError::WrongSigner),
        "a voucher for another total is refused",
    )
}

fn tick(lane: LaneId) -> Outcome {
    let mut device = DeviceChain::new(&lane, Preimage([5; 32]), 256).ok_or("a chain is built")?;
    let (preimage, _) = device.preimage(200).ok_or("a preimage is shown")?;
    let root = chain::walk(&preimage, &lane.tag(), 200, 0);
    holds(root.0 == device.root().0, "a tick leads to the root")?;
    let elsewhere = chain::walk(&preimage, &lane.tag(), 199, 0);
    holds(elsewhere.0 != device.root().0, "a tick of another index does not")
}
