//! What scripts say of what plays, and what players are told of it.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::stage::{SOURCE, Stage, basic, frames, read_head, until};

/// Says something of what plays, as a source.
fn tell(stage: &Stage, path: &str, said: &str) {
    let shown = basic(b"source:", SOURCE.as_bytes());
    let target = format!("/admin/metadata?mode=updinfo&mount={path}&{said}");
    let answer = stage.ask(&format!("GET {target} HTTP/1.0\r\n{shown}\r\n\r\n"));
    assert!(answer.contains("<return>1</return>"), "{answer}");
}

/// A player that asked for titles, behind the head of the answer.
fn player(stage: &Stage, path: &str) -> (TcpStream, String) {
    let mut socket = stage.connect();
    let request = format!("GET {path} HTTP/1.0\r\nIcy-MetaData: 1\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let head = read_head(&mut socket);
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    (socket, head)
}

/// What the block behind so many bytes of sound says.
fn block(player: &mut TcpStream, interval: usize) -> String {
    let mut sound = vec![0; interval + 1];
    player.read_exact(&mut sound).unwrap();
    let mut block = vec![0; usize::from(sound[interval]) * 16];
    player.read_exact(&mut block).unwrap();
    let words = String::from_utf8(block).unwrap();
    words.trim_end_matches('\0').to_owned()
}

#[test]
fn an_address_beside_the_title_reaches_players_and_status_pages_and_stays_until_the_next() {
    let stage = Stage::start("");
    let _source = stage.source("/live.mp3");
    let first = |said| {
        tell(&stage, "/live.mp3", said);
        block(&mut player(&stage, "/live.mp3").0, 16_000)
    };
    assert_eq!(first("song=One"), "StreamTitle='One';");
    assert_eq!(
        first("artist=Ute&title=Two&url=http%3A%2F%2Fx.example%2F2.png%3Fa%3D1%26b"),
        "StreamTitle='Ute - Two';StreamUrl='http://x.example/2.png?a=1&b';"
    );
    assert_eq!(
        first("song=Three"),
        "StreamTitle='Three';StreamUrl='http://x.example/2.png?a=1&b';"
    );
    let json = stage.get("/status-json.xsl");
    let body = json.split_once("\r\n\r\n").unwrap().1;
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    let source = &status["icestats"]["source"];
    assert_eq!(source["title"], "Three");
    assert_eq!(source["metadata_url"], "http://x.example/2.png?a=1&b");
    let stats = stage.order("GET", "/admin/stats");
    assert!(
        stats.contains("<metadata_url>http://x.example/2.png?a=1&amp;b</metadata_url>"),
        "{stats}"
    );
    for (said, title) in [
        ("title=One&artist=", "One"),
        ("artist=Ute&title=", "Ute"),
        ("song=One%09and%0d%0atwo%00", "One and two"),
        ("artist=&title=", ""),
        ("song=Three", "Three"),
    ] {
        let told = first(said);
        assert!(
            told.starts_with(&format!("StreamTitle='{title}';")),
            "{said}: {told}"
        );
    }
    // Nothing in an address ends it, and one that is too long is none.
    assert_eq!(
        first("url=;a%27;StreamTitle=%27b%0D%0A"),
        "StreamTitle='Three';StreamUrl='%3Ba%27;StreamTitle='b';"
    );
    let long = format!("url=http://{}", "x".repeat(1000));
    assert_eq!(first(&long), "StreamTitle='Three';");
    assert_eq!(
        first("url=http://x/"),
        "StreamTitle='Three';StreamUrl='http://x/';"
    );
    assert_eq!(first("song=Four&url="), "StreamTitle='Four';");
}

#[test]
fn what_new_listeners_hear_first_has_titles_at_the_mounts_own_interval_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("intro.mp3");
    // 74 bytes more than an interval.
    std::fs::write(&file, frames(10)).unwrap();
    let stage = Stage::start(&format!(
        "[[mount]]\npath = \"/live.mp3\"\nicy_interval_bytes = 4096\nintro_file = \"{}\"",
        file.display()
    ));
    let _source = stage.source("/live.mp3");
    tell(&stage, "/live.mp3", "song=One");
    let mut player = player(&stage, "/live.mp3").0;
    assert_eq!(block(&mut player, 4_096), "", "within what comes first");
    assert_eq!(block(&mut player, 4_096), "StreamTitle='One';");
    assert_eq!(block(&mut player, 4_096), "");
}

#[test]
fn a_standby_is_told_nothing_until_it_is_promoted() {
    let shoutcast = "[shoutcast]\nmount = \"/live.mp3\"\n";
    let first = Stage::start("[relay]\npassword = \"password of relays\"");
    let _source = first.source("/live.mp3");
    tell(&first, "/live.mp3", "song=One");
    let second = Stage::start(&format!(
        "{shoutcast}[standby]\nmaster = \"http://{}\"\npassword = \"password of relays\"",
        first.address
    ));
    let plays = || second.get("/status-json.xsl").contains("\"title\":\"One\"");
    until("it has what the first has", plays);
    let told = "mode=updinfo&song=Two";
    let said = second.order("POST", &format!("/admin/metadata?mount=/live.mp3&{told}"));
    assert!(said.contains(" 503 "), "{said}");
    let password = SOURCE.replace(' ', "%20");
    let said = second.get(&format!("/admin.cgi?pass={password}&{told}"));
    assert!(said.contains(" 503 ") && plays(), "{said}");
}

#[test]
fn a_mount_has_its_own_interval_and_its_own_character_set_for_titles_that_name_none() {
    let stage = Stage::start(
        "[shoutcast]\nmount = \"/east.mp3\"\n[[mount]]\npath = \"/east.mp3\"\n\
         charset = \"ISO8859-2\"\nicy_interval_bytes = 4096\n[[mount]]\n\
         path = \"/none.mp3\"\nicy_interval_bytes = 0",
    );
    let _sources = [stage.source("/east.mp3"), stage.source("/none.mp3")];
    let first = || {
        let (mut player, head) = player(&stage, "/east.mp3");
        assert!(head.contains("\r\nicy-metaint: 4096\r\n"), "{head}");
        block(&mut player, 4_096)
    };
    tell(&stage, "/east.mp3", "song=Ko%b3o");
    assert_eq!(first(), "StreamTitle='Koło';");
    tell(&stage, "/east.mp3", "song=Stra%c3%9fe&charset=UTF%2d8");
    assert_eq!(first(), "StreamTitle='Straße';");
    tell(&stage, "/east.mp3", "song=Ko%b3&charset=nobody-knows");
    assert_eq!(first(), "StreamTitle='Koł';");
    let password = SOURCE.replace(' ', "%20");
    let said = format!("/admin.cgi?mode=updinfo&pass={password}&song=%b6&url=http://x/%b3");
    assert!(stage.get(&said).contains("successful"));
    let head = stage.ask(&format!(
        "HEAD {} HTTP/1.0\r\n\r\n",
        said.replace("=%b6", "=x")
    ));
    assert!(head.contains(" 405 "), "{head}");
    assert_eq!(first(), "StreamTitle='ś';StreamUrl='http://x/ł';");
    let (mut plain, head) = player(&stage, "/none.mp3");
    assert!(!head.contains("\r\nicy-metaint"), "{head}");
    let mut sound = vec![0; 417 * 60];
    plain.read_exact(&mut sound).unwrap();
    assert!(sound == frames(60), "nothing but sound");
}
