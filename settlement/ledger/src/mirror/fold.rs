//! Facts of the chain's log, one after another, into the books. The chain has checked them; what cannot follow from the
//! books is a mirror that missed something, and stops it.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, Hash32, LaneId};
use farthing_channel::time::UnixSeconds;
use redb::ReadableTable;

use super::MirroredEvent;
use crate::account::PendingPayout;
use crate::batch::LeafSet;
use crate::books::Books;
use crate::books::rows::{Bytes, LaneRow, decode};
use crate::error::LedgerError;
use crate::escrow::{Escrow, EscrowState, PendingBatch};
use crate::event::{ClosedEpoch, Event};
use crate::limits::{BATCHES_AFTER_CLOSE_REQUEST, WITHDRAW_GRACE_SECONDS};
use crate::rules::batch::{assume, remember};

pub(super) fn fold(
    books: &mut Books<'_>,
    leaves: &impl ReadableTable<&'static [u8; 32], Bytes>,
    events: &[MirroredEvent],
) -> Result<(), LedgerError> {
    let mut rest = events;
    while let Some((first, others)) = rest.split_first() {
        books.set_now(first.at);
        rest = match &first.event {
            // The legs of a batch happen at once, so an account may pass on what it receives in the same batch.
            Event::Transferred { proposal, .. } => {
                let same = |event: &&MirroredEvent| matches!(&event.event, Event::Transferred { proposal: of, .. } if of == proposal);
                let count = rest.iter().take_while(same).count();
                let (legs, others) = rest.split_at(count);
                transfer(books, proposal, legs)?;
                others
            }
            event => {
                apply(books, leaves, event)?;
                others
            }
        };
    }
    for MirroredEvent { at, event } in events {
        books.set_now(*at);
        books.log(event.clone())?;
    }
    Ok(())
}

fn transfer(books: &mut Books<'_>, proposal: &Hash32, legs: &[MirroredEvent]) -> Result<(), LedgerError> {
    if !books.use_proposal(proposal)? {
        return Err(LedgerError::damaged(format_args!("proposal {proposal} was executed twice")));
    }
    let mut movements: BTreeMap<Address, (u64, u64)> = BTreeMap::new();
    let fits = || LedgerError::damaged("a sum of legs does not fit 64 bits");
    for leg in legs {
        if let Event::Transferred { from, credited, amount, .. } = &leg.event {
            let out = &mut movements.entry(*from).or_default().0;
            *out = out.checked_add(*amount).ok_or_else(fits)?;
            let into = &mut movements.entry(*credited).or_default().1;
            *into = into.checked_add(*amount).ok_or_else(fits)?;
        }
    }
    for (account, (out, into)) in movements {
        books.credit(&account, into)?;
        books.debit(&account, out)?;
    }
    Ok(())
}

fn apply(
    books: &mut Books<'_>,
    leaves: &impl ReadableTable<&'static [u8; 32], Bytes>,
    event: &Event,
) -> Result<(), LedgerError> {
    match event {
        Event::Issued { account, amount, .. } => {
            books.count_issue(*amount)?;
            books.credit(account, *amount)
        }
        Event::PaidOut { account, amount, .. } => {
            books.debit(account, *amount)?;
            books.count_paid_out(*amount)
        }
        Event::AccountRegistered { account, kind, label } => {
            let mut row = books.account(account)?;
            row.kind = *kind;
            row.label.clone_from(label);
            row.registrations = row.registrations.saturating_add(1);
            books.put_account(&row)
        }
        Event::PayoutChanged { account, payout, effective } => {
            let mut row = books.account(account)?;
            row.payout = row.payout_at(books.now());
            row.payout_pending = Some(PendingPayout { payout: *payout, effective: *effective });
            row.payout_changes = row.payout_changes.saturating_add(1);
            books.put_account(&row)
        }
        Event::ParticipantSet { account, net_debit_cap, approvers } => {
            books.put_settings(account, *net_debit_cap, approvers)
        }
        Event::EpochClosed(closed) => books.put_epoch(&ClosedEpoch { at: books.now(), ..closed.clone() }),
        Event::MandateRevoked { escrow, device, serial } => books.put_revocation(escrow, device, *serial),
        Event::Transferred { .. } => Ok(()),
        _ => apply_to_escrow(books, leaves, event),
    }
}

fn apply_to_escrow(
    books: &mut Books<'_>,
    leaves: &impl ReadableTable<&'static [u8; 32], Bytes>,
    event: &Event,
) -> Result<(), LedgerError> {
    if let Event::EscrowOpened { payer, deposit, .. } = event {
        books.debit(payer, *deposit)?;
        return opened(books, event);
    }
    let Some(id) = event.escrow() else { return Ok(()) };
    let mut escrow = books.escrow(id)?;
    match event {
        Event::EscrowToppedUp { amount, deposit, .. } => {
            books.debit(&escrow.payer, *amount)?;
            escrow.deposit = *deposit;
            escrow.state = EscrowState::Open;
            escrow.payer_operations = escrow.payer_operations.saturating_add(1);
        }
        Event::EscrowCloseRequested { withdrawable_at, .. } => {
            let at = UnixSeconds(withdrawable_at.0.saturating_sub(WITHDRAW_GRACE_SECONDS));
            escrow.state = EscrowState::CloseRequested { at, batches_left: BATCHES_AFTER_CLOSE_REQUEST };
            escrow.payer_operations = escrow.payer_operations.saturating_add(1);
        }
        Event::BatchPosted { id, batch } => {
            escrow.pending = Some(PendingBatch { id: *id, batch: *batch, posted_at: books.now() });
            if let EscrowState::CloseRequested { batches_left, .. } = &mut escrow.state {
                *batches_left = batches_left.saturating_sub(1);
            }
        }
        Event::BatchVoided { .. } => escrow.pending = None,
        Event::EscrowSettled { payee, prev_settled, total, root, .. } => {
            let posted = escrow.pending.take();
            settled(books, leaves, &mut escrow, posted, root)?;
            escrow.settled = *total;
            books.credit(payee, total.saturating_sub(*prev_settled))?;
        }
        Event::EscrowWithdrawn { .. } => escrow.payer_operations = escrow.payer_operations.saturating_add(1),
        Event::EscrowFinalized { refunded, .. } => {
            escrow.state = EscrowState::Finalized;
            escrow.pending = None;
            books.credit(&escrow.payer, *refunded)?;
        }
        _ => {}
    }
    books.put_escrow(&escrow)
}

fn opened(books: &mut Books<'_>, event: &Event) -> Result<(), LedgerError> {
    let Event::EscrowOpened { escrow, payer, payee, token, salt, authorized_signer, deposit } = event else {
        return Ok(());
    };
    books.put_escrow(&Escrow {
        id: *escrow,
        payer: *payer,
        payee: *payee,
        token: *token,
        salt: *salt,
        authorized_signer: *authorized_signer,
        deposit: *deposit,
        settled: 0,
        state: EscrowState::Open,
        payer_operations: 0,
        lanes: 0,
        lanes_total: 0,
        pending: None,
    })
}

/// Remembers the leaves of a batch that was paid, where they are known here: they were proven before it was posted, and
/// lead to its root. A mirror that never held them goes on without; the next batch then proves every lane again.
fn settled(
    books: &mut Books<'_>,
    leaves: &impl ReadableTable<&'static [u8; 32], Bytes>,
    escrow: &mut Escrow,
    posted: Option<PendingBatch>,
    root: &Hash32,
) -> Result<(), LedgerError> {
    let Some(PendingBatch { batch, posted_at, .. }) = posted else { return Ok(()) };
    if root.is_zero() {
        let row = LaneRow { escrow: escrow.id, device: escrow.signer(), total: batch.total };
        return books.put_lane(&LaneId::of_escrow(&escrow.id), &row);
    }
    let Some(row) = leaves.get(&batch.root.0)? else { return Ok(()) };
    let known: LeafSet = decode(row.value(), "leaves")?;
    drop(row);
    let assumed = assume(&batch, escrow, &known);
    remember(books, escrow, &assumed, posted_at)
}
