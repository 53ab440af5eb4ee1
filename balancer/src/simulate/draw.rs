//! Results as bars in an SVG file that reads well on light and dark pages. Pure.

use std::fmt::Write as _;

use super::words::{Results, Run, grouped};
use crate::html::Text;

const WIDTH: f64 = 760.0;
/// Where bars begin; names stand before.
const LEFT: f64 = 210.0;
/// Room for the number behind the longest bar.
const RIGHT: f64 = 150.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const HEAD: f64 = 44.0;
/// Relays that are drawn, the largest first.
const RELAYS_MAX: usize = 40;

struct Panel {
    heading: String,
    /// The length of the longest bar.
    full: f64,
    bars: Vec<Bar>,
}

struct Bar {
    name: String,
    value: f64,
    words: String,
    is_ours: bool,
}

/// The whole file.
pub(crate) fn svg(results: &Results) -> String {
    let panels = panels(results);
    let height: f64 = panels
        .iter()
        .map(|panel| HEAD + STEP * panel.bars.len() as f64)
        .sum();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<style>text {{ fill: #222 }} \
         .ours {{ fill: #2a7f62 }} .others {{ fill: #9aa5b1 }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} }}</style>\n",
        height + 12.0
    );
    let mut top = 0.0;
    for panel in &panels {
        top = draw(&mut svg, panel, top);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panels(results: &Results) -> Vec<Panel> {
    let n = grouped(results.n_listeners as u64);
    let slots = grouped(results.n_slots);
    let crowd = format!("{}: {n} listeners, {slots} slots", results.scene);
    let mut panels = vec![
        panel(
            format!("{crowd}: turned away while a slot was free, %"),
            results,
            |run| {
                let share = 100.0 * run.outcome.share(run.outcome.n_rejected_while_free);
                Some((share, format!("{share:.2}")))
            },
        ),
        panel(
            "… distance, in parts of the best possible".to_owned(),
            results,
            |run| run.of_optimum.map(|times| (times, format!("{times:.3}"))),
        ),
    ];
    if let [run] = results.runs.as_slice() {
        panels.push(loads(run));
    }
    panels.retain(|panel| !panel.bars.is_empty());
    panels
}

fn panel(
    heading: String,
    results: &Results,
    value: impl Fn(&Run) -> Option<(f64, String)>,
) -> Panel {
    let bar = |run: &Run| {
        let (value, words) = value(run)?;
        Some(Bar {
            name: format!("{}, {} s", run.policy.name(), run.report_age_seconds),
            value,
            words,
            is_ours: run.policy == super::Kind::Plenum,
        })
    };
    let bars: Vec<_> = results.runs.iter().filter_map(bar).collect();
    let longest = bars.iter().map(|bar| bar.value);
    Panel {
        heading,
        full: longest.fold(f64::MIN_POSITIVE, f64::max),
        bars,
    }
}

fn loads(run: &Run) -> Panel {
    let mut loads: Vec<_> = run.outcome.loads.iter().collect();
    loads.sort_by_key(|load| std::cmp::Reverse(load.slots));
    let bars = loads.into_iter().take(RELAYS_MAX).map(|load| Bar {
        name: load.name.clone(),
        value: load.used(),
        words: format!("{} of {}", load.listeners, load.slots),
        is_ours: true,
    });
    Panel {
        heading: "… how full relays are, the largest first".to_owned(),
        full: 1.0,
        bars: bars.collect(),
    }
}

/// Draws a panel and says where the next one begins.
fn draw(svg: &mut String, panel: &Panel, top: f64) -> f64 {
    let mut y = top + HEAD;
    // Writing into a String cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"8\" y=\"{:.0}\" font-weight=\"bold\">{}</text>",
        top + 30.0,
        Text(&panel.heading)
    );
    for bar in &panel.bars {
        let class = if bar.is_ours { "ours" } else { "others" };
        let length = (WIDTH - LEFT - RIGHT) * (bar.value / panel.full).clamp(0.0, 1.0);
        let text = y + 14.0;
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{text:.0}\" text-anchor=\"end\">{}</text>\n\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.0}\" width=\"{length:.1}\" \
             height=\"{BAR}\"/>\n<text x=\"{:.1}\" y=\"{text:.0}\">{}</text>\n",
            LEFT - 8.0,
            Text(&bar.name),
            LEFT + length + 8.0,
            bar.words,
        );
        y += STEP;
    }
    y
}
