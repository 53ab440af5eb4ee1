//! Mounts and listeners in the words of Icecast's statistics. Pure.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use super::element::Element;
use super::fields::Fields;
use crate::fanout::Listening;
use crate::mount::{MountPath, MountTable};
use crate::status::{MountStatus, Status, host_of, icecast_date, icecast_iso8601};

/// Nobody's address is kept; programs that look for one find this.
const NO_ADDRESS: &str = "0.0.0.0";

/// Only the mount that a query names, if it names one: `?mount=/live.ogg`.
pub(in crate::http) fn asked(mut status: Status, query: Option<&str>) -> Status {
    let query = query.unwrap_or_default().as_bytes();
    if let Some(wanted) = Fields::parse(query).text("mount") {
        let wanted = MountPath::spelling_of(&wanted);
        status.mounts.retain(|mount| mount.path == wanted);
    }
    status
}

/// All of `/admin/stats`, or only what concerns the mount `only`.
pub(super) fn stats(
    status: &Status,
    only: Option<&str>,
    (base, started): (&str, Timestamp),
    n_listeners_ever: u64,
) -> Element {
    let only = only.map(MountPath::spelling_of);
    let (listeners, relays) = (status.slots.listeners.taken, status.slots.relays.taken);
    let on_air: Vec<&MountStatus> = status.heard().collect();
    let (n_sources, n_listeners) = (on_air.len() as u64, listeners as u64);
    let shown = on_air
        .iter()
        .filter(|mount| only.as_ref().is_none_or(|only| mount.path == *only));
    Element::new("icestats")
        .text("admin", "")
        .number("client_connections", n_listeners_ever)
        .number("clients", (listeners + relays) as u64 + n_sources)
        .number("connections", n_listeners_ever + n_sources)
        .number("file_connections", 0)
        .text("host", host_of(base))
        .number("listener_connections", n_listeners_ever)
        .number("listeners", n_listeners)
        .text("location", "")
        .text("server_id", &format!("Plenum {}", status.version))
        .text("server_start", &icecast_date(started))
        .text("server_start_iso8601", &icecast_iso8601(started))
        .number("source_client_connections", n_sources)
        .number("source_relay_connections", 0)
        .number("source_total_connections", n_sources)
        .number("sources", n_sources)
        .number("stats", 0)
        .number("stats_connections", 0)
        .with_all(shown.map(|mount| source(mount, base, status.listeners_max(mount))))
}

fn source(mount: &MountStatus, base: &str, max_listeners: usize) -> Element {
    let number = |element: Element, name, number: Option<u64>| match number {
        Some(number) => element.number(name, number),
        None => element,
    };
    let words = |text: &Option<String>, otherwise: &'static str| {
        text.clone().unwrap_or_else(|| otherwise.to_owned())
    };
    let since = mount.on_air_since;
    let mut source = named(mount).maybe("artist", mount.artist.as_deref());
    source = number(source, "audio_channels", mount.n_channels.map(u64::from));
    source = source.maybe("audio_info", mount.audio_info.as_deref());
    source = number(source, "audio_samplerate", mount.rate_hertz.map(u64::from));
    let said: BTreeMap<_, _> = mount.audio_fields().collect();
    let said = |key: &str| said.get(key).map(String::as_str);
    source
        .maybe("bitrate", mount.bitrate.as_deref())
        .maybe("channels", said("channels"))
        .text("genre", &words(&mount.genre, "various"))
        .maybe(
            "ice-bitrate",
            said("ice-bitrate").or(mount.bitrate.as_deref()),
        )
        .maybe("ice-channels", said("ice-channels"))
        .maybe("ice-samplerate", said("ice-samplerate"))
        .number("listener_peak", mount.peak_listeners as u64)
        .number("listeners", mount.listeners as u64)
        .text("listenurl", &format!("{base}{}", mount.path))
        .number("max_listeners", max_listeners as u64)
        .maybe("metadata_url", mount.title_url.as_deref())
        .number("public", u64::from(mount.is_public))
        .maybe("quality", said("quality"))
        .maybe("samplerate", said("samplerate"))
        .text(
            "server_description",
            &words(&mount.description, "Unspecified description"),
        )
        .text("server_name", &words(&mount.name, "Unspecified name"))
        .text("server_type", &mount.content_type)
        .maybe("server_url", mount.website.as_deref())
        .number("slow_listeners", mount.fell_behind)
        .text("source_ip", NO_ADDRESS)
        .maybe("stream_start", since.map(icecast_date).as_deref())
        .maybe(
            "stream_start_iso8601",
            since.map(icecast_iso8601).as_deref(),
        )
        .maybe("subtype", mount.codec.as_deref())
        .maybe("title", mount.title.as_deref())
        .number("total_bytes_read", mount.offset)
        .number("total_bytes_sent", mount.bytes_sent)
}

/// `/admin/listmounts`, but for the mount `except`.
pub(super) fn mounts<'a>(
    status: &'a Status,
    table: &'a MountTable,
    except: Option<&'a str>,
    now: Timestamp,
) -> impl Iterator<Item = Element> {
    let others = status
        .heard()
        .filter(move |mount| except != Some(mount.path.as_str()));
    others.map(move |mount| {
        let since = mount.on_air_since.map_or(now, |since| since);
        let seconds = u64::try_from(now.as_second() - since.as_second()).unwrap_or(0);
        named(mount)
            .text("fallback", &fallback_of(mount, table))
            .number("listeners", mount.listeners as u64)
            .number("Connected", seconds)
            .text("content-type", &mount.content_type)
    })
}

fn fallback_of(mount: &MountStatus, table: &MountTable) -> String {
    let path = MountPath::parse(&mount.path).ok();
    let fallback = path.and_then(|path| table.find(&path)?.terms().fallback);
    fallback.map_or_else(String::new, |fallback| fallback.to.to_string())
}

/// `/admin/listclients`: of each the number that ends him, and for how long he has listened.
pub(super) fn listeners(mount: &str, listening: &[Listening], now: Instant) -> Element {
    let one = |listening: &Listening| {
        let connected = now.saturating_duration_since(listening.since);
        Element::new("listener")
            .text("IP", NO_ADDRESS)
            .number("Connected", connected.as_secs())
            .number("ID", listening.id)
    };
    let source = Element::new("source")
        .attribute("mount", mount)
        .number("Listeners", listening.len() as u64)
        .with_all(listening.iter().map(one));
    Element::new("icestats").with(source)
}

fn named(mount: &MountStatus) -> Element {
    Element::new("source").attribute("mount", &mount.path)
}
