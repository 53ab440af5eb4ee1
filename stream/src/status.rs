//! What is on air and who listens, as JSON: one clean shape, and the one that Icecast's users
//! have parsers for. Pure. Never holds a listener's address.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::follow::Tally;
use crate::follow::tally::UpstreamState;
use crate::mount::{Class, Mount, OnAir, Slots, audio_info};
use crate::ogg::Codec;

/// The state of a program at one moment.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Such as `plenum-master`.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// A master's: the higher one counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reign: Option<u64>,
    /// A master that copies another's logs and takes no sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_standby: Option<bool>,
    /// Slots taken and slots in all.
    pub slots: SlotsStatus,
    /// Whom a relay follows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<UpstreamStatus>,
    /// The mounts, by path.
    pub mounts: Vec<MountStatus>,
}

/// How an upstream stands, over all mounts.
#[derive(Debug, Serialize)]
pub struct UpstreamStatus {
    /// Its address; never with a password.
    pub url: String,
    /// Whether pages come from it.
    pub state: UpstreamState,
    /// Pages that came from it first.
    pub pages_taken: u64,
    /// Pages that came from it and were there already.
    pub pages_doubled: u64,
}

/// Slots by class.
#[derive(Debug, Serialize)]
pub struct SlotsStatus {
    /// Listeners' slots.
    pub listeners: Share,
    /// Relays' slots.
    pub relays: Share,
}

impl SlotsStatus {
    /// Listeners' slots that are free: relays beyond their own sit on some.
    pub fn n_free(&self) -> usize {
        let n_guests = self.relays.taken.saturating_sub(self.relays.max);
        let n_taken = self.listeners.taken.saturating_add(n_guests);
        self.listeners.max.saturating_sub(n_taken)
    }
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Share {
    /// In use.
    pub taken: usize,
    /// In all.
    pub max: usize,
}

/// The state of one mount.
#[derive(Debug, Serialize)]
pub struct MountStatus {
    /// Such as `/live.ogg`.
    pub path: String,
    /// Its source is there.
    pub is_on_air: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_air_since: Option<Timestamp>,
    /// Since when filler stands in for the source: listeners hear silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filler_since: Option<Timestamp>,
    /// Its source is away, and who comes now hears another mount in its stead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_stood_in: bool,
    /// The media type listeners get.
    pub content_type: String,
    /// Such as `Vorbis`, or `VP8/Opus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Samples a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_hertz: Option<u32>,
    /// Channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_channels: Option<u8>,
    /// What is playing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The address that was said with the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title_url: Option<String>,
    /// Who is playing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// The station's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A sentence about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// Its web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Kilobits a second, as the source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<String>,
    /// What the source says about its sound: `key=value;key=value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_info: Option<String>,
    /// The source wants to be listed in directories.
    pub is_public: bool,
    /// Listeners now.
    pub listeners: usize,
    /// The most that it takes, where the operator says so; else there are as many as slots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_listeners: Option<usize>,
    /// Nobody gets it by its name; it is heard as another mount's fallback.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_as_fallback: bool,
    /// The most at once so far.
    pub peak_listeners: usize,
    /// Relays that mirror it now.
    pub relays: usize,
    /// Times a listener's bytes had left memory before he got them.
    pub fell_behind: u64,
    /// Bytes sent to listeners and relays.
    pub bytes_sent: u64,
    /// Which log.
    pub epoch: String,
    /// The offset of the next byte to come.
    pub offset: u64,
    /// How long ago the newest page came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u64>,
}

impl Status {
    /// The state of a program with these mounts and slots.
    pub fn of(
        program: &'static str,
        uptime: Duration,
        mounts: &[Arc<Mount>],
        slots: &Slots,
        now: Instant,
    ) -> Self {
        let share = |class| Share {
            taken: slots.n_taken(class),
            max: slots.n_max(class),
        };
        Self {
            program,
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: uptime.as_secs(),
            reign: None,
            is_standby: None,
            slots: SlotsStatus {
                listeners: share(Class::Listener),
                relays: share(Class::Relay),
            },
            upstreams: Vec::new(),
            mounts: mounts
                .iter()
                .map(|mount| MountStatus::of(mount, now))
                .collect(),
        }
    }

    /// The same, with how the upstreams stand.
    #[must_use]
    pub fn with_upstreams(mut self, tallies: &[Arc<Tally>], now: Instant) -> Self {
        let upstreams = tallies.iter().map(|tally| UpstreamStatus {
            url: tally.url().to_owned(),
            state: tally.state(now),
            pages_taken: tally.n_taken(),
            pages_doubled: tally.n_doubled(),
        });
        self.upstreams = upstreams.collect();
        self
    }

    /// The mounts that can be heard: a source sends, or filler stands in for it. An Icecast has
    /// forgotten the others.
    pub(crate) fn heard(&self) -> impl Iterator<Item = &MountStatus> {
        let mounts = self.mounts.iter();
        mounts.filter(|mount| mount.is_on_air || mount.filler_since.is_some())
    }

    /// How many listeners a mount takes in all.
    pub(crate) fn listeners_max(&self, mount: &MountStatus) -> usize {
        let all = self.slots.listeners.max;
        mount.max_listeners.map_or(all, |own| own.min(all))
    }

    /// How many more listeners a mount takes now.
    pub(crate) fn n_free(&self, mount: &MountStatus) -> usize {
        let all = self.slots.n_free();
        let own = mount
            .max_listeners
            .map(|max| max.saturating_sub(mount.listeners));
        own.map_or(all, |own| own.min(all))
    }

    /// The same in the shape of Icecast 2.4's `status-json.xsl`: `source` is absent, an object
    /// or a list, as there are none, one or more. Mounts on which nothing comes are left out, as there.
    pub fn icecast(&self, base: &str, started: Timestamp) -> Value {
        let heard = self.heard();
        let mut sources: Vec<Value> = heard.map(|mount| mount.icecast(base)).collect();
        let host = host_of(base);
        let mut stats = json!({
            "admin": "", "host": host, "location": "",
            "server_id": format!("Plenum {}", self.version),
            "server_start": icecast_date(started),
            "server_start_iso8601": icecast_iso8601(started),
        });
        match sources.len() {
            0 => stats["dummy"] = Value::Null,
            1 => stats["source"] = sources.remove(0),
            _ => stats["source"] = Value::Array(sources),
        }
        json!({ "icestats": stats })
    }
}

impl MountStatus {
    fn of(mount: &Mount, now: Instant) -> Self {
        let facts = mount.facts();
        let log = mount.log();
        let link = log.link();
        let streams = || link.iter().flat_map(|link| &link.streams);
        let codecs = || streams().map(|stream| stream.codec);
        let names: Vec<_> = codecs()
            .filter(|codec| *codec != Codec::Skeleton)
            .map(Codec::name)
            .collect();
        let (title, artist) = title_of(mount);
        let on_air_since = match mount.on_air() {
            OnAir::Since(since) => Some(since),
            OnAir::AwaySince(_) => None,
        };
        let silence_ms = log
            .silence(now)
            .map(|silence| u64::try_from(silence.as_millis()).unwrap_or(u64::MAX));
        let load =
            |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
        Self {
            path: mount.path().to_string(),
            is_on_air: on_air_since.is_some(),
            on_air_since,
            filler_since: mount.filled_since(),
            is_stood_in: false,
            content_type: facts.content_type,
            codec: (!names.is_empty()).then(|| names.join("/")),
            rate_hertz: codecs().find_map(Codec::sample_rate_hertz),
            n_channels: codecs().find_map(Codec::n_channels),
            title,
            title_url: mount.playing().url.map(|url| url.to_string()),
            artist,
            name: facts.name,
            description: facts.description,
            genre: facts.genre,
            website: facts.website,
            bitrate: facts.bitrate,
            audio_info: facts.audio_info,
            is_public: facts.is_public,
            listeners: mount.n_served(Class::Listener),
            max_listeners: None,
            only_as_fallback: facts.terms.only_as_fallback,
            peak_listeners: mount.peak_listeners(),
            relays: mount.n_served(Class::Relay),
            fell_behind: load(&mount.counts().n_fell_behind),
            bytes_sent: load(&mount.counts().n_bytes_sent),
            epoch: log.epoch().to_string(),
            offset: log.head(),
            silence_ms,
        }
    }

    /// Artist and title on one line, as far as they are known.
    pub fn display_title(&self) -> Option<String> {
        match (&self.artist, &self.title) {
            (Some(artist), Some(title)) => Some(format!("{artist} - {title}")),
            (one, other) => one.clone().or_else(|| other.clone()),
        }
    }

    /// What the source says about its sound, by key.
    pub(crate) fn audio_fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        audio_info::fields(self.audio_info.as_deref().unwrap_or_default())
    }

    fn icecast(&self, base: &str) -> Value {
        let mut source = json!({
            "genre": self.genre.as_deref().unwrap_or("various"),
            "listener_peak": self.peak_listeners,
            "listeners": self.listeners,
            "listenurl": format!("{base}{}", self.path),
            "server_description": self.description.as_deref().unwrap_or("Unspecified description"),
            "server_name": self.name.as_deref().unwrap_or("Unspecified name"),
            "server_type": self.content_type,
        });
        let mut add = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                source[key] = value;
            }
        };
        add(
            "stream_start",
            self.on_air_since.map(|at| icecast_date(at).into()),
        );
        add(
            "stream_start_iso8601",
            self.on_air_since.map(|at| icecast_iso8601(at).into()),
        );
        add("bitrate", self.bitrate.as_deref().map(number_or_text));
        add("audio_info", self.audio_info.clone().map(Into::into));
        for (key, value) in self.audio_fields().filter(|(key, _)| *key != "bitrate") {
            add(key, Some(number_or_text(&value)));
        }
        add("server_url", self.website.clone().map(Into::into));
        add("subtype", self.codec.clone().map(Into::into));
        add("audio_samplerate", self.rate_hertz.map(Into::into));
        add("audio_channels", self.n_channels.map(Into::into));
        // As Icecast-KH calls it.
        add("metadata_url", self.title_url.clone().map(Into::into));
        add("title", self.title.clone().map(Into::into));
        add("artist", self.artist.clone().map(Into::into));
        source["dummy"] = Value::Null;
        source
    }
}

/// A number where it is one, as Icecast does it.
fn number_or_text(text: &str) -> Value {
    let is_plain = |b: u8| b.is_ascii_digit() || b == b'.';
    let number = text.parse::<u64>().map(Value::from);
    let number = number.or_else(|_| text.parse::<f64>().map(Value::from));
    let number = number.ok().filter(|_| text.bytes().all(is_plain));
    number.unwrap_or_else(|| text.into())
}

/// What is playing on a mount, and who.
pub(crate) fn title_of(mount: &Mount) -> (Option<String>, Option<String>) {
    if let Some(title) = mount.title() {
        return (Some(title.to_string()), None);
    }
    let link = mount.log().link();
    let tag = |name: &str| {
        let link = link.as_ref()?;
        link.tag(name).map(str::to_owned)
    };
    (tag("TITLE"), tag("ARTIST"))
}

/// The host in an address that begins with a scheme.
pub(crate) fn host_of(base: &str) -> &str {
    let authority = base.split("://").last().unwrap_or("");
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    }
}

pub(crate) fn icecast_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

pub(crate) fn icecast_iso8601(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

#[cfg(test)]
pub(crate) mod tests;
