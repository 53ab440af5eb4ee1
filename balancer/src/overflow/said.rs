//! What the master says of its places: how many more listeners it takes, in all and on each mount.
//! Pure.
//!
//! What it does not say is never taken for endless: an Icecast's mount of which nobody tells how
//! many it takes gets nobody, unless the operator wrote down how many places there are.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use stream::mount::{MOUNTS_MAX, MountPath};

use crate::icecast::xml::Free;
use crate::icecast::{Limit, Seen, with_limits};

/// The master at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Its listeners.
    pub(super) listeners: u32,
    /// How many more it takes, whatever they listen to.
    pub(super) n_free: u32,
    /// What it has on air, and how many more each mount takes.
    pub(super) mounts: BTreeMap<MountPath, u32>,
    /// Mounts that get nobody, since nobody says how many they take.
    pub(super) without_limit: Vec<MountPath>,
}

/// What is read of a master's `/api/v1/status`.
#[derive(Deserialize)]
struct Status {
    slots: Slots,
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
struct Slots {
    listeners: Share,
    relays: Share,
}

#[derive(Clone, Copy, Deserialize)]
struct Share {
    taken: u32,
    max: u32,
}

#[derive(Deserialize)]
struct Mount {
    path: String,
    is_on_air: bool,
    /// Filler stands in for its source.
    filler_since: Option<IgnoredAny>,
    /// Another mount does.
    #[serde(default)]
    is_stood_in: bool,
    listeners: u32,
    max_listeners: Option<u32>,
    #[serde(default)]
    only_as_fallback: bool,
}

/// Reads `/api/v1/status`. `slots`: no more listeners than so many, as the operator says.
///
/// # Errors
/// When it is no such page.
pub(super) fn ours(body: &[u8], slots: Option<u32>) -> Result<Said, String> {
    let status: Status = serde_json::from_slice(body)
        .map_err(|error| format!("its /api/v1/status is not as expected: {error}"))?;
    let Slots { listeners, relays } = status.slots;
    // Relays beyond their own slots sit on listeners'.
    let n_guests = relays.taken.saturating_sub(relays.max);
    let n_taken = listeners.taken.saturating_add(n_guests);
    let max = slots.map_or(listeners.max, |slots| slots.min(listeners.max));
    let is_heard =
        |mount: &Mount| mount.is_on_air || mount.is_stood_in || mount.filler_since.is_some();
    let mounts = status.mounts.into_iter();
    let on_air = mounts.filter(|mount| is_heard(mount) && !mount.only_as_fallback);
    let free = |mount: Mount| {
        let path = MountPath::parse(&mount.path).ok()?;
        let n_free = mount.max_listeners.unwrap_or(u32::MAX);
        Some((path, n_free.saturating_sub(mount.listeners)))
    };
    Ok(Said {
        listeners: listeners.taken,
        n_free: max.saturating_sub(n_taken),
        mounts: on_air.filter_map(free).take(MOUNTS_MAX).collect(),
        without_limit: Vec::new(),
    })
}

/// Puts together what an Icecast shows to everybody.
pub(super) fn icecast(
    seen: Vec<Seen>,
    load: &BTreeMap<MountPath, Free>,
    slots: Option<u32>,
) -> Said {
    let mut said = Said::default();
    for mount in with_limits(seen, load) {
        let listeners = mount.listeners.unwrap_or(0);
        said.listeners = said.listeners.saturating_add(listeners);
        let limit = match mount.limit {
            Limit::Listeners(limit) => Some(limit),
            Limit::Unknown | Limit::Unlimited => slots,
        };
        match limit.filter(|_| mount.is_on_air) {
            Some(limit) => {
                said.mounts
                    .insert(mount.path, limit.saturating_sub(listeners));
            }
            None if mount.is_on_air => said.without_limit.push(mount.path),
            None => {}
        }
    }
    said.n_free = slots.map_or(u32::MAX, |slots| slots.saturating_sub(said.listeners));
    said
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use stream::mount::{Class, Slots};
    use stream::status::Status as Real;

    use super::*;

    fn path(text: &str) -> MountPath {
        MountPath::parse(text).unwrap()
    }

    /// What a master writes is what is read here.
    #[test]
    fn a_master_s_own_page_says_how_many_more_it_takes() {
        let slots = Slots::new(5, 1);
        let held = [Class::Listener, Class::Relay, Class::Relay].map(|class| slots.take(class));
        let table = Arc::new(stream::mount::MountTable::new());
        let status = Real::of("x", Duration::ZERO, &table.all(), &slots, Instant::now());
        let body = serde_json::to_vec(&status).unwrap();
        let said = ours(&body, None).unwrap();
        assert_eq!((said.listeners, said.n_free), (1, 3), "a relay is a guest");
        assert_eq!(ours(&body, Some(3)).unwrap().n_free, 1);
        assert_eq!(ours(&body, Some(900)).unwrap().n_free, 3);
        drop(held);
    }

    #[test]
    fn a_mount_that_has_a_limit_keeps_to_it_and_one_off_the_air_is_none() {
        let body = r#"{"slots":{"listeners":{"taken":1,"max":9},"relays":{"taken":0,"max":2}},
            "new":1,"mounts":[
            {"path":"/a.ogg","is_on_air":true,"listeners":1,"max_listeners":3,"new":2},
            {"path":"/b.ogg","is_on_air":true,"listeners":0},
            {"path":"/c.ogg","is_on_air":false,"listeners":0},
            {"path":"/d.ogg","is_on_air":true,"listeners":0,"only_as_fallback":true},
            {"path":"//evil","is_on_air":true,"listeners":0}]}"#;
        let said = ours(body.as_bytes(), None).unwrap();
        let expected = [(path("/a.ogg"), 2), (path("/b.ogg"), u32::MAX)];
        assert_eq!(said.mounts, BTreeMap::from(expected));
        assert_eq!(said.n_free, 8);
    }

    #[test]
    fn an_icecast_whose_mounts_tell_no_limit_gets_nobody_until_the_operator_says_one() {
        let seen = |text: &str, listeners| Seen {
            path: path(text),
            content_type: String::new(),
            is_on_air: true,
            listeners: Some(listeners),
            limit: Limit::Unknown,
        };
        let all = || vec![seen("/a.ogg", 2), seen("/b.ogg", 1)];
        let load = BTreeMap::from([(path("/b.ogg"), Free::Places(4))]);
        let said = icecast(all(), &load, None);
        assert_eq!(said.mounts, BTreeMap::from([(path("/b.ogg"), 4)]));
        assert_eq!(said.without_limit, [path("/a.ogg")]);
        let said = icecast(all(), &load, Some(5));
        assert_eq!((said.n_free, said.mounts[&path("/a.ogg")]), (2, 3));
        assert!(said.without_limit.is_empty());
    }

    #[test]
    fn what_is_no_status_is_an_error() {
        for body in [
            "",
            "<html>",
            "[]",
            r#"{"mounts":[]}"#,
            r#"{"slots":1,"mounts":[]}"#,
        ] {
            assert!(ours(body.as_bytes(), None).is_err(), "{body}");
        }
    }
}
