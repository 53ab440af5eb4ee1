//! Reads `status-json.xsl`. Pure.

use serde_json::Value;
use stream::mount::{MOUNTS_MAX, MountPath};
use url::Url;

use super::mend::mended;
use super::seen::{Limit, Seen, media_type};

/// The mounts in it: `source` is missing, one table, or a list of them. More than [`MOUNTS_MAX`]
/// are ignored, and so is what has no address that can be a mount.
///
/// # Errors
/// When it is no such page.
pub fn read(body: &[u8]) -> Result<Vec<Seen>, String> {
    let status: Value = serde_json::from_slice(body)
        .or_else(|_| serde_json::from_str(&mended(body)))
        .map_err(|error| format!("its status is no JSON: {error}"))?;
    let Some(icestats) = status.get("icestats") else {
        return Err("its status has no `icestats`".to_owned());
    };
    let sources = match icestats.get("source") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    Ok(sources.iter().filter_map(seen).take(MOUNTS_MAX).collect())
}

fn seen(source: &Value) -> Option<Seen> {
    let link = Url::parse(source.get("listenurl")?.as_str()?).ok()?;
    let listeners = source.get("listeners");
    let content_type = source.get("server_type").and_then(Value::as_str);
    Some(Seen {
        path: MountPath::parse(link.path()).ok()?,
        content_type: media_type(content_type.unwrap_or_default()),
        // A mount that is only in the configuration has no such field.
        is_on_air: listeners.is_some(),
        listeners: listeners
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok()),
        limit: Limit::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's Icecast 2.4.4 wrote it, with a title that breaks it.
    const REAL: &str = r#"{"icestats":{"admin":"icemaster@localhost","host":"localhost","location":"Earth","server_id":"Icecast 2.4.4","server_start":"Sun, 29 Nov 2026 17:57:15 +0000","server_start_iso8601":"2026-11-29T17:57:15+0000","source":[{"audio_bitrate":48000,"genre":"various","listener_peak":1,"listeners":1,"listenurl":"http://localhost:18970/a.ogg","server_name":"na\"me\\","server_type":"application/ogg","subtype":"Vorbis","title":"He said \"x\" \\ tab\té","dummy":null},{"listener_peak":0,"listeners":0,"listenurl":"http://localhost:18970/c.mp3","server_type":"audio/mpeg","title":-,"dummy":null}]}}"#;

    fn paths(body: &str) -> Vec<String> {
        let seen = read(body.as_bytes()).unwrap();
        seen.iter().map(|seen| seen.path.to_string()).collect()
    }

    #[test]
    fn a_real_page_with_a_title_that_breaks_it_is_read() {
        let seen = read(REAL.as_bytes()).unwrap();
        assert_eq!(paths(REAL), ["/a.ogg", "/c.mp3"]);
        assert_eq!((seen[0].listeners, seen[1].listeners), (Some(1), Some(0)));
        assert_eq!(seen[0].content_type, "application/ogg");
        assert!(seen.iter().all(|seen| seen.is_on_air));
        assert!(seen.iter().all(|seen| seen.limit == Limit::Unknown));
    }

    #[test]
    fn one_source_many_or_none_are_read() {
        let source = |path| format!(r#"{{"listenurl":"http://m.example:8000{path}","title":"x"}}"#);
        let (a, b, bad) = (source("/a.ogg"), source("/b.ogg"), source("/%2e"));
        let page = |source: &str| format!(r#"{{"icestats":{{"source":{source}}}}}"#);
        assert!(paths(r#"{"icestats":{"host":"x"}}"#).is_empty());
        assert!(paths(&page("null")).is_empty());
        assert_eq!(paths(&page(&a)), ["/a.ogg"]);
        let many = format!("[{b},{bad},7,{{}},{a}]");
        assert_eq!(paths(&page(&many)), ["/b.ogg", "/a.ogg"]);
    }

    #[test]
    fn a_mount_without_a_source_is_not_on_air_and_odd_numbers_are_none() {
        for (listeners, expected) in [
            ("-1", None),
            ("\"NaN\"", None),
            ("1e99", None),
            ("4294967296", None),
            ("7", Some(7)),
        ] {
            let body = format!(
                r#"{{"icestats":{{"source":{{"listenurl":"http://h/a","listeners":{listeners}}}}}}}"#
            );
            let seen = read(body.as_bytes()).unwrap();
            assert_eq!(seen[0].listeners, expected, "{listeners}");
            assert!(seen[0].is_on_air);
        }
        let silent = read(br#"{"icestats":{"source":{"listenurl":"http://h/a"}}}"#).unwrap();
        assert!(!silent[0].is_on_air);
    }

    #[test]
    fn what_is_no_status_is_an_error() {
        for (body, complaint) in [
            ("", "no JSON"),
            ("<html>", "no `icestats`"),
            ("[]", "no `icestats`"),
            (r#"{"status":1}"#, "no `icestats`"),
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert!(error.contains(complaint), "{body}: {error}");
        }
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_page_cut_anywhere_is_an_error_and_never_fewer_mounts() {
        for n in 0..REAL.len() {
            if let Ok(seen) = read(&REAL.as_bytes()[..n]) {
                assert_eq!(seen.len(), 2, "cut at {n}");
            }
        }
    }
}
