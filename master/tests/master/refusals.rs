//! What the operator learns of those who are refused, and of a source that nobody can hear.

use std::io::Write;
use std::time::Duration;

use stream::ogg::{Page, Stamp};

use crate::log;
use crate::stage::{ADMIN, SOURCE, Stage, basic, read_to_end, until};

const SECRET: &[u8] = b"words-of-ann-that-no-log-shows";

fn n_wrong(stage: &Stage) -> u32 {
    let metrics = stage.get("/metrics");
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("plenum_wrong_passwords_total "));
    count.unwrap().parse().unwrap()
}

#[test]
fn who_shows_a_wrong_password_is_named_and_counted_and_the_password_is_nowhere() {
    log::start();
    let stage = Stage::start(
        "[shoutcast]\nmount = \"/icy-of-ann.mp3\"\n[relay]\npassword = \"password of relays\"\n\
         [[source]]\nuser = \"of-hall\"\npassword = \"password-of-the-hall\"\nmounts = [\"/hall\"]",
    );
    let _source = stage.source("/taken.mp3");
    let before = n_wrong(&stage);
    let ann = basic(b"ann:", SECRET);
    let relay = basic(b"relay:", SECRET);
    let ask = |line: &str, shown: &str, status: &str| {
        let answer = stage.ask(&format!("{line} HTTP/1.0\r\n{shown}\r\n\r\n"));
        assert!(answer.contains(status), "{line}: {answer}");
    };
    let (ask, ann, relay, stage) = (&ask, &ann, &relay, &stage);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || ask("SOURCE /of-ann.mp3", ann, " 401 "));
        }
        scope.spawn(move || ask("GET /admin/stats", ann, " 401 "));
        scope.spawn(move || ask("GET /taken.mp3", relay, " 401 "));
        let title = "GET /admin/metadata?mount=/taken.mp3&mode=updinfo&song=A";
        scope.spawn(move || ask(title, ann, " 401 "));
        for password in [SECRET, b"password-of-the-hall"] {
            scope.spawn(move || {
                let mut socket = stage.connect();
                socket.write_all(&[password, b"\r\n"].concat()).unwrap();
                assert_eq!(read_to_end(&mut socket), "invalid password\r\n");
            });
        }
        let secret = str::from_utf8(SECRET).unwrap();
        scope.spawn(move || {
            let old = format!("ice-password: {secret}");
            let line = format!("SOURCE /old-of-ann.mp3?pass={secret}");
            ask(&line, &old, " 401 ");
        });
        scope.spawn(move || {
            let title = format!("GET /admin.cgi?pass={secret}&mode=updinfo&song=A");
            ask(&title, "X: y", " 401 ");
        });
        // Who asks without one only wants to know whether one is needed.
        scope.spawn(move || ask("SOURCE /of-nobody.mp3", "X: y", " 401 "));
    });
    assert!(n_wrong(stage) >= before + 9);
    for words in [
        &["WARN", "\"ann\"", " /of-ann.mp3", "[[source]]"][..],
        &["WARN", "\"ann\"", " /admin/stats", "[admin]"],
        &["WARN", "\"relay\"", " /taken.mp3", "[relay]"],
        &["WARN", "\"ann\"", "order for /taken.mp3", "[[source]]"],
        &["WARN", "SHOUTcast", " /icy-of-ann.mp3", "[[source]]"],
        &["WARN", "of-hall", "not publish /icy-of-ann.mp3", "`mounts`"],
        &["WARN", "order for /icy-of-ann.mp3", "(not named)"],
        &["WARN", "(not named)", " /old-of-ann.mp3", "[[source]]"],
    ] {
        let lines = log::lines_with(words);
        assert_eq!(lines.len(), 1, "{words:?}: {lines:?}");
        assert!(!lines[0].contains("127.0.0.1"), "{lines:?}");
    }
    for nowhere in ["words-of-ann", "/of-nobody.mp3"] {
        let lines = log::lines_with(&[nowhere]);
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn a_mount_in_use_is_named_with_who_wanted_it_and_an_alias_is_nobodys_to_publish() {
    log::start();
    let stage = Stage::start(
        "[[alias]]\npath = \"/alias\"\nto = \"/used.mp3\"\n\
         [[source]]\nuser = \"second\"\npassword = \"password-of-the-second\"",
    );
    let _source = stage.source("/used.mp3");
    let own = basic(b"second:", b"password-of-the-second");
    for (path, words) in [
        ("/used.mp3", ["Mountpoint in use", "killsource"]),
        ("/alias", ["is an alias", "/used.mp3"]),
    ] {
        let mut socket = stage.connect();
        let request = format!("SOURCE {path} HTTP/1.0\r\n{own}\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let answer = read_to_end(&mut socket);
        assert!(
            answer.starts_with("HTTP/1.0 403 ") && answer.contains(words[0]),
            "{answer}"
        );
        let lines = log::lines_with(&["WARN", "\"second\"", path, words[0], words[1]]);
        assert_eq!(lines.len(), 1, "{path}: {lines:?}");
    }
}

/// A page of Opus from the middle of a stream.
fn stray(sequence: u32) -> Page {
    let stamp = Stamp {
        serial: 7,
        sequence,
        granule: i64::from(sequence) * 960,
        is_continued: false,
        is_first: false,
        is_last: false,
    };
    Page::build(stamp, &[3], &[0xfc, 1, 2])
}

#[test]
fn a_source_without_the_headers_of_its_stream_is_told_of_once_with_what_to_do() {
    log::start();
    let stage = Stage::start("");
    let own = basic(b"source:", SOURCE.as_bytes());
    let (mut source, head) = stage.publish("/no-headers.ogg", own.as_bytes());
    assert!(head.contains(" 200 "), "{head}");
    let told = || log::lines_with(&["WARN", "/no-headers.ogg", "restart the encoder"]);
    let mut sequence = 40;
    until("it is told", || {
        source.write_all(stray(sequence).bytes()).unwrap();
        sequence += 1;
        std::thread::sleep(Duration::from_millis(100));
        !told().is_empty()
    });
    assert_eq!(told().len(), 1);
    assert!(sequence > 80, "not before some seconds: {sequence}");
}

#[test]
fn a_mount_that_is_held_can_be_removed_and_begins_anew_and_no_page_calls_it_on_air() {
    let stage = Stage::start("");
    let kill = "/admin/killsource?mount=/held.mp3";
    let own = basic(b"source:", SOURCE.as_bytes());
    let source = stage.source("/held.mp3");
    assert!(stage.get("/nothing").contains("on air: /held.mp3"));
    drop(source);
    until("its source is away", || {
        stage.get("/nothing").contains("nothing is on air")
    });
    // A slave would drop its listeners at once.
    let list = stage.order("GET", "/admin/streamlist.txt");
    assert!(list.ends_with("\r\n/held.mp3\r\n"), "{list}");
    let (mut listener, head) = stage.listen("/held.mp3");
    assert!(head.contains(" 200 "), "{head}");
    let nobody = stage.order("POST", kill);
    assert!(nobody.contains("Source is not available"), "{nobody}");
    assert!(stage.listen("/held.mp3").1.contains(" 200 "));
    let name = "DELETE /api/v1/mounts/held.mp3";
    assert_eq!(stage.json(name, &own, "").0, 403);
    assert_eq!(
        stage.json(name, &basic(b"admin:", ADMIN.as_bytes()), "").0,
        204
    );
    read_to_end(&mut listener);
    assert!(stage.get("/held.mp3").contains(" 404 "));
    assert!(stage.order("POST", kill).contains("Source does not exist"));
    let _other = stage.aac_source("/held.mp3");
}
