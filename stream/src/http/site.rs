//! Whether another site's page made a browser ask. Pure.
//!
//! A browser sends a password along that it knows, whoever's page makes it ask.

use http::{HeaderMap, HeaderName, header};
use reqwest::Url;

/// What browsers write themselves and no page can forge (Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is said to another site's page.
pub const NOT_FROM_HERE: &str = "a page of another site may not ask this: use a program, or a page \
                                 of this server; behind a proxy, set `public_url`";

/// Whether a browser made this request from a page of this very server (or a program did,
/// which says nothing of pages). `public` is the address of this server, if it was set.
pub fn is_from_here(headers: &HeaderMap, public: Option<&str>) -> bool {
    if let Some(site) = text(headers, &FETCH_SITE) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(headers, &header::ORIGIN) else {
        return !headers.contains_key(header::ORIGIN);
    };
    let Ok(origin) = Url::parse(origin) else {
        return false;
    };
    let is_public = public
        .and_then(|public| Url::parse(public).ok())
        .is_some_and(|public| public.origin() == origin.origin());
    is_public || is_host(&origin, text(headers, &header::HOST))
}

/// Whether an origin is the host that the request was sent to. The scheme is not compared: a
/// proxy in front may speak another one to us.
fn is_host(origin: &Url, host: Option<&str>) -> bool {
    let Some(host) = host else {
        return false;
    };
    let Ok(own) = Url::parse(&format!("{}://{host}", origin.scheme())) else {
        return false;
    };
    own.origin() == origin.origin()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn other_sites_cannot_make_a_browser_act() {
        let public = Some("https://radio.example");
        for (lines, is_ours) in [
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://radio.example"),
                ],
                false,
            ),
            (vec![("origin", "https://evil.example")], false),
            (vec![("origin", "null")], false),
            (vec![("origin", "https://radio.example")], true),
            (
                vec![("origin", "https://radio.example.evil.example")],
                false,
            ),
            (
                vec![
                    ("origin", "http://10.0.0.1:8000"),
                    ("host", "10.0.0.1:8000"),
                ],
                true,
            ),
            (
                vec![
                    ("origin", "http://10.0.0.1:9000"),
                    ("host", "10.0.0.1:8000"),
                ],
                false,
            ),
            (
                vec![("origin", "https://desk.example"), ("host", "desk.example")],
                true,
            ),
            (vec![("origin", "\u{e9}")], false),
            (vec![], true),
        ] {
            assert_eq!(is_from_here(&headers(&lines), public), is_ours, "{lines:?}");
        }
    }
}
