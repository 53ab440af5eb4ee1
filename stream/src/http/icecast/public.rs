//! Icecast's pages for everybody, as old programs read them: `status.xsl`, which is also the front
//! page, `7.xsl`, `load.xsl`.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::element::Element;
use super::fields::Fields;
use super::stats;
use crate::http::shown::Shown;
use crate::status::{MountStatus, Status, icecast_date};

/// The pages.
pub(in crate::http) fn router(shown: Shown) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/status.xsl", get(status))
        .route("/7.xsl", get(seven))
        .route("/load.xsl", get(load))
        .with_state(shown)
}

async fn status(State(shown): State<Shown>, RawQuery(query): RawQuery) -> Response {
    html(&status_page(&stats::asked(
        shown.status(),
        query.as_deref(),
    )))
}

/// What SHOUTcast's `7.html` says, of the mount that is asked for or of the first.
async fn seven(State(shown): State<Shown>, RawQuery(query): RawQuery) -> Response {
    let wanted = Fields::parse(query.unwrap_or_default().as_bytes()).text("mount");
    let status = shown.status();
    let mut mounts = stats::on_air(&status);
    let mount = mounts.find(|mount| wanted.as_ref().is_none_or(|wanted| *wanted == mount.path));
    let page = Element::new("html").with(Element::leaf("body", &seven_words(&status, mount)));
    html(&page)
}

/// How many more listeners a mount takes; a balancer of 2011 asks for it.
async fn load(State(shown): State<Shown>) -> Response {
    let status = shown.status();
    let listeners = status.slots.listeners;
    let n_free = listeners.max.saturating_sub(listeners.taken).to_string();
    let mounts = stats::on_air(&status)
        .map(|mount| Element::leaf("mount", &n_free).attribute("name", &mount.path));
    let page = Element::new("load").with_all(mounts).xml();
    (head("text/xml; charset=utf-8"), page).into_response()
}

fn seven_words(status: &Status, mount: Option<&MountStatus>) -> String {
    let max = status.slots.listeners.max;
    let Some(mount) = mount else {
        return format!("0,0,0,{max},0,0,");
    };
    let (now, peak) = (mount.listeners, mount.peak_listeners);
    let bitrate = mount.bitrate.as_deref().unwrap_or("0");
    let title = mount.display_title().unwrap_or_default();
    format!("{now},1,{peak},{max},{now},{bitrate},{title}")
}

fn status_page(status: &Status) -> Element {
    let head = Element::new("head").text("title", "Icecast Streaming Media Server");
    let body = Element::new("body")
        .with(Element::leaf("h1", "Icecast2 Status").attribute("id", "header"))
        .with_all(stats::on_air(status).map(round_box));
    Element::new("html")
        .attribute("xmlns", "http://www.w3.org/1999/xhtml")
        .with(head)
        .with(body)
}

fn round_box(mount: &MountStatus) -> Element {
    let of_class = |name, class: &str| Element::new(name).attribute("class", class);
    let heading = Element::leaf("h3", &format!("Mount Point {}", mount.path));
    let link = |ending: &str, name: &str| {
        let to = format!("{}{ending}", mount.path);
        let link = Element::leaf("a", name).attribute("class", "play");
        Element::new("li").with(link.attribute("href", &to))
    };
    let links = [(".m3u", "M3U"), (".xspf", "XSPF"), (".vclt", "VCLT")];
    let links = of_class("ul", "mountlist").with_all(links.map(|(end, name)| link(end, name)));
    let row = |name: &str, value: &str| {
        let value = Element::leaf("td", value).attribute("class", "streamstats");
        Element::new("tr").text("td", name).with(value)
    };
    let words = |text: &Option<String>, otherwise: &str| {
        text.clone().unwrap_or_else(|| otherwise.to_owned())
    };
    let name = words(&mount.name, "Unspecified name");
    let description = words(&mount.description, "Unspecified description");
    let started = mount.on_air_since.map(icecast_date).unwrap_or_default();
    let table = Element::new("tbody")
        .with(row("Stream Name:", &name))
        .with(row("Stream Description:", &description))
        .with(row("Content Type:", &mount.content_type))
        .with(row("Stream started:", &started))
        .with(row("Listeners (current):", &mount.listeners.to_string()))
        .with(row("Listeners (peak):", &mount.peak_listeners.to_string()))
        .with(row("Genre:", &words(&mount.genre, "various")))
        .with_all(mount.website.iter().map(|url| row("Stream URL:", url)))
        .with(row(
            "Currently playing:",
            &mount.display_title().unwrap_or_default(),
        ));
    let head = of_class("div", "mounthead")
        .with(heading.attribute("class", "mount"))
        .with(of_class("div", "right").with(links));
    let content = of_class("div", "mountcont").with(of_class("table", "yellowkeys").with(table));
    of_class("div", "roundbox").with(head).with(content)
}

fn html(page: &Element) -> Response {
    let text = format!("<!DOCTYPE html>\n{}\n", page.fragment());
    (head("text/html; charset=utf-8"), text).into_response()
}

fn head(kind: &'static str) -> [(header::HeaderName, &'static str); 2] {
    [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
    ]
}
