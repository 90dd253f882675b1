//! What is computed before the clock runs: chains and signatures, so that the generator is not what is measured.

use std::num::NonZero;
use std::time::Duration;

use farthing_channel::chain::{ChainPurpose, seed, step};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, LaneId, Preimage, TariffHash};
use farthing_channel::sign::Signature;

use super::args::BenchArgs;
use super::lane::{Lane, Means, sign_voucher};
use super::shape::{Profile, Shape};
use super::side::float;

const CHAIN_LENGTH_MAX: usize = 4096;
const CHAIN_LENGTH_MIN: usize = 64;
const LINK_BYTES: usize = 32;

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

/// Fills the lanes' stores on all cores.
pub fn fill(lanes: &mut [Lane], domain: &Domain, chain_length: u16, plan: Plan) {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = lanes.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        for part in lanes.chunks_mut(share) {
            scope.spawn(move || {
                for lane in part {
                    let (secret, id) = (lane.key().secret_bytes(), lane.id());
                    let (chains, signed): (Vec<_>, Vec<Signature>) = match lane.means() {
                        Means::Ticks => {
                            let numbers = 0..u64::try_from(plan.chains).unwrap_or(0);
                            (numbers.map(|number| Links::grow(&secret, &id, number, chain_length)).collect(), vec![])
                        }
                        Means::Vouchers => {
                            let amounts = 1..=u64::try_from(plan.vouchers).unwrap_or(0);
                            (vec![], amounts.map(|amount| sign_voucher(lane.key(), domain, id, amount)).collect())
                        }
                    };
                    lane.lay_in(chains, signed);
                }
            });
        }
    });
}

/// As long as memory allows: a chain for every lane, and one more.
#[must_use]
pub fn chain_length(args: &BenchArgs, shape: &Shape) -> u16 {
    let budget = args.chains_mib.saturating_mul(1 << 20);
    let length = budget / (2 * LINK_BYTES * shape.lanes().max(1));
    u16::try_from(length.clamp(CHAIN_LENGTH_MIN, CHAIN_LENGTH_MAX)).unwrap_or(u16::MAX)
}

/// Chains and vouchers made ahead for each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Chains, where it is paid by ticks.
    pub chains: usize,
    /// Vouchers, where it is paid by those.
    pub vouchers: usize,
}

/// What the run will need, as far as memory allows.
#[must_use]
pub fn plan(args: &BenchArgs, shape: &Shape, chain_length: u16) -> Plan {
    match args.profile {
        Profile::IdleChannels | Profile::Idle => return Plan { chains: 0, vouchers: 0 },
        Profile::ReconnectStorm | Profile::HandshakeStorm => return Plan { chains: 1, vouchers: 0 },
        _ => {}
    }
    let lanes = shape.lanes().max(1);
    let per_chain = LINK_BYTES * (usize::from(chain_length) + 1);
    let chains = args.chains_mib.saturating_mul(1 << 20) / per_chain / lanes;
    // No shape comes near so many ticks per second.
    const TICKS_PER_SECOND_MAX: f64 = 8e6;
    let seconds = (args.warm_up + args.duration).as_secs_f64() * f64::from(args.cycles);
    let most = |per_second: f64| {
        let whole = Duration::try_from_secs_f64(per_second * seconds).map_or(u64::MAX, |time| time.as_secs());
        usize::try_from(whole).unwrap_or(usize::MAX)
    };
    let ticks = most(args.rate.unwrap_or(TICKS_PER_SECOND_MAX));
    let needed = ticks / lanes / usize::from(chain_length) + 2;
    let vouchers = most(args.rate.unwrap_or(float(args.presigned_per_second))) / lanes + 2;
    Plan { chains: chains.min(needed).max(1), vouchers }
}
