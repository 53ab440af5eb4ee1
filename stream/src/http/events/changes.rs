//! What is new since somebody was told last. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::mount::{Class, MountTable};
use crate::status::title_of;

/// A number of listeners that has not been told.
const NOT_TOLD: usize = usize::MAX;

/// What there is to be told of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    is_on_air: bool,
    title: Option<String>,
    artist: Option<String>,
    n_listeners: usize,
}

/// What somebody has been told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    mounts: BTreeMap<String, State>,
    n_told: u64,
}

/// How the mounts stand of which everybody may know.
pub(super) fn states(table: &MountTable) -> BTreeMap<String, State> {
    let listed = table.all().into_iter().filter(|mount| !mount.is_hidden());
    let mounts = listed.map(|mount| {
        let (title, artist) = title_of(&mount);
        let state = State {
            is_on_air: mount.is_moving(),
            title,
            artist,
            n_listeners: mount.n_served(Class::Listener),
        };
        (mount.path().to_string(), state)
    });
    mounts.collect()
}

impl Seen {
    /// The events that lead from what has been told to `now`; empty if there are none. Without
    /// `with_counts` nothing is said of listeners.
    pub(super) fn changes(&mut self, now: &BTreeMap<String, State>, with_counts: bool) -> String {
        let mut news = String::new();
        let gone: Vec<String> = self
            .mounts
            .keys()
            .filter(|path| !now.contains_key(*path))
            .cloned()
            .collect();
        for path in gone {
            let was_on_air = self.mounts.remove(&path).is_some_and(|old| old.is_on_air);
            if was_on_air {
                self.tell(&mut news, "end", &json!({ "mount": path }));
            }
        }
        for (path, state) in now {
            let before = self.mounts.get(path).cloned();
            let was_on_air = before.as_ref().is_some_and(|old| old.is_on_air);
            if state.is_on_air != was_on_air {
                let event = if state.is_on_air { "begin" } else { "end" };
                self.tell(&mut news, event, &json!({ "mount": path }));
            }
            let had = before.as_ref().map(|old| (&old.title, &old.artist));
            let has_title = state.title.is_some() || state.artist.is_some();
            if had != Some((&state.title, &state.artist)) && (had.is_some() || has_title) {
                let (title, artist) = (&state.title, &state.artist);
                let about = json!({ "mount": path, "title": title, "artist": artist });
                self.tell(&mut news, "title", &about);
            }
            let mut told = state.clone();
            let count = before.map(|old| old.n_listeners);
            let is_known = state.n_listeners != NOT_TOLD;
            if with_counts && is_known && count != Some(state.n_listeners) {
                let about = json!({ "mount": path, "listeners": state.n_listeners });
                self.tell(&mut news, "listeners", &about);
            } else {
                told.n_listeners = count.unwrap_or(NOT_TOLD);
            }
            self.mounts.insert(path.clone(), told);
        }
        news
    }

    /// What has been told, for one who has heard nothing of it; with the number of the last event.
    pub(super) fn all(&self) -> String {
        let known = self.mounts.iter();
        let known = known.map(|(path, state)| (path.clone(), state.clone()));
        let mut beginner = Self::default();
        let all = beginner.changes(&known.collect(), true);
        // Browsers say where they stopped; the numbers of all go on from here.
        let mut text = String::new();
        for line in all.lines() {
            if line.starts_with("id: ") {
                let _ = writeln!(text, "id: {}", self.n_told);
            } else {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    fn tell(&mut self, news: &mut String, event: &str, about: &Value) {
        self.n_told += 1;
        // JSON has no line ends within, whatever a title holds.
        let _ = write!(
            news,
            "id: {}\nevent: {event}\ndata: {about}\n\n",
            self.n_told
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(is_on_air: bool, title: Option<&str>, n_listeners: usize) -> State {
        State {
            is_on_air,
            title: title.map(str::to_owned),
            artist: None,
            n_listeners,
        }
    }

    fn at(state: State) -> BTreeMap<String, State> {
        BTreeMap::from([("/a".to_owned(), state)])
    }

    #[test]
    fn each_change_is_told_once_and_counts_when_it_is_their_time() {
        let mut seen = Seen::default();
        let first = seen.changes(&at(state(true, None, 3)), true);
        assert_eq!(
            first,
            "id: 1\nevent: begin\ndata: {\"mount\":\"/a\"}\n\n\
             id: 2\nevent: listeners\ndata: {\"listeners\":3,\"mount\":\"/a\"}\n\n"
        );
        let all = "id: 2\nevent: begin\ndata: {\"mount\":\"/a\"}\n\n\
                   id: 2\nevent: listeners\ndata: {\"listeners\":3,\"mount\":\"/a\"}\n\n";
        assert_eq!(seen.all(), all);
        assert_eq!(seen.changes(&at(state(true, None, 4)), false), "");
        // A number that others have not been told of yet comes with theirs.
        assert_eq!(seen.all(), all);
        let later = seen.changes(&at(state(true, Some("a\nb"), 4)), true);
        assert!(
            later.contains("event: title\ndata: {") && later.contains("a\\nb"),
            "{later}"
        );
        assert!(later.contains("\"listeners\":4"), "{later}");
        assert_eq!(seen.changes(&at(state(true, Some("a\nb"), 4)), true), "");
        let untitled = seen.changes(&at(state(false, None, 4)), true);
        assert!(untitled.contains("event: end") && untitled.contains("\"title\":null"));
        assert_eq!(seen.changes(&BTreeMap::new(), true), "", "it had ended");
    }
}
