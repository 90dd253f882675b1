//! The book's lanes as positions need them.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use crate::book::{Book, BookError, LaneRow, MandateRow};
use crate::meter::{Meter, Metered, Work};
use crate::stage::positions::{Cover, LaneFacts, MandateFacts};

/// Reads every lane on which anything was proven or collected, and finds the mandates it stands under: the newest, and the
/// one under which its channel was last settled. Lanes are read on all processors, mandates once from first to last.
pub(super) fn lane_facts(book: &Book, meter: &dyn Meter) -> Result<Vec<LaneFacts>, BookError> {
    let (mut lanes, serials) = read_lanes(book, meter)?;
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    let key = |lane: &LaneFacts| (lane.escrow, lane.device);
    order.sort_unstable_by_key(|place| lanes.get(*place).map(key));
    let mut rest = order.as_slice();
    book.each_mandate(|escrow, mandate| {
        let channel = (escrow, mandate.terms.device);
        // Mandates come by escrow and device too, so lanes before this one have seen all of theirs.
        let before = |place: &usize| lanes.get(*place).map(key) < Some(channel);
        while let Some((first, after)) = rest.split_first()
            && before(first)
        {
            rest = after;
        }
        for place in rest {
            let Some(lane) = lanes.get_mut(*place).filter(|lane| key(lane) == channel) else { break };
            see(lane, serials.get(*place).copied().flatten(), &mandate);
        }
    })?;
    Ok(lanes)
}

/// A mandate of the lane's device; serials ascend, so the last one seen is the newest.
fn see(lane: &mut LaneFacts, settled_serial: Option<u64>, mandate: &MandateRow) {
    let terms = &mandate.terms;
    let facts = MandateFacts {
        serial: terms.serial,
        limit: terms.limit,
        expiry: terms.expiry.0,
        allows_payee: terms.allows(&lane.payee),
    };
    if lane.cover != Cover::Lone {
        lane.cover = Cover::Mandate(facts);
    }
    if settled_serial == Some(terms.serial) {
        lane.settled_under = Some(facts);
    }
}

/// Lanes by id, each with the serial under which it was last settled.
type Lanes = (Vec<LaneFacts>, Vec<Option<u64>>);

fn read_lanes(book: &Book, meter: &dyn Meter) -> Result<Lanes, BookError> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let firsts: Vec<u8> = (0..=u8::MAX).collect();
    let reading = &Metered::begin(meter, Work::Positions, 256);
    let read = |bytes: &[u8]| -> Result<Lanes, BookError> {
        let (mut lanes, mut serials) = Lanes::default();
        for byte in bytes {
            book.each_lane_between(*byte, *byte, |row| {
                if let Some(facts) = facts_of(&row) {
                    lanes.push(facts);
                    serials.push(row.settled_serial);
                }
                Ok(())
            })?;
            reading.advance(1);
        }
        Ok((lanes, serials))
    };
    thread::scope(|scope| {
        let share = firsts.len().div_ceil(workers);
        let parts: Vec<_> = firsts.chunks(share).map(|bytes| scope.spawn(move || read(bytes))).collect();
        let (mut lanes, mut serials) = Lanes::default();
        for part in parts {
            let (mut of_part, of_serials) = part.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            lanes.append(&mut of_part);
            serials.extend(of_serials);
        }
        Ok((lanes, serials))
    })
}

fn facts_of(row: &LaneRow) -> Option<LaneFacts> {
    let proof = row.to_proof();
    let image = row.image;
    let authorised = proof.total().amount();
    (authorised > 0 || row.collected > 0).then(|| LaneFacts {
        lane: image.lane,
        escrow: image.escrow,
        device: image.device,
        payee: image.payee,
        rating_group: image.rating_group.0,
        authorised,
        credited: proof.credited(),
        collected: row.collected,
        cover: if proof.is_lone() { Cover::Lone } else { Cover::Nothing },
        settled_under: None,
    })
}
