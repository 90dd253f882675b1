//! Every participant's balance over all pairs. The balances sum to zero: netting moves debt, it makes none.

use std::collections::BTreeMap;

use farthing_channel::id::Address;
use serde::de::{Deserializer, Error as _};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::{NettingError, Position};

/// One participant's balance, base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Net {
    /// It pays this much.
    Owes(u128),
    /// It receives this much.
    IsOwed(u128),
    /// What it owes equals what it is owed.
    Even,
}

/// The balances by participant, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nets(pub BTreeMap<Address, Net>);

impl Serialize for Nets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (participant, net) in &self.0 {
            map.serialize_entry(&participant.to_string(), net)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Nets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, Net>::deserialize(deserializer)?;
        let parse = |(who, net): (String, Net)| who.parse().map(|who| (who, net)).map_err(D::Error::custom);
        map.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Nets {
    /// Who is not even, ascending by address.
    pub fn uneven(&self) -> impl Iterator<Item = (&Address, &Net)> {
        self.0.iter().filter(|(_, net)| **net != Net::Even)
    }

    /// Who pays, ascending by address.
    pub fn debtors(&self) -> impl Iterator<Item = (Address, u128)> {
        self.0.iter().filter_map(|(who, net)| if let Net::Owes(amount) = net { Some((*who, *amount)) } else { None })
    }

    /// Who receives, ascending by address.
    pub fn creditors(&self) -> impl Iterator<Item = (Address, u128)> {
        self.0.iter().filter_map(|(who, net)| if let Net::IsOwed(amount) = net { Some((*who, *amount)) } else { None })
    }
}

/// The balance of every participant that occurs in `positions`.
///
/// # Errors
/// [`NettingError::Overflow`], [`NettingError::NotZeroSum`].
pub fn net_all(positions: &[Position]) -> Result<Nets, NettingError> {
    // (owes, is owed), kept apart so that no sum is ever negative.
    let mut sums: BTreeMap<Address, (u128, u128)> = BTreeMap::new();
    for Position { debtor, creditor, amount } in positions {
        let owes = &mut sums.entry(*debtor).or_default().0;
        *owes = owes.checked_add(*amount).ok_or(NettingError::Overflow(*debtor))?;
        let is_owed = &mut sums.entry(*creditor).or_default().1;
        *is_owed = is_owed.checked_add(*amount).ok_or(NettingError::Overflow(*creditor))?;
    }
    let nets = Nets(sums.into_iter().map(|(who, (owes, is_owed))| (who, balance(owes, is_owed))).collect());
    require_zero_sum(&nets)?;
    Ok(nets)
}

fn balance(owes: u128, is_owed: u128) -> Net {
    let amount = owes.abs_diff(is_owed);
    match owes.cmp(&is_owed) {
        std::cmp::Ordering::Greater => Net::Owes(amount),
        std::cmp::Ordering::Less => Net::IsOwed(amount),
        std::cmp::Ordering::Equal => Net::Even,
    }
}

/// Checks that what is paid is what is received.
///
/// # Errors
/// [`NettingError::Overflow`], [`NettingError::NotZeroSum`].
pub(super) fn require_zero_sum(nets: &Nets) -> Result<(), NettingError> {
    let sum = |mut amounts: Box<dyn Iterator<Item = (Address, u128)> + '_>| {
        amounts.try_fold(0_u128, |sum, (who, amount)| sum.checked_add(amount).ok_or(NettingError::Overflow(who)))
    };
    let owing = sum(Box::new(nets.debtors()))?;
    let owed = sum(Box::new(nets.creditors()))?;
    if owing == owed { Ok(()) } else { Err(NettingError::NotZeroSum { owed, owing }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Address = Address([1; 20]);
    const B: Address = Address([2; 20]);
    const C: Address = Address([3; 20]);

    fn owes(debtor: Address, creditor: Address, amount: u128) -> Position {
        Position { debtor, creditor, amount }
    }

    #[test]
    fn a_chain_of_debts_nets_to_its_ends() {
        let nets = net_all(&[owes(A, B, 10), owes(B, C, 10)]).unwrap();
        assert_eq!(nets.0[&A], Net::Owes(10));
        assert_eq!(nets.0[&B], Net::Even);
        assert_eq!(nets.0[&C], Net::IsOwed(10));
    }

    #[test]
    fn balances_that_do_not_sum_to_zero_are_refused() {
        let nets = Nets([(A, Net::Owes(3)), (B, Net::IsOwed(4))].into());
        assert_eq!(require_zero_sum(&nets), Err(NettingError::NotZeroSum { owed: 4, owing: 3 }));
    }
}
