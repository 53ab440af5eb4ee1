//! Somebody else is asked whether a listener may listen: a form is posted, and a header of the
//! answer says so. In the words of Icecast, so that what answers there answers here.

use std::time::Duration;

use http::StatusCode;
use reqwest::Client;
use reqwest::redirect::Policy;

use super::Verdict;
use crate::http::basic::Credentials;
use crate::http::head::Head;
use crate::mount::MountPath;

/// Who is asked has so long to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// A reason is not repeated beyond this.
const REASON_CHARS_MAX: usize = 200;

/// Who is asked.
#[derive(Debug)]
pub(super) struct Asking {
    url: String,
    client: Client,
}

/// On whose behalf.
pub(super) struct Case<'a> {
    pub(super) head: &'a Head,
    pub(super) path: &'a MountPath,
    pub(super) number: u64,
    pub(super) from: String,
}

impl Asking {
    pub(super) fn new(url: &str) -> reqwest::Result<Self> {
        // What is asked holds a password, and goes where the operator said.
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(ANSWER_MAX)
            .build()?;
        Ok(Self {
            url: url.to_owned(),
            client,
        })
    }

    pub(super) async fn ask(&self, case: Case<'_>) -> Verdict {
        let sent = self
            .client
            .post(&self.url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form(&case));
        let answer = match sent.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let why = error.without_url();
                tracing::warn!(
                    "`listener_auth_url` of {} does not answer: {why}",
                    case.path
                );
                return Verdict::Busy;
            }
        };
        let said = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
        if said("icecast-auth-user").is_some_and(|word| is_yes(&word)) {
            let limit = ["icecast-auth-timelimit", "icecast-timelimit"];
            let limit = limit
                .iter()
                .find_map(|name| said(name)?.trim().parse().ok());
            return Verdict::MayListen(
                limit
                    .filter(|seconds| *seconds > 0)
                    .map(Duration::from_secs),
            );
        }
        let reason = said("icecast-auth-message").map(|reason| {
            let reason = reason.chars().filter(|c| !c.is_control());
            reason.take(REASON_CHARS_MAX).collect()
        });
        if answer.status() == StatusCode::UNAUTHORIZED
            || case.head.header("authorization").is_none()
        {
            return Verdict::WrongPassword;
        }
        Verdict::MayNot(reason.unwrap_or_else(|| "you may not listen here".to_owned()))
    }
}

/// `1`, or a list of words among which it is.
fn is_yes(word: &str) -> bool {
    word.split(',').any(|word| word.trim() == "1")
}

fn form(case: &Case<'_>) -> String {
    let Case { head, path, .. } = case;
    let given = head.header("authorization").and_then(Credentials::parse);
    let (user, password) = given.map_or_else(Default::default, |c| (c.user, c.password));
    let host = head.header("host").unwrap_or_default();
    let (server, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let query = head.query.as_ref().map(|query| format!("?{query}"));
    let mount = format!("{path}{}", query.unwrap_or_default());
    let number = case.number.to_string();
    let fields = [
        ("action", "listener_add"),
        ("server", server),
        ("port", port),
        ("client", &number),
        ("mount", &mount),
        ("user", &user),
        ("pass", &password),
        ("ip", &case.from),
        ("agent", head.header("user-agent").unwrap_or_default()),
    ];
    let pairs = fields.map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.join("&")
}

/// As forms are encoded, with `%20` for a space.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_icecasts_fields_and_nothing_can_add_one() {
        let credentials = Credentials::header("an&na", "p=1&action=x");
        let text = format!(
            "GET /live.ogg?a=b&c HTTP/1.1\r\nHost: radio.example:8000\r\nUser-Agent: x y\r\n\
             Authorization: {credentials}\r\n\r\n"
        );
        let head = Head::parse(text.as_bytes()).unwrap().unwrap();
        let path = MountPath::parse("/live.ogg").unwrap();
        let form = form(&Case {
            head: &head,
            path: &path,
            number: 7,
            from: "192.0.2.1".to_owned(),
        });
        assert_eq!(
            form,
            "action=listener_add&server=radio.example&port=8000&client=7&\
             mount=%2Flive.ogg%3Fa%3Db%26c&user=an%26na&pass=p%3D1%26action%3Dx&ip=192.0.2.1&\
             agent=x%20y"
        );
        assert!(is_yes("1") && is_yes("withintro=1, 1") && !is_yes("0") && !is_yes("11"));
    }
}
