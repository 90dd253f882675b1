//! Dividing what there is among those who want more.

/// Divides `available` in proportion to `wants`, rounded down, and hands what rounding left to the first ones in order.
/// Nobody gets more than it wants; together they get `available` or everything they want, whichever is less.
#[must_use]
pub fn allocate(wants: &[u64], available: u64) -> Vec<u64> {
    let wanted: u128 = wants.iter().map(|want| u128::from(*want)).sum();
    if wanted <= u128::from(available) {
        return wants.to_vec();
    }
    // At least one wants something here, so the divisor is not zero; 64 by 64 bits fit 128.
    let share = |want: &u64| {
        let product = u128::from(*want).saturating_mul(u128::from(available));
        u64::try_from(product.checked_div(wanted).unwrap_or(0)).unwrap_or(u64::MAX)
    };
    let mut shares: Vec<u64> = wants.iter().map(share).collect();
    let mut left = shares.iter().fold(available, |left, share| left.saturating_sub(*share));
    for (share, want) in shares.iter_mut().zip(wants) {
        if left == 0 {
            break;
        }
        // Fewer units are left than there are shares, so one each is enough.
        if *share < *want {
            *share = share.saturating_add(1);
            left = left.saturating_sub(1);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_add_up_and_nobody_gets_more_than_it_wants(
            wants in prop::collection::vec(prop_oneof![0_u64..50, any::<u64>()], 0..20),
            available in prop_oneof![0_u64..100, any::<u64>()],
        ) {
            let shares = allocate(&wants, available);
            let wanted: u128 = wants.iter().map(|want| u128::from(*want)).sum();
            let given: u128 = shares.iter().map(|share| u128::from(*share)).sum();
            prop_assert_eq!(given, wanted.min(available.into()));
            prop_assert!(shares.iter().zip(&wants).all(|(share, want)| share <= want));
        }
    }

    #[test]
    fn shares_are_proportional() {
        assert_eq!(allocate(&[10, 20, 30], 30), [5, 10, 15]);
        assert_eq!(allocate(&[1, 1, 1], 2), [1, 1, 0]);
        assert_eq!(allocate(&[], 5), Vec::<u64>::new());
    }
}
