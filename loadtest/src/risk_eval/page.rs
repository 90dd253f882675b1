//! An evaluation as one HTML page that needs nothing else.

use maud::{Markup, html};

use super::result::{EvalResult, Figure};
use crate::report::{Plot, Scale, Series, grouped, page};

/// The page.
#[must_use]
pub fn render(result: &EvalResult) -> String {
    let content = html! {
        p {
            "Every device paid at a real hub, whose clock was stepped from event to event. A device-hour is an hour in which a \
             device paid; its score is the hub's own, at the hour's worst moment. Nobody who is judged here taught the hub. \
             Intervals are of 95%."
        }
        (figures(result))
        (precision_recall(result))
        (exceedance(result))
        (attacks(result))
        (sources(result))
        (folds(result))
    };
    page("How well the hub tells attacks from honest use", &content)
}

fn number(number: usize) -> String {
    grouped(u128::try_from(number).unwrap_or(u128::MAX))
}

fn percent(figure: &Figure) -> String {
    format!("{:.2}% ({:.2} to {:.2})", figure.value * 100.0, figure.low * 100.0, figure.high * 100.0)
}

fn figures(result: &EvalResult) -> Markup {
    let figures = [
        ("recall at 0.1% false positives", percent(&result.recall_interval)),
        ("devices resampled as wholes", percent(&result.recall_interval_by_device)),
        ("PR-AUC", percent(&result.pr_auc_interval)),
        ("attacking device-hours", number(result.attacking_device_hours)),
        ("honest device-hours", number(result.honest_device_hours)),
        ("of them recorded", number(result.honest_device_hours_recorded)),
        ("found by the ladder as it is", percent(&result.recall_by_ladder)),
        ("wrongly throttled device-hours", number(result.wrongly_throttled_device_hours)),
        ("of all honest ones", percent(&result.wrongly_throttled_share)),
        ("of them paced or more", number(result.wrongly_paced_device_hours)),
        ("device-hours of updates", number(result.surge_device_hours)),
        ("of them paced or more", number(result.surge_throttled)),
        ("of them with a smaller or shorter grant at least", number(result.surge_above_trusted)),
        ("honest devices blocked", number(result.honest_blocked)),
    ];
    html! { dl { @for (label, value) in figures { div { dt { (label) } dd { (value) } } } } }
}

fn precision_recall(result: &EvalResult) -> Markup {
    let points = result.precision_recall.iter().map(|point| (point.recall, point.precision)).collect();
    let plot = Plot {
        title: "Precision by recall".to_owned(),
        x_label: "part of the attacking device-hours found",
        y_label: "precision",
        y_scale: Scale::Linear,
        x_marks: Vec::new(),
        bands: Vec::new(),
        series: vec![Series { name: "the hub".to_owned(), points }],
    };
    plot.draw()
}

fn exceedance(result: &EvalResult) -> Markup {
    let curve = &result.exceedance;
    // The axis begins at its least value: log-odds are moved to begin at nought, and marked with what they are.
    let first = curve.log_odds.first().copied().unwrap_or(0.0);
    let line = |name: &str, parts: &[f64]| Series {
        name: name.to_owned(),
        points: curve
            .log_odds
            .iter()
            .zip(parts)
            .filter(|(_, part)| **part > 0.0)
            .map(|(odds, part)| (odds - first, *part))
            .collect(),
    };
    let marks = curve.log_odds.iter().filter(|odds| odds.rem_euclid(5.0) == 0.0);
    let plot = Plot {
        title: "Device-hours at or above a score; at nought the ladder begins".to_owned(),
        x_label: "score, log-odds",
        y_label: "part",
        y_scale: Scale::Logarithmic,
        x_marks: marks.map(|odds| (odds - first, format!("{odds:.0}"))).collect(),
        bands: Vec::new(),
        series: vec![line("honest", &curve.honest), line("attacking", &curve.attacking)],
    };
    plot.draw()
}

fn attacks(result: &EvalResult) -> Markup {
    html! {
        h2 { "Attacks" }
        table {
            thead { tr {
                th { "scenario" } th { "device" } th { "throttled after" } th { "units before" } th { "of" } th { "events before" }
                th { "of" }
            } }
            tbody { @for attack in &result.attacks { tr {
                th { (attack.scenario) } td { (attack.device) }
                td { @match attack.throttled_after_seconds { Some(seconds) => { (seconds) " s" }, None => "never" } }
                td { (grouped(attack.units_before_throttle.into())) } td { (grouped(attack.units.into())) }
                td { (grouped(attack.events_before_throttle.into())) } td { (grouped(attack.events.into())) }
            } } }
        }
    }
}

fn sources(result: &EvalResult) -> Markup {
    html! {
        h2 { "Fleets and scenarios" }
        table {
            thead { tr {
                th { "name" } th { "devices" } th { "attacking hours" } th { "found" } th { "honest hours" } th { "wrongly throttled" }
                th { "honest devices blocked" }
            } }
            tbody { @for source in &result.sources { tr {
                th { (source.name) } td { (source.devices) } td { (source.attacking_device_hours) } td { (source.attacking_found) }
                td { (number(source.honest_device_hours)) } td { (source.wrongly_throttled) } td { (source.honest_blocked) }
            } } }
        }
    }
}

fn folds(result: &EvalResult) -> Markup {
    html! {
        h2 { "Plays" }
        table {
            thead { tr { th { "held out" } th { "payments" } th { "learned in" } th { "played in" } th { "taught by" } } }
            tbody { @for fold in &result.folds { tr {
                th { (fold.held_out) } td { (grouped(fold.payments.into())) }
                td { (format!("{:.0} s", fold.learning_seconds)) } td { (format!("{:.0} s", fold.playing_seconds)) }
                td { (fold.taught_by.join(", ")) }
            } } }
        }
    }
}
