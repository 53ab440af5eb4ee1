//! Somebody else is asked whether a listener may listen, or a source publish: a form is posted, and a
//! header of the answer says so. In the words of Icecast, so that what answers there answers here.

use std::time::Duration;

use http::StatusCode;

use super::manners::Manners;
use super::{ASKED_MAX, Admission, Applicant, Errand, Says, Turns, Verdict};
use crate::http::basic::Credentials;
use crate::http::head::Head;
use crate::http::serving::MountSettings;
use crate::mount::MountPath;
use crate::mount::departure::Visitor;
use crate::post::{self, FORM, PostUrl, post};

/// Who is asked has so long to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// A reason is not repeated beyond this.
const REASON_CHARS_MAX: usize = 200;

/// Who is asked.
#[derive(Debug)]
pub(super) struct Asking {
    url: PostUrl,
    manners: Manners,
    /// Who is told when he goes about whom was asked.
    told: Option<PostUrl>,
    /// Host and port by which listeners reach this program, if the settings say so.
    place: Option<(String, String)>,
    pub(super) turns: Turns,
}

/// On whose behalf.
pub(super) struct Case<'a> {
    pub(super) head: &'a Head,
    pub(super) path: &'a MountPath,
    pub(super) number: u64,
    pub(super) from: String,
}

impl Asking {
    /// Who is asked at this address about those of this mount.
    pub(super) fn of(url: &PostUrl, mount: &MountSettings) -> Self {
        Self {
            url: mount.showing(url),
            manners: Manners::of(mount),
            told: None,
            place: None,
            turns: Turns::new(ASKED_MAX),
        }
    }

    /// The same, at this host and port, whatever callers call it.
    pub(super) fn at(self, place: Option<(String, String)>) -> Self {
        Self { place, ..self }
    }

    /// By which host and port he came, as far as is said.
    fn reached<'a>(&'a self, host: Option<&'a str>) -> (&'a str, &'a str) {
        match &self.place {
            Some((host, port)) => (host, port),
            None => reached(host),
        }
    }

    /// The same, and this one is told of listeners who go.
    pub(super) fn telling(self, told: Option<PostUrl>) -> Self {
        Self { told, ..self }
    }

    pub(super) fn told_of_departures(&self) -> Option<&PostUrl> {
        self.told.as_ref()
    }

    /// Whether a source may do what it is here for.
    pub(super) async fn ask_about_source(&self, applicant: &Applicant, path: &MountPath) -> Says {
        let form = source_form(applicant, path, self.reached(Some(&applicant.host)));
        match post(&self.url, FORM, form, ANSWER_MAX).await {
            Ok(answer) if self.manners.is_yes(&answer) => Says::Yes,
            Ok(_) => Says::No,
            Err(why) => {
                tracing::warn!("`source_auth_url` of {path} does not answer: {why}");
                Says::Nothing
            }
        }
    }

    pub(super) async fn ask(&self, case: Case<'_>) -> Verdict {
        let reached = self.reached(case.head.header("host"));
        let form = form(&case, &self.manners, reached);
        let answer = match post(&self.url, FORM, form, ANSWER_MAX).await {
            Ok(answer) => answer,
            Err(why) => {
                tracing::warn!(
                    "`listener_auth_url` of {} does not answer: {why}",
                    case.path
                );
                return Verdict::Busy;
            }
        };
        let said = |name: &str| answer.header(name);
        if self.manners.is_yes(&answer) {
            return Verdict::MayListen(Admission {
                limit: self.manners.seconds(&answer).map(Duration::from_secs),
                visitor: self.told.as_ref().map(|_| visitor(&case, reached)),
            });
        }
        let reason = said("icecast-auth-message").map(|reason| {
            let reason = reason.chars().filter(|c| !c.is_control());
            reason.take(REASON_CHARS_MAX).collect()
        });
        if answer.status == StatusCode::UNAUTHORIZED || case.head.header("authorization").is_none()
        {
            return Verdict::WrongPassword;
        }
        Verdict::MayNot(reason.unwrap_or_else(|| "you may not listen here".to_owned()))
    }
}

/// User and password.
fn given(shown: Option<&str>) -> (String, String) {
    let given = shown.and_then(Credentials::parse);
    given.map_or_else(Default::default, |c| (c.user, c.password))
}

/// By which host and port he came.
fn reached(host: Option<&str>) -> (&str, &str) {
    let host = host.unwrap_or_default();
    // The colons of an address of IPv6 are its own: it stands in brackets.
    let is_port = |host: &str, port: &str| {
        !port.ends_with(']') && (host.ends_with(']') || !host.contains(':'))
    };
    match host.rsplit_once(':') {
        Some((host, port)) if is_port(host, port) => (host, port),
        _ => (host, ""),
    }
}

/// What is said of him when he goes.
fn visitor(case: &Case<'_>, (server, port): (&str, &str)) -> Visitor {
    let query = case.head.query.as_ref().map(|query| format!("?{query}"));
    Visitor {
        number: case.number,
        path: case.path.clone(),
        query: query.unwrap_or_default(),
        server: server.to_owned(),
        port: port.to_owned(),
        user: given(case.head.header("authorization")).0,
    }
}

fn source_form(applicant: &Applicant, path: &MountPath, (server, port): (&str, &str)) -> String {
    let (user, password) = given(Some(&applicant.shown));
    let (from, mount) = (applicant.from.map(|from| from.to_string()), path.decoded());
    let mut fields = vec![
        ("action", "stream_auth"),
        ("mount", &mount),
        ("ip", from.as_deref().unwrap_or_default()),
        ("server", server),
        ("port", port),
        ("user", &user),
        ("pass", &password),
    ];
    // So Icecast says that nothing is going to be published.
    if applicant.errand == Errand::Tell {
        fields.push(("admin", "1"));
    }
    post::form(&fields)
}

fn form(case: &Case<'_>, manners: &Manners, (server, port): (&str, &str)) -> String {
    let Case { head, path, .. } = case;
    let (user, password) = given(head.header("authorization"));
    let query = head.query.as_ref().map(|query| format!("?{query}"));
    let mount = format!("{}{}", path.decoded(), query.unwrap_or_default());
    let number = case.number.to_string();
    let told = manners.told(head);
    let mut fields = vec![
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
    fields.extend(told.iter().map(|(name, value)| (&**name, &**value)));
    post::form(&fields)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Who is asked in the way of these settings, and says this to one question; nothing: he is not
    /// there.
    fn asking(settings: &str, answer: Option<&'static str>) -> Asking {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mount: MountSettings = toml::from_str(&format!("path = \"/a\"\n{settings}")).unwrap();
        if let Some(answer) = answer {
            std::thread::spawn(move || {
                let (mut socket, mut form) = (listener.accept().unwrap().0, Vec::new());
                while !form.ends_with(b"&agent=me") && !form.ends_with(b"&admin=1") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    form.extend(byte);
                }
                socket.write_all(answer.as_bytes()).unwrap();
            });
        }
        Asking::of(&PostUrl::parse(&url).unwrap(), &mount)
    }

    /// What becomes of a listener who shows this.
    async fn verdict(asking: &Asking, shown: &str) -> Verdict {
        let text = format!("GET /a HTTP/1.1\r\nUser-Agent: me\r\n{shown}\r\n");
        let head = Head::parse(text.as_bytes()).unwrap().unwrap();
        let path = MountPath::parse("/a").unwrap();
        let case = Case {
            head: &head,
            path: &path,
            number: 7,
            from: String::new(),
        };
        asking.ask(case).await
    }

    #[tokio::test]
    async fn nobody_gets_in_without_a_yes_whatever_else_is_said_or_not() {
        let password = "Authorization: Basic dTpw\r\n";
        let may_not = |why: &str| Verdict::MayNot(why.to_owned());
        for (answer, shown, expected) in [
            (None, password, Verdict::Busy),
            (Some("nonsense\r\n\r\n"), password, Verdict::Busy),
            (
                Some("HTTP/1.1 200 OK\r\nicecast-auth-user: 0\r\nContent-Length: 0\r\n\r\n"),
                password,
                may_not("you may not listen here"),
            ),
            (
                Some("HTTP/1.1 403 X\r\nicecast-auth-message: not\t you\r\n\r\n"),
                password,
                may_not("not you"),
            ),
            (
                Some("HTTP/1.1 401 X\r\nicecast-auth-message: not you\r\n\r\n"),
                password,
                Verdict::WrongPassword,
            ),
            (Some("HTTP/1.1 200 OK\r\n\r\n"), "", Verdict::WrongPassword),
        ] {
            let asking = asking("", answer);
            assert_eq!(verdict(&asking, shown).await, expected, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn who_gets_in_stays_as_long_as_icecast_or_kh_would_let_him() {
        for (said, limit) in [
            ("icecast-auth-timelimit: 60", Some(60)),
            ("icecast-timelimit: 70", Some(70)),
            ("icecast-auth-timelimit: 0", None),
            ("icecast-auth-timelimit: long", None),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\nicecast-auth-user: 1\r\n{said}\r\n\r\n");
            let asking = asking("", Some(answer.leak()));
            let admission = Admission {
                limit: limit.map(Duration::from_secs),
                visitor: None,
            };
            let verdict = verdict(&asking, "").await;
            assert_eq!(verdict, Verdict::MayListen(admission), "{said}");
        }
    }

    #[tokio::test]
    async fn a_source_is_let_in_by_the_word_of_the_settings_alone() {
        let path = MountPath::parse("/a").unwrap();
        let applicant = Applicant {
            shown: Credentials::header("u", "p"),
            host: String::new(),
            from: None,
            errand: Errand::Tell,
        };
        let own = "auth_header = \"X-Ok: yes\"";
        let usual = "HTTP/1.1 200 OK\r\nicecast-auth-user: 1\r\n\r\n";
        for (settings, answer, expected) in [
            (own, Some("HTTP/1.1 200 OK\r\nX-Ok: yes\r\n\r\n"), Says::Yes),
            (own, Some(usual), Says::No),
            ("", Some(usual), Says::Yes),
            ("", Some("HTTP/1.1 200 OK\r\n\r\n"), Says::No),
            ("", None, Says::Nothing),
        ] {
            let asking = asking(settings, answer);
            let says = asking.ask_about_source(&applicant, &path).await;
            assert_eq!(says, expected, "{settings} {answer:?}");
        }
    }

    #[test]
    fn the_port_is_what_stands_behind_the_host() {
        for (host, server, port) in [
            ("radio.example:8000", "radio.example", "8000"),
            ("radio.example", "radio.example", ""),
            ("[2001:db8::1]:8000", "[2001:db8::1]", "8000"),
            ("[2001:db8::1]", "[2001:db8::1]", ""),
            ("2001:db8::1", "2001:db8::1", ""),
            ("", "", ""),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let head = Head::parse(text.as_bytes()).unwrap().unwrap();
            assert_eq!(reached(head.header("host")), (server, port), "{host}");
        }
    }

    #[test]
    fn the_host_of_the_settings_counts_before_what_callers_call_it() {
        let settings: MountSettings = toml::from_str("path = \"/live.ogg\"").unwrap();
        let url = PostUrl::parse("http://127.0.0.1/").unwrap();
        let asking = |place| Asking::of(&url, &settings).at(place);
        let told = asking(crate::config::host_and_port("https://radio.example"));
        for host in [Some("evil.example:1"), None] {
            assert_eq!(told.reached(host), ("radio.example", "443"));
        }
        assert_eq!(asking(None).reached(Some("a:1")), ("a", "1"));
        assert_eq!(asking(None).reached(None), ("", ""));
    }

    #[test]
    fn the_form_has_icecasts_fields_and_nothing_can_add_one() {
        let credentials = Credentials::header("an&na", "p=1&action=x");
        let text = format!(
            "GET /live.ogg?a=b&c HTTP/1.1\r\nHost: radio.example:8000\r\nUser-Agent: x y\r\n\
             X-Y: 1&pass=z\r\nAuthorization: {credentials}\r\n\r\n"
        );
        let head = Head::parse(text.as_bytes()).unwrap().unwrap();
        let path = MountPath::parse("/käse;.ogg").unwrap();
        let settings: MountSettings =
            toml::from_str("path = \"/live.ogg\"\nauth_forward_headers = [\"X-Y\"]").unwrap();
        let case = Case {
            head: &head,
            path: &path,
            number: 7,
            from: "192.0.2.1".to_owned(),
        };
        let form = form(&case, &Manners::of(&settings), ("radio.example", "8000"));
        assert_eq!(
            form,
            "action=listener_add&server=radio.example&port=8000&client=7&\
             mount=%2Fk%C3%A4se%3B.ogg%3Fa%3Db%26c&user=an%26na&pass=p%3D1%26action%3Dx&\
             ip=192.0.2.1&\
             agent=x%20y&X-Y=1%26pass%3Dz"
        );
        let mut applicant = Applicant {
            shown: credentials,
            host: "radio.example:8000".to_owned(),
            from: Some([192, 0, 2, 1].into()),
            errand: Errand::Publish,
        };
        let reached = ("radio.example", "8000");
        let source = source_form(&applicant, &path, reached);
        assert_eq!(
            source,
            "action=stream_auth&mount=%2Fk%C3%A4se%3B.ogg&ip=192.0.2.1&server=radio.example&port=8000&\
             user=an%26na&pass=p%3D1%26action%3Dx"
        );
        applicant.errand = Errand::Tell;
        assert_eq!(source_form(&applicant, &path, reached), source + "&admin=1");
    }
}
