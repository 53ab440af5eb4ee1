//! Somebody else's server that is asked and told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};

use crate::stage::{PATIENCE, SOURCE, Stage, basic, frames, read_head, until};

/// Answers everything, lets one guest in, and passes on what it was sent.
fn server() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = sync_channel(100);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            if let Some(body) = answer(socket) {
                let _ = sender.send(body);
            }
        }
    });
    (format!("http://{address}/secret-path"), receiver)
}

fn answer(mut socket: TcpStream) -> Option<String> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let (mut n_bytes, mut shown) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            n_bytes = length.trim().parse().ok()?;
        }
        if line.to_ascii_lowercase().starts_with("authorization:") {
            line.clone_into(&mut shown);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; n_bytes];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let is_known = body.contains("user=guest&pass=let%20me%20in");
    // Who shows `us` and a password has ways of his own.
    let is_us = shown.trim().ends_with(" Basic dXM6cCB3");
    let word = match (is_known, is_us) {
        (true, false) => "icecast-auth-user: 1\r\n",
        (true, true) => "X-Ok: yes\r\nX-Limit: 1\r\n",
        (false, _) => "",
    };
    let head = format!("HTTP/1.1 200 OK\r\n{word}Content-Length: 0\r\n\r\n");
    socket.write_all(head.as_bytes()).ok()?;
    Some(body)
}

#[test]
fn somebody_else_may_say_who_publishes_and_is_told_when_it_is_heard_and_when_it_is_gone() {
    let (url, told) = server();
    let keys = ["source_auth_url", "mount_add_url", "mount_remove_url"];
    let keys = keys.map(|key| format!("{key} = \"{url}\"")).join("\n");
    let hooks = format!("on_connect_url = \"{url}\"\non_disconnect_url = \"{url}\"");
    let stage = Stage::start(&format!("[[mount]]\npath = \"/live.mp3\"\n{keys}\n{hooks}"));
    let next = || told.recv_timeout(PATIENCE).unwrap();

    let wrong = basic(b"guest:", b"let me out");
    let (_, head) = stage.publish("/live.mp3", wrong.as_bytes());
    assert!(head.starts_with("HTTP/1.0 401 "), "{head}");
    assert!(next().contains("&user=guest&pass=let%20me%20out"));
    // Without a password there is nothing to ask.
    let (_, head) = stage.publish("/live.mp3", b"ice-name: x");
    assert!(head.starts_with("HTTP/1.0 401 "), "{head}");
    let guest = basic(b"guest:", b"let me in");
    let (mut source, head) = stage.publish("/live.mp3", guest.as_bytes());
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    let asked = next();
    assert!(
        asked.starts_with("action=stream_auth&mount=%2Flive.mp3&ip=127.0.0.1&"),
        "{asked}"
    );
    // Only on the mount of which the settings say so.
    let (_, head) = stage.publish("/other.mp3", guest.as_bytes());
    assert!(head.starts_with("HTTP/1.0 401 "), "{head}");

    source.write_all(&frames(50)).unwrap();
    let heard = next();
    assert!(
        heard.starts_with("{\"event\":\"source-connect\",\"mount\":\"/live.mp3\",\"time\":\"20"),
        "{heard}"
    );
    let added = next();
    let port = stage.address.port();
    assert_eq!(
        added,
        format!("action=mount_add&mount=%2Flive.mp3&server=127.0.0.1&port={port}")
    );
    drop(source);
    assert!(next().contains("\"source-disconnect\""));
    assert!(next().starts_with("action=mount_remove&"));
    // Who has a password of the settings is nobody's question.
    let own = basic(b"source:", SOURCE.as_bytes());
    let (mut source, _) = stage.publish("/live.mp3", own.as_bytes());
    source.write_all(&frames(50)).unwrap();
    assert!(next().contains("\"source-connect\""));
}

#[test]
fn whom_somebody_else_lets_publish_may_say_what_plays_and_is_asked_about_no_more_than_needed() {
    let (url, told) = server();
    let stage = Stage::start(&format!(
        "[[mount]]\npath = \"/live.mp3\"\nsource_auth_url = \"{url}\""
    ));
    let next = || told.recv_timeout(PATIENCE).unwrap();
    let say = |path: &str, password: &[u8]| {
        let shown = basic(b"guest:", password);
        let target = format!("/admin/metadata?mode=updinfo&mount={path}&song=Ute");
        stage.ask(&format!(
            "GET {target} HTTP/1.1\r\nHost: radio.example:8000\r\n{shown}\r\n\r\n"
        ))
    };
    // About what is not there nobody is asked.
    let refused = say("/live.mp3", b"let me in");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let guest = basic(b"guest:", b"let me in");
    let (mut source, _) = stage.publish("/live.mp3", guest.as_bytes());
    assert!(next().starts_with("action=stream_auth&"));
    source.write_all(&frames(50)).unwrap();
    until("the source is heard", || {
        stage.get("/status-json.xsl").contains("/live.mp3")
    });
    // Nor about who shows what the source shows, however often.
    for _ in 0..20 {
        let told = say("/live.mp3", b"let me in");
        assert!(told.contains("<return>1</return>"), "{told}");
    }
    assert!(told.try_recv().is_err(), "somebody was asked");
    assert!(stage.get("/status-json.xsl").contains("\"title\":\"Ute\""));
    let refused = say("/live.mp3", b"let me out");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    let asked = next();
    assert_eq!(
        asked,
        "action=stream_auth&mount=%2Flive.mp3&ip=127.0.0.1&server=radio.example&port=8000&\
         user=guest&pass=let%20me%20out&admin=1"
    );
    // When it has gone the mount is held, and a script may go on.
    drop(source);
    until("the source has gone", || {
        !stage.get("/status-json.xsl").contains("/live.mp3")
    });
    assert!(say("/live.mp3", b"let me in").contains("<return>1</return>"));
    assert!(next().ends_with("&pass=let%20me%20in&admin=1"));
    assert!(say("/other.mp3", b"let me in").starts_with("HTTP/1.1 401 "));
    assert!(
        told.try_recv().is_err(),
        "somebody was asked about another mount"
    );
}

#[test]
fn a_source_that_is_back_at_once_is_told_of_as_gone_and_there() {
    let (url, told) = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said");
    let program = |word: &str| {
        let script = format!("echo {word} >> {}", file.display());
        format!("[\"/bin/sh\", \"-c\", \"{script}\"]")
    };
    let stage = Stage::start(&format!(
        "[[mount]]\npath = \"/live.mp3\"\non_connect_url = \"{url}\"\non_disconnect_url = \"{url}\"\n\
         on_connect = {}\non_disconnect = {}",
        program("there"),
        program("gone")
    ));
    let next = || told.recv_timeout(PATIENCE).unwrap();
    let own = basic(b"source:", SOURCE.as_bytes());
    let mut source = stage.source("/live.mp3");
    assert!(next().contains("\"source-connect\""));
    for _ in 0..3 {
        drop(source);
        source = loop {
            let (mut socket, head) = stage.publish("/live.mp3", own.as_bytes());
            if head.starts_with("HTTP/1.0 200 ") {
                socket.write_all(&frames(50)).unwrap();
                break socket;
            }
        };
        assert!(next().contains("\"source-disconnect\""));
        assert!(next().contains("\"source-connect\""));
    }
    until("each was run each time", || {
        let said = std::fs::read_to_string(&file).unwrap_or_default();
        let n_said = |word: &str| said.matches(word).count();
        (n_said("there"), n_said("gone")) == (4, 3)
    });
}

#[test]
fn who_was_asked_about_a_listener_is_told_when_he_goes() {
    let (url, told) = server();
    let stage = Stage::start(&format!(
        "[[mount]]\npath = \"/asked.mp3\"\nlistener_auth_url = \"{url}\"\n\
         listener_remove_url = \"{url}\""
    ));
    let own = basic(b"source:", SOURCE.as_bytes());
    let (mut source, _) = stage.publish("/asked.mp3", own.as_bytes());
    source.write_all(&frames(50)).unwrap();
    let next = || told.recv_timeout(PATIENCE).unwrap();
    let guest = basic(b"guest:", b"let me in");
    let request =
        format!("GET /asked.mp3?a=b HTTP/1.1\r\nHost: radio.example:8000\r\n{guest}\r\n\r\n");
    let asked = until_heard(&stage, &request);
    let add = next();
    assert!(
        add.starts_with("action=listener_add&server=radio.example&port=8000&client="),
        "{add}"
    );
    let client = add
        .split("&client=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    // While he listens nobody is told.
    assert!(told.try_recv().is_err());
    drop(asked);
    source.write_all(&frames(50)).unwrap();
    let gone = next();
    let expected = format!(
        "action=listener_remove&server=radio.example&port=8000&client={client}&\
         mount=%2Fasked.mp3%3Fa%3Db&user=guest&pass=&duration="
    );
    assert!(gone.starts_with(&expected), "{gone}");
    assert!(!gone.contains("127.0.0.1"), "{gone}");
}

#[test]
fn those_who_are_asked_may_have_icecasts_options_and_we_show_them_our_password() {
    let (url, told) = server();
    let stage = Stage::start(&format!(
        "[[mount]]\npath = \"/asked.mp3\"\nlistener_auth_url = \"{url}\"\n\
         auth_user = \"us\"\nauth_password = \"p w\"\nauth_header = \"X-Ok: yes\"\n\
         auth_timelimit_header = \"X-Limit\"\nauth_forward_headers = [\"cookie\"]\n\
         auth_forward_prefix = \"CH.\""
    ));
    let own = basic(b"source:", SOURCE.as_bytes());
    let (mut source, _) = stage.publish("/asked.mp3", own.as_bytes());
    source.write_all(&frames(50)).unwrap();
    let guest = basic(b"guest:", b"let me in");
    let request = format!("GET /asked.mp3 HTTP/1.1\r\nHost: a\r\nCookie: a=b&c\r\n{guest}\r\n\r\n");
    let mut listener = until_heard(&stage, &request);
    let form = told.recv_timeout(PATIENCE).unwrap();
    assert!(form.ends_with("&CH.cookie=a%3Db%26c"), "{form}");
    // Not longer than they said.
    let heard = std::thread::spawn(move || std::io::copy(&mut listener, &mut std::io::sink()));
    until("he is ended", || {
        source.write_all(&frames(1)).unwrap();
        heard.is_finished()
    });
    assert!(heard.join().unwrap().unwrap() > 0);
}

/// Listens, when the mount has begun.
fn until_heard(stage: &Stage, request: &str) -> TcpStream {
    until("the source is heard", || {
        stage.get("/status-json.xsl").contains("/asked.mp3")
    });
    let mut socket = stage.connect();
    socket.write_all(request.as_bytes()).unwrap();
    let head = read_head(&mut socket);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    socket
}
