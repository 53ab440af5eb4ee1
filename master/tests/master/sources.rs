//! Sources that want a mount that is another's, and sources of old.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::stage::{SOURCE, Stage, basic, frames, read_to_end, until};

/// An answer on the port above comes within this time.
const ANSWER_MAX: Duration = Duration::from_secs(5);

#[test]
fn who_comes_with_the_same_login_waits_until_the_other_is_heard_or_silent_for_long() {
    let stage =
        Stage::start("[[source]]\npassword = \"another password\"\nmounts = [\"/live.mp3\"]");
    let mut first = stage.source("/live.mp3");
    let same = basic(b"source:", SOURCE.as_bytes());
    let other = basic(b"source:", b"another password");
    let answer = |shown: &str| stage.publish("/live.mp3", shown.as_bytes()).1;
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| answer(&same));
        // A frame has 417 bytes: not one of these becomes a page.
        for byte in &frames(1)[..12] {
            std::thread::sleep(Duration::from_millis(200));
            first.write_all(&[*byte]).unwrap();
        }
        let refused = asking.join().unwrap();
        assert!(refused.starts_with("HTTP/1.0 403 "), "{refused}");
    });
    let refused = answer(&other);
    assert!(refused.starts_with("HTTP/1.0 403 "), "{refused}");
    // Who asks and goes takes nothing from anybody.
    let head = format!("SOURCE /live.mp3 HTTP/1.0\r\n{same}\r\n\r\n");
    stage.connect().write_all(head.as_bytes()).unwrap();
    let while_silent = Some(Duration::from_millis(1_200));
    first.set_read_timeout(while_silent).unwrap();
    assert!(first.read(&mut [0]).is_err(), "nobody hangs up");
    first.write_all(&frames(1)[..1]).unwrap();
    first.set_read_timeout(None).unwrap();
    // Who stays is taken.
    let began = Instant::now();
    let taken = answer(&same);
    assert!(taken.starts_with("HTTP/1.0 200 "), "{taken}");
    assert!(began.elapsed() > Duration::from_millis(200));
    read_to_end(&mut first);
}

#[test]
fn a_mount_has_its_own_patience_with_a_source_that_sends_nothing() {
    let stage = Stage::start("[[mount]]\npath = \"/live.mp3\"\nsource_timeout_seconds = 1");
    let _patient = stage.source("/other.mp3");
    let mut silent = stage.source("/live.mp3");
    read_to_end(&mut silent);
    let status = stage.get("/status-json.xsl");
    assert!(
        !status.contains("/live.mp3") && status.contains("/other.mp3"),
        "{status}"
    );
}

#[test]
fn a_source_whose_stream_begins_inside_a_frame_is_heard_from_the_next_on() {
    let stage = Stage::start("");
    let own = basic(b"source:", SOURCE.as_bytes());
    let (mut source, head) = stage.publish("/live.mp3", own.as_bytes());
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    source.write_all(&frames(60)[100..]).unwrap();
    until("it is heard", || {
        let (mut listener, head) = stage.listen("/live.mp3");
        let mut heard = vec![0; 417];
        head.contains(" 200 ") && listener.read_exact(&mut heard).is_ok() && heard == frames(1)
    });
}

#[test]
fn what_old_clients_write_in_latin_1_is_understood() {
    let stage = Stage::start("[[source]]\nuser = \"köln\"\npassword = \"straße-und-müll\"");
    let shown = basic(b"k\xf6ln:", b"stra\xdfe-und-m\xfcll");
    let headers = [shown.as_bytes(), b"\r\nice-name: Radio K\xf6ln \x80"].concat();
    let (mut source, head) = stage.publish("/live.mp3", &headers);
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    source.write_all(&frames(50)).unwrap();
    until("its name is shown", || {
        stage
            .get("/status-json.xsl")
            .contains("\"server_name\":\"Radio Köln €\"")
    });
    let wrong = basic(b"k\xf6ln:", b"stra\xdfe-und-m\xfclL");
    let (_, head) = stage.publish("/other.mp3", wrong.as_bytes());
    assert!(head.starts_with("HTTP/1.0 401 "), "{head}");
}

#[test]
fn a_proxy_may_stand_before_the_port_of_shoutcasts_sources() {
    let gate = "[access]\ntrusted_proxies = [\"127.0.0.1\"]\ndeny = [\"203.0.113.0/24\"]\n\
                [shoutcast]\nmount = \"/sc.mp3\"";
    let stage = Stage::start(gate);
    let above = SocketAddr::new(stage.address.ip(), stage.address.port() + 1);
    let begin = |said: &str| {
        let Ok(mut socket) = TcpStream::connect(above) else {
            return String::new();
        };
        socket.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        let text = format!("{said}{SOURCE}\r\nicy-name: x\r\n\r\n");
        // Who is barred may have been hung up on by now.
        let _ = socket.write_all(text.as_bytes());
        let _ = socket.write_all(&frames(50));
        let _ = socket.shutdown(Shutdown::Write);
        read_to_end(&mut socket)
    };
    until("the port above is open", || begin("").starts_with("OK2"));
    for (said, answer) in [
        ("PROXY TCP4 203.0.113.7 127.0.0.1 9 9\r\n", ""),
        ("PROXY nonsense\r\n", ""),
        (
            "PROXY TCP4 198.51.100.7 127.0.0.1 9 9\r\n",
            "OK2\r\nicy-caps:11\r\n\r\n",
        ),
        ("", "OK2\r\nicy-caps:11\r\n\r\n"),
    ] {
        let heard = begin(said);
        assert!(
            heard == answer || !answer.is_empty() && heard.starts_with(answer),
            "{said:?}: {heard:?}"
        );
    }
}
