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
use crate::mount::MountPath;
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
    let wanted = wanted.map(|wanted| MountPath::spelling_of(&wanted));
    let status = shown.status();
    let mut mounts = status.heard();
    let mount = mounts.find(|mount| wanted.as_ref().is_none_or(|wanted| *wanted == mount.path));
    let page = Element::new("html").with(Element::leaf("body", &seven_words(&status, mount)));
    html(&page)
}

/// How many more listeners a mount takes; a balancer of 2011 asks for it.
async fn load(State(shown): State<Shown>) -> Response {
    let page = load_page(&shown.status()).xml();
    (head("text/xml; charset=utf-8"), page).into_response()
}

fn load_page(status: &Status) -> Element {
    let free = |mount: &MountStatus| status.n_free(mount).to_string();
    let mounts = status.heard();
    let mounts =
        mounts.map(|mount| Element::leaf("mount", &free(mount)).attribute("name", &mount.path));
    Element::new("load").with_all(mounts)
}

fn seven_words(status: &Status, mount: Option<&MountStatus>) -> String {
    let Some(mount) = mount else {
        let max = status.slots.listeners.max;
        return format!("0,0,0,{max},0,0,");
    };
    let max = status.listeners_max(mount);
    let (now, peak) = (mount.listeners, mount.peak_listeners);
    let bitrate = mount.bitrate.as_deref().unwrap_or("0");
    let title = mount.display_title().unwrap_or_default();
    format!("{now},1,{peak},{max},{now},{bitrate},{title}")
}

fn status_page(status: &Status) -> Element {
    let head = Element::new("head").text("title", "Icecast Streaming Media Server");
    let body = Element::new("body")
        .with(Element::leaf("h1", "Icecast2 Status").attribute("id", "header"))
        .with_all(status.heard().map(round_box));
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
    let quality = mount.audio_fields().find(|(key, _)| *key == "quality");
    let started = mount.on_air_since.map(icecast_date).unwrap_or_default();
    let table = Element::new("tbody")
        .with(row("Stream Name:", &name))
        .with(row("Stream Description:", &description))
        .with(row("Content Type:", &mount.content_type))
        .with(row("Stream started:", &started))
        .with_all(mount.bitrate.iter().map(|rate| row("Bitrate:", rate)))
        .with_all(quality.map(|(_, quality)| row("Quality:", &quality)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::tests::on_air;
    use crate::status::{Share, SlotsStatus};

    fn mount(path: &str, listeners: usize, max_listeners: Option<usize>) -> MountStatus {
        MountStatus {
            title: Some("A & B".to_owned()),
            name: Some("<One>".to_owned()),
            bitrate: Some("96".to_owned()),
            audio_info: Some("quality=3%2e5".to_owned()),
            peak_listeners: 9,
            listeners,
            max_listeners,
            ..on_air(path)
        }
    }

    fn status(taken: usize) -> Status {
        let share = |taken, max| Share { taken, max };
        let slots = SlotsStatus {
            listeners: share(taken, 10),
            relays: share(0, 1),
        };
        let filled = MountStatus {
            is_on_air: false,
            filler_since: Some(jiff::Timestamp::UNIX_EPOCH),
            ..mount("/filled.ogg", 0, Some(40))
        };
        let gone = MountStatus {
            is_on_air: false,
            ..mount("/gone.ogg", 0, None)
        };
        Status {
            program: "plenum-master",
            version: "1",
            uptime_seconds: 0,
            reign: None,
            is_standby: None,
            slots,
            upstreams: Vec::new(),
            mounts: vec![
                mount("/few.ogg", 3, Some(5)),
                mount("/open.ogg", 1, None),
                mount("/over.ogg", 3, Some(2)),
                filled,
                gone,
            ],
        }
    }

    #[test]
    fn load_xsl_says_of_each_mount_how_many_more_it_takes() {
        let frees = |taken, [few, open, over, filled]: [&str; 4]| {
            let page = load_page(&status(taken)).xml();
            let expected = format!(
                "<load><mount name=\"/few.ogg\">{few}</mount><mount name=\"/open.ogg\">{open}</mount>\
                 <mount name=\"/over.ogg\">{over}</mount>\
                 <mount name=\"/filled.ogg\">{filled}</mount></load>"
            );
            assert!(page.trim_end().ends_with(&expected), "{page}");
        };
        frees(4, ["2", "6", "0", "6"]);
        // The last slot of the server is the last one of each mount.
        frees(9, ["1", "1", "0", "1"]);
        frees(12, ["0"; 4]);
    }

    #[test]
    fn seven_xsl_says_what_shoutcasts_page_says() {
        let status = status(4);
        let words = |at: usize| seven_words(&status, status.mounts.get(at));
        assert_eq!(words(0), "3,1,9,5,3,96,A & B");
        assert_eq!(words(1), "1,1,9,10,1,96,A & B");
        assert_eq!(words(3), "0,1,9,10,0,96,A & B");
        assert_eq!(seven_words(&status, None), "0,0,0,10,0,0,");
    }

    #[test]
    fn status_xsl_holds_each_mount_that_is_heard_and_escapes_what_sources_say() {
        let page = status_page(&status(4)).fragment();
        let first = "<h3 class=\"mount\">Mount Point /few.ogg</h3>";
        assert_eq!(page.matches(first).count(), 1, "{page}");
        assert_eq!(page.matches("class=\"roundbox\"").count(), 4, "{page}");
        assert!(
            !page.contains("/gone.ogg") && page.contains("/filled.ogg"),
            "{page}"
        );
        for (name, value) in [
            ("Stream Name:", "&lt;One&gt;"),
            ("Stream Description:", "Unspecified description"),
            ("Content Type:", "application/ogg"),
            ("Bitrate:", "96"),
            ("Quality:", "3.5"),
            ("Listeners (current):", "3"),
            ("Listeners (peak):", "9"),
            ("Genre:", "various"),
            ("Currently playing:", "A &amp; B"),
        ] {
            let row = format!("<tr><td>{name}</td><td class=\"streamstats\">{value}</td></tr>");
            assert!(page.contains(&row), "{row} is missing in {page}");
        }
    }
}
