//! How many are turned away while slots are free, over the age of reports, as an SVG file that
//! reads well on light and dark pages. Pure.

use std::fmt::Write as _;

use crate::balance::{Balance, Run, Scene};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 60.0;
/// Room for names behind the curves.
const RIGHT: f64 = 190.0;
const HEIGHT: f64 = 250.0;
const HEAD: f64 = 44.0;
const FOOT: f64 = 30.0;
/// Names behind curves keep this distance.
const LINE: f64 = 15.0;

/// The scenes that were run at several ages. `None`: there is nothing to draw.
pub(crate) fn plot(balance: &Balance) -> Option<String> {
    let scenes: Vec<_> = balance
        .scenes
        .iter()
        .filter(|scene| ages(scene).len() > 3)
        .collect();
    if scenes.is_empty() {
        return None;
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<style>text {{ fill: #222 }} \
         polyline {{ fill: none; stroke-width: 1.5 }} .ours {{ stroke: #2a7f62; stroke-width: 3 }} \
         .others {{ stroke: #9aa5b1 }} .axis {{ stroke: #222 }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} .axis {{ stroke: #ddd }} }}\
         </style>\n",
        HEIGHT * scenes.len() as f64 + 12.0
    );
    for (at, scene) in scenes.iter().enumerate() {
        draw(&mut svg, scene, HEIGHT * at as f64);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn ages(scene: &Scene) -> Vec<f64> {
    let mut ages: Vec<f64> = scene
        .runs
        .iter()
        .map(|run| run.report_age_seconds)
        .collect();
    ages.sort_unstable_by(f64::total_cmp);
    ages.dedup();
    ages
}

fn draw(svg: &mut String, scene: &Scene, top: f64) {
    let (upper, lower) = (top + HEAD, top + HEIGHT - FOOT);
    let ages = ages(scene);
    let x = |age: f64| {
        let at = ages.iter().position(|other| *other >= age).unwrap_or(0);
        LEFT + (WIDTH - LEFT - RIGHT) * at as f64 / (ages.len() - 1) as f64
    };
    let y = |percent: f64| lower - (lower - upper) * percent / 100.0;
    // Writing into a String cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"8\" y=\"{:.0}\" font-weight=\"bold\">{} listeners, {} slots: turned away while \
         a slot was free, %, by age of reports</text>\n\
         <line class=\"axis\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{lower:.0}\" y2=\"{lower:.0}\"/>",
        top + 26.0,
        scene.n_listeners,
        scene.n_slots,
        WIDTH - RIGHT
    );
    for age in &ages {
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{age} s</text>",
            x(*age),
            lower + 18.0
        );
    }
    for percent in [0.0, 50.0, 100.0] {
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{percent}</text>",
            LEFT - 8.0,
            y(percent) + 4.0
        );
    }
    let mut names: Vec<(f64, &str)> = Vec::new();
    for runs in scene.runs.chunk_by(|a, b| a.policy == b.policy) {
        let height = |run: &Run| y(run.percent(run.n_rejected_while_free));
        let points = runs
            .iter()
            .map(|run| format!("{:.1},{:.1}", x(run.report_age_seconds), height(run)));
        let points: Vec<_> = points.collect();
        let class = if runs[0].policy == "plenum" {
            "ours"
        } else {
            "others"
        };
        let _ = writeln!(
            svg,
            "<polyline class=\"{class}\" points=\"{}\"/>",
            points.join(" ")
        );
        names.extend(
            runs.last()
                .map(|run| (height(run), run.policy_name.as_str())),
        );
    }
    names.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut free = f64::INFINITY;
    for (at, name) in names {
        let line = at.min(free);
        free = line - LINE;
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\">{name}</text>",
            WIDTH - RIGHT + 8.0,
            line + 4.0
        );
    }
}
