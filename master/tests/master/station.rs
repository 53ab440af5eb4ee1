//! What is said of a station: by its source, and by the operator in its place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::stage::{SOURCE, Stage, basic, frames, until};

/// A source that says this of itself and is heard.
fn source(stage: &Stage, path: &str, said: &str) -> TcpStream {
    let shown = basic(b"source:", SOURCE.as_bytes());
    let headers = format!("{shown}\r\n{said}");
    let (mut socket, head) = stage.publish(path, headers.as_bytes());
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    socket.write_all(&frames(50)).unwrap();
    until("it is heard", || stage.listen(path).1.contains(" 200 "));
    socket
}

fn all_in(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
}

#[test]
fn what_programs_write_into_audio_info_is_told_to_players_scripts_and_the_operator() {
    let stage = Stage::start("");
    let _butt = source(
        &stage,
        "/butt.mp3",
        "ice-audio-info: ice-bitrate=128;ice-channels=2;ice-samplerate=44100\r\n\
         ice-irc: #radio\r\nicy-logo: http://a/b.png\r\nIcy-MetaData: 1\r\nice-password: x",
    );
    let (_, head) = stage.listen("/butt.mp3");
    all_in(
        &head,
        &[
            "\r\nicy-br: 128\r\n",
            "\r\nice-audio-info: ice-bitrate=128;ice-channels=2;ice-samplerate=44100\r\n",
            "\r\nicy-irc: #radio\r\n",
            "\r\nicy-logo: http://a/b.png\r\n",
        ],
    );
    let head = head.to_ascii_lowercase();
    assert!(
        !head.contains("metadata: 1") && !head.contains("password"),
        "{head}"
    );
    all_in(
        &stage.get("/status-json.xsl"),
        &[
            "\"audio_info\":\"ice-bitrate=128;ice-channels=2;ice-samplerate=44100\"",
            "\"bitrate\":128",
            "\"ice-bitrate\":128",
            "\"ice-channels\":2",
            "\"ice-samplerate\":44100",
        ],
    );
    let _shout = source(
        &stage,
        "/shout.mp3",
        "ice-audio-info: quality=3%2e5;bitrate=112;samplerate=44100;channels=2;title=evil",
    );
    let stats = stage.order("GET", "/admin/stats?mount=/shout.mp3");
    all_in(
        &stats,
        &[
            "<bitrate>112</bitrate><channels>2</channels>",
            "<quality>3.5</quality><samplerate>44100</samplerate>",
        ],
    );
    assert!(!stats.contains("<title>evil"), "{stats}");
    assert!(
        stage
            .get("/7.xsl?mount=/shout.mp3")
            .contains(",112,</body>")
    );
}

#[test]
fn the_operators_word_on_a_station_counts_more_than_its_sources() {
    let stage = Stage::start(
        "[[mount]]\npath = \"/live.mp3\"\nname = \"Radio Example\"\nwebsite = \"https://a/\"\n\
         bitrate_kilobits = 64\npublic = true",
    );
    let said = "ice-name: encoder 3\r\nice-genre: talk\r\nice-bitrate: 128\r\nice-public: 0";
    let _source = source(&stage, "/live.mp3", said);
    let words = [
        "\r\nicy-name: Radio Example\r\n",
        "\r\nicy-genre: talk\r\n",
        "\r\nicy-url: https://a/\r\n",
        "\r\nicy-br: 64\r\n",
        "\r\nicy-pub: 1\r\n",
    ];
    all_in(&stage.listen("/live.mp3").1, &words);
    let _other = source(&stage, "/other.mp3", said);
    all_in(
        &stage.listen("/other.mp3").1,
        &["\r\nicy-name: encoder 3\r\n"],
    );
}

/// Two seconds of sound, made by ffmpeg with these arguments.
fn made(arguments: &[&str]) -> Vec<u8> {
    let made = Command::new("ffmpeg")
        .args([
            "-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine", "-t", "2",
        ])
        .args(arguments)
        .args(["-f", "ogg", "-"])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    made.stdout
}

#[test]
fn what_libspeex_makes_is_passed_on_and_its_title_rate_and_channels_are_told() {
    let sound = made(&[
        "-c:a",
        "libspeex",
        "-ar",
        "16000",
        "-ac",
        "1",
        "-metadata",
        "title=Sine",
        "-metadata",
        "artist=Lavfi",
    ]);
    let stage = Stage::start("");
    let shown = basic(b"source:", SOURCE.as_bytes());
    let (mut socket, head) = stage.publish("/speex.ogg", shown.as_bytes());
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    socket.write_all(&sound).unwrap();
    until("it is heard", || {
        stage.listen("/speex.ogg").1.contains(" 200 ")
    });
    let words = [
        "\"audio_channels\":1",
        "\"audio_samplerate\":16000",
        "\"subtype\":\"Speex\"",
        "\"title\":\"Sine\"",
        "\"artist\":\"Lavfi\"",
    ];
    all_in(&stage.get("/status-json.xsl"), &words);
    let (mut listener, _) = stage.listen("/speex.ogg?burst=30");
    let mut heard = vec![0; sound.len() / 2];
    listener.read_exact(&mut heard).unwrap();
    assert_eq!(heard.get(28..36), Some(&b"Speex   "[..]));
}
