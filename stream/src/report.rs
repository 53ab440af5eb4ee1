//! What a relay tells a balancer about itself, as JSON.
//!
//! Sent as `POST /api/v1/report` with `Authorization: Bearer <token>`. Who is speaking is
//! decided by the token, never by the body.

use serde::{Deserialize, Serialize};

use crate::lease::Lease;

/// A report is not read beyond this many bytes.
pub const REPORT_BYTES_MAX: usize = 128 * 1024;
/// A balancer that only looks whether a relay serves calls itself so; a relay counts it apart.
pub const PROBE_AGENT: &str = "Plenum-probe/";

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
    /// Who came with a ticket and who without. Only for a balancer whose [`Receipt`] wants it:
    /// an older one refuses what it does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Arrivals>,
    /// How many listeners the balancer may send. `None`: all for whom there is room, since there is
    /// no other balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

/// Who came to a relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// Listeners that came without a ticket of the balancer, since the relay's start.
    pub direct: u64,
    /// Those that found no slot, since the relay's start.
    pub bounced: u64,
    /// Tickets whose listeners have come and are among `listeners`, or were, since the last
    /// report that was taken.
    pub admitted: Vec<Admitted>,
}

/// Tickets of one run of a balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admitted {
    /// The run, as in the ticket.
    pub run: u32,
    /// First and last serial number of each stretch without a hole, in rising order.
    pub serials: Vec<(u32, u32)>,
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
    /// The source is away, and who comes now hears another mount in its stead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_stood_in: bool,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// When it wants the next report, in milliseconds, if nothing changes before.
    pub next_report_ms: u64,
    /// It wants to know who came.
    #[serde(default, skip_serializing_if = "is_false")]
    pub arrivals: bool,
    /// The relay is to send new listeners back: the balancer's operator is taking it down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub drain: bool,
    /// Names this run of the balancer; leases are for it alone.
    #[serde(default)]
    pub run: u32,
    /// So many listeners whom it sent may still come, after this report.
    #[serde(default)]
    pub open: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
}
