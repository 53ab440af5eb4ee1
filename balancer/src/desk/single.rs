//! The page of one relay: its facts, and everything that can be done with it. Pure.

use std::fmt::Write;

use crate::desk::facts::{Facts, FamilyFacts, Origin};
use crate::desk::fleet::{place, state};
use crate::desk::page::{fact, field, table};
use crate::desk::stamp::age;
use crate::desk::words::Words;
use crate::html::Text;
use crate::language::Language;

/// The content of the page.
pub fn content(w: &Words, facts: &Facts) -> String {
    let mut html = String::with_capacity(8 * 1024);
    let _ = writeln!(html, "<p><a href=\"/desk\">← {}</a></p>", w.back_to_relays);
    write_evidence(&mut html, w, facts);
    write_facts(&mut html, w, facts);
    write_mounts(&mut html, w, facts);
    write_switches(&mut html, w, facts);
    write_dials(&mut html, w, facts);
    write_removal(&mut html, w, facts);
    html
}

fn write_evidence(html: &mut String, w: &Words, facts: &Facts) {
    let Some(quarantine) = &facts.quarantine else {
        return;
    };
    let _ = write!(
        html,
        "<div class=\"notice bad\"><p><strong>{}</strong></p><p>{}: {}</p>",
        w.state_quarantined,
        w.evidence,
        evidence(w, &quarantine.evidence)
    );
    if let Some(seconds) = quarantine.seconds_left {
        let _ = write!(html, "<p>{}: {seconds} s</p>", w.at_least_still);
    }
    html.push_str("</div>\n");
}

/// What was found out, which is remembered in English.
fn evidence(w: &Words, english: &str) -> String {
    if english == Language::English.words().put_away_by_operator {
        return Text(w.put_away_by_operator).to_string();
    }
    format!("<span lang=\"en\">{}</span>", Text(english))
}

fn write_facts(html: &mut String, w: &Words, facts: &Facts) {
    let relay = &facts.relay;
    let (state, class) = state(w, facts);
    let _ = write!(
        html,
        "<h2>{}</h2>\n<dl>\n<div><dt>{}</dt><dd class=\"state {class}\">{state}</dd></div>\n",
        w.facts, w.state
    );
    fact(html, w.listeners, relay.listeners);
    fact(html, w.on_their_way, relay.reserved);
    fact(html, w.places, relay.slots);
    let limit = facts
        .orders
        .slots_max
        .map_or_else(|| w.no_slots_max.to_owned(), |max| max.to_string());
    fact(html, w.slots_max, limit);
    fact(html, w.bias_km, facts.orders.bias_km);
    fact(html, w.last_report, age(w, relay.last_report_ms_ago));
    fact(html, w.address, relay.url.as_deref().unwrap_or(w.unknown));
    for family in &facts.families {
        fact(html, family.family.name(), reached(w, family));
    }
    fact(html, w.where_it_is, place(w, facts));
    fact(
        html,
        w.direct_per_second,
        format!("{:.2}", facts.direct_per_second),
    );
    fact(
        html,
        w.names_arrivals,
        if facts.names_arrivals { w.yes } else { w.no },
    );
    let origin = match facts.origin {
        Origin::File => w.from_file,
        Origin::Desk => w.from_page,
    };
    fact(html, w.comes_from, origin);
    html.push_str("</dl>\n");
}

/// Whether listeners get there over a kind of address.
fn reached(w: &Words, family: &FamilyFacts) -> String {
    match (&family.evidence, family.is_there) {
        (Some(evidence), _) => format!("{} {evidence}", w.family_down),
        (None, Some(true)) => w.yes.to_owned(),
        (None, Some(false)) => w.no.to_owned(),
        (None, None) => w.unknown.to_owned(),
    }
}

fn write_mounts(html: &mut String, w: &Words, facts: &Facts) {
    if facts.relay.mounts.is_empty() {
        return;
    }
    let _ = writeln!(html, "<h2>{}</h2>", w.mounts);
    table(html, w.mounts, &[w.mount, w.state, w.listeners], |html| {
        for mount in &facts.relay.mounts {
            let (state, class) = match mount.is_on_air {
                true => (w.on_air, "good"),
                false => (w.silent, "warn"),
            };
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\">{}</th><td><span class=\"state {class}\">{state}</span></td>\
                 <td>{}</td></tr>",
                Text(mount.path.as_str()),
                mount.listeners
            );
        }
    });
}

fn write_switches(html: &mut String, w: &Words, facts: &Facts) {
    let _ = writeln!(html, "<h2>{}</h2>\n<div class=\"switches\">", w.switches);
    let name = &facts.relay.name;
    if facts.orders.is_disabled {
        switch(html, name, "enable", w.enable, w.enable_hint);
    } else {
        switch(html, name, "disable", w.disable, w.disable_hint);
    }
    if facts.orders.is_draining {
        switch(html, name, "undrain", w.undrain, w.enable_hint);
    } else {
        switch(html, name, "drain", w.drain, w.drain_hint);
    }
    let is_down = facts.families.iter().any(|one| one.evidence.is_some());
    if facts.quarantine.is_some() || is_down {
        switch(html, name, "release", w.release, w.release_hint);
    }
    if facts.quarantine.is_none() {
        switch(html, name, "quarantine", w.quarantine, w.quarantine_hint);
    }
    html.push_str("</div>\n");
}

fn switch(html: &mut String, name: &str, act: &str, word: &str, hint: &str) {
    let _ = writeln!(
        html,
        "<form class=\"card\" method=\"post\" action=\"/desk/relays/{}\"><p id=\"{act}-hint\">{}</p>\
         <button name=\"do\" value=\"{act}\" aria-describedby=\"{act}-hint\">{word}</button></form>",
        Text(name),
        Text(hint)
    );
}

fn write_dials(html: &mut String, w: &Words, facts: &Facts) {
    let _ = write!(
        html,
        "<h2>{}</h2>\n<form class=\"card\" method=\"post\" action=\"/desk/relays/{}\">\n\
         <div class=\"fields\">\n",
        w.dials,
        Text(&facts.relay.name)
    );
    let bias = facts.orders.bias_km.to_string();
    field(
        html,
        "bias_km",
        w.bias_km,
        w.bias_hint,
        &bias,
        "inputmode=\"text\" autocomplete=\"off\" required",
    );
    let slots = facts
        .orders
        .slots_max
        .map_or_else(String::new, |max| max.to_string());
    field(
        html,
        "slots_max",
        w.slots_max,
        w.slots_max_hint,
        &slots,
        "inputmode=\"numeric\" autocomplete=\"off\"",
    );
    let _ = write!(
        html,
        "<input type=\"hidden\" name=\"was_bias_km\" value=\"{}\">\n\
         <input type=\"hidden\" name=\"was_slots_max\" value=\"{}\">\n\
         </div>\n<button name=\"do\" value=\"dials\">{}</button>\n</form>\n",
        Text(bias),
        Text(slots),
        w.save
    );
}

fn write_removal(html: &mut String, w: &Words, facts: &Facts) {
    let _ = write!(
        html,
        "<h2>{0}</h2>\n<form class=\"card\" method=\"post\" action=\"/desk/relays/{1}\">\n\
         <p id=\"remove-hint\">{2}</p>\n\
         <p class=\"check\"><input type=\"checkbox\" id=\"sure\" name=\"sure\" value=\"yes\" required>\
         <label for=\"sure\">{3}</label></p>\n\
         <button class=\"danger\" name=\"do\" value=\"remove\" aria-describedby=\"remove-hint\">{0}\
         </button>\n</form>\n",
        w.remove,
        Text(&facts.relay.name),
        w.remove_hint,
        w.remove_sure
    );
}

/// What is shown once of a relay that was just added.
pub fn welcome(w: &Words, name: &str, token: &str, balancer: &str) -> String {
    let mut html = String::new();
    let snippet = format!("[balancer]\nurl = \"{balancer}\"\ntoken = \"{token}\"\n");
    let _ = write!(
        html,
        "<div class=\"notice\" role=\"status\"><p>{}: <strong>{}</strong></p></div>\n\
         <p><strong>{}</strong></p>\n<dl>",
        w.added,
        Text(name),
        w.token_once
    );
    let _ = write!(
        html,
        "<div><dt>{}</dt><dd><code>{}</code></dd></div></dl>\n<p>{}</p>\n\
         <pre tabindex=\"0\"><code>{}</code></pre>\n<p>{}</p>\n\
         <p><a href=\"/desk/relays/{}\">{}</a></p>\n",
        w.token,
        Text(token),
        w.snippet,
        Text(&snippet),
        w.restart_relay,
        Text(name),
        Text(name)
    );
    html
}
