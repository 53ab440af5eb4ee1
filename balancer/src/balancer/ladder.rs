//! Where a listener goes, step by step: to a relay, else to the master, else he waits for a slot at
//! either, else nowhere.

use std::sync::atomic::Ordering;
use std::time::Instant;

use stream::mount::MountPath;

use super::{Balancer, Intent, Nowhere, Target};
use crate::choice::{Excluded, Listener};
use crate::overflow::Room;

impl Balancer {
    /// Where to send a listener: to a relay, else to the master, else where he can go in a moment.
    /// Waits also if the balancer has just started.
    ///
    /// # Errors
    /// Says why nowhere.
    pub async fn send(
        &self,
        listener: &Listener,
        mount: &MountPath,
        intent: Intent,
    ) -> Result<Target, Nowhere> {
        let came = Instant::now();
        let to_relay = || self.to_relay(listener, mount, intent, None);
        // A relay that has just started, too, may tell of the mount in its next report.
        let is_final = |miss: &Option<Excluded>| *miss != Some(Excluded::NoMount);
        let miss = match self.patiently(to_relay, is_final).await {
            Ok(relay) => return Ok(relay),
            Err(miss) => miss,
        };
        let to_master = || self.to_master(listener, mount, intent);
        let room = match to_master() {
            Ok(master) => return Ok(master),
            Err(room) => room,
        };
        let may_wait = match miss {
            Some(Excluded::Full | Excluded::Unproven) => true,
            // The relay may have a slot when it reports next; who was sent back too often goes to
            // none any more.
            Some(Excluded::SentBack) => !listener.bounced.is_full(),
            _ => false,
        };
        if intent == Intent::Listen && (may_wait || room == Room::Full) {
            let attempt = || {
                let relay = self.to_relay(listener, mount, intent, Some(came)).ok();
                relay.or_else(|| to_master().ok())
            };
            let at_most = self.config().wait_for_slot();
            if let Some(target) = self.waiting.wait(at_most, attempt).await {
                return Ok(target);
            }
        }
        let at_master = self.overflow.as_ref();
        let (is_known, is_strange) = {
            let registry = self.registry();
            (registry.knows(mount), registry.is_strange(mount))
        };
        let is_known = is_known || at_master.is_some_and(|overflow| overflow.knows(mount));
        let is_silent = miss == Some(Excluded::NotOnAir) && room != Room::Full;
        let count = match is_known {
            false if is_strange => &self.counts.unknown,
            true if is_silent => &self.counts.silent,
            _ => &self.counts.unserved,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Err(if is_known {
            Nowhere::NoRelay(miss)
        } else {
            Nowhere::UnknownMount
        })
    }

    /// The relay for a listener, who may have waited since `came`; or the closest miss.
    fn to_relay(
        &self,
        listener: &Listener,
        mount: &MountPath,
        intent: Intent,
        came: Option<Instant>,
    ) -> Result<Target, Option<Excluded>> {
        let now = Instant::now();
        let mut registry = self.registry();
        if intent == Intent::Look {
            let url = registry.ask(listener, mount, now)?;
            return Ok(Target { url, ticket: None });
        }
        let sent = match came {
            None => registry.send(listener, mount, now)?,
            Some(came) => registry.send_after_wait(listener, mount, came, now)?,
        };
        if let Some(relay) = registry.relay(sent.relay) {
            self.desk.note(listener, mount, relay.name());
        }
        drop(registry);
        self.counts.to_relay.fetch_add(1, Ordering::Relaxed);
        let ticket = sent.ticket();
        let url = sent.url;
        Ok(Target { url, ticket })
    }

    /// The master, if it has room for a listener; else what it has.
    fn to_master(
        &self,
        listener: &Listener,
        mount: &MountPath,
        intent: Intent,
    ) -> Result<Target, Room> {
        let overflow = self.overflow.as_ref().ok_or(Room::NoMount)?;
        if !overflow.is_reached_by(listener) {
            return Err(Room::NoMount);
        }
        let now = Instant::now();
        let room = match intent {
            Intent::Listen => overflow.send(mount, now),
            Intent::Look => overflow.room(mount, now),
        };
        if room != Room::Free {
            return Err(room);
        }
        if intent == Intent::Listen {
            self.counts.to_master.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Target {
            url: overflow.url().clone(),
            ticket: None,
        })
    }
}
