//! The head of the request that publishes a stream. Pure.
//!
//! `PUT` with a body that does not end. Its length is given as the largest number there
//! is: Icecast 2.4 takes no chunked bodies (it plays what it understands of them), and a
//! request without any length has no body for other servers.

use stream::http::basic::Credentials;

use crate::config::{About, Target};
use crate::encoder::{Effort, Encoding, RATE};

/// What the head says about the stream, besides where it goes.
#[derive(Clone, Debug)]
pub struct Stream {
    /// For listeners.
    pub about: About,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Serial number of the logical Ogg stream: the master knows by it how far it has it.
    pub serial: u32,
}

/// The request head, ready to send over the uplink of this number, from 1.
pub fn head(target: &Target, stream: &Stream, uplink: usize) -> String {
    let authorization = Credentials::header(&target.user, target.password.expose());
    let mut head = format!(
        "PUT {} HTTP/1.1\r\n\
         Host: {}\r\n\
         Authorization: {authorization}\r\n\
         User-Agent: Plenum/{}\r\n\
         Content-Type: application/ogg\r\n\
         Content-Length: {}\r\n\
         Expect: 100-continue\r\n\
         Stream-Serial: {}\r\n\
         Stream-Uplink: {uplink}\r\n",
        target.path,
        target.authority(),
        env!("CARGO_PKG_VERSION"),
        i64::MAX,
        stream.serial,
    );
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    };
    let about = &stream.about;
    add("Ice-Name", &about.name);
    add("Ice-Description", &about.description);
    add("Ice-Genre", &about.genre);
    add("Ice-Url", &about.website);
    add("Ice-Public", if about.is_public { "1" } else { "0" });
    let mut audio = format!(
        "ice-samplerate={RATE};ice-channels={}",
        stream.encoding.n_channels
    );
    match stream.encoding.effort {
        Effort::Bitrate(kbits) => {
            add("Ice-Bitrate", &kbits.to_string());
            audio.push_str(&format!(";ice-bitrate={kbits}"));
        }
        Effort::Quality(quality) => audio.push_str(&format!(";ice-quality={quality}")),
    }
    add("Ice-Audio-Info", &audio);
    head.push_str("\r\n");
    head
}
