//! Who shows a user and a password, and what becomes of those who show wrong ones.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use tokio::time::sleep;

use super::answer::Answer;
use super::basic::Credentials;
use super::caller::Caller;
use super::date::http_date;
use super::head::Head;
use super::site::{NOT_FROM_HERE, is_from_here};
use super::turned_away;
use crate::secret::Secret;

/// The shortest answer to a wrong password takes this long, the longest twice more: guessing
/// gets slow, and how long it took says nothing.
const WRONG_PASSWORD_WAIT: Duration = Duration::from_millis(500);
const CHALLENGE: &str = "Basic realm=\"Plenum\", charset=\"UTF-8\"";

/// A user and a password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user's name; when it is empty, the name of its section.
    #[serde(default)]
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// The operator.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "AdminFields")]
pub struct Admin {
    /// How he shows that it is he.
    pub login: Login,
    /// He may change something with GET, as he might at an Icecast. Then any page that his browser
    /// opens can do so, too, while it knows the password.
    pub legacy_get: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminFields {
    #[serde(default)]
    user: String,
    password: Secret,
    #[serde(default)]
    legacy_get: bool,
}

impl From<AdminFields> for Admin {
    fn from(fields: AdminFields) -> Self {
        let user = match fields.user {
            user if user.is_empty() => "admin".to_owned(),
            user => user,
        };
        Self {
            login: Login {
                user,
                password: fields.password,
            },
            legacy_get: fields.legacy_get,
        }
    }
}

/// Whether the header shows this login.
pub fn is(login: Option<&Login>, header: Option<&str>) -> bool {
    let (Some(login), Some(given)) = (login, header.and_then(Credentials::parse)) else {
        return false;
    };
    login.password.matches(&given.password) & (login.user == given.user)
}

/// Whether the header at least claims to be this login.
pub fn claims_to_be(login: Option<&Login>, header: Option<&str>) -> bool {
    let (Some(login), Some(given)) = (login, header.and_then(Credentials::parse)) else {
        return false;
    };
    login.user == given.user
}

/// Waits before a wrong password is answered.
pub async fn wait_for_wrong_password() {
    sleep(wrong_password_wait(fastrand::f64())).await;
}

/// The time that passes before a wrong password is answered. `chance`: 0 to 1.
fn wrong_password_wait(chance: f64) -> Duration {
    WRONG_PASSWORD_WAIT.mul_f64(1.0 + 2.0 * chance.clamp(0.0, 1.0))
}

/// Answers a wrong or missing password, not at once. `allow`: the methods there are.
pub async fn refuse(head: &Head, caller: Caller, allow: &str) {
    if has_shown(head) {
        turned_away::wrong_password_of(head);
    }
    let answer = Answer::new(head.version, StatusCode::UNAUTHORIZED, &http_date());
    say_no(head, caller, answer, allow).await;
}

/// As [`refuse`], to a listener: scripts on other sites may know that it is the password.
pub(super) async fn refuse_listener(head: &Head, caller: Caller, allow: &str) {
    let answer = Answer::new(head.version, StatusCode::UNAUTHORIZED, &http_date());
    let answer = answer.header("Access-Control-Allow-Origin", "*");
    say_no(head, caller, answer, allow).await;
}

/// libshout asks without a password first, and wants to be told that one is needed.
fn has_shown(head: &Head) -> bool {
    let names = ["authorization", "ice-password"];
    names.iter().any(|name| head.header(name).is_some())
}

async fn say_no(head: &Head, caller: Caller, answer: Answer, allow: &str) {
    if has_shown(head) {
        wait_for_wrong_password().await;
    }
    let answer = answer
        .header("WWW-Authenticate", CHALLENGE)
        .header("Allow", allow)
        .sentence("wrong user or password");
    caller.answer(&answer).await;
}

/// What others are told of pages for relays.
pub const FOR_RELAYS: &str = "this page is for relays";

/// What others are told of pages for the operator.
pub const FOR_OPERATORS: &str = "this page is for the operator ([admin])";

/// Pages for those only who show one of these logins.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Who may see them.
    pub logins: Vec<Login>,
    /// What others are told that they are.
    pub what: &'static str,
    /// The address of this server, if it was set. Pages of other sites change nothing.
    pub public_url: Option<String>,
}

impl Closed {
    /// These pages.
    pub fn pages(self, pages: Router) -> Router {
        pages.layer(from_fn_with_state(self, only))
    }
}

async fn only(State(closed): State<Closed>, request: Request, next: Next) -> Response {
    let Closed {
        logins,
        what,
        public_url,
    } = closed;
    if !request.method().is_safe() && !is_from_here(request.headers(), public_url.as_deref()) {
        return turn_away_site();
    }
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    let is_known = logins
        .iter()
        .fold(false, |known, login| known | is(Some(login), shown));
    if is_known {
        return next.run(request).await;
    }
    let has_shown = shown.is_some();
    if has_shown {
        let (who, path) = (turned_away::user(shown), request.uri().path());
        let path = turned_away::shortened(path);
        turned_away::wrong_password(&format!(
            "refused {path} to user {who}, wrong user or password: {what}"
        ));
    }
    turn_away(has_shown, what).await
}

/// The answer to another site's page, see [`site`](super::site).
pub fn turn_away_site() -> Response {
    (StatusCode::FORBIDDEN, format!("{NOT_FROM_HERE}\n")).into_response()
}

/// The answer to a wrong or missing password on a page that is `what` it is; to a wrong one not at
/// once.
pub async fn turn_away(has_shown: bool, what: &str) -> Response {
    if has_shown {
        wait_for_wrong_password().await;
    }
    ask_for_password(what)
}

/// The answer to who shows nothing on a page that is `what` it is.
pub fn ask_for_password(what: &str) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, CHALLENGE)];
    let sentence = format!("{what}: wrong user or password\n");
    (StatusCode::UNAUTHORIZED, challenge, sentence).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_one_with_the_relay_password() {
        let text = "user = \"relay\"\npassword = \"password of relays\"";
        let login: Login = toml::from_str(text).unwrap();
        let right = Credentials::header("relay", "password of relays");
        let wrong = Credentials::header("relay", "password of all");
        assert!(is(Some(&login), Some(&right)));
        assert!(!is(Some(&login), Some(&wrong)));
        assert!(claims_to_be(Some(&login), Some(&wrong)));
        assert!(!is(None, Some(&right)) && !is(Some(&login), None));
    }
}
