//! Which mounts an Icecast has: as we are told, as it tells its relays, or as it tells everybody.

use reqwest::Response;
use serde_json::Value;
use stream::follow::upstream::{ask, reason};
use stream::mount::{MOUNTS_MAX, MountPath};
use stream::secret::Secret;

use super::Means;

/// A longer list is not read.
const LIST_BYTES_MAX: usize = 1024 * 1024;

pub(super) async fn mounts(means: &Means) -> Result<Vec<MountPath>, String> {
    let config = &means.config;
    if !config.mounts.is_empty() {
        return Ok(config.mounts.clone());
    }
    let get = |page: &str| means.client.get(format!("{}{page}", config.url));
    let paths = match &config.password {
        Some(password) => {
            let request = get("/admin/streamlist.txt");
            let request = request.basic_auth(&config.user, Some(Secret::expose(password)));
            in_stream_list(&text(ask(request).await?).await?)
        }
        None => in_status(&text(ask(get("/status-json.xsl")).await?).await?)?,
    };
    Ok(paths.into_iter().take(MOUNTS_MAX).collect())
}

async fn text(mut answer: Response) -> Result<String, String> {
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| reason(&error))? {
        text.extend_from_slice(&chunk);
        if text.len() > LIST_BYTES_MAX {
            return Err(format!("its list has more than {LIST_BYTES_MAX} bytes"));
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A path a line.
fn in_stream_list(text: &str) -> Vec<MountPath> {
    let lines = text.lines().map(str::trim);
    lines
        .filter_map(|line| MountPath::parse(line).ok())
        .collect()
}

/// `source` is absent, an object or a list; each has a `listenurl`, in which the host may be
/// anything.
fn in_status(text: &str) -> Result<Vec<MountPath>, String> {
    let status: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let source = status.pointer("/icestats/source");
    let sources = match source {
        None => &[][..],
        Some(Value::Array(sources)) => sources,
        Some(one) => std::slice::from_ref(one),
    };
    let paths = sources.iter().filter_map(|source| {
        let url = source.get("listenurl")?.as_str()?;
        let (_, rest) = url.split_once("://")?;
        MountPath::parse(&rest[rest.find('/')?..]).ok()
    });
    Ok(paths.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_name_the_same_mounts() {
        let one = r#"{"icestats":{"source":{"listenurl":"http://localhost:8000/live.ogg"}}}"#;
        let two = r#"{"icestats":{"source":[{"listenurl":"http://h/a.ogg"},{"dummy":null},
                      {"listenurl":"http://h:1/b/c.ogg"}]}}"#;
        let live = MountPath::parse("/live.ogg").unwrap();
        assert_eq!(in_status(one).unwrap(), std::slice::from_ref(&live));
        assert_eq!(in_status(two).unwrap().len(), 2);
        assert_eq!(in_status(r#"{"icestats":{}}"#).unwrap(), []);
        assert!(in_status("<html>").is_err());
        assert_eq!(in_stream_list("/live.ogg\r\n\r\nnonsense\n"), [live]);
    }
}
