//! What an attach would change: found out as a whole before any of it is done, so that a refusal changes nothing.

use std::sync::Arc;

use farthing_channel::admission::{ChannelStatus, Standing, check_standing};
use farthing_channel::id::{Address, ChannelId, LaneId, RatingGroup, TariffHash};
use farthing_channel::lane::Verified;
use farthing_channel::limits::{LANES_PER_ATTACH_MAX, LANES_PER_CHANNEL_MAX};
use farthing_channel::mandate::{MandateBundle, MandateTerms};
use farthing_channel::record::{LaneImage, Record};
use farthing_channel::refusal::Refusal;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::LaneOffer;

use crate::table::escrow::EscrowUse;
use crate::table::{Channel, Escrow, Table};

/// Records to apply in their order, and the lanes that are open then, in the order of the offers.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) records: Vec<Record>,
    pub(super) lanes: Vec<LaneId>,
}

/// A channel as it will stand: under the mandate it has, or under the one that is shown.
struct Prospect {
    standing: Standing,
    /// Whom it may pay, ascending; empty for anyone.
    payees: Vec<Address>,
    lanes: usize,
    is_lone: bool,
}

impl Prospect {
    fn of(channel: &Channel, escrow: &Escrow) -> Self {
        Self {
            standing: channel.standing(None),
            payees: channel.payees(),
            lanes: channel.lanes().len(),
            is_lone: escrow.usage() == EscrowUse::Itself,
        }
    }

    fn under(terms: &MandateTerms, channel: Option<&Channel>, escrow: &Escrow) -> Self {
        // A newer mandate opens a closed channel again, and leaves a frozen one frozen.
        let is_frozen = channel.is_some_and(|channel| channel.status() == ChannelStatus::Frozen);
        Self {
            standing: Standing {
                status: if is_frozen { ChannelStatus::Frozen } else { ChannelStatus::Open },
                expiry: terms.expiry,
                revoked: channel.and_then(Channel::revoked_serial).is_some_and(|serial| terms.serial <= serial),
                payee_allowed: true,
                escrow_open: escrow.is_open(),
            },
            payees: terms.payees.clone(),
            lanes: channel.map_or(0, |channel| channel.lanes().len()),
            is_lone: false,
        }
    }

    fn lone(escrow: &Escrow) -> Self {
        Self {
            standing: Standing {
                status: ChannelStatus::Open,
                expiry: UnixSeconds(u64::MAX),
                revoked: false,
                payee_allowed: true,
                escrow_open: escrow.is_open(),
            },
            payees: Vec::new(),
            lanes: 0,
            is_lone: true,
        }
    }
}

/// Plans the attach of `key` under `escrow`. `mandate` is one that is checked and news; absent where none is.
///
/// # Errors
/// [`Refusal::TooManyLanes`], [`Refusal::NoMandate`], [`Refusal::EscrowMixed`], those of [`check_standing`],
/// [`Refusal::UnknownPayee`], [`Refusal::PayeeNotAllowed`].
pub(super) fn plan(
    table: &Table,
    escrow: &Arc<Escrow>,
    key: &Address,
    mandate: Option<Verified<MandateBundle>>,
    offers: &[LaneOffer],
    now: UnixSeconds,
) -> Result<Plan, Refusal> {
    if offers.len() > LANES_PER_ATTACH_MAX {
        return Err(Refusal::TooManyLanes);
    }
    let channel = table.channel_of(&escrow.id(), key)?;
    let shown = mandate.as_ref().and_then(|verified| verified.get().mandates.first());
    let mut plan = Plan::default();
    let mut prospect = match (shown, &channel) {
        (Some(terms), _) => Prospect::under(terms, channel.as_deref(), escrow),
        (None, Some(channel)) => Prospect::of(channel, escrow),
        (None, None) if *key != escrow.signer() => return Err(Refusal::NoMandate),
        (None, None) if escrow.usage() == EscrowUse::Mandates => return Err(Refusal::EscrowMixed),
        (None, None) => {
            plan.records.push(Record::Lane(lone_lane(escrow)));
            Prospect::lone(escrow)
        }
    };
    check_standing(&prospect.standing, now)?;
    plan.records.extend(mandate.map(|verified| Record::Mandates(verified.into_inner())));
    for offer in offers {
        let (lane, record) = plan_lane(table, escrow, key, &mut prospect, offer)?;
        plan.lanes.push(lane);
        plan.records.extend(record);
    }
    Ok(plan)
}

/// The lane of a lone payer, who pays on the escrow itself.
fn lone_lane(escrow: &Escrow) -> LaneImage {
    LaneImage {
        lane: LaneId::of_escrow(&escrow.id()),
        escrow: escrow.id(),
        device: escrow.signer(),
        payee: escrow.terms().payee,
        rating_group: RatingGroup(0),
        tariff: TariffHash::ZERO,
        tariff_base_amount: 0,
        tariff_base_units: 0,
    }
}

/// The offered lane, and the record that opens it or gives it the payee's current tariff, where it needs one.
fn plan_lane(
    table: &Table,
    escrow: &Escrow,
    key: &Address,
    prospect: &mut Prospect,
    offer: &LaneOffer,
) -> Result<(LaneId, Option<Record>), Refusal> {
    if prospect.is_lone {
        let lone = LaneOffer { payee: escrow.terms().payee, rating_group: RatingGroup(0) };
        return if *offer == lone { Ok((LaneId::of_escrow(&escrow.id()), None)) } else { Err(Refusal::EscrowMixed) };
    }
    let id = LaneId::derive(&ChannelId::derive(&escrow.id(), key), &offer.payee, offer.rating_group);
    let held = table.lane(&id)?;
    // A provider that was switched off gets no new lanes; what is owed on open ones stays payable.
    if held.is_none() && !table.directory.provider(&offer.payee).is_some_and(|provider| provider.active) {
        return Err(Refusal::UnknownPayee);
    }
    if !prospect.payees.is_empty() && prospect.payees.binary_search(&offer.payee).is_err() {
        return Err(Refusal::PayeeNotAllowed);
    }
    if held.is_none() {
        prospect.lanes = prospect.lanes.saturating_add(1);
        if prospect.lanes > LANES_PER_CHANNEL_MAX {
            return Err(Refusal::TooManyLanes);
        }
    }
    let current = table.directory.current_tariff(&offer.payee, offer.rating_group);
    let tariff = current.map_or(TariffHash::ZERO, |entry| entry.hash());
    if held.as_ref().is_some_and(|lane| lane.tariff().hash() == tariff) {
        return Ok((id, None));
    }
    // Under a new price the units granted so far stay granted; the new price counts from the total now.
    let base_amount = held.as_ref().map_or(0, |lane| lane.evidence().amount());
    let image = LaneImage {
        lane: id,
        escrow: escrow.id(),
        device: *key,
        payee: offer.payee,
        rating_group: offer.rating_group,
        tariff,
        tariff_base_amount: base_amount,
        tariff_base_units: held.as_ref().map_or(0, |lane| lane.units_for(base_amount)),
    };
    Ok((id, Some(Record::Lane(image))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{PAYEE, device, domain, escrow, lane_of, opening, payer, table};
    use farthing_channel::mandate::sign_mandate;
    use farthing_channel::sign::{LibSecp, Signer as _};

    fn shown(expiry: u64, serial: u64, payees: Vec<Address>) -> Option<Verified<MandateBundle>> {
        let terms =
            MandateTerms { device: device(0).address(), limit: 50, expiry: UnixSeconds(expiry), serial, payees };
        let bundle = sign_mandate(&payer(), &domain(), escrow(0).id, terms).unwrap();
        Some(bundle.verify(&LibSecp, &domain(), &payer().address()).unwrap())
    }

    fn offer(payee: Address, group: u32) -> LaneOffer {
        LaneOffer { payee, rating_group: RatingGroup(group) }
    }

    #[test]
    fn an_attach_is_planned_whole_or_not_at_all() {
        let mut records = opening(100, 50, 1);
        records.push(Record::Provider { address: PAYEE, name: "carrier".into(), active: true });
        records.push(Record::Revoked {
            escrow: escrow(0).id,
            device: device(0).address(),
            serial: 7,
            at: UnixSeconds(0),
        });
        // The table is shared and only read: that a refusal changes nothing is in the signature. What is refused, and
        // for what, is tested here.
        let table = table(&records);
        let escrow = table.escrow(&escrow(0).id).unwrap();
        let good = offer(PAYEE, 1);
        let new = offer(PAYEE, 2);
        let nobody = offer(Address([8; 20]), 1);
        let many: Vec<_> = (0..13).map(|group| offer(PAYEE, group)).collect();
        let cases = [
            (None, vec![good], Refusal::MandateRevoked),
            (shown(9, 8, vec![]), vec![good], Refusal::MandateExpired),
            (shown(99, 7, vec![]), vec![good], Refusal::MandateRevoked),
            (shown(99, 8, vec![]), vec![good, nobody], Refusal::UnknownPayee),
            (shown(99, 8, vec![Address([1; 20])]), vec![good], Refusal::PayeeNotAllowed),
            (shown(99, 8, vec![]), many, Refusal::TooManyLanes),
        ];
        for (mandate, offers, refusal) in cases {
            let planned = plan(&table, &escrow, &device(0).address(), mandate, &offers, UnixSeconds(10));
            assert_eq!(planned.map(|plan| plan.lanes).unwrap_err(), refusal);
        }
        let stranger = plan(&table, &escrow, &Address([3; 20]), None, &[good], UnixSeconds(10));
        assert_eq!(stranger.unwrap_err(), Refusal::NoMandate);
        let planned =
            plan(&table, &escrow, &device(0).address(), shown(99, 8, vec![]), &[good, new], UnixSeconds(10)).unwrap();
        assert_eq!(planned.lanes[0], lane_of(0));
        assert!(
            matches!(planned.records[..], [Record::Mandates(_), Record::Lane(image)] if image.lane == planned.lanes[1])
        );
    }
}
