//! SIGHUP: the settings are read again while the program runs, all of them or none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::desk::{Answer, DEADLINE, report};
use crate::program::{Running, write};

const RELAY_A: &str = "[[relay]]\nname = \"a\"\ntoken = \"secret token of a\"\n";
const RELAY_B: &str = "[[relay]]\nname = \"b\"\ntoken = \"secret token of b\"\n";

fn settings(top: &str, password: &str, relays: &[&str]) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nprobe_seconds = 0.0\n{top}\n[operator]\n\
         password = \"{password}\"\n{}",
        relays.concat()
    )
}

fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    Answer::parse(&answer)
}

/// Relay `name` reports for the `n`th time.
fn hear(address: SocketAddr, name: &str, n: u64) -> u16 {
    let body = report(name, n, 0, 10).to_string();
    let request = format!(
        "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer secret token of {name}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    ask(address, &request).status
}

fn get(address: SocketAddr, path: &str, more: &str) -> Answer {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n"),
    )
}

#[test]
fn a_hangup_makes_new_settings_hold_all_or_none_and_forgets_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(
        &folder,
        "balancer.toml",
        &settings("", "the-old-one-1", &[RELAY_A]),
    );
    let running = Running::start(&folder, &config);
    running.wait_for_log("balancer listens on 127.0.0.1:");
    let address = running.address();
    assert_eq!((hear(address, "a", 1), hear(address, "b", 1)), (200, 401));
    assert_eq!(
        get(address, "/live.ogg", "").target(),
        "http://a.example:8000/live.ogg"
    );

    // One more relay, less of the first, another password, and what has to wait.
    let limited = format!("{RELAY_A}slots_max = 1\n");
    let more = settings(
        "wait_for_slot_seconds = 0.0",
        "the-new-one-1",
        &[&limited, RELAY_B],
    );
    write(
        &folder,
        "balancer.toml",
        &more.replace("probe_seconds = 0.0", "probe_seconds = 9.0"),
    );
    running.signal("HUP");
    running.wait_for_log("relay[a].slots_max, relay[b]");
    running.wait_for_log("probe_seconds changed, too");
    // What the first one said is not forgotten: its only slot is promised to the listener above.
    let explained = get(address, "/api/v1/explain?mount=/live.ogg", "").body;
    assert!(explained.contains("\"full\""), "{explained}");
    assert_eq!(get(address, "/live.ogg", "").status, 503);
    assert_eq!(hear(address, "b", 1), 200);
    assert_eq!(
        get(address, "/live.ogg", "").target(),
        "http://b.example:8000/live.ogg"
    );
    let with = |password: &str| {
        let login = stream::http::basic::Credentials::header("operator", password);
        let header = format!("Authorization: {login}\r\n");
        get(address, "/api/v1/relays", &header).status
    };
    assert_eq!((with("the-new-one-1"), with("the-old-one-1")), (200, 401));

    // A mistake in them, and nothing of them holds.
    let wrong = settings("", "the-third-one-1", &[RELAY_B]) + "colour = \"red\"\n";
    write(&folder, "balancer.toml", &wrong);
    running.signal("HUP");
    running.wait_for_log("unknown field `colour`");
    running.wait_for_log("everything stays as it was");
    assert_eq!((hear(address, "a", 2), with("the-new-one-1")), (200, 200));

    // The first one is taken out.
    write(
        &folder,
        "balancer.toml",
        &settings("", "the-new-one-1", &[RELAY_B]),
    );
    running.signal("HUP");
    running.wait_for_log("relay a was taken out of the list");
    assert_eq!((hear(address, "a", 3), hear(address, "b", 2)), (401, 200));
    let log = running.log();
    assert!(!log.contains("secret") && !log.contains("-one-1"), "{log}");
}
