//! Which relay a listener is sent to, and why not to another. Pure.
//!
//! Of the relays that can take him, those about as near as the nearest one compete, and the
//! one with the highest share of free places wins. So nearness decides between cities,
//! and load decides between neighbours.

use serde::Serialize;

use crate::base_url::{BaseUrl, Scheme};
use crate::place::Spot;

/// Relays within this much of the nearest one's distance are about as near, …
const NEAR_FACTOR: f64 = 1.5;
/// … and so are those no more than this much farther. Databases err by more than this for
/// mobile listeners, and 100 km of cable cost a millisecond.
const NEAR_SLACK_KM: f64 = 100.0;

/// Whom relays have sent back this often is sent to no other: some players follow for ever.
pub const SENT_BACK_MAX: usize = 2;

/// What is known of one relay, for one mount, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The name its operator gave it.
    pub name: &'a str,
    /// Where listeners reach it; unknown until its first report.
    pub url: Option<&'a BaseUrl>,
    /// It reported lately.
    pub is_fresh: bool,
    /// It wants no new listeners.
    pub is_draining: bool,
    /// What it does with the mount.
    pub carries: Carries,
    /// How many listeners it could serve in all.
    pub slots: u32,
    /// Upper bound of the listeners it has: reported ones and those on their way.
    pub taken: u64,
    /// Where it is.
    pub spot: &'a Spot,
}

/// Whether a relay has a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// It does not know the mount.
    No,
    /// It knows the mount but no sound arrives.
    Silent,
    /// A listener who comes now hears something.
    OnAir,
}

/// Who wants to be sent somewhere.
#[derive(Clone, Debug)]
pub struct Listener {
    /// How he asked: he is never sent from https to http or back, since players refuse that.
    pub scheme: Scheme,
    /// Where he is.
    pub spot: Spot,
    /// Decides between equals, the same way every time for the same network.
    pub key: u64,
    /// Addresses of relays that have just sent him back for want of room.
    pub sent_back_by: Vec<BaseUrl>,
}

/// Why a relay cannot take a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Excluded {
    /// It has not reported lately.
    Stale,
    /// It does not know the mount.
    NoMount,
    /// It has the mount, without sound.
    NotOnAir,
    /// It wants no new listeners.
    Draining,
    /// It does not speak the listener's scheme.
    WrongScheme,
    /// It has just sent this listener back.
    SentBack,
    /// All its places are taken, or promised.
    Full,
}

/// What came out for one relay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Why it is out of the question; `None`: it is not.
    pub excluded: Option<Excluded>,
    /// How far it is from the listener, if anybody knows.
    pub distance_km: Option<f64>,
    /// Share of its places that are free, 0 to 1.
    pub free_share: f64,
    /// It is about as near as the nearest one that is not excluded.
    pub is_near: bool,
}

/// The whole answer, with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The place in the list of the relay that wins.
    pub chosen: Option<usize>,
    /// One verdict a candidate, in the same order.
    pub verdicts: Vec<Verdict>,
}

impl Choice {
    /// Of all relays that are excluded, the one that came closest to being sent to: full is
    /// closer than not on air, and so on. `None` when there are no relays at all.
    pub fn closest_miss(&self) -> Option<Excluded> {
        self.verdicts.iter().filter_map(|v| v.excluded).max()
    }
}

/// Chooses a relay for `listener`.
pub fn choose(listener: &Listener, candidates: &[Candidate]) -> Choice {
    let mut verdicts: Vec<Verdict> = candidates
        .iter()
        .map(|candidate| judge(listener, candidate))
        .collect();
    let nearest_km = verdicts
        .iter()
        .filter(|verdict| verdict.excluded.is_none())
        .filter_map(|verdict| verdict.distance_km)
        .min_by(f64::total_cmp);
    for verdict in &mut verdicts {
        verdict.is_near = verdict.excluded.is_none() && is_near(verdict.distance_km, nearest_km);
    }
    let chosen = verdicts
        .iter()
        .enumerate()
        .filter(|(_, verdict)| verdict.is_near)
        .max_by(|(a, left), (b, right)| {
            left.free_share
                .total_cmp(&right.free_share)
                .then_with(|| rank(listener, candidates, *a).cmp(&rank(listener, candidates, *b)))
        })
        .map(|(at, _)| at);
    Choice { chosen, verdicts }
}

fn judge(listener: &Listener, relay: &Candidate) -> Verdict {
    Verdict {
        excluded: excluded(listener, relay),
        distance_km: listener.spot.distance_km(relay.spot),
        free_share: free_share(relay.slots, relay.taken),
        is_near: false,
    }
}

fn excluded(listener: &Listener, relay: &Candidate) -> Option<Excluded> {
    if !relay.is_fresh {
        return Some(Excluded::Stale);
    }
    match relay.carries {
        Carries::No => return Some(Excluded::NoMount),
        Carries::Silent => return Some(Excluded::NotOnAir),
        Carries::OnAir => {}
    }
    if relay.is_draining {
        return Some(Excluded::Draining);
    }
    let Some(url) = relay.url.filter(|url| url.scheme() == listener.scheme) else {
        return Some(Excluded::WrongScheme);
    };
    if listener.sent_back_by.len() >= SENT_BACK_MAX || listener.sent_back_by.contains(url) {
        return Some(Excluded::SentBack);
    }
    (relay.taken >= u64::from(relay.slots)).then_some(Excluded::Full)
}

/// A relay nobody knows the place of competes with the nearest ones, wherever those are: it
/// is neither preferred nor left idle.
fn is_near(distance_km: Option<f64>, nearest_km: Option<f64>) -> bool {
    match (distance_km, nearest_km) {
        (Some(km), Some(nearest)) => km <= (nearest * NEAR_FACTOR).max(nearest + NEAR_SLACK_KM),
        _ => true,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of places needs no more than 53 bits"
)]
fn free_share(slots: u32, taken: u64) -> f64 {
    if slots == 0 {
        return 0.0;
    }
    let free = u64::from(slots).saturating_sub(taken);
    free as f64 / f64::from(slots)
}

/// Rendezvous hashing: each network has its own order of all relays, and a relay that
/// comes or goes changes it for nobody else. FNV-1a, finished by a mixing step, because
/// it must be the same in every version and on every machine.
fn rank(
    listener: &Listener,
    candidates: &[Candidate],
    at: usize,
) -> (u64, std::cmp::Reverse<usize>) {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let key = listener.key.to_le_bytes();
    for byte in candidates[at].name.bytes().chain(key) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    (hash, std::cmp::Reverse(at))
}

#[cfg(test)]
mod tests;
