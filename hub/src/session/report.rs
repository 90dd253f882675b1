//! What providers say they served.

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::Address;
use farthing_channel::record::Record;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::{LibSecp, verify_typed};
use farthing_channel::wire::{Notice, SignedReport};

use super::outbox::{Confirmation, HeldLane, Recipient};
use super::plane::DataPlane;
use super::view;
use crate::transport::{ConnectionId, Io, StreamId};

impl DataPlane {
    /// Takes a report on the conversation stream of `payee`.
    pub(super) fn report(
        &mut self,
        io: &mut Io<'_>,
        connection: ConnectionId,
        stream: StreamId,
        payee: Address,
        report: &SignedReport,
    ) {
        let from = Recipient { connection, stream: Some(stream) };
        match self.take_report(io, from, payee, report) {
            Ok(lane) => {
                let confirmation = Confirmation { connection, stream, lane, revision: report.revision };
                self.outbox.pending().confirmations.push(confirmation);
            }
            Err(refusal) => {
                self.shared.metrics.refused(refusal);
                let notice = Notice::ReportRefused { lane: report.lane, refusal };
                // A provider that is gone needs no answer.
                let _unsent = io.send_frame(connection, stream, &encode_to_vec(&notice));
            }
        }
    }

    fn take_report(
        &mut self,
        io: &mut Io<'_>,
        from: Recipient,
        payee: Address,
        report: &SignedReport,
    ) -> Result<HeldLane, Refusal> {
        if !self.shared.serving.is_on() || !self.outbox.has_room() {
            return Err(Refusal::NotServing);
        }
        let lane = self.shared.table.lane(&report.lane)?.ok_or(Refusal::UnknownLane)?;
        if lane.payee() != payee {
            return Err(Refusal::NotThePayee);
        }
        // The same report again, because its answer was lost: the answer again.
        if lane.report().is_some_and(|held| *held == *report) {
            return Ok(HeldLane::unchanged(lane));
        }
        let signature = report.signature.check().map_err(Refusal::from)?;
        self.pay_signature(io.now(), from, |shared| {
            verify_typed(&LibSecp, &shared.domain, &report.typed(), &signature, &payee).map_err(Refusal::from)
        })?;
        // While a payment of it is on its way from another thread, the provider reports again.
        let held = HeldLane::take(lane, self.holder).ok_or(Refusal::NotServing)?;
        held.lane().accept_report(report)?;
        self.outbox.record(&Record::Report(*report));
        self.risk.reported(held.lane(), report.used_units);
        self.assess(held.lane());
        self.shared.metrics.reports_accepted.inc();
        Ok(held)
    }

    pub(super) fn confirm_report(&mut self, io: &mut Io<'_>, confirmation: &Confirmation) {
        let lane = confirmation.lane.lane();
        let grant = view::grant(&self.shared, lane, self.unix);
        let notice = Notice::Reported { lane: lane.id(), revision: confirmation.revision, grant };
        // A provider that is gone asks again when it is back.
        let _unsent = io.send_frame(confirmation.connection, confirmation.stream, &encode_to_vec(&notice));
    }
}
