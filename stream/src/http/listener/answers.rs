//! What somebody is told who asks for a mount: the head of the answer with sound, and why there is
//! none.

use http::StatusCode;

use super::Service;
use crate::http::answer::Answer;
use crate::http::asked::Asked;
use crate::http::cors::with_cors;
use crate::http::date::{http_date, unix_second};
use crate::http::head::Head;
use crate::log::resume::{Answer as Decision, FOR_EVER};
use crate::log::{Cursor, Epoch};
use crate::mount::{Class, Facts};

/// Seconds after which somebody who found no slot may try again.
const RETRY_AFTER_SECONDS: &str = "5";

/// The head of the answer to somebody who is going to be served.
pub(super) fn begin(
    head: &Head,
    decision: Decision,
    cursor: &Cursor,
    n_prefix: usize,
    facts: &Facts,
) -> Answer {
    let status = match decision {
        Decision::Exact { .. } => StatusCode::PARTIAL_CONTENT,
        Decision::Join | Decision::Ahead { .. } => StatusCode::OK,
    };
    let start = (cursor.log().epoch(), cursor.offset());
    let mut answer = opening(head, status, start, n_prefix, facts);
    // Only to those who asked: a player that reads it tries to seek when the stream breaks,
    // instead of asking the balancer again.
    if let Decision::Exact { first, last } = decision {
        answer = answer
            .header("Accept-Ranges", "bytes")
            .header("Content-Range", &format!("bytes {first}-{last}/*"));
        if last != FOR_EVER {
            let n_bytes = last.saturating_sub(first).saturating_add(1);
            answer = answer.header("Content-Length", &n_bytes.to_string());
        }
    }
    answer
}

/// The head of the answer to somebody who is going to hear a mount from this epoch and offset on,
/// after `n_prefix` bytes that are none of its log.
pub fn opening(
    head: &Head,
    status: StatusCode,
    (epoch, offset): (Epoch, u64),
    n_prefix: usize,
    facts: &Facts,
) -> Answer {
    let answer = with_cors(Answer::new(head.version, status, &http_date()))
        .header("Content-Type", &facts.content_type)
        .header("Cache-Control", "no-store")
        .header("ETag", &format!("\"{epoch}\""))
        .header("Stream-Offset", &offset.to_string())
        .header("Stream-Prefix", &n_prefix.to_string())
        .header("X-Content-Type-Options", "nosniff");
    facts
        .headers()
        .fold(answer, |answer, (name, value)| answer.header(&name, value))
}

/// The answer to somebody for whom there is no slot.
pub fn no_slot(service: &Service, head: &Head) -> Vec<u8> {
    // Every player follows a 302; none comes back after a 503.
    let date = http_date();
    let answer = |status| {
        with_cors(Answer::new(head.version, status, &date)).header("Cache-Control", "no-store")
    };
    let overflow = service.overflow.as_ref();
    let back = overflow.and_then(|overflow| overflow.back(head, unix_second()));
    match back {
        Some(location) => answer(StatusCode::FOUND)
            .header("Location", &location)
            .sentence("all slots here are taken; the balancer knows a free one"),
        None => answer(StatusCode::SERVICE_UNAVAILABLE)
            .header("Retry-After", RETRY_AFTER_SECONDS)
            .sentence("all slots are taken; try again in a few seconds"),
    }
}

/// The head of an answer with what the operator adds, and where titles come.
pub(super) fn dressed(
    service: &Service,
    asked: &Asked,
    class: Class,
    first: Answer,
    interval: Option<usize>,
) -> Answer {
    let first = match class {
        Class::Listener => service.serving.dress(&asked.path, first),
        Class::Relay => first,
    };
    match interval {
        Some(interval) => first.header("icy-metaint", &interval.to_string()),
        None => first,
    }
}
