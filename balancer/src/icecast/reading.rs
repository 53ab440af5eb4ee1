//! An Icecast's answers put together: what it carries, who listens, how many may. Pure.
//!
//! What no page says is never taken for 0 or for endless: a mount whose limit nobody tells is
//! offered only when the operator wrote down how many places the server has.

use std::collections::BTreeMap;

use stream::mount::MountPath;

use super::seen::{Limit, Seen};
use super::xml::{Free, Stats};
use crate::checked_report::{Carried, SLOTS_MAX};

/// What came of one round of questions.
#[derive(Clone, Debug)]
pub enum Answers {
    /// With a password.
    Admin(Result<Stats, String>),
    /// Without one.
    Public {
        /// Of `status-json.xsl`.
        status: Result<Vec<Seen>, String>,
        /// Of `load.xsl`.
        load: Result<BTreeMap<MountPath, Free>, String>,
    },
}

/// The state of an Icecast at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it carries.
    pub mounts: BTreeMap<MountPath, Carried>,
    /// Listeners in all.
    pub listeners: u32,
    /// How many it could serve in all.
    pub slots: u32,
    /// Mounts nobody is sent to, since nobody says how many they take.
    pub without_limit: Vec<MountPath>,
}

impl Reading {
    /// Puts answers together. `slots`: what the operator says that the server takes in all.
    ///
    /// # Errors
    /// When no page could be read. That is not the same as full, or as empty.
    pub fn of(answers: Answers, slots: Option<u32>) -> Result<Self, String> {
        let (mounts, total) = match answers {
            Answers::Admin(Ok(stats)) => (stats.mounts, stats.listeners),
            Answers::Admin(Err(why)) => return Err(format!("/admin/stats: {why}")),
            Answers::Public {
                status: Ok(seen),
                load,
            } => (with_limits(seen, &load.unwrap_or_default()), None),
            Answers::Public { load: Ok(load), .. } => (only_limits(&load), None),
            Answers::Public {
                status: Err(status),
                load: Err(load),
            } => return Err(format!("/status-json.xsl: {status}; /load.xsl: {load}")),
        };
        Ok(Self::put_together(mounts, total, slots))
    }

    fn put_together(seen: Vec<Seen>, total: Option<u32>, slots: Option<u32>) -> Self {
        let (mut mounts, mut without_limit) = (BTreeMap::new(), Vec::new());
        let on_mounts = seen.iter().filter_map(|mount| mount.listeners);
        let on_mounts = on_mounts.fold(0, u32::saturating_add);
        let listeners = on_mounts.max(total.unwrap_or(0));
        let own_free = |mount: &Seen| {
            let limit = match mount.limit {
                Limit::Listeners(n) => Some(n),
                Limit::Unknown | Limit::Unlimited => slots,
            };
            let limit = limit.filter(|_| mount.is_on_air);
            limit.map(|limit| limit.saturating_sub(mount.listeners.unwrap_or(0)))
        };
        // A listener is promised a place at the server, wherever he goes there: so the mount with
        // the fewest decides, and one with none is out of the question while another has some.
        let n_fewest = seen.iter().filter_map(own_free).filter(|n| *n > 0).min();
        for mount in seen {
            let n_own_free = own_free(&mount);
            if n_own_free.is_none() && mount.is_on_air {
                without_limit.push(mount.path.clone());
            }
            let takes = n_own_free.is_some_and(|n| n > 0) || n_fewest.is_none();
            let carried = Carried {
                content_type: mount.content_type,
                is_on_air: mount.is_on_air && takes,
                listeners: mount.listeners.unwrap_or(0),
            };
            mounts.insert(mount.path, carried);
        }
        let at_server = slots.map_or(SLOTS_MAX, |slots| slots.saturating_sub(listeners));
        let n_free = n_fewest.unwrap_or(0).min(at_server);
        Self {
            mounts,
            listeners,
            slots: listeners.saturating_add(n_free).min(SLOTS_MAX),
            without_limit,
        }
    }
}

/// Free places are told without listeners: together they are the limit.
fn with_limits(mut seen: Vec<Seen>, load: &BTreeMap<MountPath, Free>) -> Vec<Seen> {
    for mount in &mut seen {
        mount.limit = match load.get(&mount.path) {
            None => Limit::Unknown,
            Some(Free::Unlimited) => Limit::Unlimited,
            Some(Free::Places(n)) => {
                let listeners = i64::from(mount.listeners.unwrap_or(0));
                limit(listeners.saturating_add(*n))
            }
        };
    }
    seen
}

/// All that an Icecast before 2.4 tells, and all that is needed: how many more it takes.
fn only_limits(load: &BTreeMap<MountPath, Free>) -> Vec<Seen> {
    let seen = |(path, free): (&MountPath, &Free)| Seen {
        path: path.clone(),
        content_type: String::new(),
        is_on_air: true,
        listeners: None,
        limit: match free {
            Free::Unlimited => Limit::Unlimited,
            Free::Places(n) => limit(*n),
        },
    };
    load.iter().map(seen).collect()
}

fn limit(n: i64) -> Limit {
    Limit::Listeners(u32::try_from(n.max(0)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::icecast::{status_json, xml};

    fn path(text: &str) -> MountPath {
        MountPath::parse(text).unwrap()
    }

    fn status(mounts: &[(&str, u32)]) -> Result<Vec<Seen>, String> {
        let source = |(path, n): &(&str, u32)| {
            format!(r#"{{"listenurl":"http://h{path}","listeners":{n},"server_type":"audio/ogg"}}"#)
        };
        let sources: Vec<_> = mounts.iter().map(source).collect();
        let body = format!(r#"{{"icestats":{{"source":[{}]}}}}"#, sources.join(","));
        status_json::read(body.as_bytes())
    }

    fn load(mounts: &[(&str, &str)]) -> Result<BTreeMap<MountPath, Free>, String> {
        let mount = |(path, free): &(&str, &str)| format!("<mount name=\"{path}\">{free}</mount>");
        let mounts: String = mounts.iter().map(mount).collect();
        xml::load(format!("<load>{mounts}</load>").as_bytes())
    }

    fn public(
        status: Result<Vec<Seen>, String>,
        load: Result<BTreeMap<MountPath, Free>, String>,
        slots: Option<u32>,
    ) -> Result<Reading, String> {
        Reading::of(Answers::Public { status, load }, slots)
    }

    fn takes(reading: &Reading, mount: &str) -> bool {
        reading.mounts[&path(mount)].is_on_air
    }

    #[test]
    fn of_several_mounts_the_one_with_the_fewest_places_decides() {
        let both = [("/a.ogg", 3), ("/b.ogg", 5)];
        let limits = [("/a.ogg", "97"), ("/b.ogg", "2")];
        let reading = public(status(&both), load(&limits), None).unwrap();
        assert_eq!((reading.listeners, reading.slots), (8, 10));
    }

    fn missing<T>() -> Result<T, String> {
        Err("it answers 404".to_owned())
    }

    #[test]
    fn status_and_load_together_tell_listeners_and_limits() {
        let status = status(&[("/a.ogg", 3), ("/b.ogg", 5)]);
        let load = load(&[("/a.ogg", "97"), ("/b.ogg", "-2")]);
        let reading = public(status, load, None).unwrap();
        assert_eq!((reading.listeners, reading.slots), (8, 105));
        assert!(takes(&reading, "/a.ogg") && !takes(&reading, "/b.ogg"));
        assert!(reading.without_limit.is_empty());
    }

    #[test]
    fn load_alone_is_enough_for_an_old_icecast() {
        let load = load(&[("/a.mp3", "97"), ("/full.mp3", "-2")]);
        let reading = public(missing(), load, None).unwrap();
        assert_eq!((reading.listeners, reading.slots), (0, 97));
        assert!(takes(&reading, "/a.mp3") && !takes(&reading, "/full.mp3"));
    }

    #[test]
    fn status_alone_needs_the_operators_word() {
        let reading = public(status(&[("/a.ogg", 3)]), missing(), Some(50)).unwrap();
        assert_eq!((reading.listeners, reading.slots), (3, 50));
        let reading = public(status(&[("/a.ogg", 3)]), missing(), None).unwrap();
        // It is on air, and full.
        assert_eq!((reading.listeners, reading.slots), (3, 3));
        assert!(takes(&reading, "/a.ogg"));
        assert_eq!(reading.without_limit, [path("/a.ogg")]);
    }

    #[test]
    fn defect_5_a_mount_without_limit_leaves_the_others_their_places() {
        let both = [("/a.ogg", 3), ("/b.ogg", 5)];
        let limits = [("/a.ogg", "97"), ("/b.ogg", "NaN")];
        let reading = public(status(&both), load(&limits), None).unwrap();
        assert_eq!((reading.listeners, reading.slots), (8, 105));
        assert!(takes(&reading, "/a.ogg") && !takes(&reading, "/b.ogg"));
        let reading = public(status(&both), load(&limits), Some(60)).unwrap();
        assert_eq!(reading.slots, 60);
        assert!(takes(&reading, "/a.ogg") && takes(&reading, "/b.ogg"));
    }

    #[test]
    fn defect_6_the_servers_own_limit_caps_what_mounts_promise() {
        let load = load(&[("/a.ogg", "1000"), ("/b.ogg", "1000")]);
        let reading = public(status(&[("/a.ogg", 0), ("/b.ogg", 0)]), load, Some(100)).unwrap();
        assert_eq!(reading.slots, 100);
        let stats = Stats {
            mounts: status(&[("/a.ogg", 3)]).unwrap(),
            // Others are on a mount that is none to us.
            listeners: Some(40),
        };
        let reading = Reading::of(Answers::Admin(Ok(stats)), Some(100)).unwrap();
        assert_eq!((reading.listeners, reading.slots), (40, 100));
    }

    #[test]
    fn defect_11_no_answer_is_an_error_and_not_full() {
        let error = public(missing(), missing(), Some(10)).unwrap_err();
        assert!(error.contains("/load.xsl: it answers 404"), "{error}");
        let error = Reading::of(Answers::Admin(missing()), Some(10)).unwrap_err();
        assert!(error.contains("/admin/stats: it answers 404"), "{error}");
    }

    #[test]
    fn a_mount_that_is_missing_takes_nobody_and_no_place() {
        let reading = public(status(&[]), load(&[("/a.ogg", "97")]), Some(10)).unwrap();
        assert!(reading.mounts.is_empty());
        assert_eq!((reading.listeners, reading.slots), (0, 0));
    }
}
