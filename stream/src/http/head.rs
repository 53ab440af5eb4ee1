//! The head of a request: its first line and headers, as old and odd clients send them. Pure.
//!
//! Takes what HTTP libraries refuse: bare line feeds, `SOURCE`, `ICE/1.0`.

mod ends;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::{guessed, percent_decode};
pub(super) use ends::with_plain_ends;

/// The most bytes of a head.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most header lines.
pub const HEADERS_MAX: usize = 64;

/// The version a caller speaks; the answer speaks it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// HTTP/1.0, and `ICE/1.0` of old source clients.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A request head.
#[derive(Clone, Debug)]
pub struct Head {
    /// Such as `GET`.
    pub method: String,
    /// The path, as sent, without the query: percent-encoded or not.
    pub path: String,
    /// Everything behind the first `?`.
    pub query: Option<String>,
    /// What the caller speaks.
    pub version: Version,
    /// How many bytes the head takes.
    pub n_bytes: usize,
    headers: Vec<(String, String)>,
}

/// Why bytes are not the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHead {
    /// More than [`HEAD_BYTES_MAX`] or [`HEADERS_MAX`].
    TooLarge,
    /// It breaks the grammar of HTTP/1.
    Malformed,
    /// It says how long its body is in two ways, which is how requests are smuggled.
    Ambiguous,
}

impl Head {
    /// Reads a head from the front of `bytes`. `None`: more bytes are needed.
    ///
    /// # Errors
    /// When it can never become one.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, BadHead> {
        match Self::parse_plain(bytes) {
            Err(BadHead::Malformed) => parse_with_doubled_returns(bytes),
            parsed => parsed,
        }
    }

    fn parse_plain(bytes: &[u8]) -> Result<Option<Self>, BadHead> {
        let as_http = as_http(bytes);
        let bytes_read = as_http.as_deref().unwrap_or(bytes);
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut lines);
        let n_read = match request.parse(bytes_read) {
            Ok(httparse::Status::Complete(n_bytes)) => n_bytes,
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(BadHead::TooLarge);
            }
            Err(_) if may_become_ice(bytes) => return Ok(None),
            Err(_) => return Err(BadHead::Malformed),
        };
        if n_read > HEAD_BYTES_MAX {
            return Err(BadHead::TooLarge);
        }
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Err(BadHead::Malformed);
        };
        let version = if request.version == Some(1) {
            Version::Http11
        } else {
            Version::Http10
        };
        let headers = request
            .headers
            .iter()
            .map(|line| {
                let value = guessed(line.value).trim().to_owned();
                (line.name.to_ascii_lowercase(), value)
            })
            .collect();
        let (path, query) = split_target(target);
        // `ICE/1.0` is one byte shorter than what was read in its place.
        let n_bytes = n_read - usize::from(as_http.is_some());
        let head = Self {
            method: method.to_owned(),
            path,
            query,
            version,
            n_bytes,
            headers,
        };
        if head.is_ambiguous() {
            Err(BadHead::Ambiguous)
        } else {
            Ok(Some(head))
        }
    }

    /// The value of the first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// All headers: the lower-case name, and the value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.headers.iter();
        lines.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The values of all headers of this name (lower case), in the order in which they came.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(n, _)| n == name);
        lines.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of `name` in the query, percent-decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref()?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| percent_decode(value))?
        })
    }

    /// Whether the caller waits for `100 Continue` before he sends the body.
    pub fn expects_continue(&self) -> bool {
        self.header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }

    fn is_ambiguous(&self) -> bool {
        let count = |name: &str| self.headers.iter().filter(|(n, _)| n == name).count();
        let n_lengths = count("content-length");
        let n_codings = count("transfer-encoding");
        n_lengths > 1 || n_codings > 1 || (n_lengths == 1 && n_codings == 1)
    }
}

/// Some old clients end lines with `\r\r\n`.
fn parse_with_doubled_returns(bytes: &[u8]) -> Result<Option<Head>, BadHead> {
    let front = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let has_any = front.windows(3).any(|three| three == b"\r\r\n");
    // The line feed may be on its way.
    if !has_any && !front.ends_with(b"\r\r") {
        return Err(BadHead::Malformed);
    }
    let (plain, n_read, has_ended) = with_plain_ends(front);
    let head = Head::parse_plain(&plain)?;
    match head {
        Some(head) if has_ended => Ok(Some(Head {
            n_bytes: n_read,
            ..head
        })),
        _ if bytes.len() >= HEAD_BYTES_MAX => Err(BadHead::TooLarge),
        _ => Ok(None),
    }
}

/// The path of the target and the query. An absolute URL (as to a
/// proxy) is cut down to its path; a fragment, which should have stayed at home, is cut off.
fn split_target(target: &str) -> (String, Option<String>) {
    let (target, _) = target.split_once('#').unwrap_or((target, ""));
    let local = match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphabetic()) => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    match local.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (local.to_owned(), None),
    }
}

/// With `HTTP/1.0` in the place of `ICE/1.0` on the first line, where it stands there.
fn as_http(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes
        .iter()
        .take(HEAD_BYTES_MAX)
        .position(|b| *b == b'\n')?;
    let line = bytes[..end].trim_ascii_end();
    let start = line.strip_suffix(b"ICE/1.0")?;
    let rest = &bytes[line.len()..];
    Some([start, b"HTTP/1.0", rest].concat())
}

/// Whether the first line has come as far as somewhere in `ICE/1.0`.
fn may_become_ice(bytes: &[u8]) -> bool {
    let is_short = bytes.len() < HEAD_BYTES_MAX && !bytes.contains(&b'\n');
    let mut words = bytes.trim_ascii_end().rsplit(|byte| *byte == b' ');
    is_short
        && words
            .next()
            .is_some_and(|last| b"ICE/1.0".starts_with(last))
}

impl Version {
    /// What somebody speaks whose head could not be read, by its first line.
    pub(super) fn guessed(read: &[u8]) -> Self {
        let line = read.split(|b| *b == b'\n').next().unwrap_or_default();
        match line.trim_ascii_end() {
            line if line.ends_with(b" HTTP/1.0") || line.ends_with(b" ICE/1.0") => Self::Http10,
            _ => Self::Http11,
        }
    }

    /// As it stands on the first line of an answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

impl fmt::Display for BadHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(
                f,
                "the request head is too large: at most {HEAD_BYTES_MAX} bytes and \
                 {HEADERS_MAX} header lines are read"
            ),
            Self::Malformed => f.write_str("this is not an HTTP request"),
            Self::Ambiguous => f.write_str("the request says twice how long its body is"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Head>, BadHead> {
        Head::parse(text.as_bytes())
    }

    #[test]
    fn a_head_is_read_wherever_it_is_cut() {
        let text = "GET /live.ogg?from=%2d15m HTTP/1.1\r\nHost: a\r\nX-Y:  z \r\n\r\nbody";
        let end = text.len() - 4;
        for cut in 0..end {
            assert!(matches!(parse(&text[..cut]), Ok(None)), "cut at {cut}");
        }
        let head = parse(text).unwrap().unwrap();
        assert_eq!(
            (head.method.as_str(), head.path.as_str()),
            ("GET", "/live.ogg")
        );
        assert_eq!(head.query_value("from").as_deref(), Some("-15m"));
        assert_eq!((head.header("x-y"), head.n_bytes), (Some("z"), end));
    }

    #[test]
    fn old_source_clients_are_understood() {
        let darkice = "SOURCE /live.ogg HTTP/1.0\nContent-type: application/ogg\nice-x: y\r\n\r\n";
        let head = parse(darkice).unwrap().unwrap();
        assert_eq!(
            (head.method.as_str(), head.version),
            ("SOURCE", Version::Http10)
        );
        assert_eq!(head.n_bytes, darkice.len());
        let ancient = "SOURCE /live.ogg ICE/1.0\r\nice-name: x\r\n\r\nOggS";
        let head = parse(ancient).unwrap().unwrap();
        assert_eq!(
            (head.path.as_str(), head.version),
            ("/live.ogg", Version::Http10)
        );
        assert_eq!(&ancient[head.n_bytes..], "OggS");
    }

    #[test]
    fn doubled_returns_and_mixed_line_ends_are_understood_wherever_they_are_cut() {
        for text in [
            "SOURCE /a HTTP/1.0\r\r\nice-name: x\r\r\n\r\r\n",
            "SOURCE /a ICE/1.0\r\r\nice-name: x\n\r\r\n",
            "SOURCE /a HTTP/1.0\nice-name: x\r\n\n",
            "SOURCE /a HTTP/1.0\r\nice-name: x\r\n\r\r\n",
        ] {
            for cut in 0..text.len() {
                assert!(matches!(parse(&text[..cut]), Ok(None)), "{text:?} at {cut}");
            }
            let head = parse(&format!("{text}OggS")).unwrap().unwrap();
            assert_eq!(head.n_bytes, text.len(), "{text:?}");
            assert_eq!(
                (head.path.as_str(), head.header("ice-name")),
                ("/a", Some("x"))
            );
        }
    }

    #[test]
    fn the_version_is_guessed_of_what_is_no_head() {
        for (read, version) in [
            (&b"GET / HTTP/1.0\r\nno colon\r\n\r\n"[..], Version::Http10),
            (b"SOURCE /a ICE/1.0\n", Version::Http10),
            (b"GET / HTTP/1.1\r\nX: HTTP/1.0", Version::Http11),
            (b"\x16\x03", Version::Http11),
            (b"", Version::Http11),
        ] {
            assert_eq!(Version::guessed(read), version, "{read:?}");
        }
    }

    #[test]
    fn absolute_and_encoded_targets_become_paths_once() {
        let path = |target: &str| {
            parse(&format!("GET {target} HTTP/1.1\r\n\r\n"))
                .unwrap()
                .unwrap()
                .path
        };
        assert_eq!(path("http://a:8000/live.ogg?x"), "/live.ogg");
        assert_eq!(path("/%6cive.ogg"), "/%6cive.ogg");
        assert_eq!(path("/live.ogg#t=10?x"), "/live.ogg");
        assert_eq!(path("/%252e"), "/%252e");
        assert_eq!(path("/%zz"), "/%zz");
        assert_eq!(path("*"), "*");
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for (text, why) in [
            (
                "\x16\x03\x01\x02garbage\r\n\r\n".to_owned(),
                BadHead::Malformed,
            ),
            (
                "GET / HTTP/1.1\r\nA: b\r\nno colon\r\n\r\n".to_owned(),
                BadHead::Malformed,
            ),
            (
                format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65)),
                BadHead::TooLarge,
            ),
            (
                format!("GET /{}", "a".repeat(HEAD_BYTES_MAX)),
                BadHead::TooLarge,
            ),
            (
                format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(1 << 20)),
                BadHead::TooLarge,
            ),
            (
                "PUT / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                    .to_owned(),
                BadHead::Ambiguous,
            ),
            (
                "PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n".to_owned(),
                BadHead::Ambiguous,
            ),
        ] {
            assert_eq!(parse(&text).unwrap_err(), why, "{text:.60}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = Head::parse(&bytes);
            let _ = Head::parse(&[b"GET / HTTP/1.0\r\r\n", bytes.as_slice()].concat());
            let _ = Head::parse(&[b"SOURCE /a ICE/1.0\r\n", bytes.as_slice()].concat());
        }
    }
}
