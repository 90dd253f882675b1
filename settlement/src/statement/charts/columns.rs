//! Amounts over time, as columns.

use maud::{Markup, html};

use super::scaled;
use crate::statement::HourLine;
use crate::text::{TokenFormat, utc};

const WIDTH: usize = 1_040;
const HEIGHT: u128 = 150;
const TOP: u128 = 22;
/// Columns before several hours are drawn as one.
const COLUMNS_MAX: usize = 48;
/// Times under the columns.
const TIMES_MAX: usize = 8;

/// Neighbours together, so that there are at most [`COLUMNS_MAX`]; each keeps its first hour.
fn gathered(hours: &[HourLine]) -> Vec<HourLine> {
    let share = hours.len().div_ceil(COLUMNS_MAX).max(1);
    let sum = |part: &[HourLine]| {
        let amount = part.iter().map(|hour| hour.amount).fold(0, u128::saturating_add);
        part.first().map(|first| HourLine { begins_at: first.begins_at, amount })
    };
    hours.chunks(share).filter_map(sum).collect()
}

/// The day and hour of a time, `MM-DD HH:00`.
fn hour_of(seconds: u64) -> String {
    utc(seconds).get(5..13).map(|hour| format!("{hour}:00")).unwrap_or_default()
}

/// Hours from left to right.
pub(in crate::statement) fn columns(title: &str, hours: &[HourLine], token: &TokenFormat) -> Markup {
    let columns = gathered(hours);
    let greatest = columns.iter().map(|column| column.amount).max().unwrap_or(0);
    let step = WIDTH.checked_div(columns.len()).unwrap_or(WIDTH).min(WIDTH / 6);
    let width = step.saturating_mul(7) / 10;
    let every = columns.len().div_ceil(TIMES_MAX).max(1);
    html! {
        figure.chart.wide {
            figcaption { (title) " (UTC), at most " (token.amount(greatest)) }
            svg viewBox=(format!("0 0 {WIDTH} {}", TOP + HEIGHT + 26)) role="img" aria-label=(title) {
                line.axis x1="0" y1=(TOP + HEIGHT) x2=(WIDTH) y2=(TOP + HEIGHT) {}
                @for (place, column) in columns.iter().enumerate() {
                    @let left = place.saturating_mul(step);
                    @let height = scaled(column.amount, greatest, HEIGHT);
                    rect.in x=(left.saturating_add((step - width) / 2)) y=(TOP + HEIGHT - height) width=(width) height=(height)
                        rx="2" data-value=(column.amount) {
                        title { (hour_of(column.begins_at)) ": " (token.amount(column.amount)) }
                    }
                    @if place.is_multiple_of(every) {
                        text.label x=(left.saturating_add((step - width) / 2)) y=(TOP + HEIGHT + 19) {
                            (hour_of(column.begins_at))
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_of_hours_is_drawn_without_losing_anything() {
        let hours: Vec<_> = (0..168).map(|n| HourLine { begins_at: n * 3_600, amount: u128::from(n) }).collect();
        let gathered = gathered(&hours);
        assert!(gathered.len() <= COLUMNS_MAX);
        assert_eq!(gathered.iter().map(|hour| hour.amount).sum::<u128>(), 168 * 167 / 2);
        assert_eq!(hour_of(1_800_000_000), "01-15 08:00");
    }
}
