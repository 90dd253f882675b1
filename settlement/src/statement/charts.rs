//! Charts as inline SVG. Lengths are integers, scaled from base units without a float. What a chart shows is written beside its
//! marks too, so it can be read without telling colours apart.

use maud::{Markup, html};

use crate::text::TokenFormat;

mod columns;
mod waterfall;

pub(super) use columns::columns;
pub(super) use waterfall::{Step, StepKind, waterfall};

/// Width of the drawing area of a bar, in SVG units.
const BAR_WIDTH: u128 = 210;
const LABEL_WIDTH: u128 = 196;
const VALUE_WIDTH: u128 = 164;
const ROW_HEIGHT: usize = 30;
/// Bars of a chart before the rest is drawn as one.
const BARS_MAX: usize = 12;

/// One bar.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    /// Beside it on the left.
    pub(super) label: String,
    /// Its length, base units.
    pub(super) amount: u128,
    /// Beside it on the right; the amount where empty.
    pub(super) note: String,
}

impl Bar {
    /// An amount.
    pub(super) fn new(label: &str, amount: u128) -> Self {
        Self { label: label.to_owned(), amount, note: String::new() }
    }

    /// An amount with something else beside it.
    pub(super) fn noted(label: &str, amount: u128, note: &str) -> Self {
        Self { label: label.to_owned(), amount, note: note.to_owned() }
    }

    /// A number of things.
    pub(super) fn counted(label: &str, number: u64) -> Self {
        Self::noted(label, number.into(), &number.to_string())
    }
}

/// `amount` of `greatest` as a length of at most [`BAR_WIDTH`], and at least 2 where it is not zero.
fn length(amount: u128, greatest: u128) -> u128 {
    scaled(amount, greatest, BAR_WIDTH)
}

/// `amount` of `greatest` as a length of at most `room`, and at least 2 where it is not zero.
fn scaled(amount: u128, greatest: u128, room: u128) -> u128 {
    // Amounts are sums of 64-bit numbers, so a product with the width fits; beyond that precision is given up first.
    let (amount, greatest) =
        if greatest > u128::MAX / room { (amount >> 16, greatest >> 16) } else { (amount, greatest) };
    let scaled = amount.saturating_mul(room).checked_div(greatest).unwrap_or(0);
    if amount > 0 { scaled.max(2) } else { 0 }
}

/// The first bars, and one for all others together.
fn gathered(bars: &[Bar]) -> Vec<Bar> {
    let (shown, rest) = bars.split_at(bars.len().min(BARS_MAX));
    let mut shown = shown.to_vec();
    if !rest.is_empty() {
        let amount = rest.iter().map(|bar| bar.amount).fold(0, u128::saturating_add);
        shown.push(Bar { label: format!("{} others", rest.len()), amount, note: String::new() });
    }
    shown
}

/// A chart of horizontal bars with `title`; `class` colours it.
pub(super) fn bars(title: &str, class: &str, bars: &[Bar], token: &TokenFormat) -> Markup {
    let bars = gathered(bars);
    let greatest = bars.iter().map(|bar| bar.amount).max().unwrap_or(0);
    let height = bars.len().saturating_mul(ROW_HEIGHT).saturating_add(6);
    let width = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH;
    html! {
        figure.chart {
            figcaption { (title) }
            @if bars.is_empty() {
                p.quiet { "Nothing in this epoch." }
            } @else {
                svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(title) {
                    @for (row, bar) in bars.iter().enumerate() {
                        (bar_row(row, bar, class, greatest, token))
                    }
                }
            }
        }
    }
}

fn bar_row(row: usize, bar: &Bar, class: &str, greatest: u128, token: &TokenFormat) -> Markup {
    let top = row.saturating_mul(ROW_HEIGHT);
    let baseline = top.saturating_add(20);
    let length = length(bar.amount, greatest);
    let note = if bar.note.is_empty() { token.number(bar.amount) } else { bar.note.clone() };
    html! {
        text.label x=(LABEL_WIDTH - 10) y=(baseline) text-anchor="end" { (clipped(&bar.label)) }
        rect.track x=(LABEL_WIDTH) y=(top + 6) width=(BAR_WIDTH) height="20" rx="4" {}
        rect class=(class) x=(LABEL_WIDTH) y=(top + 6) width=(length) height="20" rx="4" {
            title { (bar.label) ": " (note) }
        }
        text.value x=(LABEL_WIDTH + BAR_WIDTH + 10) y=(baseline) data-value=(bar.amount) { (note) }
    }
}

/// Names that do not fit beside a bar end in an ellipsis; the whole name is in the bar's title.
fn clipped(label: &str) -> String {
    const LETTERS: usize = 25;
    if label.chars().count() <= LETTERS {
        return label.to_owned();
    }
    let mut clipped: String = label.chars().take(LETTERS - 1).collect();
    clipped.push('…');
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_stay_within_the_drawing() {
        assert_eq!(length(0, 10), 0);
        assert_eq!(length(10, 10), BAR_WIDTH);
        assert_eq!(length(1, 1_000_000_000), 2);
        assert_eq!(length(u128::MAX, u128::MAX), BAR_WIDTH);
        assert_eq!(length(0, 0), 0);
    }

    #[test]
    fn many_bars_are_gathered_without_losing_anything() {
        let many: Vec<_> = (1..=40).map(|n| Bar::new(&n.to_string(), n)).collect();
        let gathered = gathered(&many);
        assert_eq!(gathered.len(), BARS_MAX + 1);
        assert_eq!(gathered.iter().map(|bar| bar.amount).sum::<u128>(), 820);
    }
}
