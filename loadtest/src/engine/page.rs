//! A run as one HTML page that needs nothing else.

use maud::{Markup, html};

use super::measure::Second;
use super::result::{BenchResult, Period};
use crate::report::{Plot, Scale, Series, grouped, page};

/// Marks of the percentile axis: the number of nines.
const NINES: [(f64, &str); 7] =
    [(0.0, "0%"), (1.0, "90%"), (2.0, "99%"), (3.0, "99.9%"), (4.0, "99.99%"), (5.0, "99.999%"), (6.0, "99.9999%")];

/// Shorter stretches tell no rate.
const LENGTH_MS_MIN: u64 = 200;

/// A line is broken where nobody counted for longer than this.
const GAP_SECONDS: f64 = 1.5;

/// The page.
#[must_use]
pub fn render(result: &BenchResult) -> String {
    let shape = &result.shape;
    let title = format!("Farthing under load: {}", result.profile);
    let loop_kind = result.rate.map_or("closed loop".to_owned(), |rate| format!("open loop, {rate:.0} payments/s"));
    let content = html! {
        p {
            (grouped_usize(shape.connections)) " connections, " (grouped_usize(shape.lanes())) " lanes, "
            (loop_kind) @if result.pinned { ", a core each for data plane and generator" }
            ". Every acknowledgement is durable."
        }
        (extras(result))
        (periods(&result.periods))
        (throughput(result))
        (latency_over_time(result))
        (percentiles(&result.periods))
        (troubles(result))
    };
    page(&title, &content)
}

fn grouped_usize(number: usize) -> String {
    grouped(u128::try_from(number).unwrap_or(u128::MAX))
}

fn extras(result: &BenchResult) -> Markup {
    let figures = result.figures();
    html! {
        dl {
            @for (label, value) in figures { div { dt { (label) } dd { (value) } } }
        }
    }
}

fn periods(periods: &[Period]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th { "period" } th { "payments/s" } th { "per process CPU s" } th { "per serving CPU s" }
                    th { "p50 µs" } th { "p90" } th { "p99" } th { "p99.9" } th { "max" }
                    th { "bytes per payment" } th { "packets per payment" } th { "generator busy" }
                }
            }
            tbody {
                @for period in periods {
                    @let latency = &period.latency;
                    tr {
                        th { (period.server) ", " (period.name) }
                        td { (rounded(Some(period.payments_per_second))) }
                        td { (rounded(period.payments_per_hub_cpu_second)) }
                        td { (rounded(period.payments_per_data_plane_second)) }
                        @for us in [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us] {
                            td { (grouped(us.into())) }
                        }
                        td { (format!("{:.1} + {:.1}", period.bytes_to_hub, period.bytes_from_hub)) }
                        td { (format!("{:.2} + {:.2}", period.packets_to_hub, period.packets_from_hub)) }
                        td { (format!("{:.0}%", period.generator_busy * 100.0)) }
                    }
                }
            }
        }
    }
}

fn rounded(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
}

fn at(second: &Second) -> f64 {
    std::time::Duration::from_millis(second.at_ms).as_secs_f64()
}

/// The seconds of each server, with its name.
fn sides(result: &BenchResult) -> impl Iterator<Item = (&'static str, &[Second])> {
    let name = if result.echo.is_some() { "echo" } else { "beside" };
    let beside = (!result.beside_seconds.is_empty()).then_some((name, result.beside_seconds.as_slice()));
    [("hub", result.seconds.as_slice())].into_iter().chain(beside)
}

fn length(second: &Second) -> f64 {
    std::time::Duration::from_millis(second.length_ms).as_secs_f64()
}

/// Where something was measured of the hub.
fn bands(seconds: &[Second]) -> Vec<(f64, f64)> {
    seconds.iter().filter(|second| second.measured).map(|second| (at(second), at(second) + length(second))).collect()
}

/// Seconds long enough to tell a rate from.
fn whole(seconds: &[Second]) -> impl Iterator<Item = &Second> {
    seconds.iter().filter(|second| second.length_ms >= LENGTH_MS_MIN)
}

/// Points of a line, which is broken where nobody counted.
fn points<'a>(seconds: impl Iterator<Item = &'a Second>, value: impl Fn(&Second) -> f64) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut end: Option<f64> = None;
    for second in seconds {
        if let Some(end) = end.filter(|end| at(second) - end > GAP_SECONDS) {
            points.push((end, f64::NAN));
        }
        points.push((at(second) + length(second) / 2.0, value(second)));
        end = Some(at(second) + length(second));
    }
    points
}

fn float(number: u64) -> f64 {
    super::side::float(number)
}

fn throughput(result: &BenchResult) -> Markup {
    let series = sides(result).map(|(name, seconds)| Series {
        name: name.to_owned(),
        points: points(whole(seconds), |second| float(second.acknowledged) / length(second)),
    });
    let plot = Plot {
        title: "Payments acknowledged per second".to_owned(),
        x_label: "seconds",
        y_label: "payments/s",
        y_scale: Scale::Linear,
        x_marks: Vec::new(),
        bands: bands(&result.seconds),
        series: series.collect(),
    };
    plot.draw()
}

fn latency_over_time(result: &BenchResult) -> Markup {
    let paid = || result.seconds.iter().filter(|second| second.acknowledged > 0);
    let line = |name: &str, value: fn(&Second) -> u64| Series {
        name: name.to_owned(),
        points: points(paid(), |second| float(value(second))),
    };
    let plot = Plot {
        title: "Latency of the hub's acknowledgements".to_owned(),
        x_label: "seconds",
        y_label: "µs",
        y_scale: Scale::Logarithmic,
        x_marks: Vec::new(),
        bands: bands(&result.seconds),
        series: vec![
            line("p50", |second| second.p50_us),
            line("p99", |second| second.p99_us),
            line("max", |second| second.max_us),
        ],
    };
    plot.draw()
}

fn percentiles(periods: &[Period]) -> Markup {
    let series: Vec<Series> = periods
        .iter()
        .map(|period| Series {
            name: format!("{}, {}", period.server, period.name),
            points: period.latency_curve.iter().map(|[nines, us]| (*nines, *us)).collect(),
        })
        .collect();
    let most = series.iter().flat_map(|series| &series.points).map(|(nines, _)| *nines).fold(1.0, f64::max);
    let marks = NINES.iter().filter(|(nines, _)| *nines <= most).map(|(nines, label)| (*nines, (*label).to_owned()));
    let plot = Plot {
        title: "Latency by percentile".to_owned(),
        x_label: "payments that were as fast or faster",
        y_label: "µs",
        y_scale: Scale::Logarithmic,
        x_marks: marks.collect(),
        bands: Vec::new(),
        series,
    };
    plot.draw()
}

fn troubles(result: &BenchResult) -> Markup {
    html! {
        @if !result.refused.is_empty() || !result.dropped.is_empty() {
            h2 { "Refusals and ended connections" }
            ul {
                @for (code, times) in &result.refused { li { (times) " payments refused with code " (code) } }
                @for (reason, times) in &result.dropped { li { (times) " connections: " (reason) } }
            }
        }
    }
}
