//! Answers to those who may not, and what is allowed.

use http::StatusCode;
use stream::http::Caller;
use stream::http::answer::Answer;
use stream::http::date::http_date;
use stream::http::head::Head;
use tokio::time::sleep;

use crate::credentials;

/// What is allowed, for those who ask.
pub(crate) const ALLOW: &str = "GET, HEAD, PUT, OPTIONS, SOURCE";

/// Answers a wrong or missing password, not at once.
pub(crate) async fn refuse_password(head: &Head, caller: Caller) {
    if head.header("authorization").is_some() {
        sleep(credentials::wrong_password_wait(fastrand::f64())).await;
    }
    let answer = Answer::new(head.version, StatusCode::UNAUTHORIZED, &http_date())
        .header(
            "WWW-Authenticate",
            "Basic realm=\"Plenum\", charset=\"UTF-8\"",
        )
        .header("Allow", ALLOW)
        .sentence("wrong user or password");
    caller.answer(&answer).await;
}
