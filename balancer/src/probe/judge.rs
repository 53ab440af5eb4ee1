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

pub use enough::{Newest, has_sound, is_enough, newest};

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
    /// Whole frames of MP3 or AAC, one behind the other.
    pub frames: Vec<u8>,
    /// The first bytes that are no page, and how many there were before them.
    pub junk: Option<(Vec<u8>, usize)>,
    /// Bytes of the body.
    pub n_bytes: usize,
}

impl Heard {
    /// The frames that stand in the log; an intro may come before.
    pub fn frames_of_log(&self) -> &[u8] {
        let n_prefix = usize::try_from(self.n_prefix).unwrap_or(usize::MAX);
        self.frames.get(n_prefix..).unwrap_or_default()
    }
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

/// The outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What it comes to.
    pub finding: Finding,
    /// The relay may only be ahead of what is known here: look at the same answer again later.
    pub is_early: bool,
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

/// What is known of the newest sound that came.
#[derive(Clone, Copy)]
enum How {
    /// The master sent it then.
    Same(Instant),
    /// It is further back than is known.
    Older,
    /// It is further ahead.
    Newer,
    /// The master sent no such stream lately.
    Stranger,
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
        match truth.map(|truth| (truth, truth.flow())) {
            Some((truth, Some(flow))) => self.frames(heard, truth, flow),
            Some(_) if !heard.frames.is_empty() => {
                let what = "it sends frames where the master sends pages";
                self.soft(Fault::WrongBytes, what, Some(heard))
            }
            Some((truth, None)) => self.compare(heard, truth),
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
        let how = match found {
            Lookup::Same(known) => How::Same(known.came),
            Lookup::Older => How::Older,
            Lookup::Newer => How::Newer,
            Lookup::Stranger | Lookup::Other(_) => How::Stranger,
        };
        self.age(heard, truth, how, difference_to_nothing(page))
    }

    /// How old the newest is, all of which before it is right.
    fn age(&self, heard: &Heard, truth: &Truth, how: How, nothing: Difference) -> Judgement {
        let now = self.known.now;
        let is_known_far_back = truth.is_current(now) && truth.covers(AGE_MAX, now);
        match how {
            How::Same(came) => {
                let read_at = self.known.read_at;
                let age = read_at.saturating_duration_since(came);
                if age <= AGE_MAX {
                    return good(true);
                }
                let what = format!("the master sent this {} s ago", age.as_secs());
                self.soft(Fault::Old, &what, Some(heard))
            }
            _ if !truth.is_current(now) => good(false),
            How::Stranger if !is_known_far_back => {
                // Of what was before, nothing is known yet.
                let what = "the master has sent no such stream since we listen";
                early(self.soft(Fault::WrongBytes, what, Some(heard)))
            }
            _ if !is_known_far_back => good(false),
            How::Newer => {
                let finding =
                    self.soft(Fault::WrongBytes, "it is ahead of the master", Some(heard));
                early(finding)
            }
            How::Older => {
                let what = format!("the master sent this more than {} s ago", AGE_MAX.as_secs());
                self.hard_with(Fault::Old, &what, Some(heard), Some(nothing))
            }
            How::Stranger => {
                let what = "the master has sent no such stream lately";
                early(self.hard_with(Fault::WrongBytes, what, Some(heard), Some(nothing)))
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
        serial: Some(relay.serial()),
        sequence: Some(relay.stamp().sequence),
        offset,
        byte,
        relay: hex(&relay.bytes()[byte..]),
        master: hex(&master.bytes()[byte..]),
    }
}

/// The beginning of a page that the master does not have: its header says what it is.
fn difference_to_nothing(page: &Page) -> Difference {
    Difference {
        serial: Some(page.serial()),
        sequence: Some(page.stamp().sequence),
        offset: None,
        byte: 0,
        relay: hex(page.bytes()),
        master: String::new(),
    }
}

mod enough;
mod frames;
#[cfg(test)]
mod tests;
