//! How long a source's body is, by what its request says. Pure.

use stream::http::chunked::Chunked;
use stream::http::head::Head;

/// A length that nobody will ever reach: sources that must name one but have none.
const LENGTH_FOR_EVER: u64 = 1 << 60;

/// What a body's length is.
#[derive(Debug)]
pub(crate) enum Body {
    Endless,
    Length(u64),
    Chunked(Chunked),
}

impl Body {
    /// What the request says about it.
    pub(crate) fn of(head: &Head) -> Result<Self, &'static str> {
        if let Some(coding) = head.header("transfer-encoding") {
            return match coding {
                coding if coding.eq_ignore_ascii_case("chunked") => {
                    Ok(Self::Chunked(Chunked::default()))
                }
                coding if coding.eq_ignore_ascii_case("identity") => Ok(Self::Endless),
                _ => Err("only chunked bodies are understood"),
            };
        }
        match head.header("content-length") {
            None => Ok(Self::Endless),
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => text
                .parse()
                .map(Self::Length)
                .map_err(|_| "Content-Length is not a length"),
            Some(_) => Err("Content-Length is not a length"),
        }
    }

    /// Whether it ends with the connection.
    pub(crate) fn has_no_end(&self) -> bool {
        match self {
            Self::Endless => true,
            Self::Length(n_left) => *n_left > LENGTH_FOR_EVER,
            Self::Chunked(_) => false,
        }
    }
}
