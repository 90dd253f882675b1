//! How a data-plane thread answers the table's rounds: what it changed before is durable.

use std::sync::Arc;

use farthing_cells::{PlaneMark, Rounds};

use crate::journal::commit::JournalHandle;
use crate::journal::durable::Ticket;

/// One thread's answers. See [`Rounds`] for what rests on them.
#[derive(Debug)]
pub(super) struct RoundAnswers {
    rounds: Arc<Rounds>,
    mark: PlaneMark,
    /// A round that was seen when everything changed had been submitted, and the last ticket then.
    seen: Option<(u64, Ticket)>,
}

impl RoundAnswers {
    /// Answers for a thread that has changed nothing yet.
    pub(super) fn new(rounds: &Arc<Rounds>) -> Self {
        Self { rounds: Arc::clone(rounds), mark: rounds.join(), seen: None }
    }

    /// At the end of a turn: `submitted` is the last ticket, where the journal has taken every record of every change
    /// that was made.
    pub(super) fn turn_ends(&mut self, submitted: Option<Ticket>, journal: &JournalHandle) {
        if self.seen.is_none() {
            let round = self.rounds.current();
            self.seen = submitted.filter(|_| round > self.mark.answered()).map(|ticket| (round, ticket));
        }
        if let Some((round, ticket)) = self.seen
            && journal.is_durable(ticket).is_some()
        {
            self.mark.answer(round);
            self.seen = None;
        }
    }
}
