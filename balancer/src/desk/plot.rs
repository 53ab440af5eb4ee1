//! Lines over the last day as a picture for the page (SVG). Pure.
//!
//! No scripts and no style of its own: classes that the page's style sheet knows.

use std::fmt::Write;

use crate::desk::history::SAMPLES_MAX;
use crate::html::Text;

/// The picture's own measure; the page scales it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
/// Room for the numbers at the left and at the right, and for the words below.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;
/// Samples that share a point: the highest of them is shown.
const SAMPLES_A_POINT: usize = 2;
/// Lines across, besides the one at 0.
const STEPS_MAX: f64 = 4.0;

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it shows.
    pub name: &'static str,
    /// For the style sheet: `first` or `second`.
    pub class: &'static str,
    /// How many minutes ago, and how much; the oldest first.
    pub points: Vec<(usize, f64)>,
}

/// The words beside the lines.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    /// What the picture is called.
    pub title: &'static str,
    /// What stands below, at the left, the middle and the right.
    pub ends: [&'static str; 3],
    /// When there is not a single sample.
    pub nothing: &'static str,
}

/// Draws `lines` above one axis. `id` tells the pictures of a page apart; `summary` says in
/// words what is to be seen.
pub fn plot(id: &str, labels: Labels, summary: &str, lines: &[Line]) -> String {
    let highest = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|(_, value)| *value)
        .fold(0.0, f64::max);
    let (step, top) = scale(highest);
    let mut svg = String::with_capacity(8 * 1024);
    let _ = write!(
        svg,
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-summary\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-summary\">{}</desc>",
        Text(labels.title),
        Text(summary),
    );
    write_grid(&mut svg, step, top, labels);
    for line in lines {
        write_line(&mut svg, line, top);
    }
    if lines.iter().all(|line| line.points.is_empty()) {
        let (x, y) = (WIDTH / 2.0, HEIGHT / 2.0);
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
            Text(labels.nothing)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The distance between two lines across, and the value at the upper edge: both as round as
/// people count.
fn scale(highest: f64) -> (f64, f64) {
    if !highest.is_finite() || highest <= 0.0 {
        return (1.0, 1.0);
    }
    let rough = highest / STEPS_MAX;
    let magnitude = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= rough * 0.999_999)
        .unwrap_or(10.0 * magnitude);
    (step, (highest / step).ceil().max(1.0) * step)
}

fn write_grid(svg: &mut String, step: f64, top: f64, labels: Labels) {
    let mut value = 0.0;
    while value <= top * 1.000_001 {
        let y = y_of(value, top);
        let (right, at, below) = (WIDTH - RIGHT, LEFT - 6.0, y + 4.0);
        let number = number(value, step);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
             <text x=\"{at}\" y=\"{below:.1}\" text-anchor=\"end\">{number}</text>"
        );
        value += step;
    }
    let y = HEIGHT - 6.0;
    let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
    let places = [(LEFT, "start"), (middle, "middle"), (WIDTH - RIGHT, "end")];
    for ((x, anchor), word) in places.into_iter().zip(labels.ends) {
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>",
            Text(word)
        );
    }
}

/// Where minutes are missing the line is broken: nothing is known of them.
fn write_line(svg: &mut String, line: &Line, top: f64) {
    let mut path = String::new();
    let mut last: Option<usize> = None;
    for (ago, value) in thinned(&line.points) {
        let is_next = last.is_some_and(|last| last.abs_diff(ago) <= 1);
        let pen = if is_next { 'L' } else { 'M' };
        let (x, y) = (x_of(ago * SAMPLES_A_POINT), y_of(value, top));
        let _ = write!(path, "{pen}{x:.1} {y:.1}");
        if !is_next {
            // A single point is seen, too.
            path.push_str("h.1");
        }
        last = Some(ago);
    }
    if !path.is_empty() {
        let _ = write!(svg, "<path class=\"line {}\" d=\"{path}\"/>", line.class);
    }
}

/// The highest of each few neighbours: a peak of a single minute must be seen.
fn thinned(points: &[(usize, f64)]) -> Vec<(usize, f64)> {
    let mut thin: Vec<(usize, f64)> = Vec::new();
    for (ago, value) in points {
        let at = ago / SAMPLES_A_POINT;
        match thin.last_mut() {
            Some((last, highest)) if *last == at => *highest = highest.max(*value),
            _ => thin.push((at, *value)),
        }
    }
    thin
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a place in a picture, of at most a day of minutes"
)]
fn x_of(minutes_ago: usize) -> f64 {
    let share = minutes_ago as f64 / SAMPLES_MAX as f64;
    WIDTH - RIGHT - share * (WIDTH - RIGHT - LEFT)
}

fn y_of(value: f64, top: f64) -> f64 {
    HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP)
}

/// A number as short as the steps allow.
fn number(value: f64, step: f64) -> String {
    if value >= 1_000_000.0 && step >= 100_000.0 {
        return format!("{:.1} M", value / 1_000_000.0);
    }
    let digits = if step >= 1.0 {
        0
    } else if step >= 0.1 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: Labels = Labels {
        title: "a & b",
        ends: ["then", "", "now"],
        nothing: "nothing yet",
    };

    fn line(points: &[(usize, f64)]) -> Line {
        Line {
            name: "line",
            class: "first",
            points: points.to_vec(),
        }
    }

    #[test]
    fn numbers_at_the_side_are_round_and_reach_above_the_highest_value() {
        for (highest, step, top) in [
            (0.0, 1.0, 1.0),
            (f64::NAN, 1.0, 1.0),
            (1.0, 0.5, 1.0),
            (3.0, 1.0, 3.0),
            (4.0, 1.0, 4.0),
            (7.0, 2.0, 8.0),
            (2_500.0, 1_000.0, 3_000.0),
            (97.0, 50.0, 100.0),
        ] {
            assert_eq!(scale(highest), (step, top), "{highest}");
        }
    }

    #[test]
    fn a_hole_in_the_samples_is_a_hole_in_the_line() {
        let whole = plot("p", LABELS, "", &[line(&[(9, 1.0), (7, 1.0), (5, 2.0)])]);
        assert_eq!(whole.matches("h.1").count(), 1, "{whole}");
        let broken = plot("p", LABELS, "", &[line(&[(99, 1.0), (7, 1.0), (5, 2.0)])]);
        assert_eq!(broken.matches("h.1").count(), 2, "{broken}");
    }

    #[test]
    fn the_peak_of_one_minute_is_seen_and_a_day_is_no_flood() {
        let day: Vec<_> = (0..SAMPLES_MAX)
            .rev()
            .map(|ago| (ago, if ago == 700 { 400.0 } else { 1.0 }))
            .collect();
        let svg = plot("p", LABELS, "", &[line(&day)]);
        assert!(svg.contains(&format!(" {TOP:.1}L")), "{svg}");
        assert!(svg.len() < 16 * 1024, "{}", svg.len());
    }

    #[test]
    fn words_cannot_break_out_and_nothing_is_said_to_be_nothing() {
        let svg = plot("p", LABELS, "<script>", &[line(&[])]);
        assert!(
            svg.contains("a &amp; b") && svg.contains("nothing yet"),
            "{svg}"
        );
        assert!(!svg.contains("<script>"), "{svg}");
    }
}
