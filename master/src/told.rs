//! What plays on a mount, as somebody says it beside the stream. It is kept beside the log: no stream
//! breaks by it. Into a stream of Ogg it goes as well where `titles` of the mount says so.

use std::sync::Arc;
use std::time::Instant;

use stream::http::serving::Titles;
use stream::mount::{Desk, Mount, MountTable};
use tracing::debug;

use crate::config::Config;
use crate::lasting::Lasting;

/// What somebody says; of what he does not say, nothing changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The title, or artist and title in one.
    pub(crate) title: Option<String>,
    /// Whose it is. Says nothing without a title.
    pub(crate) artist: Option<String>,
    /// An address that belongs to it.
    pub(crate) url: Option<String>,
}

/// Where it is said.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    config: Arc<Config>,
    table: Arc<MountTable>,
    desk: Arc<Desk>,
}

impl Teller {
    pub(crate) fn new(config: &Arc<Config>, lasting: &Lasting) -> Self {
        Self {
            config: Arc::clone(config),
            table: Arc::clone(&lasting.table),
            desk: Arc::clone(&lasting.desk),
        }
    }

    /// Says it.
    pub(crate) fn tell(&self, mount: &Mount, told: &Told) {
        let path = mount.path();
        if let Some(title) = &told.title
            && self.config.titles(path) == Titles::Chained
        {
            let now = Instant::now();
            self.desk.retitle(path, title, told.artist.as_deref(), now);
        }
        let title = told.title.as_deref();
        let title = title.map(|title| in_one(told.artist.as_deref(), title));
        self.table.say(mount, |playing| {
            if title.is_some() {
                playing.set_title(title.as_deref());
            }
            if told.url.is_some() {
                playing.set_url(told.url.as_deref());
            }
        });
        debug!("{path} was told what plays");
    }
}

/// Artist and title as players show them.
fn in_one(artist: Option<&str>, title: &str) -> String {
    let words = [artist.unwrap_or_default().trim(), title.trim()];
    let words = words.into_iter().filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" - ")
}
