//! What a browser is told, so that a script of another site's page may hear a stream: which headers
//! it may send and read, and which methods there are.

use http::StatusCode;

use super::answer::Answer;
use super::date::http_date;
use super::head::Head;

/// The headers that a script on a web page may read.
const EXPOSED: &str = "Content-Range, ETag, Stream-Offset, Stream-Prefix, icy-br, \
                       Stream-From, icy-description, icy-genre, icy-metaint, icy-name, icy-pub, icy-url";

/// Lets every site have this answer.
pub(super) fn with_cors(answer: Answer) -> Answer {
    answer
        .header("Access-Control-Allow-Origin", "*")
        .header("Access-Control-Expose-Headers", EXPOSED)
}

/// The answer to OPTIONS for a mount that is not there: a browser that asks before it listens is
/// told why it cannot by the answer to its GET.
pub fn preflight_of_none(head: &Head, allow: &str) -> Vec<u8> {
    let answer = Answer::new(head.version, StatusCode::NO_CONTENT, &http_date());
    preflight(with_cors(answer), allow)
}

fn preflight(answer: Answer, allow: &str) -> Vec<u8> {
    answer
        .header("Allow", allow)
        .header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        .header(
            "Access-Control-Allow-Headers",
            "Authorization, Icy-MetaData, If-Range, Range",
        )
        .header("Access-Control-Max-Age", "86400")
        .endless()
}

/// The answer to a method that plays nothing.
pub(super) fn no_get(head: &Head, allow: &str) -> Option<Vec<u8>> {
    let plain = |status| with_cors(Answer::new(head.version, status, &http_date()));
    match head.method.as_str() {
        "GET" | "HEAD" => None,
        "OPTIONS" => Some(preflight(plain(StatusCode::NO_CONTENT), allow)),
        method => {
            let why = format!("{method:.20} does not work on a stream; use GET");
            let answer = plain(StatusCode::METHOD_NOT_ALLOWED).header("Allow", allow);
            Some(answer.sentence(&why))
        }
    }
}
