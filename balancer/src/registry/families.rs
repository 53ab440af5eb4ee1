//! Over which families of addresses listeners get to a server: what its name says, and what probes
//! found. Pure.

use url::Host;

use crate::base_url::Scheme;
use crate::choice::Offers;
use crate::probe::finding::Family;

/// What is known of the families of one server's addresses.
#[derive(Debug, Default)]
pub struct Families {
    /// Whether its host has addresses, in the order of [`Family::ALL`]; `None`: nobody has looked.
    has: Option<[bool; Family::ALL.len()]>,
    /// What probes hold against it over one family alone, in the same order.
    down: [Option<String>; Family::ALL.len()],
}

impl Families {
    /// What an address alone says; a name has to be looked up.
    pub fn of(host: Option<&Host>) -> Self {
        let has = match host {
            Some(Host::Ipv4(_)) => Some([true, false]),
            Some(Host::Ipv6(_)) => Some([false, true]),
            Some(Host::Domain(_)) | None => None,
        };
        Self {
            has,
            ..Self::default()
        }
    }

    /// Its name was looked up: whether it has addresses of IPv4 and of IPv6.
    pub fn look_up(&mut self, has_v4: bool, has_v6: bool) {
        self.has = Some([has_v4, has_v6]);
    }

    /// Listeners get nothing over this family, for this reason; `None`: they do.
    pub fn put_down(&mut self, family: Family, evidence: Option<String>) {
        self.down[family as usize] = evidence;
    }

    /// The operator takes back what probes hold against it.
    pub fn lift(&mut self) {
        self.down.fill(None);
    }

    /// Whether it has addresses of this family; `None`: nobody has looked.
    pub fn has(&self, family: Family) -> Option<bool> {
        Some(self.has?[family as usize])
    }

    /// Why nobody who needs this family is sent there, if so.
    pub fn down(&self, family: Family) -> Option<&str> {
        self.down[family as usize].as_deref()
    }

    /// What the server is good for, reached by this scheme.
    pub fn offers(&self, scheme: Scheme) -> Offers {
        // A name that was not looked up may have both.
        let [has_v4, has_v6] = self.has.unwrap_or([true; 2]);
        let [v4, v6] = Family::ALL.map(|family| self.down(family).is_some());
        Offers::new(scheme, has_v4, has_v6).with_down(v4, v6)
    }
}
