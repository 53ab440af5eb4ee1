//! Results as tables that read well on a terminal and in Markdown. Pure.

use crate::memory::Trend;
use crate::outcome::Outcome;
use crate::records::{Middle, Records, Scenario, cost};
use crate::subjects::Subject;

type Row = Vec<String>;

/// All tables of a scenario, each with a heading.
pub(crate) fn tables(records: &Records) -> String {
    let mut text = String::new();
    for (kbits, group) in records.groups() {
        let (what, head, rows) = match records.scenario {
            Scenario::Steady | Scenario::Held => cost_table(&group),
            Scenario::Crowd => crowd_table(&group),
            Scenario::Idle => idle_table(&group),
            Scenario::Churn => churn_table(&group),
        };
        let n = match records.scenario {
            Scenario::Idle => "no listener".to_owned(),
            Scenario::Crowd => format!("{} listeners at once", records.n_listeners),
            _ => format!("{} listeners", records.n_listeners),
        };
        text.push_str(&format!("### {n}, {kbits} kbit/s: {what}\n\n"));
        text.push_str(&grid(&head, &rows));
        text.push('\n');
    }
    text
}

/// A server's cost as a share of another's, of the middles. `None`: one was not measured.
pub(crate) fn ratio(
    group: &[(Subject, Vec<&Outcome>)],
    subject: Subject,
    to: Subject,
) -> Option<f64> {
    let of = |wanted| {
        let (_, outcomes) = group.iter().find(|(subject, _)| *subject == wanted)?;
        Some(cost(outcomes)?.median)
    };
    let whole: f64 = of(to)?;
    (whole > 0.0).then_some(of(subject)? / whole)
}

fn cost_table(group: &[(Subject, Vec<&Outcome>)]) -> (&'static str, Vec<&'static str>, Vec<Row>) {
    let head = vec![
        "server",
        "µs per listener-second",
        "of icecast2",
        "of bare loop",
        "KiB per listener",
        "heard",
        "wrong pages",
        "stalls",
        "lag p99",
    ];
    let rows = group.iter().map(|(subject, outcomes)| {
        let servers = || outcomes.iter().filter_map(|o| o.hold.server.as_ref());
        let memory = Middle::of(servers().map(|server| server.rss_kib_per_listener));
        let bare = subject.bare().and_then(|bare| ratio(group, *subject, bare));
        let lag = Middle::of(outcomes.iter().map(|o| o.lag.crowd.p99_ms));
        // Everybody hears the file from its start: who came later hears it later.
        let lag = lag.filter(|_| *subject != Subject::Nginx);
        vec![
            subject.name().to_owned(),
            spread(cost(outcomes), 1),
            share(ratio(group, *subject, Subject::Icecast2)),
            share(bare),
            spread(memory, 1),
            heard(outcomes),
            n_wrong(outcomes).to_string(),
            n_stalls(outcomes).to_string(),
            lag.map_or_else(String::new, |lag| format!("{:.0} ms", lag.median)),
        ]
    });
    ("processor time of the server", head, rows.collect())
}

fn crowd_table(group: &[(Subject, Vec<&Outcome>)]) -> (&'static str, Vec<&'static str>, Vec<Row>) {
    let head = vec![
        "server",
        "p50, ms",
        "p99, ms",
        "slowest, ms",
        "heard",
        "wrong pages",
        "lag p99 of those before, ms",
        "the same with the crowd, ms",
    ];
    let rows = group.iter().map(|(subject, outcomes)| {
        let of =
            |value: fn(&Outcome) -> f64| spread(Middle::of(outcomes.iter().map(|o| value(o))), 0);
        let is_live = *subject != Subject::Nginx;
        let lag = |value| if is_live { of(value) } else { String::new() };
        vec![
            subject.name().to_owned(),
            of(|o| o.first_audio.p50_ms),
            of(|o| o.first_audio.p99_ms),
            of(|o| o.first_audio.max_ms),
            heard(outcomes),
            n_wrong(outcomes).to_string(),
            lag(|o| o.lag.before_alone.p99_ms),
            lag(|o| o.lag.before.p99_ms),
        ]
    });
    ("time to the first page with sound", head, rows.collect())
}

fn idle_table(group: &[(Subject, Vec<&Outcome>)]) -> (&'static str, Vec<&'static str>, Vec<Row>) {
    let head = vec!["server", "% of a core", "memory, MiB"];
    let rows = group.iter().map(|(subject, outcomes)| {
        let servers = || outcomes.iter().filter_map(|o| o.hold.server.as_ref());
        let share = Middle::of(servers().map(|server| server.core_share * 100.0));
        let memory = Middle::of(servers().map(|server| server.rss_kib_at_end as f64 / 1024.0));
        vec![
            subject.name().to_owned(),
            spread(share, 2),
            spread(memory, 1),
        ]
    });
    ("a source and nobody else", head, rows.collect())
}

fn churn_table(group: &[(Subject, Vec<&Outcome>)]) -> (&'static str, Vec<&'static str>, Vec<Row>) {
    let head = vec![
        "server",
        "went and came",
        "of these heard",
        "memory first, KiB",
        "middle, KiB",
        "last, KiB",
        "slope, KiB an hour",
        "wrong pages",
        "stalls",
    ];
    let rows = group.iter().map(|(subject, outcomes)| {
        let of = |value: fn(&Trend) -> f64| {
            let trends = outcomes.iter().filter_map(|o| Trend::of(o));
            spread(Middle::of(trends.map(|trend| value(&trend))), 0)
        };
        vec![
            subject.name().to_owned(),
            spread(Middle::of(outcomes.iter().map(|o| o.n_churned as f64)), 0),
            spread(
                Middle::of(outcomes.iter().map(|o| o.n_churned_heard as f64)),
                0,
            ),
            of(|trend| trend.first_kib),
            of(|trend| trend.median_kib),
            of(|trend| trend.last_kib),
            of(|trend| trend.kib_per_hour),
            n_wrong(outcomes).to_string(),
            n_stalls(outcomes).to_string(),
        ]
    });
    ("memory while listeners go and come", head, rows.collect())
}

/// The fewest of all rounds.
fn heard(outcomes: &[&Outcome]) -> String {
    let fewest = outcomes.iter().min_by_key(|o| o.n_heard);
    fewest.map_or_else(String::new, |o| format!("{} of {}", o.n_heard, o.n_asked))
}

fn n_wrong(outcomes: &[&Outcome]) -> u64 {
    outcomes.iter().map(|o| o.n_wrong_pages()).sum()
}

fn n_stalls(outcomes: &[&Outcome]) -> u64 {
    outcomes.iter().map(|o| o.sample.n_stalls).sum()
}

fn share(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}

fn spread(middle: Option<Middle>, digits: usize) -> String {
    let Some(Middle { min, median, max }) = middle else {
        return String::new();
    };
    if min.total_cmp(&max).is_eq() {
        return format!("{median:.digits$}");
    }
    format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
}

/// A Markdown table with columns as wide as they have to be.
pub(crate) fn grid(head: &[&str], rows: &[Row]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(head[column].chars().count())
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let cells = cells.iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let rule: Vec<_> = rule.iter().map(String::as_str).collect();
    let mut text = line(head) + &line(&rule);
    for row in rows {
        let cells: Vec<_> = row.iter().map(String::as_str).collect();
        text.push_str(&line(&cells));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["µs".to_owned(), "1".to_owned()]];
        let text = grid(&["a", "long head"], &rows);
        assert_eq!(
            text,
            "| a  | long head |\n| -- | --------- |\n| µs | 1         |\n"
        );
    }
}
