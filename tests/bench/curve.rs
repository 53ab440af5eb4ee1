//! A server's memory over time as a curve, for the plot. Pure.

use std::fmt::Write as _;

use crate::outcome::Memory;
use crate::plot::{LEFT, RIGHT, WIDTH};
use crate::records::{Records, Scenario};

/// What one curve takes, with heading and axis.
pub(crate) const HEIGHT: f64 = 190.0;
const HEAD: f64 = 44.0;
const FOOT: f64 = 30.0;
/// Air above the highest point.
const AIR: f64 = 1.2;
const KIB_PER_MIB: f64 = 1024.0;

/// One run of one server.
#[derive(Debug)]
pub(crate) struct Curve<'a> {
    heading: String,
    memory: &'a [Memory],
}

/// The curves of a scenario, one for each run.
pub(crate) fn curves(records: &Records) -> Vec<Curve<'_>> {
    if records.scenario != Scenario::Churn {
        return Vec::new();
    }
    let runs = records.records.iter().filter_map(|record| {
        let outcome = &record.outcome;
        let memory = outcome.hold.server.as_ref()?.memory.as_slice();
        let per_second = outcome.n_churned as f64 / outcome.hold.seconds.max(f64::MIN_POSITIVE);
        let heading = format!(
            "{} listeners, {per_second:.0} a second go and others come: memory of {}, MiB",
            records.n_listeners,
            record.subject.name(),
        );
        (memory.len() > 1).then_some(Curve { heading, memory })
    });
    runs.collect()
}

impl Curve<'_> {
    /// Draws it, from 0 at the bottom, and says where the next one begins.
    pub(crate) fn draw(&self, svg: &mut String, top: f64) -> f64 {
        let (upper, lower) = (top + HEAD, top + HEIGHT - FOOT);
        let right = WIDTH - RIGHT;
        let seconds = self.memory.iter().map(|memory| memory.seconds);
        let seconds = seconds.fold(f64::MIN_POSITIVE, f64::max);
        let highest = self.memory.iter().map(|memory| memory.rss_kib as f64);
        let highest = highest.fold(1.0, f64::max) * AIR;
        let mut points = String::new();
        for memory in self.memory {
            let x = LEFT + (right - LEFT) * memory.seconds / seconds;
            let y = lower - (lower - upper) * memory.rss_kib as f64 / highest;
            // Writing into a String cannot fail.
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        let last = self.memory.last().map_or(0.0, |last| last.rss_kib as f64);
        let last_y = lower - (lower - upper) * last / highest + 4.0;
        let _ = write!(
            svg,
            "<text x=\"8\" y=\"{:.0}\" font-weight=\"bold\">{}</text>\n\
             <line class=\"range\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{lower:.0}\" \
             y2=\"{lower:.0}\"/>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">0</text>\n\
             <text x=\"{right}\" y=\"{:.0}\" text-anchor=\"end\">{:.0} minutes</text>\n\
             <polyline class=\"curve\" points=\"{}\"/>\n\
             <text x=\"{:.0}\" y=\"{last_y:.0}\">{:.1}</text>\n",
            top + 30.0,
            self.heading,
            LEFT - 8.0,
            lower + 4.0,
            lower + 18.0,
            seconds / 60.0,
            points.trim_end(),
            right + 8.0,
            last / KIB_PER_MIB,
        );
        top + HEIGHT
    }
}
