//! What stands on the public page.

use stream::mount::MountPath;
use stream::report::Place;

use super::*;
use crate::language::Language;
use crate::place::{Country, Spot};
use crate::status::{MountStatus, RelayStatus, Status, Totals};

fn status() -> Status {
    Status {
        share: None,
        version: "0",
        relays: Vec::new(),
        mounts: Vec::new(),
        geo: Vec::new(),
        master: None,
        totals: Totals::default(),
    }
}

fn mount(path: &str) -> MountStatus {
    MountStatus {
        path: MountPath::parse(path).unwrap(),
        content_type: "application/ogg".to_owned(),
        is_on_air: true,
        relays: 1,
        listeners: 2,
    }
}

fn relay(name: &str, place: Option<Spot>, listeners: u32, slots: u32) -> RelayStatus {
    RelayStatus {
        name: name.to_owned(),
        state: "open",
        url: None,
        fresh: true,
        listeners,
        slots,
        reserved: 0,
        free: slots.saturating_sub(listeners).into(),
        window: None,
        mounts: Vec::new(),
        place,
        last_report_ms_ago: Some(0),
    }
}

fn spot(latitude: f64, longitude: f64) -> Option<Spot> {
    let place = Some(Place {
        latitude,
        longitude,
    });
    Some(Spot {
        place,
        ..Spot::default()
    })
}

fn wish(base: &str) -> Wish<'_> {
    Wish {
        language: Language::English,
        mount: None,
        base,
    }
}

#[test]
fn an_empty_balancer_says_so_in_both_languages() {
    let html = front(&status(), &wish(""));
    assert!(html.contains("Nothing is on air at the moment."), "{html}");
    assert!(html.contains("There are none."), "{html}");
    assert!(
        html.contains("<html lang=\"en\">") && !html.contains("{{"),
        "{html}"
    );
    let german = Wish {
        language: Language::German,
        ..wish("")
    };
    let html = front(&status(), &german);
    assert!(html.contains("<html lang=\"de\">"), "{html}");
    assert!(html.contains("Zurzeit läuft nichts."), "{html}");
}

#[test]
fn a_picture_gets_an_element_that_shows_it_and_what_is_no_ogg_fetches_by_itself() {
    for (content_type, element, is_plain) in [
        ("application/ogg", "<audio", false),
        ("audio/mpeg", "<audio", true),
        ("video/webm", "<video", true),
        ("video/ogg", "<video", true),
    ] {
        let mut status = status();
        let mut mount = mount("/live");
        content_type.clone_into(&mut mount.content_type);
        status.mounts = vec![mount];
        let html = front(&status, &wish(""));
        assert!(html.contains(&format!("{element} id=\"sound\"")), "{html}");
        assert_eq!(html.contains(" data-plain>"), is_plain, "{content_type}");
    }
}

/// A word that is missing would show by its key.
#[test]
fn every_word_of_the_page_is_there() {
    let page = include_str!("front.html");
    for name in page.split("{{word ").skip(1) {
        let key = name.split("}}").next().unwrap();
        for language in Language::ALL {
            assert_ne!(language.word(key), key);
        }
    }
}

#[test]
fn a_mount_on_air_has_its_links_and_a_player_without_script() {
    let mut status = status();
    status.mounts = vec![mount("/live.ogg"), mount("/talk.ogg")];
    status.totals.slots = 12_500;
    let html = front(&status, &wish("http://radio.example"));
    let link = "<code id=\"link\">http://radio.example/live.ogg</code>";
    assert!(html.contains(link), "{html}");
    assert!(html.contains("href=\"/live.ogg.m3u\""), "{html}");
    assert!(
        html.contains("preload=\"none\" src=\"/live.ogg\""),
        "{html}"
    );
    assert!(html.contains(">12,500<"), "{html}");
    assert!(
        html.contains("href=\"/?lang=en&amp;mount=/talk.ogg\""),
        "{html}"
    );
    let talk = Wish {
        mount: Some(MountPath::parse("/talk.ogg").unwrap()),
        ..wish("")
    };
    assert!(front(&status, &talk).contains("data-mount=\"/talk.ogg\""));
}

#[test]
fn relays_are_on_the_map_where_they_stand() {
    let mut status = status();
    let country = Country::parse("BR");
    let brazil = Some(Spot {
        country,
        ..Spot::default()
    });
    status.relays = vec![
        relay("berlin-1", spot(52.5, 13.4), 10, 100),
        relay("berlin-2", spot(52.6, 13.3), 90, 100),
        relay("rio", brazil, 1, 400),
        relay("nowhere", None, 1, 1),
    ];
    let html = front(&status, &wish(""));
    let berlin = "<circle class=\"few\" cx=\"65\" cy=\"-265\" r=\"34\">\
                  <title>berlin-1, berlin-2: 100 / 200</title></circle>";
    assert!(html.contains(berlin), "{html}");
    assert!(html.contains("<title>rio: 1 / 400</title>"), "{html}");
    assert!(!html.contains("<title>nowhere"), "{html}");
    assert!(html.contains("<th scope=\"row\">nowhere</th>"), "{html}");
}

#[test]
fn who_takes_nobody_is_no_room_on_the_map() {
    let mut status = status();
    let mut closing = relay("closing", spot(1.0, 1.0), 10, 100);
    (closing.state, closing.free) = ("draining", 0);
    status.relays = vec![closing, relay("open", spot(9.0, 9.0), 10, 100)];
    let html = front(&status, &wish(""));
    let class = |name: &str| {
        let dot = html
            .lines()
            .find(|line| line.contains(&format!("<title>{name}:")));
        dot.and_then(|dot| dot.split('"').nth(1))
    };
    assert_eq!(
        (class("closing"), class("open")),
        (Some("none"), Some("few"))
    );
}

#[test]
fn ten_thousand_relays_make_no_endless_page() {
    let mut status = status();
    for n in 0..10_000_u32 {
        let (latitude, longitude) = (f64::from(n % 140) - 70.0, f64::from(n % 359) - 179.0);
        status.relays.push(relay(
            &format!("relay {n}"),
            spot(latitude, longitude),
            1,
            n,
        ));
    }
    let html = front(&status, &wish(""));
    assert!(html.len() < 100_000, "{} bytes", html.len());
    assert!(
        html.contains("and more: 9900"),
        "{}",
        &html[html.len() - 500..]
    );
}

#[test]
fn load_has_three_steps() {
    for (taken, slots, class) in [
        (0, 0, "none"),
        (0, 1, "few"),
        (74, 100, "few"),
        (75, 100, "many"),
        (100, 100, "none"),
        (101, 100, "none"),
    ] {
        assert_eq!(load_class(taken, slots), class, "{taken} of {slots}");
    }
}

#[test]
fn nothing_can_break_out_of_the_page() {
    assert_eq!(
        escaped("<script>\"&'</script>"),
        "&lt;script&gt;&quot;&amp;&#39;&lt;/script&gt;"
    );
    let mut status = status();
    status.mounts.push(mount("/live.ogg"));
    status.relays.push(relay("<b>", spot(0.0, 0.0), 1, 1));
    let html = front(&status, &wish("\"><script>evil"));
    assert!(
        !html.contains("<script>evil") && !html.contains("<b>:"),
        "{html}"
    );
}

#[test]
fn without_a_wish_the_mount_is_played_that_most_listen_to() {
    let mut status = status();
    status.mounts = vec![mount("/a.ogg"), mount("/b.ogg"), mount("/c.ogg")];
    let played = |status: &Status| {
        let html = front(status, &wish("http://radio.example"));
        let at = |path: &str| html.find(path).unwrap_or(usize::MAX);
        ["/a.ogg", "/b.ogg", "/c.ogg"]
            .into_iter()
            .min_by_key(|path| at(path))
    };
    assert_eq!(played(&status), Some("/a.ogg"), "all the same");
    status.mounts[1].listeners = 7;
    assert_eq!(played(&status), Some("/b.ogg"));
    status.mounts[1].is_on_air = false;
    assert_eq!(played(&status), Some("/a.ogg"));
}

#[test]
fn who_asked_for_a_mount_is_given_no_other() {
    let mut status = status();
    status.mounts = vec![mount("/a.ogg"), mount("/b.ogg")];
    let played = |status: &Status, path: &str| {
        let mount = MountPath::parse(path).ok();
        front(status, &Wish { mount, ..wish("") })
    };
    let off = "Nothing is on air here at the moment.</p>";
    let html = played(&status, "/b.ogg");
    assert!(html.contains("data-mount=\"/b.ogg\">"), "{html}");
    assert!(!html.contains(off), "{html}");
    status.mounts[1].is_on_air = false;
    for path in ["/b.ogg", "/unknown.ogg"] {
        let html = played(&status, path);
        let shown = format!("data-mount=\"{path}\" data-off>");
        assert!(html.contains(&shown), "{html}");
        assert!(html.contains(off), "{html}");
        assert!(html.contains("mount=/a.ogg\">a.ogg</a>"), "{html}");
    }
}
