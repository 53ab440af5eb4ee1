//! What a redirect carries in its query, signed: for which relay it is, and who bounced. Pure.
//!
//! The balancer writes one into each `Location`; the relay that finds it valid says in its next
//! report that this listener came, and one that has no slot sends him back with one of its own.
//! The key is made of a digest of the relay's token, so there is nothing to set up, and the token itself
//! never stands in a URL. A ticket opens nothing: a relay serves without one, too.
//! Whoever keeps one can use it again, and is served or sent back like anybody else.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// The name of a ticket in the query.
pub const QUERY: &str = "ticket";
/// Whom relays have sent back this often is sent to no other: VLC gives up after five requests,
/// and other players follow for ever.
pub const BOUNCES_MAX: usize = 2;
/// A longer text is no ticket.
const TEXT_BYTES_MAX: usize = 64;
/// What is kept of the HMAC-SHA256: 80 bits.
const SIGNATURE_BYTES: usize = 10;
/// Way, relay, run, serial, second, and up to [`BOUNCES_MAX`] relays.
const BODY_BYTES_MIN: usize = 17;

/// A relay's name in tickets: four bytes made of its token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelayId(pub u32);

/// Which way a ticket goes. The discriminant is its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a balancer to a relay.
    There = 1,
    /// From a relay without a slot to the balancer.
    Back = 2,
}

/// A ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which way it goes.
    pub way: Way,
    /// The relay that it leads to, or comes from.
    pub relay: RelayId,
    /// Which run of which balancer gave it out; 0: none did, he came directly.
    pub run: u32,
    /// Counts the redirects of this run to this relay, from 1.
    pub serial: u32,
    /// When it was given out, in Unix seconds of the one who did.
    pub second: u32,
    /// The relays that sent him back, the first one first.
    pub bounced: Bounced,
}

/// Up to [`BOUNCES_MAX`] relays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounced {
    relays: [Option<RelayId>; BOUNCES_MAX],
}

/// What tickets of one relay are signed with.
#[derive(Clone)]
pub struct TicketKey {
    relay: RelayId,
    key: Arc<Key>,
}

impl Bounced {
    /// One more; `None`: there are enough.
    pub fn with(mut self, relay: RelayId) -> Option<Self> {
        let free = self.relays.iter_mut().find(|place| place.is_none())?;
        *free = Some(relay);
        Some(self)
    }

    /// Those that sent him back.
    pub fn iter(&self) -> impl Iterator<Item = RelayId> {
        self.relays.iter().flatten().copied()
    }

    /// How often he was sent back.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// Whether he must not be sent back again.
    pub fn is_full(&self) -> bool {
        self.count() == BOUNCES_MAX
    }
}

impl TicketKey {
    /// The key of the relay that has this token.
    pub fn of(token: &Secret) -> Self {
        Self::of_digest(digest(&SHA256, token.expose().as_bytes()).as_ref())
    }

    /// The key of the relay whose token has this digest (SHA-256): a balancer need not keep
    /// more of a token.
    pub fn of_digest(token: &[u8]) -> Self {
        let token = Key::new(HMAC_SHA256, token);
        let name = sign(&token, b"plenum relay id");
        let secret = sign(&token, b"plenum ticket key");
        let first = name.as_ref().first_chunk().copied().unwrap_or_default();
        Self {
            relay: RelayId(u32::from_be_bytes(first)),
            key: Arc::new(Key::new(HMAC_SHA256, secret.as_ref())),
        }
    }

    /// The relay that it belongs to.
    pub fn relay(&self) -> RelayId {
        self.relay
    }

    /// A ticket as it stands in a URL.
    pub fn write(&self, ticket: &Ticket) -> String {
        let mut bytes = Vec::with_capacity(BODY_BYTES_MIN + 8 + SIGNATURE_BYTES);
        bytes.push(ticket.way as u8);
        for number in [ticket.relay.0, ticket.run, ticket.serial, ticket.second] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for relay in ticket.bounced.iter() {
            bytes.extend_from_slice(&relay.0.to_be_bytes());
        }
        let signature = sign(&self.key, &bytes);
        bytes.extend_from_slice(&signature.as_ref()[..SIGNATURE_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a ticket of this relay that goes this way. `None`: it is none, or not ours.
    pub fn read(&self, text: &str, way: Way) -> Option<Ticket> {
        let bytes = bytes_of(text)?;
        let ticket = parse(&bytes)?;
        let (body, signature) = bytes.split_at(bytes.len() - SIGNATURE_BYTES);
        let right = sign(&self.key, body);
        let is_right: bool = right.as_ref()[..SIGNATURE_BYTES].ct_eq(signature).into();
        (is_right && ticket.way == way && ticket.relay == self.relay).then_some(ticket)
    }
}

/// Whose ticket this claims to be, to find the key for [`TicketKey::read`].
pub fn claimed(text: &str) -> Option<RelayId> {
    parse(&bytes_of(text)?).map(|ticket| ticket.relay)
}

/// The ticket in a query, and the query without any.
pub fn split_query(query: &str) -> (Option<&str>, String) {
    let mut ticket = None;
    let mut rest = String::with_capacity(query.len());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((QUERY, value)) => ticket = Some(value),
            _ => {
                if !rest.is_empty() {
                    rest.push('&');
                }
                rest.push_str(pair);
            }
        }
    }
    (ticket, rest)
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn parse(bytes: &[u8]) -> Option<Ticket> {
    let body = bytes.get(..bytes.len().checked_sub(SIGNATURE_BYTES)?)?;
    let (way, numbers) = body.split_first()?;
    let way = match way {
        1 => Way::There,
        2 => Way::Back,
        _ => return None,
    };
    let (numbers, rest) = numbers.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut numbers = numbers.iter().map(|bytes| u32::from_be_bytes(*bytes));
    Some(Ticket {
        way,
        relay: RelayId(numbers.next()?),
        run: numbers.next()?,
        serial: numbers.next()?,
        second: numbers.next()?,
        bounced: numbers.try_fold(Bounced::default(), |bounced, relay| {
            bounced.with(RelayId(relay))
        })?,
    })
}

impl fmt::Debug for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayId({:08x})", self.0)
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketKey({:?}, …)", self.relay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(token: &str) -> TicketKey {
        TicketKey::of(&Secret::given(token))
    }

    fn ticket(key: &TicketKey, n_bounced: u32) -> Ticket {
        let bounced = (0..n_bounced).try_fold(Bounced::default(), |b, n| b.with(RelayId(n)));
        Ticket {
            way: Way::There,
            relay: key.relay(),
            run: 77,
            serial: 4711,
            second: 1_795_000_000,
            bounced: bounced.unwrap(),
        }
    }

    #[test]
    fn a_ticket_is_read_as_it_was_written_by_its_own_relay_only() {
        let (ours, other) = (key("token of a"), key("token of b"));
        for n_bounced in 0..=2 {
            let ticket = ticket(&ours, n_bounced);
            let text = ours.write(&ticket);
            assert!(text.len() <= TEXT_BYTES_MAX, "{text}");
            assert_eq!(ours.read(&text, Way::There), Some(ticket));
            assert_eq!(ours.read(&text, Way::Back), None);
            assert_eq!(other.read(&text, Way::There), None);
            assert_eq!(claimed(&text), Some(ours.relay()));
        }
    }

    #[test]
    fn whatever_is_changed_in_a_ticket_makes_it_none() {
        let key = key("token of a");
        let text = key.write(&ticket(&key, 1));
        for at in 0..text.len() {
            assert_eq!(key.read(&text[..at], Way::There), None, "cut at {at}");
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key.read(&changed, Way::There), None, "changed at {at}");
        }
        assert_eq!(key.read(&format!("{text}AAAA"), Way::There), None);
        assert_eq!(key.read(&"A".repeat(1_000), Way::There), None);
    }

    #[test]
    fn nobody_is_sent_back_more_than_twice() {
        let twice = ticket(&key("token of a"), 2).bounced;
        assert!(twice.is_full() && twice.with(RelayId(9)).is_none());
    }

    #[test]
    fn the_ticket_is_taken_out_of_a_query_and_the_rest_stays() {
        for (query, ticket, rest) in [
            ("", None, ""),
            ("from=-15m&x=%20", None, "from=-15m&x=%20"),
            ("ticket=abc", Some("abc"), ""),
            ("x=1&ticket=abc&y", Some("abc"), "x=1&y"),
            ("ticket=a&ticket=b&&x", Some("b"), "x"),
            ("ticket", None, "ticket"),
        ] {
            assert_eq!(split_query(query), (ticket, rest.to_owned()), "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[-_A-Za-z0-9]{0,70}") {
            assert_eq!(key("token of a").read(&text, Way::There), None);
            let _ = claimed(&text);
        }
    }
}
