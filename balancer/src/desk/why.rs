//! The page that explains a choice: where somebody would be sent, with every term of it. Pure.

use std::collections::BTreeSet;
use std::fmt::Write;

use stream::mount::MountPath;

use crate::choice::Excluded;
use crate::desk::form::Form;
use crate::desk::page::{fact, field, table};
use crate::desk::words::Words;
use crate::explain::{Explanation, RelayExplanation};
use crate::html::Text;
use crate::place::Spot;

/// The form. It is sent as a body, so that no address ever stands in a link.
pub fn form(w: &Words, mounts: &BTreeSet<MountPath>, filled: &Form) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        "<p>{}</p>\n<form class=\"card\" method=\"post\" action=\"/desk/explain\">\n\
         <div class=\"fields\">\n",
        w.explain_hint
    );
    let plain = "autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\" required";
    field(
        &mut html,
        "address",
        w.ip_address,
        w.ip_hint,
        filled.text("address"),
        plain,
    );
    let mounts = mounts.iter().map(MountPath::as_str);
    write_choice(&mut html, "mount", w.mount, mounts, filled.text("mount"));
    let schemes = ["http", "https"].into_iter();
    write_choice(
        &mut html,
        "scheme",
        w.comes_by,
        schemes,
        filled.text("scheme"),
    );
    let _ = write!(html, "</div>\n<button>{}</button>\n</form>\n", w.look);
    html
}

fn write_choice<'a>(
    html: &mut String,
    name: &str,
    label: &str,
    options: impl Iterator<Item = &'a str>,
    chosen: &str,
) {
    let _ = write!(
        html,
        "<p class=\"field\"><label for=\"{name}\">{label}</label>\
         <select id=\"{name}\" name=\"{name}\">"
    );
    for option in options {
        let selected = if option == chosen { " selected" } else { "" };
        let _ = write!(html, "<option{selected}>{}</option>", Text(option));
    }
    html.push_str("</select></p>\n");
}

/// What came out.
pub fn answer(w: &Words, explanation: &Explanation) -> String {
    let mut html = String::new();
    let _ = writeln!(html, "<h2>{}</h2>\n<dl>", w.outcome);
    let chosen = explanation.chosen.as_deref();
    fact(&mut html, w.chosen, chosen.unwrap_or(w.nowhere));
    fact(
        &mut html,
        w.listener_is,
        place(w, explanation.place.as_ref()),
    );
    fact(&mut html, w.mount, explanation.mount.as_str());
    let _ = write!(
        html,
        "</dl>\n<h2>{}</h2>\n<p>{}</p>\n",
        w.verdicts, w.terms_hint
    );
    let heads = [
        w.relay,
        w.excluded,
        w.total,
        w.distance,
        w.price,
        w.country_term,
        w.network_term,
        w.family_term,
        w.health_term,
        w.bias_term,
        w.utilisation,
    ];
    table(&mut html, w.verdicts, &heads, |html| {
        for relay in in_order(explanation) {
            write_row(html, w, relay, chosen == Some(&relay.name));
        }
    });
    html
}

/// Those that can take him first, the best one of them first.
fn in_order(explanation: &Explanation) -> Vec<&RelayExplanation> {
    let mut relays: Vec<_> = explanation.relays.iter().collect();
    let is_out = |relay: &RelayExplanation| !relay.excluded.is_empty();
    relays.sort_by(|a, b| {
        let totals = a.total_km.total_cmp(&b.total_km);
        is_out(a).cmp(&is_out(b)).then(totals)
    });
    relays
}

fn write_row(html: &mut String, w: &Words, relay: &RelayExplanation, is_chosen: bool) {
    let class = if is_chosen { " class=\"chosen\"" } else { "" };
    let reasons: Vec<_> = relay.excluded.iter().map(|why| reason(w, *why)).collect();
    // A sum that takes no part in the choice is none to compare.
    let total = match reasons.is_empty() {
        true => number(relay.total_km),
        false => "—".to_owned(),
    };
    let _ = write!(
        html,
        "<tr{class}><th scope=\"row\"><a href=\"/desk/relays/{0}\">{0}</a></th>\
         <td class=\"why\">{1}</td><td class=\"n\">{2}</td>",
        Text(&relay.name),
        Text(reasons.join(", ")),
        total
    );
    let terms = &relay.terms;
    for km in [
        terms.distance_km,
        terms.price_km,
        terms.country_km,
        terms.network_km,
        terms.family_km,
        terms.health_km,
        terms.bias_km,
    ] {
        let _ = write!(html, "<td class=\"n\">{}</td>", number(km));
    }
    let _ = writeln!(
        html,
        "<td class=\"n\">{:.0} %</td></tr>",
        relay.utilisation * 100.0
    );
}

/// Whole kilometres; what the operator denied costs more than any number.
fn number(km: f32) -> String {
    if km.is_infinite() {
        return "∞".to_owned();
    }
    // No "-0".
    format!("{:.0}", km.round() + 0.0)
}

fn place(w: &Words, spot: Option<&Spot>) -> String {
    let Some(spot) = spot else {
        return w.unknown.to_owned();
    };
    let country = spot.country.map(|country| country.to_string());
    let point = spot
        .place
        .map(|place| format!("{:.1}, {:.1}", place.latitude, place.longitude));
    let system = spot.asn.map(|asn| format!("AS{asn}"));
    let parts: Vec<_> = [country, point, system].into_iter().flatten().collect();
    parts.join(" · ")
}

/// A reason in words.
fn reason(w: &Words, why: Excluded) -> &'static str {
    match why {
        Excluded::Removed => w.why_removed,
        Excluded::Unheard => w.why_unheard,
        Excluded::Stale => w.why_stale,
        Excluded::NoMount => w.why_no_mount,
        Excluded::NotOnAir => w.why_not_on_air,
        Excluded::Disabled => w.why_disabled,
        Excluded::Draining => w.why_draining,
        Excluded::Quarantined => w.why_quarantined,
        Excluded::WrongScheme => w.why_wrong_scheme,
        Excluded::WrongFamily => w.why_wrong_family,
        Excluded::FamilyDown => w.why_family_down,
        Excluded::CountryDenied => w.why_country_denied,
        Excluded::SentBack => w.why_sent_back,
        Excluded::NotReached => w.why_not_reached,
        Excluded::Unproven => w.why_unproven,
        Excluded::Full => w.why_full,
    }
}
