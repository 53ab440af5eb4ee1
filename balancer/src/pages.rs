//! The public page: what is on air, how much room there is, and the links for players. Pure.
//!
//! Nothing on it comes from anywhere else, and it needs no script.

use std::fmt::Write;

use crate::status::{MountStatus, RelayStatus, Status, Totals};

/// Only the page's own style, and sound from wherever a listener is sent.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     media-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("pages/front.css");

/// The front page. `base` is this balancer's link without a path, empty if unknown.
pub fn front(status: &Status, base: &str) -> String {
    let mut html = String::with_capacity(4096);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>On air</title>\n<style>\n{STYLE}</style>\n<main>\n<h1>On air</h1>\n"
    );
    let on_air: Vec<_> = status.mounts.iter().filter(|m| m.is_on_air).collect();
    if on_air.is_empty() {
        html.push_str("<p>Nothing is on air at the moment.</p>\n");
    }
    for mount in on_air {
        write_mount(&mut html, mount, base);
    }
    write_room(&mut html, &status.totals);
    write_relays(&mut html, &status.relays);
    let version = escaped(status.version);
    let _ = write!(
        html,
        "<footer>Plenum {version} · <a href=\"/api/v1/status\">these figures as JSON</a></footer>\n\
         </main>\n</html>\n"
    );
    html
}

fn write_mount(html: &mut String, mount: &MountStatus, base: &str) {
    let path = escaped(mount.path.as_str());
    let base = escaped(base);
    let _ = write!(
        html,
        "<section>\n<h2>{path}</h2>\n\
         <audio controls preload=\"none\" src=\"{path}\"></audio>\n\
         <p>Link for players: <code>{base}{path}</code><br>\n\
         Playlist: <a href=\"{path}.m3u\">M3U</a> · <a href=\"{path}.pls\">PLS</a></p>\n\
         </section>\n"
    );
}

fn write_room(html: &mut String, totals: &Totals) {
    let _ = write!(
        html,
        "<h2>Room</h2>\n<p>There is room for {} listeners. {} places are taken, {} are free.</p>\n",
        totals.slots, totals.listeners, totals.free
    );
}

fn write_relays(html: &mut String, relays: &[RelayStatus]) {
    html.push_str("<h2>Relays</h2>\n");
    if relays.is_empty() {
        html.push_str("<p>There are none.</p>\n");
        return;
    }
    html.push_str(
        "<table>\n<tr><th>relay</th><th>state</th><th>listeners</th><th>places</th></tr>\n",
    );
    for relay in relays {
        let name = escaped(&relay.name);
        let (state, listeners, slots) = (relay.state, relay.listeners, relay.slots);
        let _ = writeln!(
            html,
            "<tr><td>{name}</td><td>{state}</td><td>{listeners}</td><td>{slots}</td></tr>"
        );
    }
    html.push_str("</table>\n");
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use stream::mount::MountPath;

    fn status() -> Status {
        Status {
            version: "0",
            relays: Vec::new(),
            mounts: Vec::new(),
            geo: Vec::new(),
            master: None,
            totals: Totals::default(),
        }
    }

    #[test]
    fn an_empty_balancer_says_so() {
        let html = front(&status(), "");
        assert!(html.contains("Nothing is on air at the moment."), "{html}");
        assert!(html.contains("There are none."), "{html}");
    }

    #[test]
    fn a_mount_on_air_has_its_links() {
        let mut status = status();
        status.mounts.push(MountStatus {
            path: MountPath::parse("/live.ogg").unwrap(),
            content_type: "application/ogg".to_owned(),
            is_on_air: true,
            relays: 1,
            listeners: 2,
        });
        status.totals.slots = 500;
        let html = front(&status, "http://radio.example");
        assert!(
            html.contains("<code>http://radio.example/live.ogg</code>"),
            "{html}"
        );
        assert!(html.contains("href=\"/live.ogg.m3u\""), "{html}");
        assert!(html.contains("room for 500 listeners"), "{html}");
    }

    #[test]
    fn nothing_can_break_out_of_the_page() {
        assert_eq!(
            escaped("<script>\"&'</script>"),
            "&lt;script&gt;&quot;&amp;&#39;&lt;/script&gt;"
        );
        assert!(!front(&status(), "\"><script>").contains("<script>"));
    }
}
