//! Addresses of the operator's to which it is posted that a source begins to be heard on a mount, and
//! that it is gone: a document of ours, or a form in Icecast's words. For each mount one after the
//! other, so that nobody hears of an end before its beginning; once, whatever comes of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use stream::config::host_and_port;
use stream::http::serving::MountSettings;
use stream::mount::MountPath;
use stream::post::{FORM, JSON, PostUrl, form, post};
use stream::shutdown::Shutdown;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{info, warn};

use crate::config::Config;

/// So much of one mount waits to be told; what comes beyond it is left out.
const WORDS_QUEUED_MAX: usize = 16;
/// Who is told has so long to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Who tells.
pub(super) struct Teller {
    /// What waits to be told, by mount; a task for each.
    queues: HashMap<MountPath, Sender<Word>>,
    shutdown: Shutdown,
}

/// Something to be told.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    /// By which key.
    key: &'static str,
    url: PostUrl,
    kind: &'static str,
    body: String,
}

impl Teller {
    pub(super) fn new(shutdown: Shutdown) -> Self {
        Self {
            queues: HashMap::new(),
            shutdown,
        }
    }

    /// A source begins to be heard on a mount at this time, or is gone.
    pub(super) fn tell(
        &mut self,
        config: &Config,
        path: &MountPath,
        is_there: bool,
        at: Timestamp,
    ) {
        let settings = |path: &MountPath| config.mount.iter().find(|mount| mount.path == *path);
        // Of what the settings do not name any more, what waits is still told.
        self.queues.retain(|path, _| settings(path).is_some());
        let Some(mount) = settings(path) else {
            return;
        };
        for word in words(mount, &server(config), is_there, at) {
            let queue = match self.queues.entry(path.clone()) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(none) => {
                    let (sender, receiver) = channel(WORDS_QUEUED_MAX);
                    self.shutdown
                        .spawn("webhook", tell_all(path.clone(), receiver));
                    none.insert(sender)
                }
            };
            let key = word.key;
            if queue.try_send(word).is_err() {
                warn!("`{key}` of {path}: left out, {WORDS_QUEUED_MAX} words wait to be told");
            }
        }
    }
}

async fn tell_all(path: MountPath, mut queue: Receiver<Word>) {
    while let Some(word) = queue.recv().await {
        let Word {
            key,
            url,
            kind,
            body,
        } = word;
        match post(&url, kind, body, ANSWER_MAX).await {
            Ok(reply) if reply.status.is_success() => info!("`{key}` of {path}: told"),
            Ok(reply) => warn!("`{key}` of {path}: {} answers {}", url.host(), reply.status),
            Err(why) => warn!("`{key}` of {path}: {}: {why}", url.host()),
        }
    }
}

/// What is to be told, by every key that is set.
fn words(
    mount: &MountSettings,
    (server, port): &(String, String),
    is_there: bool,
    at: Timestamp,
) -> Vec<Word> {
    let (hook, event, callback, action) = if is_there {
        let (hook, callback) = (&mount.on_connect_url, &mount.mount_add_url);
        let names = ("on_connect_url", "mount_add_url");
        (
            (names.0, hook),
            "source-connect",
            (names.1, callback),
            "mount_add",
        )
    } else {
        let (hook, callback) = (&mount.on_disconnect_url, &mount.mount_remove_url);
        let names = ("on_disconnect_url", "mount_remove_url");
        (
            (names.0, hook),
            "source-disconnect",
            (names.1, callback),
            "mount_remove",
        )
    };
    let path = mount.path.as_str();
    let hook = hook.1.as_ref().map(|url| Word {
        key: hook.0,
        url: url.clone(),
        kind: JSON,
        body: json!({ "event": event, "mount": path, "time": at.to_string() }).to_string(),
    });
    let callback = callback.1.as_ref().map(|url| Word {
        key: callback.0,
        url: mount.showing(url),
        kind: FORM,
        body: form(&[
            ("action", action),
            ("mount", &mount.path.decoded()),
            ("server", server),
            ("port", port),
        ]),
    });
    hook.into_iter().chain(callback).collect()
}

/// Host and port by which listeners reach this master.
fn server(config: &Config) -> (String, String) {
    let told = config.public_url.as_deref().and_then(host_and_port);
    let listen = config.listen.first();
    told.unwrap_or_else(|| (listen.ip().to_string(), listen.port().to_string()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const FIRST: Timestamp = Timestamp::UNIX_EPOCH;

    fn config(path: &str, more: &str) -> Config {
        let text =
            format!("public_url = \"https://radio.example\"\n[[mount]]\npath = \"{path}\"\n{more}");
        stream::config::parse(&text, "", "X", std::iter::empty()).unwrap()
    }

    fn live() -> MountPath {
        MountPath::parse("/live.ogg").unwrap()
    }

    #[test]
    fn each_key_has_its_own_word_and_none_without_a_key() {
        let config = config(
            "/käse",
            "auth_user = \"us\"\nauth_password = \"p w\"\non_connect_url = \"http://a/\"\nmount_add_url = \"http://b/\"\n\
             mount_remove_url = \"http://c/\"",
        );
        let told = |is_there| words(&config.mount[0], &server(&config), is_there, FIRST);
        let bodies: Vec<_> = told(true)
            .into_iter()
            .map(|word| (word.key, word.body))
            .collect();
        let document = "{\"event\":\"source-connect\",\"mount\":\"/k%C3%A4se\",\
                        \"time\":\"1970-01-01T00:00:00Z\"}";
        let add = "action=mount_add&mount=%2Fk%C3%A4se&server=radio.example&port=443";
        assert_eq!(
            bodies,
            [
                ("on_connect_url", document.to_owned()),
                ("mount_add_url", add.to_owned())
            ]
        );
        let remove = told(false);
        assert_eq!(remove.len(), 1);
        assert!(
            remove[0]
                .body
                .starts_with("action=mount_remove&mount=%2Fk%C3%A4se&")
        );
        // In Icecast's words we show our password, and nowhere else.
        let mount = &config.mount[0];
        let removed = mount.mount_remove_url.as_ref().unwrap();
        assert_eq!(remove[0].url, mount.showing(removed));
        assert_eq!(Some(&told(true)[0].url), mount.on_connect_url.as_ref());
    }

    /// Takes connections and answers each after the body has come; gives the bodies.
    async fn listen(listener: &TcpListener, n: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        for _ in 0..n {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"}") {
                assert!(socket.read_buf(&mut read).await.unwrap() > 0);
            }
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            socket.write_all(answer).await.unwrap();
            let text = String::from_utf8(read).unwrap();
            bodies.push(text.split("\r\n\r\n").nth(1).unwrap().to_owned());
        }
        bodies
    }

    #[tokio::test]
    async fn what_happens_is_told_in_its_order_and_what_is_too_much_is_left_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("\"http://{address}/hook\"");
        let hooks = format!("on_connect_url = {url}\non_disconnect_url = {url}");
        let config = config("/live.ogg", &hooks);
        let shutdown = Shutdown::new();
        let mut teller = Teller::new(shutdown.clone());
        // Nobody takes a word before all of them are there.
        for n in 0..WORDS_QUEUED_MAX + 10 {
            teller.tell(&config, &live(), n % 2 == 0, FIRST);
        }
        teller.tell(&config, &MountPath::parse("/other").unwrap(), true, FIRST);
        drop(teller);
        let told =
            tokio::time::timeout(Duration::from_secs(20), listen(&listener, WORDS_QUEUED_MAX));
        for (n, body) in told.await.unwrap().into_iter().enumerate() {
            let event = ["source-connect", "source-disconnect"][n % 2];
            assert!(body.contains(&format!("\"{event}\"")), "{n}: {body}");
        }
        let further = tokio::time::timeout(Duration::from_millis(100), listener.accept());
        assert!(further.await.is_err(), "more was told than waited");
    }
}
