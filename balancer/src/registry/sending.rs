//! Who is sent where. Pure.

use std::time::Instant;

use stream::mount::MountPath;
use stream::ticket::{Bounced, Ticket, TicketKey, Way, claimed};

use super::duplicates::Again;
use super::networks::short;
use super::{Registry, Relay};
use crate::base_url::BaseUrl;
use crate::choice::{Carries, Excluded, Listener, Offers, Question, Verdict};

/// A ticket with which a relay sent somebody back counts for so long. Who keeps it longer is a
/// new listener.
const BACK_SECONDS_MAX: u32 = 120;
/// When there seems to be no room, what changes by the passing of time is looked at so much more
/// often.
const SWEEPS_MORE: u32 = 10;

/// Where somebody is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The relay's place in the list.
    pub relay: usize,
    /// Its address.
    pub url: BaseUrl,
    /// His ticket, and what it is to be signed with. None for a server that is not ours.
    pub ticket: Option<(TicketKey, Ticket)>,
}

impl Sent {
    /// The ticket as it stands in the URL.
    pub fn ticket(&self) -> Option<String> {
        let (key, ticket) = self.ticket.as_ref()?;
        Some(key.write(ticket))
    }
}

impl Registry {
    /// Chooses a relay for `listener` and counts him as on his way to it.
    ///
    /// # Errors
    /// When no relay can take him: the reason of the one that came closest, if there is any.
    pub fn send(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        now: Instant,
    ) -> Result<Sent, Option<Excluded>> {
        self.send_who_came(listener, mount, None, now)
    }

    /// As [`Registry::send`], for one who has waited since `came`: a relay that sent him back, and
    /// has reported since, may have a slot now.
    ///
    /// # Errors
    /// As [`Registry::send`].
    pub fn send_after_wait(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        came: Instant,
        now: Instant,
    ) -> Result<Sent, Option<Excluded>> {
        self.send_who_came(listener, mount, Some(came), now)
    }

    fn send_who_came(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        came: Option<Instant>,
        now: Instant,
    ) -> Result<Sent, Option<Excluded>> {
        let caller = listener.caller.map(|caller| of_mount(caller, mount));
        let again = caller.map_or(Again::No, |caller| {
            self.duplicates.look(caller, listener.entry, now)
        });
        if let Again::Same { relay } = again
            && let Some(sent) = self.send_along(listener, mount, relay, now)
        {
            return Ok(sent);
        }
        if let (Some(caller), Again::Back { relay, serial }) = (caller, again) {
            self.miss(caller, relay, serial, listener.key, now);
        }
        let known = caller.filter(|_| again != Again::No);
        let missed = known.map(|caller| self.duplicates.missed(caller, now));
        let mut missed: Vec<usize> = missed.unwrap_or_default().relays().collect();
        // He may be wrong, so nothing else follows.
        missed.extend(listener.left);
        let relay = match self.choose(listener, mount, (&missed, came), now) {
            Err(_) if !missed.is_empty() => self.choose(listener, mount, (&[], came), now),
            choice => choice,
        }?;
        let serial = self.relays[relay]
            .reservations
            .add_from(short(listener.key), now);
        self.demand.note();
        if let Some(caller) = caller {
            self.duplicates
                .note(caller, relay, (serial, listener.entry), now);
        }
        self.refresh(relay, now);
        self.sent(relay, serial, listener.bounced, now)
    }

    /// Where `listener` would be sent now. Nobody is on his way.
    ///
    /// # Errors
    /// As [`Registry::send`].
    pub fn ask(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        now: Instant,
    ) -> Result<BaseUrl, Option<Excluded>> {
        let relay = self.choose(listener, mount, (&[], None), now)?;
        self.relays[relay].url().cloned().ok_or(None)
    }

    /// The choice for `listener` with all its reasons: the place of the relay that wins, and one
    /// verdict for each place in the list.
    pub fn explain(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        now: Instant,
    ) -> (Option<usize>, Vec<Verdict>) {
        self.sweep(now);
        let excluded = self.excluded(listener, (&[], None), now);
        let question = Question {
            listener,
            carries: self.mounts.of(mount),
            excluded: &excluded,
        };
        let chosen = if listener.bounced.is_full() {
            None
        } else {
            question.choose(&self.columns, &self.policy, &mut self.scratch)
        };
        (chosen, question.verdicts(&self.columns, &self.policy))
    }

    /// A listener shows a ticket with which a relay sent him back. Whom he is not to be sent to.
    /// His slot there is free again.
    pub fn returned(&mut self, text: &str, now: Instant) -> Bounced {
        let read = || {
            let at = *self.ids.get(&claimed(text)?)?;
            let ticket = self.relays[at].key.as_ref()?.read(text, Way::Back)?;
            let is_recent = self.second(now).abs_diff(ticket.second) <= BACK_SECONDS_MAX;
            is_recent.then_some((at, ticket))
        };
        let Some((at, ticket)) = read() else {
            return Bounced::default();
        };
        if ticket.run == self.origin.run {
            self.relays[at].bounce(ticket.serial);
            self.refresh(at, now);
        }
        ticket.bounced
    }

    /// The place of the relay that is reached at this address.
    pub fn reached_at(&self, url: &BaseUrl) -> Option<usize> {
        let is_it = |relay: &Relay| !relay.is_removed && relay.url() == Some(url);
        self.relays.iter().position(is_it)
    }

    /// The same player asks again at once: he goes to the same relay, if he still can. It may be
    /// somebody else in the same network, so he takes another slot.
    fn send_along(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        at: usize,
        now: Instant,
    ) -> Option<Sent> {
        self.refresh(at, now);
        let is_able = listener.left != Some(at)
            && self.columns.gates(at).is_open()
            && self.mounts.of(mount).get(at) == Some(&Carries::OnAir)
            && self.relays[at].offers().has(Offers::needed(listener))
            && self
                .excluded(listener, (&[], None), now)
                .iter()
                .all(|(out, _)| *out != at);
        if !is_able {
            return None;
        }
        let serial = self.relays[at]
            .reservations
            .add_spare(short(listener.key), now);
        self.refresh(at, now);
        self.sent(at, serial, listener.bounced, now).ok()
    }

    /// A player comes back. If nobody has seen him at the relay, he did not get there.
    fn miss(&mut self, caller: u64, at: usize, serial: u32, network: u64, now: Instant) {
        let relay = &mut self.relays[at];
        if !relay.names_arrivals() {
            // Nobody can know, but another one will do as well.
            self.duplicates.miss(caller, at, now);
        } else if relay.reservations.is_open(serial) && self.duplicates.miss(caller, at, now) {
            relay.health.complain(network, now);
            self.refresh(at, now);
        }
    }

    fn choose(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        out: (&[usize], Option<Instant>),
        now: Instant,
    ) -> Result<usize, Option<Excluded>> {
        if listener.bounced.is_full() {
            return Err(Some(Excluded::SentBack));
        }
        let sweep_every = self.sweep_every();
        if now.saturating_duration_since(self.swept) >= sweep_every {
            self.sweep(now);
        }
        let excluded = self.excluded(listener, out, now);
        let mut choice = self.scan(listener, mount, &excluded);
        let is_over = |at: usize| {
            let load = self.relays[at].load(&self.policy, now);
            !load.gates.is_open()
        };
        let is_due = match choice {
            // A moment has passed in which he may have fallen silent.
            Some(at) => is_over(at),
            None => now.saturating_duration_since(self.swept) >= sweep_every / SWEEPS_MORE,
        };
        if is_due {
            self.sweep(now);
            choice = self.scan(listener, mount, &excluded);
        }
        choice.ok_or_else(|| {
            let question = Question {
                listener,
                carries: self.mounts.of(mount),
                excluded: &excluded,
            };
            question.closest_miss(&self.columns, &self.policy)
        })
    }

    fn scan(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        excluded: &[(usize, Excluded)],
    ) -> Option<usize> {
        let question = Question {
            listener,
            carries: self.mounts.of(mount),
            excluded,
        };
        question.choose(&self.columns, &self.policy, &mut self.scratch)
    }

    /// Relays that are out of the question for this listener alone: those that he missed, and
    /// those that sent him back and have not reported since he came.
    fn excluded(
        &self,
        listener: &Listener,
        (missed, came): (&[usize], Option<Instant>),
        now: Instant,
    ) -> Vec<(usize, Excluded)> {
        let waited = came.map(|came| now.saturating_duration_since(came));
        let has_news = |at: &usize| {
            let age = self.relays[*at].report_age(now);
            age.zip(waited).is_some_and(|(age, waited)| age < waited)
        };
        let bounced = listener.bounced.iter();
        let bounced = bounced.filter_map(|id| self.ids.get(&id));
        let bounced = bounced.filter(|at| !has_news(at));
        let bounced = bounced.map(|at| (*at, Excluded::SentBack));
        let missed = missed.iter().map(|at| (*at, Excluded::NotReached));
        bounced.chain(missed).collect()
    }

    fn sent(
        &self,
        at: usize,
        serial: u32,
        bounced: Bounced,
        issued: Instant,
    ) -> Result<Sent, Option<Excluded>> {
        let relay = &self.relays[at];
        let ticket = |key: &TicketKey| {
            let ticket = Ticket {
                way: Way::There,
                relay: key.relay(),
                run: self.origin.run,
                serial,
                second: self.second(issued),
                bounced,
            };
            (key.clone(), ticket)
        };
        Ok(Sent {
            relay: at,
            url: relay.url().cloned().ok_or(None)?,
            ticket: relay.key.as_ref().map(ticket),
        })
    }

    /// In Unix seconds.
    fn second(&self, now: Instant) -> u32 {
        let later = now.saturating_duration_since(self.origin.at).as_secs();
        self.origin
            .second
            .wrapping_add(u32::try_from(later).unwrap_or(0))
    }
}

/// A caller's number for one mount: FNV-1a.
fn of_mount(caller: u64, mount: &MountPath) -> u64 {
    mount.as_str().bytes().fold(caller, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
