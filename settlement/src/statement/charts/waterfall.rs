//! From one sum to another, step by step.

use maud::{Markup, html};

use super::scaled;
use crate::text::TokenFormat;

/// What a step does to the sum so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::statement) enum StepKind {
    /// Shows the sum itself.
    Total,
    /// Takes away.
    Less,
    /// Adds.
    More,
}

/// One step.
#[derive(Debug, Clone)]
pub(in crate::statement) struct Step {
    label: &'static str,
    kind: StepKind,
    amount: u128,
}

impl Step {
    /// The sum at this point.
    pub(in crate::statement) fn total(label: &'static str, amount: u128) -> Self {
        Self { label, kind: StepKind::Total, amount }
    }

    /// A change of the sum.
    pub(in crate::statement) fn change(label: &'static str, kind: StepKind, amount: u128) -> Self {
        Self { label, kind, amount }
    }

    /// The sums at its two ends, given the sum before it.
    fn ends(&self, before: u128) -> (u128, u128) {
        match self.kind {
            StepKind::Total => (0, self.amount),
            StepKind::Less => (before.saturating_sub(self.amount), before),
            StepKind::More => (before, before.saturating_add(self.amount)),
        }
    }

    fn after(&self, before: u128) -> u128 {
        let (low, high) = self.ends(before);
        if self.kind == StepKind::Less { low } else { high }
    }

    fn class(&self) -> &'static str {
        match self.kind {
            StepKind::Total => "in",
            StepKind::Less => "hold",
            StepKind::More => "out",
        }
    }
}

const LABEL_WIDTH: u128 = 250;
const WIDTH: u128 = 620;
const VALUE_WIDTH: u128 = 190;
const ROW_HEIGHT: usize = 34;

/// The steps from top to bottom, each bar beginning where the last ended.
pub(in crate::statement) fn waterfall(title: &str, steps: &[Step], token: &TokenFormat) -> Markup {
    let mut sum = 0;
    let mut ends = Vec::with_capacity(steps.len());
    for step in steps {
        ends.push(step.ends(sum));
        sum = step.after(sum);
    }
    let greatest = ends.iter().map(|(_, high)| *high).max().unwrap_or(0);
    let height = steps.len().saturating_mul(ROW_HEIGHT).saturating_add(4);
    html! {
        figure.chart.wide {
            figcaption { (title) }
            svg viewBox=(format!("0 0 {} {height}", LABEL_WIDTH + WIDTH + VALUE_WIDTH)) role="img" aria-label=(title) {
                @for (row, (step, (low, high))) in steps.iter().zip(&ends).enumerate() {
                    @let top = row.saturating_mul(ROW_HEIGHT);
                    @let from = if *low == 0 { 0 } else { scaled(*low, greatest, WIDTH) };
                    @let to = scaled(*high, greatest, WIDTH).max(from.saturating_add(if high > low { 2 } else { 0 }));
                    @let sign = match step.kind { StepKind::Total => "", StepKind::Less => "−", StepKind::More => "+" };
                    text.label x=(LABEL_WIDTH - 12) y=(top + 23) text-anchor="end" { (step.label) }
                    rect class=(step.class()) x=(LABEL_WIDTH.saturating_add(from)) y=(top + 7)
                        width=(to.saturating_sub(from)) height="22" rx="3" {
                        title { (step.label) ": " (sign) (token.amount(step.amount)) }
                    }
                    text.value x=(LABEL_WIDTH + WIDTH + 12) y=(top + 23) data-value=(step.amount) {
                        (sign) (token.number(step.amount))
                    }
                }
                line.axis x1=(LABEL_WIDTH) y1="2" x2=(LABEL_WIDTH) y2=(height) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_begins_where_the_last_ended() {
        let steps = [
            Step::total("a", 100),
            Step::change("b", StepKind::Less, 30),
            Step::total("c", 70),
            Step::change("d", StepKind::More, 5),
            Step::total("e", 75),
        ];
        let mut sum = 0;
        let mut ends = Vec::new();
        for step in &steps {
            ends.push(step.ends(sum));
            sum = step.after(sum);
        }
        assert_eq!(ends, [(0, 100), (70, 100), (0, 70), (70, 75), (0, 75)]);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let token = TokenFormat { decimals: 0, symbol: String::new() };
        let drawn = waterfall("w", &[Step::total("a", 0)], &token).into_string();
        assert!(drawn.contains("width=\"0\""));
    }
}
