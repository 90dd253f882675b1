//! Follows the base ledger, with care for order: what hurts (an exit, a revocation) acts at the head, what helps (a
//! deposit, a top-up) at finality.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use farthing_channel::id::EscrowId;
use farthing_channel::record::{EscrowImage, EscrowState, Record};
use farthing_ledger::{
    ChangeMark, Escrow, EscrowState as LedgerState, Event, JournalCursor, LedgerError, LedgerView, LoggedEvent,
};

use crate::control::{Control, ControlError};
use crate::recovery;
use crate::session::Shared;

/// Events asked for at once. What they lead to fits one journal block.
const EVENTS_PER_STEP: usize = 512;

/// Why a step did not go through. The next one tries again from the same place.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The ledger did not answer.
    #[error("the base ledger cannot be read: {0}")]
    Ledger(#[from] LedgerError),
    /// The hub could not take the change.
    #[error("a ledger event cannot be taken in: {0}")]
    Control(#[from] ControlError),
}

/// The follower of one hub.
#[derive(Debug)]
pub struct Follower {
    ledger: Arc<dyn LedgerView>,
    shared: Arc<Shared>,
    control: Arc<Control>,
    journal_directory: PathBuf,
    mark: Option<ChangeMark>,
    /// What hurts among the events beyond finality, as last seen: all of it was acted on. A ledger on a chain may take such an
    /// event back, or put another in its place.
    beyond: Vec<LoggedEvent>,
}

/// The escrow as a record, from how the ledger shows it.
fn image(escrow: &Escrow) -> EscrowImage {
    EscrowImage {
        id: escrow.id,
        payer: escrow.payer,
        payee: escrow.payee,
        token: escrow.token,
        salt: escrow.salt,
        authorized_signer: escrow.authorized_signer,
        deposit: escrow.deposit,
        settled: escrow.settled,
        state: match escrow.state {
            LedgerState::Open => EscrowState::Open,
            LedgerState::CloseRequested { .. } => EscrowState::CloseRequested,
            LedgerState::Finalized => EscrowState::Finalized,
        },
    }
}

impl Follower {
    /// A follower that goes on where the journal's records of the ledger end.
    pub fn new(
        ledger: Arc<dyn LedgerView>,
        shared: Arc<Shared>,
        control: Arc<Control>,
        journal_directory: PathBuf,
    ) -> Self {
        Self { ledger, shared, control, journal_directory, mark: None, beyond: Vec::new() }
    }

    /// Takes in everything there is. Cheap where nothing happened.
    ///
    /// # Errors
    /// [`FollowError`]; what was taken in before stays.
    pub fn catch_up(&mut self) -> Result<(), FollowError> {
        let mark = self.ledger.mark()?;
        if self.mark.as_ref() == Some(&mark) {
            return Ok(());
        }
        let finalized = self.ledger.heads()?.finalized;
        let beyond = self.hurting_beyond(finalized)?;
        loop {
            let after = self.shared.table.ledger_cursor();
            let mut events = self.ledger.events(after, EVENTS_PER_STEP)?;
            events.retain(|logged| logged.cursor <= finalized);
            let Some(last) = events.last().map(|logged| logged.cursor) else {
                break;
            };
            self.take_in(&events, &beyond, Some(last))?;
        }
        if beyond != self.beyond {
            // What was there before and is gone is looked at too: its escrow may be open after all.
            let gone = self.beyond.iter().filter(|logged| !beyond.contains(logged));
            let changed: Vec<_> = gone.chain(&beyond).cloned().collect();
            self.take_in(&changed, &beyond, None)?;
            self.beyond = beyond;
        }
        self.mark = Some(mark);
        Ok(())
    }

    /// What hurts beyond finality. It is acted on before it is final; the cursor stays, so finality brings it again, and
    /// changes nothing then.
    fn hurting_beyond(&self, finalized: u64) -> Result<Vec<LoggedEvent>, LedgerError> {
        let mut hurting = Vec::new();
        let mut after = finalized;
        loop {
            let events = self.ledger.events(after, EVENTS_PER_STEP)?;
            let Some(last) = events.last().map(|logged| logged.cursor) else {
                return Ok(hurting);
            };
            after = last;
            hurting.extend(events.into_iter().filter(|logged| logged.event.acts_at_head()));
        }
    }

    /// Journals what `events` come to, escrows as they are with what hurts `beyond` finality.
    fn take_in(&self, events: &[LoggedEvent], beyond: &[LoggedEvent], cursor: Option<u64>) -> Result<(), FollowError> {
        let account = self.shared.account;
        let mut records = Vec::new();
        let mut seen = BTreeSet::<EscrowId>::new();
        for logged in events {
            if let Some(id) = logged.event.escrow()
                && seen.insert(*id)
                && let Some(mut escrow) = self.ledger.escrow(id)?
                && escrow.payee == account
            {
                let expected = beyond.iter().filter(|logged| logged.event.escrow() == Some(id));
                expected.for_each(|logged| escrow.expect(&logged.event));
                records.push(Record::Escrow(image(&escrow)));
            }
        }
        for logged in events {
            match &logged.event {
                Event::MandateRevoked { escrow, device, serial } if self.is_ours(escrow, &records) => {
                    records.push(Record::Revoked { escrow: *escrow, device: *device, serial: *serial, at: logged.at });
                }
                Event::EpochClosed(closed) if closed.hub == account => {
                    let sequence = self.settled_sequence(&closed.cursors);
                    records.push(Record::EpochClosed { epoch: closed.epoch, sequence });
                }
                _ => {}
            }
        }
        records.extend(cursor.map(|cursor| Record::LedgerCursor { cursor }));
        if !records.is_empty() {
            self.control.change(&records)?;
        }
        Ok(())
    }

    /// The block up to which this journal is settled once an epoch was closed at `cursors`.
    fn settled_sequence(&self, cursors: &[JournalCursor]) -> u64 {
        let (_, before) = self.shared.table.epoch_closed();
        let end = self.shared.journal.durable_sequence().0;
        let hub = self.shared.account.0;
        recovery::settled_through(&self.journal_directory, hub, cursors, end, before).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell whether a closed epoch read this journal; its segments are kept");
            before
        })
    }

    fn is_ours(&self, id: &EscrowId, records: &[Record]) -> bool {
        self.shared.table.escrow(id).is_some()
            || records.iter().any(|record| matches!(record, Record::Escrow(image) if image.id == *id))
    }

    /// Follows until `stop`, looking every `interval`.
    pub fn run(mut self, interval: Duration, stop: &AtomicBool) {
        let mut failing = false;
        while !stop.load(Ordering::Acquire) {
            match self.catch_up() {
                Ok(()) => {
                    if failing {
                        tracing::info!("the base ledger answers again");
                    }
                    failing = false;
                    self.shared.metrics.ledger_reachable.set(1);
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "cannot follow the base ledger; trying again");
                    }
                    failing = true;
                    self.shared.metrics.ledger_reachable.set(0);
                }
            }
            self.shared.metrics.ledger_cursor.set(i64::try_from(self.shared.table.ledger_cursor()).unwrap_or(i64::MAX));
            std::thread::sleep(interval);
        }
    }
}
