//! What a swarm went through, as it is written for programs. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All results of a run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Outcome {
    /// What was listened to.
    pub(crate) url: String,
    /// How many tried, not counting those who came later in the place of others.
    pub(crate) n_asked: usize,
    /// How many of them heard sound.
    pub(crate) n_heard: usize,
    /// How many were still there at the end.
    pub(crate) n_at_end: usize,
    /// How many connections could not be made.
    pub(crate) n_not_connected: u64,
    /// How many were cut off by the server after they had heard sound.
    pub(crate) n_dropped: u64,
    /// How many were cut off before.
    pub(crate) n_closed_early: u64,
    /// How many came in the place of others.
    pub(crate) n_churned: u64,
    /// How many of these heard sound.
    #[serde(default)]
    pub(crate) n_churned_heard: u64,
    /// Redirects followed.
    pub(crate) n_redirects: u64,
    /// How many were sent where they could not go.
    #[serde(default)]
    pub(crate) n_stranded: u64,
    /// Where the first of them was sent.
    #[serde(default)]
    pub(crate) stranded_at: Option<String>,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// From the connection's start to the answer's first byte, of those in the crowd.
    pub(crate) first_byte: Spread,
    /// The same to the end of the first page with sound.
    pub(crate) first_audio: Spread,
    /// How long after the first who got it a page came.
    pub(crate) lag: Lags,
    /// What those went through who were listened to closely.
    pub(crate) sample: Sample,
    /// What was measured once everybody was there.
    pub(crate) hold: Hold,
}

impl Outcome {
    /// Pages that were not as they should be.
    pub(crate) fn n_wrong_pages(&self) -> u64 {
        self.sample.n_bad + self.sample.n_gaps + self.sample.n_different
    }
}

/// How late pages came.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Lags {
    /// Relays.
    pub(crate) relays: Spread,
    /// Those who were there before the crowd, until it came.
    pub(crate) before_alone: Spread,
    /// The same, from then on.
    pub(crate) before: Spread,
    /// Those of the crowd.
    pub(crate) crowd: Spread,
}

/// Many times, in short.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// How many.
    pub(crate) n: usize,
    /// Half of them were shorter.
    pub(crate) p50_ms: f64,
    /// One in a hundred was longer.
    pub(crate) p99_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

/// What those went through who were listened to closely.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// How many.
    pub(crate) n_listeners: usize,
    /// Pages, all of them checked.
    pub(crate) n_pages: u64,
    /// Places where bytes were no page, or its checksum was wrong.
    pub(crate) n_bad: u64,
    /// Places where pages were missing or came twice.
    pub(crate) n_gaps: u64,
    /// Pages with other bytes, or at another offset, than somebody else had them.
    pub(crate) n_different: u64,
    /// Times a player would have fallen silent.
    pub(crate) n_stalls: u64,
    /// For how long, all players together.
    pub(crate) stalled_seconds: f64,
}

/// What was measured once everybody was there.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Hold {
    /// For how long.
    pub(crate) seconds: f64,
    /// Listeners and relays, mean of begin and end.
    pub(crate) n_listeners: f64,
    /// Bytes that came.
    pub(crate) n_bytes: u64,
    /// Share of a core that the swarm itself used: near 1 its times are not to be trusted.
    pub(crate) own_core_share: f64,
    /// The server, if its process is known.
    pub(crate) server: Option<Server>,
}

/// What the server used.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Server {
    /// Share of a core.
    pub(crate) core_share: f64,
    /// Processor time for one listener for one second.
    pub(crate) us_per_listener_second: f64,
    /// Memory before anybody came.
    pub(crate) rss_kib_empty: u64,
    /// At the beginning of the measurement.
    pub(crate) rss_kib_at_start: u64,
    /// At its end.
    pub(crate) rss_kib_at_end: u64,
    /// What one listener costs of it.
    pub(crate) rss_kib_per_listener: f64,
    /// Its memory again and again during the measurement.
    #[serde(default)]
    pub(crate) memory: Vec<Memory>,
}

/// The memory that a process held at a moment.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Memory {
    /// Since the measurement began.
    pub(crate) seconds: f64,
    /// What was in memory, in KiB.
    pub(crate) rss_kib: u64,
}
