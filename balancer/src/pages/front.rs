//! The front page, filled in. Pure.

use std::cmp::Reverse;
use std::fmt::Write;

use stream::mount::MountPath;

use super::{escaped, files, many, map};
use crate::language::Language;
use crate::status::{MountStatus, RelayStatus, Status};

const PAGE: &str = include_str!("front.html");
/// So many relays stand in the table; the rest is counted.
const RELAYS_MAX: usize = 100;
/// So many other mounts are linked.
const STREAMS_MAX: usize = 50;

/// What a visitor wants.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The language of the page.
    pub language: Language,
    /// The mount to be played, on air or not; else the one on air that most listen to.
    pub mount: Option<MountPath>,
    /// This balancer's link without a path, empty if unknown.
    pub base: &'a str,
}

/// The page as HTML.
pub fn front(status: &Status, wish: &Wish) -> String {
    let on_air: Vec<_> = status.mounts.iter().filter(|m| m.is_on_air).collect();
    let unheard = wish.mount.clone().map(MountStatus::unheard);
    let mount = match &unheard {
        // Whoever asked for one is given no other, also while it is off the air.
        Some(unheard) => {
            let mut known = status.mounts.iter();
            let named = known.find(|mount| mount.path == unheard.path);
            Some(named.unwrap_or(unheard))
        }
        None => (on_air.iter().copied()).min_by_key(|mount| Reverse(mount.listeners)),
    };
    let mut html = String::with_capacity(16 * 1024);
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        html.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        fill(&mut html, name, status, mount, &on_air, wish);
        rest = after;
    }
    html.push_str(rest);
    html
}

fn fill(
    html: &mut String,
    name: &str,
    status: &Status,
    mount: Option<&MountStatus>,
    on_air: &[&MountStatus],
    wish: &Wish,
) {
    let language = wish.language;
    let totals = &status.totals;
    let path = mount.map_or("", |mount| mount.path.as_str());
    if let Some(word) = name.strip_prefix("word ") {
        html.push_str(&escaped(language.word(word)));
        return;
    }
    match name {
        "lang" => html.push_str(language.tag()),
        "files" => html.push_str(&files::FOLDER),
        "said" => html.push_str(&language.said()),
        "version" => html.push_str(&escaped(status.version)),
        "mount" => html.push_str(&escaped(path)),
        "station" => html.push_str(&escaped(&station(mount, language))),
        "about" => {}
        "languages" => write_languages(html, mount, language),
        "plain" if mount.is_some_and(is_plain) => html.push_str(" data-plain"),
        "off" if is_off(mount) => html.push_str(" data-off"),
        "state" if is_off(mount) => html.push_str(&escaped(language.word("say_off"))),
        "sound" => write_sound(html, mount),
        "streams" => write_streams(html, mount, on_air, language),
        "links" => write_links(html, path, wish),
        "geo" => write_geo(html, status),
        "map" => map::write(html, &status.relays, language),
        "table" => write_table(html, &status.relays, language),
        "n_slots" => html.push_str(&language.number(totals.slots)),
        "n_listeners" => html.push_str(&language.number(totals.listeners)),
        "n_free" => html.push_str(&language.number(totals.free)),
        "load" => html.push_str(&totals.listeners.to_string()),
        "load_many" => html.push_str(&many(totals.slots.max(1)).to_string()),
        "load_none" => html.push_str(&(totals.slots.max(1) - 1).to_string()),
        "load_max" => html.push_str(&totals.slots.max(1).to_string()),
        _ => {}
    }
}

/// Whose data says where people are, as the licence wants it.
fn write_geo(html: &mut String, status: &Status) {
    for origin in status
        .geo
        .iter()
        .filter_map(|source| source.origin.as_ref())
    {
        let (url, source) = (escaped(&origin.url), escaped(&origin.source));
        let _ = write!(html, " · <a href=\"{url}\">IP Geolocation: {source}</a>");
    }
}

/// What the mount is called; a mount without a name by its path.
fn station(mount: Option<&MountStatus>, language: Language) -> String {
    let name = mount.map(|mount| mount.path.decoded());
    let name = name.as_deref().map(|name| name.trim_start_matches('/'));
    name.unwrap_or_else(|| language.word("nothing")).to_owned()
}

fn write_languages(html: &mut String, mount: Option<&MountStatus>, current: Language) {
    let mount = mount.map_or(String::new(), |mount| {
        format!("&amp;mount={}", escaped(mount.path.as_str()))
    });
    for language in Language::ALL {
        let tag = language.tag();
        let is_current = if language == current {
            " aria-current=\"true\""
        } else {
            ""
        };
        let name = escaped(language.word("lang_name"));
        let _ = writeln!(
            html,
            "<li><a href=\"/?lang={tag}{mount}\" lang=\"{tag}\" hreflang=\"{tag}\"{is_current}>{name}</a></li>"
        );
    }
}

/// Whether one is shown that nobody can hear.
fn is_off(mount: Option<&MountStatus>) -> bool {
    mount.is_some_and(|mount| !mount.is_on_air)
}

/// Whether the page cannot take it to pieces: it is no Ogg, or has a picture.
fn is_plain(mount: &MountStatus) -> bool {
    let kind = mount.content_type.as_str();
    !kind.is_empty() && !matches!(kind, "application/ogg" | "audio/ogg")
}

/// For those without script; the script takes it over.
fn write_sound(html: &mut String, mount: Option<&MountStatus>) {
    let Some(mount) = mount else {
        html.push_str("<audio id=\"sound\" hidden></audio>\n");
        return;
    };
    let path = escaped(mount.path.as_str());
    let element = match mount.content_type.starts_with("video/") {
        true => "video",
        false => "audio",
    };
    let _ = writeln!(
        html,
        "<{element} id=\"sound\" controls preload=\"none\" src=\"{path}\"></{element}>"
    );
}

fn write_streams(
    html: &mut String,
    mount: Option<&MountStatus>,
    on_air: &[&MountStatus],
    language: Language,
) {
    let others: Vec<_> = on_air
        .iter()
        .filter(|other| Some(&other.path) != mount.map(|mount| &mount.path))
        .take(STREAMS_MAX)
        .collect();
    if others.is_empty() {
        return;
    }
    let tag = language.tag();
    let _ = write!(html, "<p>{}: ", escaped(language.word("streams")));
    for (n, other) in others.into_iter().enumerate() {
        let path = escaped(other.path.as_str());
        let comma = if n > 0 { ", " } else { "" };
        let name = escaped(&station(Some(other), language));
        let _ = write!(
            html,
            "{comma}<a href=\"/?lang={tag}&amp;mount={path}\">{name}</a>"
        );
    }
    html.push_str("</p>");
}

fn write_links(html: &mut String, path: &str, wish: &Wish) {
    let word = |key| escaped(wish.language.word(key));
    if path.is_empty() {
        let _ = writeln!(html, "<p>{}</p>", word("nothing"));
        return;
    }
    let (path, base) = (escaped(path), escaped(wish.base));
    let _ = write!(
        html,
        "<p>{}: <code id=\"link\">{base}{path}</code> \
         <button class=\"copy\" type=\"button\" data-of=\"link\" hidden>{}</button></p>\n\
         <p>{}: <a href=\"{path}.m3u\">M3U</a> · <a href=\"{path}.pls\">PLS</a> · \
         <a href=\"{path}.xspf\">XSPF</a></p>\n<p><small>{}</small></p>\n",
        word("link"),
        word("copy"),
        word("lists"),
        word("lists_why"),
    );
}

fn write_table(html: &mut String, relays: &[RelayStatus], language: Language) {
    let word = |key| escaped(language.word(key));
    if relays.is_empty() {
        let _ = writeln!(html, "<p>{}</p>", word("relays_none"));
        return;
    }
    let _ = writeln!(
        html,
        "<table>\n<thead><tr><th scope=\"col\">{}</th><th scope=\"col\">{}</th>\
         <th scope=\"col\">{}</th></tr></thead>\n<tbody>",
        word("relay"),
        word("state"),
        word("listeners_of_places"),
    );
    for relay in relays.iter().take(RELAYS_MAX) {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{} / {}</td></tr>",
            escaped(&relay.name),
            escaped(&state(relay, language)),
            language.number(relay.listeners.into()),
            language.number(relay.slots.into()),
        );
    }
    html.push_str("</tbody></table>\n");
    if relays.len() > RELAYS_MAX {
        let n = relays.len() - RELAYS_MAX;
        let _ = writeln!(html, "<p>{} {n}</p>", word("relays_more"));
    }
}

/// A state without a word is shown as it is called.
fn state(relay: &RelayStatus, language: Language) -> String {
    let key = format!("state_{}", relay.state);
    let word = language.word(&key);
    word.strip_prefix("state_").unwrap_or(word).to_owned()
}
