//! Sequences, tickets, and the witness that one is on disk.

/// A block's number, from 1; 0 stands for "before the first block".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// The number of a batch handed to the commit thread, from 1 at each start of the hub. Tickets become durable in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The witness that something, and all before it, survives a crash. Only the journal makes one, after a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Durable<T>(T);

impl<T: Copy> Durable<T> {
    pub(in crate::journal) fn new(value: T) -> Self {
        Self(value)
    }

    /// What is durable.
    pub fn get(&self) -> T {
        self.0
    }
}
