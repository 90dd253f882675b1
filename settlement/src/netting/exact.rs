//! The fewest transfers that discharge a set of balances.
//!
//! Participants whose balances sum to zero can settle among themselves with one transfer fewer than they are, and with no
//! fewer unless a part of them sums to zero too. So n balances need n less the greatest number of groups that they fall
//! into, each of sum zero. That number is found over all subsets: taking a participant away loses at most one group,
//! and it loses one just where the subset sums to zero.

use farthing_channel::id::Address;

use super::legs::{Greedy, LegPlanner};
use super::multilateral::{Net, Nets, require_zero_sum};
use super::{Leg, NettingError};

/// Most participants that the fewest transfers are sought for; beyond, time and memory double with each.
pub const EXACT_PARTICIPANTS_MAX: usize = 16;

/// The fewest transfers where at most [`EXACT_PARTICIPANTS_MAX`] participants are not even, and [`Greedy`] beyond.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exact;

impl LegPlanner for Exact {
    fn plan(&self, nets: &Nets) -> Result<Vec<Leg>, NettingError> {
        match fewest_legs(nets)? {
            Some(legs) => Ok(legs),
            None => Greedy.plan(nets),
        }
    }
}

/// The fewest transfers for `nets`; `None` where there are too many participants to tell.
///
/// # Errors
/// [`NettingError::NotZeroSum`], [`NettingError::Overflow`].
pub fn fewest_legs(nets: &Nets) -> Result<Option<Vec<Leg>>, NettingError> {
    require_zero_sum(nets)?;
    let mut balances = Vec::new();
    for (who, net) in &nets.0 {
        let signed = |amount: &u128| i128::try_from(*amount).map_err(|_| NettingError::Overflow(*who));
        match net {
            Net::Owes(amount) => balances.push((*who, signed(amount)?.checked_neg())),
            Net::IsOwed(amount) => balances.push((*who, Some(signed(amount)?))),
            Net::Even => {}
        }
    }
    if balances.len() > EXACT_PARTICIPANTS_MAX {
        return Ok(None);
    }
    let mut legs = Vec::new();
    for group in zero_sum_groups(&balances)? {
        let of_group = group.iter().filter_map(|who| nets.0.get(who).map(|net| (*who, *net))).collect();
        legs.extend(Greedy.plan(&Nets(of_group))?);
    }
    Ok(Some(legs))
}

/// The participants in the greatest number of groups that each sum to zero.
fn zero_sum_groups(balances: &[(Address, Option<i128>)]) -> Result<Vec<Vec<Address>>, NettingError> {
    let subsets = 1_usize << balances.len();
    let mut sums = vec![0_i128; subsets];
    let mut groups = vec![0_u8; subsets];
    for subset in 1..subsets {
        let lowest = subset.trailing_zeros();
        let (rest, member) = (subset & (subset - 1), usize::try_from(lowest).unwrap_or(usize::MAX));
        let (who, balance) = balances.get(member).copied().unwrap_or((Address::ZERO, None));
        let sum = sums.get(rest).and_then(|sum| sum.checked_add(balance?)).ok_or(NettingError::Overflow(who))?;
        let best = members(subset).map(|member| at(&groups, subset & !(1 << member))).max().unwrap_or(0);
        if let (Some(place), Some(count)) = (sums.get_mut(subset), groups.get_mut(subset)) {
            *place = sum;
            *count = best.saturating_add(u8::from(sum == 0));
        }
    }
    // Back from all of them: the subsets of sum zero on the way are where one group ends and the next begins.
    let (mut found, mut group, mut subset) = (Vec::new(), Vec::new(), subsets - 1);
    while subset != 0 {
        let ends = u8::from(sums.get(subset) == Some(&0));
        let wanted = at(&groups, subset).saturating_sub(ends);
        let member = members(subset).find(|member| at(&groups, subset & !(1 << member)) == wanted).unwrap_or(0);
        if ends == 1 && !group.is_empty() {
            found.push(std::mem::take(&mut group));
        }
        group.extend(balances.get(member).map(|(who, _)| *who));
        subset &= !(1 << member);
    }
    found.extend((!group.is_empty()).then_some(group));
    Ok(found)
}

fn members(subset: usize) -> impl Iterator<Item = usize> {
    (0..EXACT_PARTICIPANTS_MAX).filter(move |member| subset >> member & 1 == 1)
}

fn at(groups: &[u8], subset: usize) -> u8 {
    groups.get(subset).copied().unwrap_or(0)
}
