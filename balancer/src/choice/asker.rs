//! Who wants to be sent somewhere. Pure. Holds no address.

use stream::ticket::Bounced;

use crate::base_url::Scheme;
use crate::place::Spot;

/// Somebody who asks for a mount.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// How he asked: he is never sent from https to http or back, since players refuse that.
    pub scheme: Scheme,
    /// Which addresses he can reach.
    pub family: Family,
    /// Where he is.
    pub spot: Spot,
    /// Decides between equals, the same way every time for the same network.
    pub key: u64,
    /// The same for all requests of the same player in the same network, and else hardly for
    /// any two. `None`: he is not to be recognized.
    pub caller: Option<u64>,
    /// Relays that have just sent him back for want of a slot.
    pub bounced: Bounced,
    /// The relay, by its place in the list, that he says he has just left.
    pub left: Option<usize>,
    /// Which entry of its playlist his player asks for.
    pub entry: u32,
}

#[cfg(test)]
impl Listener {
    /// Somebody of whom nothing is known.
    pub(crate) fn somebody() -> Self {
        Self {
            scheme: Scheme::Http,
            family: Family::Any,
            spot: Spot::default(),
            key: 1,
            caller: None,
            bounced: Bounced::default(),
            left: None,
            entry: 0,
        }
    }
}

/// Which addresses somebody can reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Nothing is known.
    #[default]
    Any,
    /// He came over IPv6; most of these have IPv4, too.
    PrefersV6,
    /// He came over IPv4; a relay that has only IPv6 is out of the question.
    V4,
    /// He asked a bare IPv6 address: he may have no names and no IPv4.
    V6,
}
