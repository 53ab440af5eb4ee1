//! What a relay tells a balancer about itself, as JSON.
//!
//! Sent as `POST /api/v1/report` with `Authorization: Bearer <token>`. Who is speaking is
//! decided by the token, never by the body.

use serde::{Deserialize, Serialize};

/// A report is not read beyond this many bytes.
pub const REPORT_BYTES_MAX: usize = 128 * 1024;

/// The state of one relay at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Where listeners reach the relay: `http://host:port`, without path.
    pub url: String,
    /// Random name of this run of the program: after a restart `sequence` starts again.
    pub run: String,
    /// Counts the reports of this run, from 1.
    pub sequence: u64,
    /// How many listeners it could serve in all.
    pub slots: u32,
    /// How many it serves now.
    pub listeners: u32,
    /// It wants no new listeners.
    pub draining: bool,
    /// Where it stands, if its operator says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What it carries.
    pub mounts: Vec<MountReport>,
}

/// One mount at a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountReport {
    /// Such as `/live.ogg`.
    pub path: String,
    /// The media type listeners get.
    pub content_type: String,
    /// Bytes are arriving from upstream: a listener who comes now hears something.
    pub is_on_air: bool,
    /// Which log (hexadecimal).
    pub epoch: String,
    /// How far the relay has mirrored it, in bytes.
    pub offset: u64,
    /// Listeners on this mount.
    pub listeners: u32,
}

/// A place on the globe.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Degrees north, −90 to 90.
    pub latitude: f64,
    /// Degrees east, −180 to 180.
    pub longitude: f64,
}

/// The balancer's answer to a report it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When it wants the next report, in milliseconds.
    pub next_report_ms: u64,
}
