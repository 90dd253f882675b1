//! What is computed before the clock runs: chains and signatures, so that the generator is not what is measured.

use std::num::NonZero;

use farthing_channel::chain::{ChainPurpose, seed, step};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, LaneId, Preimage, TariffHash};
use farthing_channel::sign::Signature;

use super::lane::{Lane, sign_voucher};

/// All links of a chain, so that a preimage costs a look-up.
#[derive(Debug)]
pub struct Links(Box<[Preimage]>);

impl Links {
    /// Chain number `number` of a lane: `length` hashes, 32 bytes each. The seed is any, as the protocol allows; that of a
    /// real device depends on the chain's base, which is not known this far ahead.
    #[must_use]
    pub fn grow(secret: &[u8; 32], lane: &LaneId, number: u64, length: u16) -> Self {
        let purpose = ChainPurpose {
            lane: *lane,
            base_amount: number,
            base_ticks: 0,
            tick_amount: 1,
            ticks_per_amount: 1,
            length,
            tariff: TariffHash::ZERO,
        };
        let mut link = seed(secret, &Domain::new(0, Address::ZERO), &purpose);
        let tag = lane.tag();
        let mut links = vec![link; usize::from(length) + 1];
        for index in (1..=length).rev() {
            link = step(&link, &tag, index);
            links[usize::from(index) - 1] = link;
        }
        Self(links.into_boxed_slice())
    }

    /// Number of preimages.
    #[must_use]
    pub fn length(&self) -> u16 {
        u16::try_from(self.0.len().saturating_sub(1)).unwrap_or(u16::MAX)
    }

    /// The link at `index`, at most the length; index 0 is the root.
    #[must_use]
    pub fn link(&self, index: u16) -> &Preimage {
        &self.0[usize::from(index)]
    }
}

/// Fills the lanes' stores on all cores: this many chains and vouchers for each.
pub fn fill(lanes: &mut [Lane], domain: &Domain, chain_length: u16, chains: usize, vouchers: usize) {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = lanes.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        for part in lanes.chunks_mut(share) {
            scope.spawn(move || {
                for lane in part {
                    let (secret, id) = (lane.key().secret_bytes(), lane.id());
                    let (chains, signed): (Vec<_>, Vec<Signature>) = match lane.means() {
                        super::lane::Means::Ticks => {
                            let numbers = 0..u64::try_from(chains).unwrap_or(0);
                            (numbers.map(|number| Links::grow(&secret, &id, number, chain_length)).collect(), vec![])
                        }
                        super::lane::Means::Vouchers => {
                            let amounts = 1..=u64::try_from(vouchers).unwrap_or(0);
                            (vec![], amounts.map(|amount| sign_voucher(lane.key(), domain, id, amount)).collect())
                        }
                    };
                    lane.lay_in(chains, signed);
                }
            });
        }
    });
}
