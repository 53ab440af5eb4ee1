//! One request, byte by byte, and all that is answered.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tests::http::Address;

use super::said::Said;

const REQUESTS: &str = include_str!("requests.txt");
/// An answer is there within this time.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// What has no end is quiet, or repeats itself, after this time.
const QUIET: Duration = Duration::from_millis(300);
/// Of a stream it is enough to see that there is sound.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// All requests, section by section.
pub(super) fn requests() -> Vec<Vec<&'static str>> {
    let sections = REQUESTS.split("\n## ").skip(1);
    let lines = sections.map(|section| section.lines().skip(1));
    lines
        .map(|lines| lines.filter(|line| !line.is_empty()).collect())
        .collect()
}

/// Who is asked, and the passwords there.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) source: String,
    pub(super) relay: String,
    pub(super) admin: String,
}

impl Server {
    /// Asks, and waits for the end of the answer, or until it is clear how it goes on.
    pub(super) fn ask(&self, request: &str) -> Result<Said> {
        let mut socket = Address::parse(&self.url)?.connect()?;
        socket.write_all(self.written(request).as_bytes())?;
        let (began, mut heard, mut buffer) = (Instant::now(), Vec::new(), [0; 16 * 1024]);
        let endless = ["SOURCE", "PUT", "STATS"];
        let is_endless = endless.iter().any(|method| request.starts_with(method));
        while began.elapsed() < ANSWER_MAX {
            let (said, has_sound) = (Said::of(request, &heard), heard.len() > ANSWER_BYTES_MAX);
            if has_sound || said.is_sound() {
                return Ok(said);
            }
            let is_told = is_endless && said.may_begin();
            socket.set_read_timeout(Some(if is_told { QUIET } else { ANSWER_MAX }))?;
            match socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(n_bytes) => heard.extend_from_slice(&buffer[..n_bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // It is quiet, or has hung up without reading everything.
                Err(_) => break,
            }
        }
        Ok(Said::of(request, &heard))
    }

    fn written(&self, request: &str) -> String {
        let mut lines = request.split(" + ");
        let first = lines.next().unwrap_or_default();
        let first = match first.split(' ').collect::<Vec<_>>()[..] {
            [method, target] => format!("{method} {target} HTTP/1.0"),
            [method, target, "1.1"] => format!("{method} {target} HTTP/1.1"),
            _ => first.to_owned(),
        };
        let mut text = format!("{first}\r\n");
        for line in lines {
            let (user, password) = match line {
                "ADMIN" => ("admin", self.admin.as_str()),
                "SOURCE" => ("source", self.source.as_str()),
                "RELAY" => ("relay", self.relay.as_str()),
                "WRONG" => ("source", "wrong-password"),
                line => {
                    text += &format!("{line}\r\n");
                    continue;
                }
            };
            let shown = STANDARD.encode(format!("{user}:{password}"));
            text += &format!("Authorization: Basic {shown}\r\n");
        }
        text += "\r\n";
        text.replace("LONG", &"x".repeat(5_000))
            .replace("SECRET", &self.source)
    }
}
