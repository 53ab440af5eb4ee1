//! What the pages of master and relay show, and the address they show it under.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;

use super::asked::Rules;
use super::caller::Caller;
use super::serving::Serving;
use super::tls::Tls;
use crate::fanout::Fanout;
use crate::follow::{Tally, Trail};
use crate::mount::{Mount, MountTable, Slots};
use crate::status::{MountStatus, Status};

/// A `Host` header longer than this is not repeated.
const HOST_BYTES_MAX: usize = 255;

/// How a caller came; the links he is given begin in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(super) fn of(caller: &Caller) -> Self {
        if caller.is_secure() {
            Self::Https
        } else {
            Self::Http
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What the pages show.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Such as `plenum-master`.
    pub program: &'static str,
    /// The mounts.
    pub table: Arc<MountTable>,
    /// Whom the program follows.
    pub upstreams: Vec<Arc<Tally>>,
    /// The slots.
    pub slots: Slots,
    /// Who serves.
    pub fanout: Arc<Fanout>,
    /// How, and how many on each mount.
    pub serving: Arc<Serving>,
    /// What else holds for those who ask.
    pub rules: Rules,
    /// The address that listeners use, without path; without one, the `Host` they sent.
    pub public_url: Option<String>,
    /// TLS, if there is a certificate.
    pub tls: Option<Arc<Tls>>,
    /// Whose logs they are, at a master: that can change.
    pub reign: Option<Arc<Trail>>,
    /// When the program started.
    pub started: (Instant, Timestamp),
}

impl Shown {
    /// The sentence for somebody who asked for what does not exist.
    pub fn nothing_here(&self, path: &str) -> String {
        let path: String = path.chars().filter(|c| !c.is_control()).take(80).collect();
        let mounts: Vec<String> = self
            .listed()
            .iter()
            .filter(|mount| mount.is_moving())
            .map(|mount| mount.path().to_string())
            .collect();
        match mounts.as_slice() {
            [] => format!("there is no {path} here, and nothing is on air\n"),
            mounts => format!("there is no {path} here; on air: {}\n", mounts.join(", ")),
        }
    }

    /// The mounts that everybody may know of.
    pub fn listed(&self) -> Vec<Arc<Mount>> {
        let mut mounts = self.table.all();
        mounts.retain(|mount| !mount.is_hidden());
        mounts
    }

    /// How everything stands, for everybody.
    pub(super) fn status(&self) -> Status {
        self.status_of(&self.listed())
    }

    /// The same with hidden mounts, for the operator.
    pub(super) fn whole_status(&self) -> Status {
        self.status_of(&self.table.all())
    }

    /// How one mount stands, hidden or not.
    pub fn mount_status(&self, mount: &Arc<Mount>) -> Option<MountStatus> {
        let mut status = self.status_of(std::slice::from_ref(mount));
        status.mounts.pop()
    }

    fn status_of(&self, mounts: &[Arc<Mount>]) -> Status {
        let now = Instant::now();
        let uptime = now.saturating_duration_since(self.started.0);
        let mut status = Status::of(self.program, uptime, mounts, &self.slots, now)
            .with_upstreams(&self.upstreams, now);
        for (status, mount) in status.mounts.iter_mut().zip(mounts) {
            let courses = &self.rules.courses;
            status.is_stood_in = !mount.is_moving() && courses.is_stood_in(mount, &self.table, now);
        }
        for mount in &mut status.mounts {
            let mut settings = self.serving.mounts.iter();
            let own = settings.find(|own| own.path.as_str() == mount.path);
            mount.max_listeners = own.and_then(|own| own.max_listeners);
        }
        status.reign = self.reign.as_ref().map(|trail| trail.reign());
        status.is_standby = self.reign.as_ref().map(|trail| !trail.is_master());
        status
    }

    /// The address that listeners use: the operator's, or what the caller used, if it looks like
    /// one. Who came by TLS is not led back to plain HTTP, whatever the operator's begins with.
    pub(super) fn base(&self, headers: &HeaderMap, scheme: Scheme) -> String {
        let is_step_down = |url: &str| scheme == Scheme::Https && !url.starts_with("https://");
        if let Some(url) = &self.public_url
            && !is_step_down(url)
        {
            return url.clone();
        }
        let is_host = |host: &&str| {
            host.len() <= HOST_BYTES_MAX
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
        };
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .filter(is_host);
        format!("{}://{}", scheme.name(), host.unwrap_or("localhost"))
    }
}
