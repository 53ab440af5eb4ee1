//! A writer whose log is written down in memory, and the way back.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::log::account::Account;
use crate::log::restore::{Chain, Restored};
use crate::log::scribe::{Scribe, SegmentMax};
use crate::log::segment::{Damage, Segment};
use crate::log::sink::{Appended, Sink};
use crate::log::writer::Writer;
use crate::log::{Epoch, Keep, Log};
use crate::ogg::{Page, Tags};

/// When the first page came.
pub(crate) const START_MS: i64 = 1_790_000_000_000;

/// Index and pages of every segment.
pub(crate) type Files = Arc<Mutex<Vec<(Vec<u8>, Vec<u8>)>>>;

#[derive(Debug)]
struct Memory {
    scribe: Scribe,
    files: Files,
    start: Instant,
    is_full: bool,
}

impl Sink for Memory {
    fn appended(&mut self, page: &Page, appended: Appended) {
        if self.is_full {
            self.scribe.pass(page, &appended);
            return;
        }
        let age_ms = i64::try_from((appended.at - self.start).as_millis()).unwrap();
        let Some(line) = self.scribe.take(page, &appended, START_MS + age_ms) else {
            return;
        };
        let mut files = self.files.lock().unwrap();
        if let Some(head) = line.begins {
            files.push((head.encode(), Vec::new()));
        }
        let (index, pages) = files.last_mut().unwrap();
        pages.extend_from_slice(page.bytes());
        index.extend_from_slice(&line.record.encode());
    }

    fn filling(&mut self, _may_follow: bool) {}

    fn described(&mut self) {}

    fn removed(&mut self) {
        self.is_full = true;
    }
}

pub(crate) fn epoch() -> Epoch {
    Epoch::new(7)
}

pub(crate) fn keep() -> Keep {
    Keep {
        time: Duration::from_secs(1_000),
        n_bytes: 1 << 20,
    }
}

pub(crate) struct Stage {
    pub(crate) writer: Writer,
    files: Files,
    start: Instant,
    n_pages: u64,
    next_serial: u32,
}

impl Stage {
    pub(crate) fn new(segment_bytes: u64) -> Self {
        let writer = Writer::new(epoch(), keep());
        let mut stage = Self {
            writer,
            files: Files::default(),
            start: Instant::now(),
            n_pages: 0,
            next_serial: 1_000,
        };
        stage.attach(Account::new(), segment_bytes);
        stage
    }

    pub(crate) fn attach(&mut self, account: Account, segment_bytes: u64) {
        let segment_max = SegmentMax {
            time: Duration::from_secs(1_000),
            n_bytes: segment_bytes,
        };
        self.writer.set_sink(Some(Box::new(Memory {
            scribe: Scribe::new(epoch(), account, segment_max),
            files: Arc::clone(&self.files),
            start: self.start,
            is_full: false,
        })));
    }

    /// One page a second.
    pub(crate) fn play(&mut self, pages: &[Page]) {
        for page in pages {
            let now = self.start + Duration::from_secs(self.n_pages);
            self.n_pages += 1;
            let next_serial = &mut self.next_serial;
            let chance = || {
                *next_serial += 1;
                *next_serial
            };
            self.writer.take(page, now, chance).unwrap();
        }
    }

    /// Somebody says what plays, at the moment of the next page.
    pub(crate) fn retitle(&mut self, tags: Tags) {
        let now = self.start + Duration::from_secs(self.n_pages);
        self.writer.retitle(tags, now);
    }

    /// Half a minute of filler: the most at once.
    pub(crate) fn fill(&mut self) {
        for _ in ["announced", "written"] {
            let late = self.start + Duration::from_secs(100_000);
            self.writer.fill(Duration::ZERO, late);
        }
        assert!(self.writer.is_filled());
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        read(self.writer.log()).1
    }

    pub(crate) fn files(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.files.lock().unwrap().clone()
    }
}

/// The oldest offset of a log, and all bytes from there on.
pub(crate) fn read(log: &Arc<Log>) -> (u64, Vec<u8>) {
    let mut oldest = 0;
    let mut found = Vec::new();
    if let Err(behind) = log.read(0, usize::MAX, usize::MAX, &mut found) {
        oldest = behind.n_bytes;
        log.read(oldest, usize::MAX, usize::MAX, &mut found)
            .unwrap();
    }
    (oldest, found.concat())
}

/// As the master does it: from the newest segment back.
pub(crate) fn restore(
    files: &[(Vec<u8>, Vec<u8>)],
    now_ms: i64,
) -> Result<Option<Restored>, Damage> {
    let mut chain = Chain::new();
    for (index, pages) in files.iter().rev() {
        if !chain.wants_more(keep()) {
            break;
        }
        let segment = Segment::read(&Bytes::from(index.clone()), &Bytes::from(pages.clone()));
        match segment {
            Err(Damage::Unwritten) => continue,
            Err(damage) if chain.is_empty() => return Err(damage),
            Err(_) => break,
            Ok(segment) => {
                if !chain.push_older(segment) {
                    break;
                }
            }
        }
    }
    chain.restore(keep(), Instant::now() + Duration::from_secs(5_000), now_ms)
}
