//! Curves over sizes that grow tenfold, as SVG.

use std::fmt::Write as _;

/// One picture of a page: a curve, with logarithmic sizes below it.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) axis: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 220.0;
const MARGIN: f64 = 40.0;

/// The panels side by side.
pub(super) fn page(panels: &[Panel]) -> String {
    let width = panels.iter().fold(0.0, |width, _| width + WIDTH);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"10\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut left = 0.0;
    for panel in panels {
        draw(&mut svg, panel, left);
        left += WIDTH;
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, left: f64) {
    let greatest = panel.points.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let logs: Vec<f64> = panel.points.iter().map(|(size, _)| size.max(1.0).log10()).collect();
    let first = logs.first().copied().unwrap_or(0.0);
    let span = (logs.last().copied().unwrap_or(1.0) - first).max(f64::MIN_POSITIVE);
    let bottom = HEIGHT - MARGIN;
    let x = |log: f64| left + MARGIN + 10.0 + (log - first) / span * (WIDTH - 2.0 * MARGIN - 20.0);
    let y = |value: f64| bottom - value / (greatest * 1.1) * (bottom - MARGIN);
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"20\" text-anchor=\"middle\" font-size=\"12\">{}</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
         <path d=\"M{} {MARGIN}V{bottom}H{}\" stroke=\"#888\" fill=\"none\"/>",
        left + WIDTH / 2.0,
        panel.title,
        left + WIDTH / 2.0,
        HEIGHT - 8.0,
        panel.axis,
        left + MARGIN,
        left + WIDTH - MARGIN / 2.0,
    );
    let line: Vec<String> =
        panel.points.iter().zip(&logs).map(|((_, value), log)| format!("{:.1},{:.1}", x(*log), y(*value))).collect();
    let _ =
        writeln!(svg, "<polyline points=\"{}\" stroke=\"#0969da\" stroke-width=\"2\" fill=\"none\"/>", line.join(" "));
    for ((size, value), log) in panel.points.iter().zip(&logs) {
        let _ = writeln!(
            svg,
            "<circle cx=\"{0:.1}\" cy=\"{1:.1}\" r=\"3\" fill=\"#0969da\"/>\
             <text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\">{3}</text>\
             <text x=\"{0:.1}\" y=\"{4:.1}\" text-anchor=\"middle\">{5}</text>",
            x(*log),
            y(*value),
            y(*value) - 7.0,
            short(*value),
            bottom + 14.0,
            short(*size),
        );
    }
}

/// A number in three digits.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, ""),
    };
    if value >= 10.0 || value.fract() < 0.05 { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_with_its_value() {
        let panel = Panel { title: "memory", axis: "channels", points: vec![(1e4, 12.0), (1e6, 300.0)] };
        let svg = page(&[panel]);
        assert_eq!(svg.matches("<circle").count(), 2);
        for text in [">memory<", ">channels<", ">300<", ">1 M<", ">10 k<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }

    #[test]
    fn one_point_alone_is_drawn_too() {
        assert!(!page(&[Panel { title: "a", axis: "b", points: vec![(10.0, 0.0)] }]).contains("NaN"));
    }
}
