//! What an answer to a probe means: the decision, apart from the asking. Pure.
//!
//! Hard is what no chance brings about: a refused connection, a page for people, bytes that the
//! master never sent. Soft is what may be over the next time: nothing in time, another status.
//! Unclear is what the relay cannot be blamed for.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use stream::mount::MountPath;
use stream::ogg::Page;

use super::finding::{Difference, Evidence, Family, Fault, Finding, hex};
use super::truth::{Lookup, Truth};

/// A listener who hears what the master sent longer ago hears old sound.
pub const AGE_MAX: Duration = Duration::from_secs(30);
/// So many bytes of something without page numbers are enough to call it a stream.
pub const OTHER_BYTES_MIN: usize = 4096;
/// Without a master to compare with: a stream that has not gone on for this long stands still.
const STANDSTILL_MAX: Duration = Duration::from_secs(10);

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The mount.
    pub mount: MountPath,
    /// The relay's public address.
    pub address: SocketAddr,
    /// When.
    pub at: Timestamp,
}

/// What came.
#[derive(Clone, Debug)]
pub enum Came {
    /// Nobody listens at that address.
    Refused,
    /// This machine has no way to such an address.
    NoWay(String),
    /// Something went wrong before there was an answer, or there was none in time.
    Nothing(String),
    /// An answer.
    Answer(Heard),
}

/// An answer, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Such as 200.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// Which log the bytes are of, where it says so.
    pub epoch: Option<String>,
    /// Where in the log they begin, behind the header pages.
    pub offset: Option<u64>,
    /// How many bytes of header pages come before.
    pub n_prefix: u64,
    /// Whole pages with right checksums, in order.
    pub pages: Vec<Page>,
    /// The first bytes that are no page, and how many there were before them.
    pub junk: Option<(Vec<u8>, usize)>,
    /// Bytes of the body.
    pub n_bytes: usize,
}

/// What is known besides.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What the master sent, if it can be listened to.
    pub truth: Option<&'a Truth>,
    /// The relay says that it has no place left.
    pub is_full: bool,
    /// The newest page of the probe before this one.
    pub before: Option<Newest>,
    /// When the answer had been read.
    pub read_at: Instant,
    /// The time.
    pub now: Instant,
}

/// The newest page with sound that a relay had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The logical stream.
    pub serial: u32,
    /// The page of it.
    pub sequence: u32,
    /// When it was read.
    pub at: Instant,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What it comes to.
    pub finding: Finding,
    /// The relay may only be ahead of what is known here: look at the same answer again later.
    pub is_early: bool,
}

/// The newest page with sound in an answer.
pub fn newest(heard: &Heard, at: Instant) -> Option<Newest> {
    let page = heard.pages.iter().rev().find(|page| has_sound(page))?;
    Some(Newest {
        serial: page.serial(),
        sequence: page.stamp().sequence,
        at,
    })
}

/// Whether a page is more than headers.
pub fn has_sound(page: &Page) -> bool {
    page.stamp().granule > 0
}

/// Whether the pages that came so far are enough to judge by: two with sound, and the newest of
/// them not an old one. Behind old ones there may come new ones still.
pub fn is_enough(pages: &[Page], truth: Option<&Truth>, now: Instant) -> bool {
    let Some(newest) = pages.last().filter(|page| has_sound(page)) else {
        return false;
    };
    if pages.iter().filter(|page| has_sound(page)).count() < 2 {
        return false;
    }
    match truth.map(|truth| truth.find(newest)) {
        Some(Lookup::Same(known)) => now.saturating_duration_since(known.came) <= AGE_MAX,
        Some(Lookup::Older) => false,
        _ => true,
    }
}

/// Decides.
pub fn judge(asked: &Asked, came: &Came, known: Known) -> Judgement {
    let case = Case { asked, known };
    match came {
        Came::Refused => case.hard(Fault::Refused, "the connection was refused"),
        Came::NoWay(why) => unclear(format!("no way to {}: {why}", asked.address)),
        Came::Nothing(why) => case.soft(Fault::Late, why, None),
        Came::Answer(heard) => case.answer(heard),
    }
}

struct Case<'a> {
    asked: &'a Asked,
    known: Known<'a>,
}

impl Case<'_> {
    fn answer(&self, heard: &Heard) -> Judgement {
        let status = heard.status;
        if !matches!(status, 200 | 206) {
            let is_refusal = matches!(status, 301..=308 | 401 | 403 | 429 | 503);
            if self.known.is_full && is_refusal {
                return unclear(format!("it is full and answered {status}"));
            }
            let what = format!("it answered {status}");
            return self.soft(Fault::NoStream, &what, Some(heard));
        }
        let kind = heard.content_type.to_ascii_lowercase();
        if kind.starts_with("text/") || kind.contains("json") || kind.contains("xml") {
            let what = format!("it sent {kind:.40} and no sound");
            return self.hard_with(Fault::NoStream, &what, Some(heard), None);
        }
        let has_pages = kind.contains("ogg") || !heard.pages.is_empty();
        let truth = self.known.truth.filter(|truth| truth.n_pages() > 0);
        if !has_pages && truth.is_none() {
            return self.other(heard);
        }
        if let Some((bytes, at)) = &heard.junk {
            let what = format!("byte {at} of the answer is no page, but {}", hex(bytes));
            return self.hard_with(Fault::WrongBytes, &what, Some(heard), None);
        }
        match truth {
            Some(truth) => self.compare(heard, truth),
            None => self.plausible(heard),
        }
    }

    /// Something without page numbers: all that can be said is that it flows.
    fn other(&self, heard: &Heard) -> Judgement {
        if heard.n_bytes >= OTHER_BYTES_MIN {
            return good(false);
        }
        let what = format!("only {} bytes came", heard.n_bytes);
        self.soft(Fault::Late, &what, Some(heard))
    }

    fn plausible(&self, heard: &Heard) -> Judgement {
        let Some(page) = newest(heard, self.known.read_at) else {
            return self.soft(Fault::Late, "no page with sound came", Some(heard));
        };
        let stands_still = self.known.before.is_some_and(|before| {
            before.serial == page.serial
                && page.sequence <= before.sequence
                && page.at.saturating_duration_since(before.at) > STANDSTILL_MAX
        });
        if stands_still {
            let what = "its newest page is no newer than at the last probe";
            return self.soft(Fault::Late, what, Some(heard));
        }
        good(false)
    }

    fn compare(&self, heard: &Heard, truth: &Truth) -> Judgement {
        let now = self.known.now;
        let mut offset = heard.offset;
        let mut n_prefix_left = heard.n_prefix;
        let mut newest = None;
        for page in &heard.pages {
            let n_bytes = page.len() as u64;
            let place = if n_prefix_left > 0 {
                n_prefix_left = n_prefix_left.saturating_sub(n_bytes);
                None
            } else {
                let here = offset;
                offset = offset.map(|offset| offset.saturating_add(n_bytes));
                here
            };
            let found = truth.find(page);
            match &found {
                Lookup::Other(known) => {
                    let difference = difference(page, &known.page, place);
                    let what = "its bytes are not the master's";
                    return self.hard_with(Fault::WrongBytes, what, Some(heard), Some(difference));
                }
                Lookup::Same(known) => {
                    if let (Some(here), Some(there)) = (place, &known.place)
                        && heard.epoch.as_deref() == Some(&*there.epoch)
                        && here != there.offset
                    {
                        let what = format!(
                            "it says offset {here} of a page that stands at {}",
                            there.offset
                        );
                        return self.hard_with(Fault::WrongBytes, &what, Some(heard), None);
                    }
                }
                Lookup::Older | Lookup::Newer | Lookup::Stranger => {}
            }
            if has_sound(page) {
                newest = Some((page, found));
            }
        }
        let Some((page, found)) = newest else {
            if truth.is_current(now) {
                return self.soft(Fault::Late, "no page with sound came", Some(heard));
            }
            return unclear("the master is silent, too".to_owned());
        };
        self.age(heard, truth, page, &found)
    }

    /// The newest page, all of which before it are right.
    fn age(&self, heard: &Heard, truth: &Truth, page: &Page, found: &Lookup) -> Judgement {
        let now = self.known.now;
        let is_known_far_back = truth.is_current(now) && truth.covers(AGE_MAX, now);
        match found {
            Lookup::Same(known) => {
                let read_at = self.known.read_at;
                let age = read_at.saturating_duration_since(known.came);
                if age <= AGE_MAX {
                    return good(true);
                }
                let what = format!("the master sent this {} s ago", age.as_secs());
                self.soft(Fault::Old, &what, Some(heard))
            }
            _ if !truth.is_current(now) => good(false),
            Lookup::Stranger if !is_known_far_back => {
                // Of what was before, nothing is known yet.
                let what = "the master has sent no such stream since we listen";
                early(self.soft(Fault::WrongBytes, what, Some(heard)))
            }
            _ if !is_known_far_back => good(false),
            Lookup::Newer => {
                let finding =
                    self.soft(Fault::WrongBytes, "it is ahead of the master", Some(heard));
                early(finding)
            }
            Lookup::Older => {
                let what = format!("the master sent this more than {} s ago", AGE_MAX.as_secs());
                let difference = Some(difference_to_nothing(page));
                self.hard_with(Fault::Old, &what, Some(heard), difference)
            }
            Lookup::Stranger | Lookup::Other(_) => {
                let what = "the master has sent no such stream lately";
                let difference = Some(difference_to_nothing(page));
                early(self.hard_with(Fault::WrongBytes, what, Some(heard), difference))
            }
        }
    }

    fn hard(&self, fault: Fault, what: &str) -> Judgement {
        self.hard_with(fault, what, None, None)
    }

    fn hard_with(
        &self,
        fault: Fault,
        what: &str,
        heard: Option<&Heard>,
        difference: Option<Difference>,
    ) -> Judgement {
        let mut evidence = self.evidence(fault, what, heard);
        evidence.difference = difference;
        last_word(Finding::Hard(evidence))
    }

    fn soft(&self, fault: Fault, what: &str, heard: Option<&Heard>) -> Judgement {
        last_word(Finding::Soft(self.evidence(fault, what, heard)))
    }

    fn evidence(&self, fault: Fault, what: &str, heard: Option<&Heard>) -> Evidence {
        Evidence {
            fault,
            mount: self.asked.mount.clone(),
            address: self.asked.address.to_string(),
            family: family_of(self.asked.address),
            what: what.to_owned(),
            status: heard.map(|heard| heard.status),
            difference: None,
            at: self.asked.at,
        }
    }
}

/// The family of an address.
pub fn family_of(address: SocketAddr) -> Family {
    match address {
        SocketAddr::V4(_) => Family::Ipv4,
        SocketAddr::V6(_) => Family::Ipv6,
    }
}

fn good(is_compared: bool) -> Judgement {
    last_word(Finding::Good { is_compared })
}

fn unclear(why: String) -> Judgement {
    last_word(Finding::Unclear(why))
}

fn last_word(finding: Finding) -> Judgement {
    Judgement {
        finding,
        is_early: false,
    }
}

fn early(judgement: Judgement) -> Judgement {
    Judgement {
        is_early: true,
        ..judgement
    }
}

fn difference(relay: &Page, master: &Page, offset: Option<u64>) -> Difference {
    let pairs = relay.bytes().iter().zip(master.bytes());
    let byte = pairs.take_while(|(a, b)| a == b).count();
    Difference {
        serial: relay.serial(),
        sequence: relay.stamp().sequence,
        offset,
        byte,
        relay: hex(&relay.bytes()[byte..]),
        master: hex(&master.bytes()[byte..]),
    }
}

/// The beginning of a page that the master does not have: its header says what it is.
fn difference_to_nothing(page: &Page) -> Difference {
    Difference {
        serial: page.serial(),
        sequence: page.stamp().sequence,
        offset: None,
        byte: 0,
        relay: hex(page.bytes()),
        master: String::new(),
    }
}

#[cfg(test)]
mod tests;
