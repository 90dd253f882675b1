//! Pages over escrows and channels.
//!
//! Channels have slots, in the order in which the hub came to know them, and a page is a walk from one slot on. Escrows
//! have no order and are few, so a page of them is picked out of all: the least ids above the cursor, held in a heap of
//! one page.

use std::collections::BinaryHeap;
use std::fmt::Display;

use farthing_channel::id::{ChannelId, EscrowId};

use super::protocol::{AdminError, PAGE_MAX, Page};
use crate::table::unit::Walk;
use crate::table::{Channel, Escrow, Table};

/// Keeps the least ids above a cursor, and one more to know whether the list goes on.
#[derive(Debug)]
struct Least<I> {
    after: Option<I>,
    limit: usize,
    kept: BinaryHeap<I>,
}

impl<I: Ord + Copy> Least<I> {
    fn new(after: Option<I>, limit: u32) -> Self {
        let limit = usize::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(1);
        Self { after, limit, kept: BinaryHeap::with_capacity(limit + 2) }
    }

    fn offer(&mut self, id: I) {
        if self.after.is_some_and(|after| id <= after) {
            return;
        }
        let is_full = self.kept.len() > self.limit;
        if is_full && self.kept.peek().is_some_and(|greatest| id >= *greatest) {
            return;
        }
        self.kept.push(id);
        if is_full {
            self.kept.pop();
        }
    }

    /// The ids of the page, ascending, and whether more follow.
    fn page(self) -> (Vec<I>, bool) {
        let mut ids = self.kept.into_sorted_vec();
        let goes_on = ids.len() > self.limit;
        ids.truncate(self.limit);
        (ids, goes_on)
    }
}

fn page_of<I: Display, S>(ids: &[I], goes_on: bool, items: Vec<S>) -> Page<S> {
    let next = if goes_on { ids.last().map(ToString::to_string) } else { None };
    Page { items, next }
}

/// Slots looked through for one page: bounds what a page of an escrow with few channels among many costs.
const SLOTS_PER_PAGE_MAX: u32 = 65_536;

/// A page of channels, of one escrow or all, in the order of their slots.
pub(super) fn channels<S>(
    table: &Table,
    after: Option<ChannelId>,
    escrow: Option<EscrowId>,
    limit: u32,
    summary: impl Fn(&Channel) -> S,
) -> Result<Page<S>, AdminError> {
    let limit = usize::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(1);
    let mut from = match &after {
        None => Some(0),
        Some(id) => {
            let slot = table.slot_of_channel(id)?.ok_or_else(|| AdminError::not_found("channel"))?;
            slot.checked_add(1)
        }
    };
    let mut items = Vec::new();
    let mut last = None;
    while let (Some(slot), None) = (from, last) {
        from = table.walk(slot, SLOTS_PER_PAGE_MAX, |_, channel| {
            last = Some(channel.id());
            if escrow.is_none_or(|escrow| channel.escrow().id() == escrow) {
                items.push(summary(channel));
            }
            if items.len() < limit { Walk::On } else { Walk::Enough }
        })?;
    }
    let next = from.and(last).map(|id| id.to_string());
    Ok(Page { items, next })
}

/// A page of escrows.
pub(super) fn escrows<S>(
    table: &Table,
    after: Option<EscrowId>,
    limit: u32,
    summary: impl Fn(&Escrow) -> S,
) -> Page<S> {
    let mut least = Least::new(after, limit);
    for escrow in table.escrows() {
        least.offer(escrow.id());
    }
    let (ids, goes_on) = least.page();
    let items = ids.iter().filter_map(|id| table.escrow(id)).map(|escrow| summary(&escrow)).collect();
    page_of(&ids, goes_on, items)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_together_are_the_sorted_list(ids in prop::collection::btree_set(0_u32..10_000, 0..200), limit in 1_u32..50) {
            let mut found = Vec::new();
            let mut after = None;
            loop {
                let mut least = Least::new(after, limit);
                for id in ids.iter().rev() {
                    least.offer(*id);
                }
                let (page, goes_on) = least.page();
                prop_assert!(page.len() <= usize::try_from(limit).unwrap());
                found.extend_from_slice(&page);
                after = page.last().copied();
                if !goes_on {
                    break;
                }
            }
            prop_assert_eq!(found, ids.into_iter().collect::<Vec<_>>());
        }
    }
}
