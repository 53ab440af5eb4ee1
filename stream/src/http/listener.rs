//! One listener's GET: what he asked for, and where he starts; `answers` is what he is told.

mod answers;

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;

use super::admissions::is_probe;
use super::answer::Answer;
use super::asked::{Asked, Rules};
use super::caller::Caller;
use super::conditions;
use super::cors::{no_get, with_cors};
use super::date::http_date;
use super::head::Head;
use super::intro::Intro;
use super::overflow::Overflow;
use super::serving::{MountSettings, Serving};
use crate::fanout::{Fanout, Joiner, Pace, Stay, Wire};
use crate::log::Cursor;
use crate::log::resume::{Answer as Decision, FOR_EVER, Wish};
use crate::mount::{Audience, Class, Course, Mount, Slot, Slots};
use crate::mpeg::icy::Icy;
use answers::{begin, dressed};
pub use answers::{no_slot, opening};

/// How listeners are served.
#[derive(Clone, Debug)]
pub struct Service {
    /// How often, and with how much at once.
    pub serving: Serving,
    /// Recent sound that a new relay gets at once: [`RELAY_BURST`].
    pub relay_burst: Duration,
    /// Who serves.
    pub fanout: Arc<Fanout>,
    /// The slots of this program.
    pub slots: Slots,
    /// What holds for those who ask.
    pub rules: Rules,
    /// The balancers that send listeners here, and take back those for whom there is no slot.
    pub overflow: Option<Arc<Overflow>>,
}

/// A relay gets this much recent sound when it joins: enough for the bursts of its own listeners.
pub const RELAY_BURST: Duration = Duration::from_secs(15);

/// Looks for a place in a mount whose last one is taken meanwhile.
const LOOKS_MAX: usize = 2;

/// Answers a request for a mount: GET, HEAD or OPTIONS. A listener's connection goes to the
/// fan-out; this returns at once.
pub async fn serve(service: &Service, head: &Head, caller: Caller, asked: &Asked, class: Class) {
    let place = match place(service, head, asked, class, caller.came) {
        Ok(place) => place,
        Err(answer) => return caller.answer(&answer).await,
    };
    let came = caller.came;
    if let Ok(wire) = caller.socket.into_wire()
        && let Err(wire) = place.seat(service, wire, came)
    {
        wire.answer(&no_slot(service, head));
    }
}

/// Hands a listener to the fan-out, without waiting for anything.
///
/// # Errors
/// Gives back a connection that is to be answered otherwise: [`serve`] knows how.
pub fn seat(
    service: &Service,
    head: &Head,
    socket: TcpStream,
    came: Instant,
    asked: &Asked,
) -> Result<(), TcpStream> {
    let is_looked_at = service.rules.guard.watches(&asked.path) || asked.is_only_fallback();
    if head.method != "GET" || is_looked_at {
        return Err(socket);
    }
    match place(service, head, asked, Class::Listener, came) {
        Ok(place) => place
            .seat(service, Wire::plain(socket), came)
            .map_err(Wire::into_socket),
        Err(_) => Err(socket),
    }
}

/// Somebody who is going to be served, but for his connection.
struct Place {
    mount: Arc<Mount>,
    cursor: Cursor,
    first: Bytes,
    last: u64,
    pace: Pace,
    icy: Option<Icy>,
    stay: Stay,
    holds: (Slot, Audience),
}

impl Place {
    /// # Errors
    /// Gives the connection back when too many wait to be served.
    fn seat(self, service: &Service, wire: Wire, came: Instant) -> Result<(), Wire> {
        let joiner = Joiner {
            wire,
            mount: self.mount,
            cursor: self.cursor,
            first: self.first,
            last: self.last,
            pace: self.pace,
            icy: self.icy,
            came: Some(came),
            before: None,
            stay: self.stay,
            holds: self.holds,
        };
        service.fanout.take(joiner).map_err(|joiner| joiner.wire)
    }
}

/// What a request for a mount comes to: a place, or an answer that ends it.
fn place(
    service: &Service,
    head: &Head,
    asked: &Asked,
    class: Class,
    came: Instant,
) -> Result<Place, Vec<u8>> {
    // Somebody else may take the last place of a mount after this one has seen it: the next look
    // finds it full, and what stands in for it then.
    for _ in 0..LOOKS_MAX {
        if let Some(place) = find_place(service, head, asked, class, came)? {
            return Ok(place);
        }
    }
    let answer = Answer::new(head.version, StatusCode::FORBIDDEN, &http_date());
    Err(with_cors(answer).sentence(conditions::TOO_MANY))
}

/// As [`place`]. `None`: the mount has as many listeners as it may have.
fn find_place(
    service: &Service,
    head: &Head,
    asked: &Asked,
    class: Class,
    came: Instant,
) -> Result<Option<Place>, Vec<u8>> {
    let plain = |status| with_cors(Answer::new(head.version, status, &http_date()));
    let Some((mount, course)) = asked.place(&service.serving, class) else {
        return Err(plain(StatusCode::NOT_FOUND).sentence("this mount is not there now"));
    };
    if let Some(answer) = no_get(head, service.rules.allow) {
        return Err(answer);
    }
    if class == Class::Listener && is_shut(service, asked, &mount) {
        return Err(plain(StatusCode::FORBIDDEN).sentence(conditions::NO_LOCK));
    }
    let wish = Wish::parse(head.header("range"), head.header("if-range"));
    let (burst, pace) = terms(service, head, &mount, class);
    let log = mount.log();
    let intro = service
        .rules
        .intros
        .find(&asked.path, log.link().as_deref());
    let intro = intro.filter(|_| hears_intros(head, class) && wish == Wish::Join);
    // What he hears first is in his player's hand as well.
    let burst = burst.saturating_sub(intro.map_or(Duration::ZERO, Intro::length));
    let Some((decision, cursor, prefix)) = log.open(wish, burst) else {
        return Err(plain(StatusCode::NOT_FOUND).sentence("this mount has not begun yet"));
    };
    if let Decision::Ahead { head: next } = decision {
        return Err(plain(StatusCode::RANGE_NOT_SATISFIABLE)
            .header("Content-Range", &format!("bytes */{next}"))
            .sentence("these bytes have not come yet"));
    }
    let interval = title_interval(&mount, head, decision, &cursor, class);
    let icy = interval.map(|every| Icy::at(every, intro.map_or(0, |i| i.n_behind(every))));
    let intro = intro.map_or_else(Bytes::new, |intro| intro.bytes(interval));
    let n_prefix = intro.len() + prefix.len();
    let first = begin(head, decision, &cursor, n_prefix, &mount.facts());
    let mut first = dressed(service, asked, class, first, interval).endless();
    if head.method == "HEAD" {
        return Err(first);
    }
    let Some(slot) = slot(service, head, class) else {
        return Err(no_slot(service, head));
    };
    let Some(audience) = admit(service, &mount, class) else {
        return Ok(None);
    };
    first.extend_from_slice(&intro);
    first.extend_from_slice(&prefix);
    let last = match decision {
        Decision::Exact { last, .. } => last,
        _ => FOR_EVER,
    };
    Ok(Some(Place {
        stay: stay(service, asked, course, class, came, last),
        holds: (slot.telling(asked.departure.clone()), audience),
        mount,
        cursor,
        first: first.into(),
        last,
        pace,
        icy,
    }))
}

/// Who only looks whether the stream is right hears the stream.
fn hears_intros(head: &Head, class: Class) -> bool {
    class == Class::Listener && !is_probe(head)
}

/// A slot for him, if there is one and he is not to go elsewhere.
fn slot(service: &Service, head: &Head, class: Class) -> Option<Slot> {
    let sent = service.overflow.as_ref();
    match sent.filter(|_| class == Class::Listener) {
        Some(overflow) if overflow.turns_away(head) => None,
        Some(overflow) => overflow.take(&service.slots, head, Instant::now()),
        None => service.slots.take(class),
    }
}

/// How much sound comes between two titles, if somebody asked for them between the frames, and can
/// have them. Whoever counts bytes cannot; nor is there a place for them in Ogg.
fn title_interval(
    mount: &Mount,
    head: &Head,
    decision: Decision,
    cursor: &Cursor,
    class: Class,
) -> Option<usize> {
    let asked = head.header("icy-metadata").map(str::trim);
    let asks = asked
        .and_then(|number| number.parse().ok())
        .is_some_and(|number: u32| number > 0);
    let can = class == Class::Listener && matches!(decision, Decision::Join);
    let link = cursor.log().link().filter(|_| asks && can)?;
    link.frames().and_then(|_| mount.icy_interval())
}

/// Whether listeners need a password that nobody looks at here.
fn is_shut(service: &Service, asked: &Asked, mount: &Mount) -> bool {
    mount.needs_password() && !service.rules.guard.watches(&asked.path)
}

/// Counts somebody in, unless his mount has as many listeners as it may have.
fn admit(service: &Service, mount: &Arc<Mount>, class: Class) -> Option<Audience> {
    let settings = service.serving.mount(mount.path());
    let listeners_max = settings.and_then(|mount| mount.max_listeners);
    match listeners_max.filter(|_| class == Class::Listener) {
        Some(listeners_max) => mount.admit_up_to(listeners_max),
        None => Some(mount.admit(class)),
    }
}

/// How long somebody stays, and where.
fn stay(
    service: &Service,
    asked: &Asked,
    course: Option<Arc<Course>>,
    class: Class,
    came: Instant,
    last: u64,
) -> Stay {
    if class == Class::Relay {
        return Stay::default();
    }
    // Who wants certain bytes gets these.
    let course = course.filter(|_| last == FOR_EVER);
    let settings = service.serving.mount(&asked.path);
    let time_max = settings.and_then(MountSettings::time_max);
    let time_max = time_max.into_iter().chain(asked.limit).min();
    Stay {
        until: time_max.and_then(|time_max| came.checked_add(time_max)),
        course,
    }
}

/// How much somebody gets at once, and how often he is served.
pub fn terms(service: &Service, head: &Head, mount: &Mount, class: Class) -> (Duration, Pace) {
    match class {
        Class::Listener => {
            let wish = |name| head.query_value(name).and_then(|text| text.parse().ok());
            let (serving, path) = (&service.serving, mount.path());
            let burst = serving.burst_wished(path, wish("burst"));
            (burst, serving.pace(path, wish("pace")))
        }
        Class::Relay => (service.relay_burst, Pace::EachPage),
    }
}

#[cfg(test)]
mod tests;
