//! What a transaction may cost.

use alloy_primitives::U256;

use crate::config::ChainConfig;
use crate::error::ChainError;
use crate::rpc::{Head, Rpc};

/// Fees of a transaction, wei for a unit of gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fees {
    /// All in all, at most.
    pub(crate) most: u64,
    /// For whoever includes it, at most.
    pub(crate) tip: u64,
}

fn saturate(value: U256) -> u64 {
    value.try_into().unwrap_or(u64::MAX)
}

impl Fees {
    /// What is usual now: twice the base fee lasts for six full blocks.
    pub(crate) fn usual(rpc: &Rpc, latest: &Head, config: &ChainConfig) -> Result<Self, ChainError> {
        let tip = match rpc.priority_fee() {
            Ok(tip) => saturate(tip),
            // Not every node has the method; then the market's usual one.
            Err(ChainError::Node { .. }) => USUAL_TIP_WEI,
            Err(error) => return Err(error),
        };
        let base = saturate(latest.base_fee_per_gas);
        Ok(Self { most: base.saturating_mul(2).saturating_add(tip), tip }.capped(config))
    }

    /// At least an eighth above `former`, which is the least that nodes take as a replacement, and what is usual now.
    /// `None` where that is above what is allowed.
    pub(crate) fn raised(self, former: Self, config: &ChainConfig) -> Option<Self> {
        let above = |wei: u64| wei.saturating_add(wei.div_ceil(8)).saturating_add(1);
        let raised = Self { most: self.most.max(above(former.most)), tip: self.tip.max(above(former.tip)) };
        (raised.most <= config.gas_price_wei_max).then_some(raised)
    }

    /// What a transaction of so much gas may cost, wei.
    pub(crate) fn cost(self, gas: u64, value: u64) -> U256 {
        U256::from(self.most).saturating_mul(U256::from(gas)).saturating_add(U256::from(value))
    }

    fn capped(self, config: &ChainConfig) -> Self {
        let most = self.most.min(config.gas_price_wei_max);
        Self { most, tip: self.tip.min(most) }
    }
}

/// One gwei.
const USUAL_TIP_WEI: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Finality;
    use farthing_channel::id::Address;

    #[test]
    fn a_raise_is_an_eighth_and_stops_at_the_limit() {
        let mut config = ChainConfig::new(String::new(), Address::ZERO, Address::ZERO, Address::ZERO, Finality::Tag);
        config.gas_price_wei_max = 200;
        let usual = Fees { most: 100, tip: 8 };
        let raised = usual.raised(Fees { most: 100, tip: 8 }, &config).unwrap();
        assert_eq!(raised, Fees { most: 114, tip: 10 });
        assert_eq!(usual.raised(Fees { most: 190, tip: 8 }, &config), None);
    }
}
