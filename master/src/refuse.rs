//! Answers to those who may not, and what is allowed.

use http::StatusCode;
use stream::http::answer::Answer;
use stream::http::date::http_date;
use stream::http::guard::RETRY_AFTER_SECONDS;
use stream::http::head::Head;
use stream::http::{Caller, login};

/// What is allowed, for those who ask.
pub(crate) const ALLOW: &str = "GET, HEAD, PUT, OPTIONS, SOURCE";

/// What a source is told by a master that only copies another one.
pub(crate) const NOT_PROMOTED: &str = "standby: not promoted";

/// What a source is told of whom nobody can be asked now.
pub(crate) const ASK_AGAIN: &str = "whoever knows the sources does not answer: ask again";

/// Answers a source of whom nobody can be asked now.
pub(crate) async fn refuse_for_now(head: &Head, caller: Caller) {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let answer = Answer::new(head.version, status, &http_date());
    let answer = answer.header("Retry-After", RETRY_AFTER_SECONDS);
    caller.answer(&answer.sentence(ASK_AGAIN)).await;
}

/// Answers a wrong or missing password, not at once.
pub(crate) async fn refuse_password(head: &Head, caller: Caller) {
    login::refuse(head, caller, ALLOW).await;
}
