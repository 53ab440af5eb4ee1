//! The page about the last day: plots, and the same hour by hour as a table. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::desk::history::Sample;
use crate::desk::page::{fact, table};
use crate::desk::plot::{Labels, Line, plot};
use crate::desk::words::Words;
use crate::html::Text;

/// How the last redirects compare with the best ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Regret {
    /// Redirects looked at.
    pub n_redirects: usize,
    /// How far they were, on average.
    pub mean_km: f64,
    /// How far the best assignment of the same listeners would have been.
    pub best_km: f64,
}

impl Regret {
    /// What could have been saved. Never less than 0, whatever rounding says.
    pub fn km(&self) -> f64 {
        (self.mean_km - self.best_km).max(0.0)
    }
}

/// The content of the page. `minute`: now, since 1970. `day`: the oldest first.
pub fn content(w: &'static Words, day: &[Sample], regret: Option<Regret>, minute: u64) -> String {
    let mut html = String::with_capacity(64 * 1024);
    write_regret(&mut html, w, regret);
    let _ = writeln!(html, "<h2>{}</h2>", w.last_day);
    let whole = |pick: fn(&Sample) -> u64| points(day, minute, |one| Some(as_f64(pick(one))));
    let both = [
        line(w.listeners, "first", whole(|one| one.listeners)),
        line(w.free_places, "second", whole(|one| one.free)),
    ];
    figure(&mut html, w, "plot-listeners", w.listeners_and_free, &both);
    let redirects = [line(w.redirects, "first", whole(|one| one.redirects))];
    figure(
        &mut html,
        w,
        "plot-redirects",
        w.redirects_a_minute,
        &redirects,
    );
    let rejected = [line(w.rejected, "first", whole(|one| one.rejected))];
    figure(
        &mut html,
        w,
        "plot-rejected",
        w.rejected_a_minute,
        &rejected,
    );
    let regret = [line(
        w.regret,
        "first",
        points(day, minute, |one| one.regret_km),
    )];
    figure(&mut html, w, "plot-regret", w.regret, &regret);
    let _ = writeln!(html, "<details><summary>{}</summary>", w.by_hour);
    write_hours(&mut html, w, day);
    html.push_str("</details>\n");
    html
}

fn write_regret(html: &mut String, w: &Words, regret: Option<Regret>) {
    let _ = write!(
        html,
        "<h2>{}</h2>\n<p>{}</p>\n<dl>\n",
        w.regret, w.regret_meaning
    );
    match regret {
        Some(regret) => {
            fact(html, w.regret_now, km(regret.km()));
            fact(html, w.mean_distance, km(regret.mean_km));
            fact(html, w.best_distance, km(regret.best_km));
            fact(html, w.redirects_looked_at, regret.n_redirects);
        }
        None => fact(html, w.regret_now, w.nothing_yet),
    }
    html.push_str("</dl>\n");
}

fn figure(html: &mut String, w: &'static Words, id: &str, title: &'static str, lines: &[Line]) {
    let labels = Labels {
        title,
        ends: [w.day_ago, w.half_day_ago, w.now],
        nothing: w.nothing_yet,
    };
    let said: Vec<_> = lines.iter().map(|line| summary(w, line)).collect();
    let picture = plot(id, labels, &said.join(" "), lines);
    let _ = write!(
        html,
        "<figure>\n<figcaption>{title}</figcaption>\n<p class=\"legend\">"
    );
    for (line, said) in lines.iter().zip(&said) {
        let _ = write!(
            html,
            "<span class=\"{}\">{}</span> ",
            line.class,
            Text(said)
        );
    }
    let _ = write!(html, "</p>\n{picture}</figure>\n");
}

/// What a line shows, in words.
fn summary(w: &Words, line: &Line) -> String {
    let Some((_, latest)) = line.points.last() else {
        return format!("{}: {}.", line.name, w.nothing_yet);
    };
    let values = line.points.iter().map(|(_, value)| *value);
    let highest = values.fold(f64::MIN, f64::max);
    format!(
        "{}: {} {latest:.0}, {} {highest:.0}.",
        line.name, w.latest, w.highest
    )
}

fn line(name: &'static str, class: &'static str, points: Vec<(usize, f64)>) -> Line {
    Line {
        name,
        class,
        points,
    }
}

fn points(
    day: &[Sample],
    minute: u64,
    value: impl Fn(&Sample) -> Option<f64>,
) -> Vec<(usize, f64)> {
    let point = |sample: &Sample| {
        let ago = usize::try_from(minute.checked_sub(sample.minute)?).ok()?;
        Some((ago, value(sample)?))
    };
    day.iter().filter_map(point).collect()
}

/// Sums of one hour.
#[derive(Default)]
struct Hour {
    listeners: u64,
    free: Option<u64>,
    redirects: u64,
    rejected: u64,
    regret_km: f64,
    n_regrets: u32,
}

fn write_hours(html: &mut String, w: &Words, day: &[Sample]) {
    let mut hours: BTreeMap<u64, Hour> = BTreeMap::new();
    for sample in day {
        let hour = hours.entry(sample.minute / 60).or_default();
        hour.listeners = hour.listeners.max(sample.listeners);
        hour.free = Some(hour.free.map_or(sample.free, |free| free.min(sample.free)));
        hour.redirects += sample.redirects;
        hour.rejected += sample.rejected;
        if let Some(km) = sample.regret_km {
            hour.regret_km += km;
            hour.n_regrets += 1;
        }
    }
    let heads = [
        w.hour,
        w.most_listeners,
        w.least_free,
        w.redirects,
        w.rejected,
        w.mean_regret,
    ];
    table(html, w.by_hour, &heads, |html| {
        for (hour, sums) in hours.iter().rev() {
            let regret = match sums.n_regrets {
                0 => "–".to_owned(),
                n => format!("{:.0}", sums.regret_km / f64::from(n)),
            };
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\">{:02}:00</th><td>{}</td><td>{}</td><td>{}</td>\
                 <td>{}</td><td>{regret}</td></tr>",
                hour % 24,
                sums.listeners,
                sums.free.unwrap_or(0),
                sums.redirects,
                sums.rejected,
            );
        }
    });
}

fn km(km: f64) -> String {
    format!("{km:.0} km")
}

#[expect(clippy::cast_precision_loss, reason = "to be drawn")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn sample(minute: u64) -> Sample {
        Sample {
            minute,
            listeners: minute % 100,
            free: 40,
            redirects: 2,
            rejected: 0,
            mean_km: Some(300.0),
            regret_km: minute.is_multiple_of(2).then_some(12.0),
        }
    }

    #[test]
    fn the_page_says_in_words_and_numbers_what_the_plots_show() {
        let day: Vec<_> = (6_000..6_120).map(sample).collect();
        let regret = Regret {
            n_redirects: 7,
            mean_km: 320.4,
            best_km: 300.0,
        };
        let html = content(Language::German.words(), &day, Some(regret), 6_120);
        for said in [
            "20 km",
            "320 km",
            "Hörer: jetzt 19, höchstens 99.",
            "<th scope=\"row\">05:00</th><td>99</td><td>40</td><td>120</td><td>0</td><td>12</td>",
        ] {
            assert!(html.contains(said), "{said} is not in {html}");
        }
        assert_eq!(html.matches("<svg").count(), 4);
    }

    #[test]
    fn a_balancer_that_has_just_started_has_a_page_too() {
        let html = content(Language::English.words(), &[], None, 6_120);
        assert_eq!(html.matches("nothing yet</text>").count(), 4, "{html}");
    }

    #[test]
    fn rounding_makes_nobody_better_than_the_best() {
        let regret = Regret {
            n_redirects: 1,
            mean_km: 1.0,
            best_km: 1.0 + 1e-12,
        };
        assert!(regret.km().abs() < 1e-12);
    }
}
