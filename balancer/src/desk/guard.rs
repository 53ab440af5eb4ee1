//! Who may see and change what the operator may: sessions for browsers, a password in each
//! request for programs. Pure.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use stream::http::basic::bearer;
use stream::http::login::{self, Login};

/// The cookie that a session is known by.
pub const SESSION_COOKIE: &str = "plenum_desk";
/// The cookie that remembers which language was asked for.
pub const LANGUAGE_COOKIE: &str = "plenum_language";

/// Whether a program shows the operator's password: `Basic` with user and password, or
/// `Bearer` with the password alone.
pub fn shows_password(login: &Login, headers: &HeaderMap) -> bool {
    let Some(shown) = text(headers, &header::AUTHORIZATION) else {
        return false;
    };
    match bearer(shown) {
        Some(password) => login.password.matches(password),
        None => login::is(Some(login), Some(shown)),
    }
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// An address as people type it, also in the brackets of a URL.
pub fn typed_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use stream::http::basic::Credentials;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            let name = header::HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn only_the_operators_password_opens() {
        let login: Login = toml_like("operator", "correct horse battery");
        let basic = |user, password| Credentials::header(user, password);
        for (shown, opens) in [
            (basic("operator", "correct horse battery"), true),
            (basic("other", "correct horse battery"), false),
            (basic("operator", "wrong"), false),
            ("Bearer correct horse battery".to_owned(), true),
            ("Bearer wrong".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("correct horse battery".to_owned(), false),
            (String::new(), false),
        ] {
            let headers = headers(&[("authorization", &shown)]);
            assert_eq!(shows_password(&login, &headers), opens, "{shown}");
        }
        assert!(!shows_password(&login, &HeaderMap::new()));
    }

    fn toml_like(user: &str, password: &str) -> Login {
        serde_json::from_value(serde_json::json!({"user": user, "password": password})).unwrap()
    }

    #[test]
    fn a_cookie_is_found_among_others_and_by_its_whole_name() {
        let headers = headers(&[("cookie", "xplenum_desk=1; plenum_desk=abc; a=b")]);
        assert_eq!(cookie(&headers, SESSION_COOKIE), Some("abc"));
        assert_eq!(cookie(&headers, "desk"), None);
    }

    #[test]
    fn addresses_are_taken_as_people_type_them() {
        let seven = Some("192.0.2.7".parse().unwrap());
        assert_eq!(typed_address(" 192.0.2.7 "), seven);
        assert_eq!(typed_address("::ffff:192.0.2.7"), seven);
        assert!(typed_address("[2001:db8::7]").is_some());
        for text in ["", "192.0.2", "localhost", "192.0.2.7:80", "<b>"] {
            assert_eq!(typed_address(text), None, "{text}");
        }
    }
}
