//! What the server says to the request, read from bytes in any portions. Pure.

use std::time::Duration;

/// A server may say so many things before its final answer; more is an error.
const N_HEADERS_MAX: usize = 64;

/// An answer's head is not read beyond this many bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Of what a server says no more than this is told.
const SAID_BYTES_MAX: usize = 300;

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Such as 100, 200, 401.
    pub status: u16,
    /// What the server says about it, without control characters.
    pub reason: String,
    /// The first line of a refusal that is plain text, without control characters.
    pub said: String,
    /// So many bytes of plain text follow.
    n_text_bytes: usize,
    /// A Plenum master says it.
    pub is_plenum: bool,
    /// Plenum's master only: the sequence number of the page it wants next.
    pub wanted: Option<u32>,
    /// Plenum's master only: so much silence of its own stands in the stream since that page.
    pub filled: Duration,
}

/// Collects the bytes of answers.
#[derive(Debug, Default)]
pub struct Answers {
    held: Vec<u8>,
}

impl Answers {
    /// Has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes from the server.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next answer, when its head is complete.
    ///
    /// # Errors
    /// When the bytes are no HTTP answer.
    pub fn take(&mut self) -> Result<Option<Answer>, String> {
        let mut headers = [httparse::EMPTY_HEADER; N_HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&self.held) {
            Ok(httparse::Status::Complete(n_bytes)) => {
                let answer = read(&response);
                self.held.drain(..n_bytes);
                Ok(Some(answer))
            }
            Ok(httparse::Status::Partial) if self.held.len() <= HEAD_BYTES_MAX => Ok(None),
            Ok(httparse::Status::Partial) => {
                Err(format!("its answer is longer than {HEAD_BYTES_MAX} bytes"))
            }
            Err(error) => Err(format!("its answer is not HTTP ({error})")),
        }
    }

    /// Whether all is there of what the body of `answer`, the last one, begins with.
    pub fn has_said(&self, answer: &Answer) -> bool {
        self.held.len() >= answer.n_text_bytes.min(SAID_BYTES_MAX) || self.held.contains(&b'\n')
    }

    /// As much of the first line of its body as is there.
    pub fn said(&self, answer: &Answer) -> String {
        let n_bytes = answer.n_text_bytes.min(SAID_BYTES_MAX);
        let text = self.held.get(..n_bytes).unwrap_or(&self.held);
        let text = String::from_utf8_lossy(text);
        let line = text.lines().next().unwrap_or_default();
        line.chars().filter(|c| !c.is_control()).collect()
    }
}

impl Answer {
    /// More is to come.
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// A master says how far it has the stream (104, as in the draft of resumable uploads).
    pub fn is_acknowledgement(&self) -> bool {
        self.status == 104
    }

    /// The server takes the stream.
    pub fn is_welcome(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

fn read(response: &httparse::Response<'_, '_>) -> Answer {
    let value = |name: &str| {
        let mut headers = response.headers.iter();
        let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    let is_plenum = value("server").is_some_and(|server| server.starts_with("Plenum/"));
    let wanted = value("stream-sequence").and_then(|number| number.parse().ok());
    let filled = value("stream-filled").and_then(|ms| ms.parse().ok());
    let is_text = value("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    let n_bytes = value("content-length").and_then(|number| number.parse().ok());
    let reason = response.reason.unwrap_or_default();
    Answer {
        status: response.code.unwrap_or_default(),
        reason: reason.chars().filter(|c| !c.is_control()).collect(),
        said: String::new(),
        n_text_bytes: n_bytes.filter(|_| is_text).unwrap_or(0),
        is_plenum,
        wanted: wanted.filter(|_| is_plenum),
        filled: Duration::from_millis(filled.filter(|_| is_plenum).unwrap_or(0)),
    }
}
