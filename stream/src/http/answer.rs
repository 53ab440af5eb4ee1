//! A plain answer: status line, headers, a short text. For callers that no HTTP library
//! serves: listeners, sources, and whoever sends what is not HTTP. Pure.

use http::StatusCode;

use super::head::Version;

/// What we call ourselves.
pub const SERVER: &str = concat!("Plenum/", env!("CARGO_PKG_VERSION"));

/// An answer in the making.
#[derive(Debug)]
pub struct Answer {
    text: String,
}

impl Answer {
    /// Begins an answer. `date` is the time as HTTP writes it (RFC 9110 §5.6.7).
    pub fn new(version: Version, status: StatusCode, date: &str) -> Self {
        let reason = status.canonical_reason().unwrap_or("");
        Self {
            text: format!(
                "{} {} {reason}\r\nServer: {SERVER}\r\nDate: {date}\r\nConnection: close\r\n",
                version.as_str(),
                status.as_u16()
            ),
        }
    }

    /// Adds a header. Control characters in the value are left out, so that nothing that came
    /// from elsewhere can begin a line of its own.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.text.push_str(name);
        self.text.push_str(": ");
        self.text.extend(value.chars().filter(|c| !c.is_control()));
        self.text.push_str("\r\n");
        self
    }

    /// Ends the head; what follows is a body that ends with the connection.
    pub fn endless(mut self) -> Vec<u8> {
        self.text.push_str("\r\n");
        self.text.into_bytes()
    }

    /// Ends the answer with a sentence.
    pub fn sentence(self, sentence: &str) -> Vec<u8> {
        let length = sentence.len() + 1;
        let mut answer = self
            .header("Content-Type", "text/plain; charset=utf-8")
            .header("X-Content-Type-Options", "nosniff")
            .header("Content-Length", &length.to_string())
            .endless();
        answer.extend_from_slice(sentence.as_bytes());
        answer.push(b'\n');
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_begin_lines() {
        let answer = Answer::new(Version::Http10, StatusCode::NOT_FOUND, "now")
            .header("X", "a\r\nSet-Cookie: b")
            .sentence("no such mount");
        let text = String::from_utf8(answer).unwrap();
        assert!(text.starts_with("HTTP/1.0 404 Not Found\r\n"), "{text}");
        assert!(text.contains("X: aSet-Cookie: b\r\n"), "{text}");
        assert!(
            text.ends_with("Content-Length: 14\r\n\r\nno such mount\n"),
            "{text}"
        );
    }
}
