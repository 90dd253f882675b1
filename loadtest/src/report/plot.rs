//! Line plots as inline SVG.

use maud::{Markup, html};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// Steps of an axis that the eye counts easily.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

/// Most marks of a linear axis.
const MARKS_MAX: f64 = 6.0;

/// How numbers lie along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from zero.
    Linear,
    /// By their logarithm.
    Logarithmic,
}

/// A line.
#[derive(Debug, Clone)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// From left to right. A number that is none ends a line, and the next one begins another.
    pub points: Vec<(f64, f64)>,
}

/// A plot of some lines over one axis.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Below the horizontal axis.
    pub x_label: &'static str,
    /// In front of the vertical one.
    pub y_label: &'static str,
    /// Of the vertical axis.
    pub y_scale: Scale,
    /// Marks of the horizontal axis: where, and what they say. Linear ones where there are none.
    pub x_marks: Vec<(f64, String)>,
    /// Stretches of the horizontal axis that are set off.
    pub bands: Vec<(f64, f64)>,
    /// The lines.
    pub series: Vec<Series>,
}

/// An axis from the least to the greatest number drawn.
#[derive(Debug, Clone)]
struct Axis {
    from: f64,
    to: f64,
    scale: Scale,
    marks: Vec<(f64, String)>,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, scale: Scale, marks: Vec<(f64, String)>) -> Self {
        let (least, greatest) = values
            .filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0))
            .fold((f64::MAX, f64::MIN), |(least, greatest), value| (least.min(value), greatest.max(value)));
        let (least, greatest) = if least > greatest { (1.0, 10.0) } else { (least, greatest) };
        match scale {
            Scale::Linear => {
                let greatest = greatest.max(1e-9);
                let step = linear_step(greatest);
                // Where the marks are given, the axis ends with the lines; otherwise it ends with a mark.
                let to = if marks.is_empty() { (greatest / step).ceil() * step } else { greatest };
                let marks = if marks.is_empty() { linear_marks(to, step) } else { marks };
                Self { from: 0.0, to, scale, marks }
            }
            Scale::Logarithmic => {
                let (low, high) = (least.log10().floor(), greatest.log10().ceil());
                let high = if high > low { high } else { low + 1.0 };
                let decades = (0..=20_i32).map(|n| low + f64::from(n)).take_while(|decade| *decade <= high);
                let marks = decades.map(|decade| 10_f64.powf(decade)).map(|value| (value, short(value))).collect();
                Self { from: 10_f64.powf(low), to: 10_f64.powf(high), scale, marks }
            }
        }
    }

    /// Where `value` lies between 0 and 1.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Logarithmic => {
                (value.max(self.from).log10() - self.from.log10()) / (self.to.log10() - self.from.log10())
            }
        };
        place.clamp(0.0, 1.0)
    }
}

/// The least easy step that makes at most [`MARKS_MAX`] marks up to `greatest`.
fn linear_step(greatest: f64) -> f64 {
    let decade = 10_f64.powf((greatest / MARKS_MAX).log10().floor());
    let steps = STEPS.iter().chain(&[10.0]).map(|step| step * decade);
    steps.into_iter().find(|step| greatest / step <= MARKS_MAX).unwrap_or(greatest)
}

/// Marks from zero to `to`, `step` apart.
fn linear_marks(to: f64, step: f64) -> Vec<(f64, String)> {
    let values = (0..=20_u32).map(|n| f64::from(n) * step).take_while(|value| *value <= to * 1.000_001);
    values.map(|value| (value, short(value))).collect()
}

/// A number for an axis: `1.5 M`, `20 k`, `0.5`.
fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let text = format!("{scaled:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

impl Plot {
    /// The plot with its legend.
    #[must_use]
    pub fn draw(&self) -> Markup {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x_max = points().map(|(x, _)| *x).fold(1e-9, f64::max);
        let x_marks =
            if self.x_marks.is_empty() { linear_marks(x_max, linear_step(x_max)) } else { self.x_marks.clone() };
        let x_axis = Axis::new(points().map(|(x, _)| *x), Scale::Linear, x_marks);
        let y_axis = Axis::new(points().map(|(_, y)| *y), self.y_scale, Vec::new());
        let x = |value: f64| LEFT + x_axis.place(value) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - y_axis.place(value) * (HEIGHT - TOP - BOTTOM);
        html! {
            figure {
                figcaption {
                    b { (self.title) }
                    @for (number, series) in self.series.iter().enumerate() {
                        " " span class=(format!("key line-{}", number % 6)) { "━ " (series.name) }
                    }
                }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.title) {
                    @for (from, to) in &self.bands {
                        rect.band x=(number(x(*from))) y=(number(TOP)) width=(number(x(*to) - x(*from)))
                            height=(number(HEIGHT - TOP - BOTTOM)) {}
                    }
                    @for (value, label) in &y_axis.marks {
                        line.grid x1=(number(LEFT)) x2=(number(WIDTH - RIGHT)) y1=(number(y(*value))) y2=(number(y(*value))) {}
                        text x=(number(LEFT - 6.0)) y=(number(y(*value) + 4.0)) text-anchor="end" { (label) }
                    }
                    @for (value, label) in &x_axis.marks {
                        text x=(number(x(*value))) y=(number(HEIGHT - BOTTOM + 16.0)) text-anchor="middle" { (label) }
                    }
                    text x=(number((LEFT + WIDTH - RIGHT) / 2.0)) y=(number(HEIGHT - 4.0)) text-anchor="middle" { (self.x_label) }
                    text transform=(format!("translate(12 {}) rotate(-90)", number(HEIGHT / 2.0))) text-anchor="middle" {
                        (self.y_label)
                    }
                    @for (place, series) in self.series.iter().enumerate() {
                        @for part in series.points.split(|(_, value)| !value.is_finite()).filter(|part| !part.is_empty()) {
                            polyline class=(format!("line line-{}", place % 6)) points=(polyline(part, x, y)) {}
                        }
                    }
                }
            }
        }
    }
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

fn polyline(points: &[(f64, f64)], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_steps_are_easy_to_read() {
        let shown = [0.0, 0.5, 20.0, 1500.0, 2_000_000.0].map(short);
        assert_eq!(shown, ["0", "0.5", "20", "1.5 k", "2 M"]);
        assert_eq!([7.0, 43.0, 60_000.0].map(linear_step), [2.0, 10.0, 10_000.0]);
    }

    #[test]
    fn a_plot_draws_every_line_and_survives_nothing_to_draw() {
        let series = |points: &[(f64, f64)]| Series { name: "p99".into(), points: points.to_vec() };
        let mut plot = Plot {
            title: "latency".into(),
            x_label: "s",
            y_label: "us",
            y_scale: Scale::Logarithmic,
            x_marks: Vec::new(),
            bands: vec![(1.0, 2.0)],
            series: vec![series(&[(0.0, 10.0), (1.0, f64::NAN), (2.0, 5000.0)]), series(&[(0.0, 0.0)])],
        };
        let drawn = plot.draw().into_string();
        assert_eq!(drawn.matches("<polyline").count(), 3);
        assert!(drawn.contains("10 k") && !drawn.contains("NaN"), "{drawn}");
        plot.series.clear();
        assert!(!plot.draw().into_string().contains("NaN"));
    }
}
