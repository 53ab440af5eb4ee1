//! The page of all relays: how they stand, what was changed, and a form to add one. Pure.

use std::fmt::Write;

use crate::desk::changes::{Changes, Entry};
use crate::desk::facts::Facts;
use crate::desk::form::Form;
use crate::desk::page::{fact, field, table};
use crate::desk::stamp::{age, stamp};
use crate::desk::words::Words;
use crate::html::Text;
use crate::share::standing::Standing;
use crate::status::Totals;

/// So many of the last changes are shown.
const CHANGES_SHOWN_MAX: usize = 20;

/// Everything on the page.
#[derive(Debug)]
pub struct Fleet<'a> {
    /// What is said.
    pub words: &'static Words,
    /// Sums.
    pub totals: &'a Totals,
    /// All relays in use.
    pub relays: &'a [Facts],
    /// What was changed.
    pub changes: &'a Changes,
    /// What was filled in before, if it was wrong.
    pub filled: &'a Form,
    /// Whether changes outlive a restart, and if not, why.
    pub keeping: Keeping,
    /// What is shared with other balancers, if anything is.
    pub share: Option<&'a Standing>,
}

/// Whether changes outlive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// They do.
    OnDisk,
    /// There is no state directory.
    Nowhere,
    /// The last one could not be written.
    Trouble(String),
}

impl Fleet<'_> {
    /// The content of the page.
    pub fn content(&self) -> String {
        let mut html = String::with_capacity(16 * 1024);
        self.write_keeping(&mut html);
        self.write_trouble(&mut html);
        self.write_totals(&mut html);
        self.write_relays(&mut html);
        self.write_removed(&mut html);
        self.write_form(&mut html);
        self.write_changes(&mut html);
        html
    }

    fn write_keeping(&self, html: &mut String) {
        let w = self.words;
        let said = match &self.keeping {
            Keeping::OnDisk => return,
            Keeping::Nowhere => w.kept_nowhere.to_owned(),
            Keeping::Trouble(why) => format!("{} {why}", w.not_kept),
        };
        let _ = writeln!(
            html,
            "<div class=\"notice warn\"><p>{}</p></div>",
            Text(said)
        );
    }

    fn write_trouble(&self, html: &mut String) {
        if let Some(why) = self.share.and_then(Standing::trouble) {
            let said = format!("{} {why}", self.words.not_shared);
            let _ = writeln!(
                html,
                "<div class=\"notice warn\"><p>{}</p></div>",
                Text(said)
            );
        }
    }

    fn write_totals(&self, html: &mut String) {
        let (w, totals) = (self.words, self.totals);
        let _ = writeln!(html, "<h2>{}</h2>\n<dl>", w.right_now);
        let reporting = format!("{} / {}", totals.fresh, totals.relays);
        fact(html, w.relays_reporting, reporting);
        fact(html, w.listeners, totals.listeners);
        fact(html, w.on_their_way, totals.reserved);
        fact(html, w.places, totals.slots);
        fact(html, w.free_places, totals.free);
        fact(html, w.sent_since_start, totals.sent_to_relays);
        fact(html, w.to_master_since_start, totals.sent_to_master);
        fact(html, w.rejected_since_start, totals.unserved);
        if let Some(share) = self.share.map(Standing::status) {
            let how = match share.is_connected {
                true => w.shared_since,
                false => w.cut_off_since,
            };
            fact(html, how, stamp(share.since));
            fact(html, w.other_balancers, share.others);
        }
        html.push_str("</dl>\n");
    }

    fn write_relays(&self, html: &mut String) {
        let w = self.words;
        let _ = writeln!(html, "<h2>{}</h2>", w.relays);
        if self.relays.is_empty() {
            let _ = writeln!(html, "<p>{}</p>", w.no_relays);
            return;
        }
        let heads = [
            w.relay,
            w.state,
            w.listeners,
            w.places,
            w.on_their_way,
            w.bias,
            w.last_report,
            w.where_it_is,
            w.address,
        ];
        table(html, w.all_relays, &heads, |html| {
            for facts in self.relays {
                write_row(html, w, facts);
            }
        });
    }

    fn write_removed(&self, html: &mut String) {
        let w = self.words;
        if self.changes.removed.is_empty() {
            return;
        }
        let _ = writeln!(html, "<h2>{}</h2>\n<ul>", w.removed_relays);
        for name in &self.changes.removed {
            let _ = writeln!(
                html,
                "<li><form method=\"post\" action=\"/desk/relays/{0}\">{0} \
                 <button class=\"quiet\" name=\"do\" value=\"restore\" \
                 aria-label=\"{1}: {0}\">{1}</button></form></li>",
                Text(name),
                w.take_back
            );
        }
        html.push_str("</ul>\n");
    }

    fn write_form(&self, html: &mut String) {
        let (w, filled) = (self.words, self.filled);
        let _ = write!(
            html,
            "<h2 id=\"add\">{}</h2>\n<p>{}</p>\n\
             <form class=\"card\" method=\"post\" action=\"/desk/relays\">\n<div class=\"fields\">\n",
            w.add, w.add_hint
        );
        let plain = "autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\"";
        let needed = format!("{plain} maxlength=\"64\" required");
        field(
            html,
            "name",
            w.name,
            w.name_hint,
            filled.text("name"),
            &needed,
        );
        let url = format!("{plain} inputmode=\"url\"");
        field(html, "url", w.url, w.url_hint, filled.text("url"), &url);
        let number = format!("{plain} inputmode=\"decimal\"");
        let degrees = |name| filled.text(name);
        field(
            html,
            "latitude",
            w.latitude,
            "",
            degrees("latitude"),
            &number,
        );
        field(
            html,
            "longitude",
            w.longitude,
            "",
            degrees("longitude"),
            &number,
        );
        let letters = format!("{plain} maxlength=\"2\"");
        field(
            html,
            "country",
            w.country,
            "",
            filled.text("country"),
            &letters,
        );
        let _ = write!(html, "</div>\n<button>{}</button>\n</form>\n", w.add);
    }

    fn write_changes(&self, html: &mut String) {
        let w = self.words;
        let _ = writeln!(html, "<h2>{}</h2>", w.last_changes);
        if self.changes.journal.is_empty() {
            let _ = writeln!(html, "<p>{}</p>", w.no_changes);
            return;
        }
        let newest = self.changes.journal.iter().rev().take(CHANGES_SHOWN_MAX);
        table(html, w.last_changes, &[w.when, w.relay, w.what], |html| {
            for Entry {
                at, relay, what, ..
            } in newest
            {
                let _ = writeln!(
                    html,
                    "<tr><td>{}</td><td>{}</td><td class=\"why\">{}</td></tr>",
                    stamp(*at),
                    Text(relay),
                    Text(w.done(what))
                );
            }
        });
    }
}

fn write_row(html: &mut String, w: &Words, facts: &Facts) {
    let relay = &facts.relay;
    let (state, class) = state(w, facts);
    let slots = match facts.orders.slots_max {
        Some(max) if max < relay.slots => format!("{max} ({})", relay.slots),
        _ => relay.slots.to_string(),
    };
    let _ = writeln!(
        html,
        "<tr><th scope=\"row\"><a href=\"/desk/relays/{0}\">{0}</a></th>\
         <td><span class=\"state {class}\">{state}</span></td><td>{1}</td><td>{2}</td><td>{3}</td>\
         <td>{4} km</td><td>{5}</td><td>{6}</td><td>{7}</td></tr>",
        Text(&relay.name),
        relay.listeners,
        Text(slots),
        relay.reserved,
        facts.orders.bias_km,
        Text(age(w, relay.last_report_ms_ago)),
        Text(place(w, facts)),
        Text(relay.url.as_deref().unwrap_or(w.unknown)),
    );
}

/// The state of a relay in words, and how bad it is.
pub fn state(w: &Words, facts: &Facts) -> (&'static str, &'static str) {
    match facts.relay.state {
        "open" => (w.state_open, "good"),
        "full" => (w.state_full, "warn"),
        "draining" => (w.state_draining, "warn"),
        "disabled" => (w.state_disabled, "warn"),
        "in quarantine" => (w.state_quarantined, "bad"),
        "silent" => (w.state_stale, "bad"),
        _ => (w.state_unheard, "warn"),
    }
}

/// Where a relay is, as short as it can be said.
pub fn place(w: &Words, facts: &Facts) -> String {
    let Some(spot) = &facts.relay.place else {
        return w.unknown.to_owned();
    };
    if spot.is_everywhere {
        return w.everywhere.to_owned();
    }
    let country = spot.country.map(|country| country.to_string());
    let point = spot
        .place
        .map(|place| format!("{:.1}, {:.1}", place.latitude, place.longitude));
    let parts: Vec<_> = [country, point].into_iter().flatten().collect();
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::Balancer;
    use crate::geo::Geo;
    use crate::language::Language;

    #[test]
    fn a_relay_to_which_every_way_is_short_is_shown_as_everywhere() {
        let text = "[[relay]]\nname = \"a\"\ntoken = \"token of a, long\"\nlocation = \"any\"\n";
        let balancer = Balancer::new(toml::from_str(text).unwrap(), Geo::default());
        let facts = Facts::of(&balancer, "a").unwrap();
        assert_eq!(place(Language::English.words(), &facts), "everywhere");
    }
}
