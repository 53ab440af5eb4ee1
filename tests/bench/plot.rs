//! Results as bars and curves in an SVG file that reads well on light and dark pages. Pure.

use std::fmt::Write as _;

use crate::curve;
use crate::outcome::Outcome;
use crate::records::{Middle, Records, Scenario, cost};

pub(crate) const WIDTH: f64 = 760.0;
/// Where bars begin; names stand before.
pub(crate) const LEFT: f64 = 190.0;
/// Room for the number behind the longest bar.
pub(crate) const RIGHT: f64 = 150.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const HEAD: f64 = 44.0;

/// Bars under one heading.
struct Panel {
    heading: String,
    /// Name, value, and whether it is ours.
    bars: Vec<(&'static str, Middle, bool)>,
}

/// All scenarios that can be drawn, below each other. `None`: there is nothing to draw.
pub(crate) fn plot(all: &[Records]) -> Option<String> {
    let panels: Vec<_> = all.iter().flat_map(panels).collect();
    let curves: Vec<_> = all.iter().flat_map(curve::curves).collect();
    if panels.is_empty() && curves.is_empty() {
        return None;
    }
    let bars_height: f64 = panels
        .iter()
        .map(|panel| HEAD + STEP * panel.bars.len() as f64)
        .sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<style>text {{ fill: #222 }} \
         .ours {{ fill: #2a7f62 }} .others {{ fill: #9aa5b1 }} .range {{ stroke: #222 }}\n\
         .curve {{ stroke: #2a7f62; fill: none; stroke-width: 1.5 }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} \
         .range {{ stroke: #ddd }} }}</style>\n",
        bars_height + curve::HEIGHT * curves.len() as f64 + 12.0
    );
    let mut top = 0.0;
    for panel in &panels {
        top = draw(&mut svg, panel, top);
    }
    for curve in &curves {
        top = curve.draw(&mut svg, top);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn panels(records: &Records) -> Vec<Panel> {
    let n = records.n_listeners;
    type Value = fn(&[&Outcome]) -> Option<Middle>;
    let (what, value): (&str, Value) = match records.scenario {
        Scenario::Steady | Scenario::Held => ("µs of processor time per listener-second", cost),
        Scenario::Crowd => ("all at once: ms to the first page with sound, p99", |all| {
            Middle::of(all.iter().map(|outcome| outcome.first_audio.p99_ms))
        }),
        Scenario::Idle | Scenario::Churn => return Vec::new(),
    };
    let groups = records.groups().into_iter();
    let panels = groups.map(|(kbits, group)| Panel {
        heading: format!("{n} listeners, {kbits} kbit/s, {what}"),
        bars: group
            .iter()
            .filter_map(|(subject, outcomes)| {
                let name = subject.name();
                Some((name, value(outcomes)?, name.starts_with("Plenum")))
            })
            .collect(),
    });
    panels.collect()
}

/// Draws a panel and says where the next one begins.
fn draw(svg: &mut String, panel: &Panel, top: f64) -> f64 {
    let longest = panel.bars.iter().map(|(_, middle, _)| middle.max);
    let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
    let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * value / longest;
    let mut y = top + HEAD;
    // Writing into a String cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"8\" y=\"{:.0}\" font-weight=\"bold\">{}</text>",
        top + 30.0,
        panel.heading
    );
    for (name, middle, is_ours) in &panel.bars {
        let Middle { min, median, max } = *middle;
        let class = if *is_ours { "ours" } else { "others" };
        let (text, bar, line) = (y + 14.0, x(median) - LEFT, y + BAR / 2.0);
        let (from, to, behind) = (x(min), x(max), x(max) + 8.0);
        let digits = if median < 100.0 { 1 } else { 0 };
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{text:.0}\" text-anchor=\"end\">{name}</text>\n\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.0}\" width=\"{bar:.1}\" \
             height=\"{BAR}\"/>\n\
             <line class=\"range\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{line:.0}\" \
             y2=\"{line:.0}\"/>\n\
             <text x=\"{behind:.1}\" y=\"{text:.0}\">{median:.digits$}</text>\n",
            LEFT - 8.0,
        );
        y += STEP;
    }
    y
}
