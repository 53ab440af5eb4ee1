//! Answers to those who may not, and what is allowed.

use stream::http::Caller;
use stream::http::head::Head;
use stream::http::login;

/// What is allowed, for those who ask.
pub(crate) const ALLOW: &str = "GET, HEAD, PUT, OPTIONS, SOURCE";

/// What a source is told by a master that only copies another one.
pub(crate) const NOT_PROMOTED: &str = "standby: not promoted";

/// Answers a wrong or missing password, not at once.
pub(crate) async fn refuse_password(head: &Head, caller: Caller) {
    login::refuse(head, caller, ALLOW).await;
}
