//! What is found of fleets as wholes, in the log and the metrics: once when it begins, once when it is over.

use farthing_risk::fleet::Change;
use farthing_risk::pulse::Kind;

use crate::clock;
use crate::risk::engine::unit_name;
use crate::session::Shared;

/// Tells what is newly found of fleets as wholes, and what is over.
pub(crate) fn tell(shared: &Shared) {
    let (engine, clock) = (&shared.risk, shared.table.risk_clock());
    let watched = engine.watched();
    let told = watched.look(clock.at_unix_ms(clock::unix_milliseconds()));
    if told.is_empty() {
        return;
    }
    for (seen, change) in told {
        let (fleet, unit) = (engine.fleet_name(seen.fleet), unit_name(seen.unit));
        match change {
            Change::Raised(raised) => {
                let kinds: Vec<&str> = raised.kinds.iter().map(Kind::name).collect();
                let (finding, lanes) = (raised.finding.name(), seen.pulse.active());
                let moving = raised.kinds.iter().map(|kind| seen.pulse.moving(kind)).max().unwrap_or_default();
                let channels: Vec<String> = seen.channels.iter().map(ToString::to_string).collect();
                tracing::warn!(
                    fleet,
                    unit,
                    finding,
                    moving,
                    lanes,
                    ?kinds,
                    ?channels,
                    "lanes of a fleet move together"
                );
            }
            Change::Cleared(raised) => {
                let seconds = clock.unix(raised.since).0;
                tracing::info!(
                    fleet,
                    unit,
                    finding = raised.finding.name(),
                    since = seconds,
                    "lanes of a fleet no longer move together"
                );
            }
        }
    }
    shared.metrics.show_fleets(&watched.raised());
}
