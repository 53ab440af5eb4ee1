//! One logical stream as a master writes it: page after page, sound of the source or filler,
//! numbers and time without a hole. Pure.

use super::account::{Shift, StreamAccount, Trace};
use crate::ogg::page::SEGMENTS_MAX;
use crate::ogg::{Codec, Measure, Page, Stamp, tags};

/// A page of filler lasts at most one part in so many of a second.
const PAGES_A_SECOND: u32 = 2;

/// What is remembered of it.
#[derive(Debug)]
pub(super) struct Logical {
    pub(super) source_serial: u32,
    pub(super) serial: u32,
    /// Serial number and shift in the link before, if a title began this one.
    before: Option<(u32, Shift)>,
    first_packets: Vec<u8>,
    pub(super) source_sequence_next: u32,
    sequence_next: u32,
    /// The stamp of its newest page as written, with the newest granule position known.
    newest: Stamp,
    pub(super) has_ended: bool,
    /// Sound of it has come: what is missing from now on was lost, not sent before our time.
    pub(super) has_sound: bool,
    /// Something is missing before what comes next, or filler stands there.
    pub(super) has_hole: bool,
    measure: Measure,
    /// Filler went in: the next packet of sound has to be led up to.
    is_bridge_due: bool,
    shift: Shift,
}

impl Logical {
    /// The stream that begins with the source's `page`, under a serial number of the log.
    pub(super) fn new(page: &Page, serial: u32) -> Self {
        let stamp = page.stamp();
        Self {
            source_serial: stamp.serial,
            serial,
            before: None,
            first_packets: page.body().to_vec(),
            source_sequence_next: stamp.sequence,
            sequence_next: 0,
            newest: Stamp {
                serial,
                granule: 0,
                ..stamp
            },
            has_ended: false,
            has_sound: false,
            has_hole: false,
            measure: Measure::new(page.body()),
            is_bridge_due: false,
            shift: Shift::default(),
        }
    }

    /// The stream that stands where `account` says; `measure` has followed it.
    pub(super) fn restored(account: &StreamAccount, measure: Measure) -> Self {
        let trace = account.trace;
        Self {
            source_serial: trace.source_serial,
            serial: account.newest.serial,
            before: None,
            first_packets: account.first_packets.to_vec(),
            source_sequence_next: trace.source_sequence_next,
            sequence_next: account.newest.sequence.wrapping_add(1),
            newest: account.newest,
            has_ended: account.newest.is_last,
            has_sound: trace.has_sound,
            has_hole: trace.has_hole,
            measure,
            is_bridge_due: trace.is_bridge_due,
            shift: trace.shift,
        }
    }

    /// What is known of it beyond what its pages say.
    pub(super) fn trace(&self) -> Trace {
        Trace {
            source_serial: self.source_serial,
            source_sequence_next: self.source_sequence_next,
            has_sound: self.has_sound,
            has_hole: self.has_hole,
            is_bridge_due: self.is_bridge_due,
            shift: self.shift,
        }
    }

    /// Whether `page` is the first one of this very stream, sent again.
    pub(super) fn begins_with(&self, page: &Page) -> bool {
        let is_alike = || tags::begin_alike(&self.first_packets, page.body());
        self.source_serial == page.serial() && !self.has_ended && is_alike()
    }

    /// Whether a page of the source that ends there ends later than what was written.
    pub(super) fn goes_on_to(&self, granule: i64) -> bool {
        match self.shift {
            Shift::Known(shift) => granule.saturating_add(shift) > self.newest.granule,
            Shift::Due(_) => true,
        }
    }

    /// Writes the source's next page and gives how many samples it lasts.
    pub(super) fn write(&mut self, page: &Page, out: &mut Vec<Page>) -> u64 {
        let stamp = page.stamp();
        let mut n_samples = 0;
        if self.is_bridge_due && !page.lacing().is_empty() {
            self.is_bridge_due = false;
            n_samples += self.write_bridge(page, out);
        }
        let n_own = self.measure.take(page);
        // −1 says that no packet ends on the page: it is no time.
        let has_time = stamp.granule >= 0;
        self.shift = match self.shift {
            Shift::Due(_) if has_time => {
                let due = self.newest.granule.saturating_add_unsigned(n_own);
                Shift::Known(due.saturating_sub(stamp.granule))
            }
            Shift::Due(_) => Shift::Due(0),
            known @ Shift::Known(_) => known,
        };
        let granule = match self.shift {
            Shift::Known(shift) if has_time => stamp.granule.saturating_add(shift).max(0),
            _ => stamp.granule,
        };
        let written = page.restamped(Stamp { granule, ..stamp });
        let parts = match Codec::of(&self.first_packets) {
            Codec::Theora(frames) => frames.parts(&written, self.newest.granule),
            _ => vec![written],
        };
        for part in parts {
            out.push(part.restamped(self.next_stamp(part.stamp())));
        }
        n_samples + n_own
    }

    /// Samples a second, if filler can be written: its codec is known and it has sound.
    pub(super) fn fillable_rate_hertz(&self) -> Option<u32> {
        self.measure.rate_hertz().filter(|_| !self.has_ended)
    }

    /// Samples of filler since the newest page of the source.
    pub(super) fn n_filled(&self) -> u64 {
        match self.shift {
            Shift::Known(_) => 0,
            Shift::Due(n_filled) => n_filled,
        }
    }

    /// Writes filler of at least `n_samples`, at most one packet more, and gives how many
    /// samples it lasts.
    pub(super) fn fill(&mut self, n_samples: u64, out: &mut Vec<Page>) -> u64 {
        let Some(rate_hertz) = self.fillable_rate_hertz().filter(|_| n_samples > 0) else {
            return 0;
        };
        let n_samples_max = u64::from(rate_hertz / PAGES_A_SECOND);
        let mut page = Filling::default();
        if let Some(n_cut) = self.measure.cut() {
            page.end_packet(n_cut);
        }
        let mut n_written = 0;
        while n_written + page.n_samples < n_samples {
            let Some(silence) = self.measure.silence() else {
                break;
            };
            page.add(&silence.packet, silence.n_samples);
            if page.n_samples >= n_samples_max || page.lacing.len() == SEGMENTS_MAX {
                n_written += self.write_filling(&std::mem::take(&mut page), out);
            }
        }
        n_written += self.write_filling(&page, out);
        self.shift = Shift::Due(self.n_filled() + n_written);
        (self.is_bridge_due, self.has_hole) = (true, true);
        n_written
    }

    /// As [`Self::trace`], for a page with this serial number: of this link, or the last of the one
    /// that a title has ended.
    pub(super) fn trace_of(&self, serial: u32) -> Option<Trace> {
        if self.serial == serial {
            return Some(self.trace());
        }
        let (_, shift) = self.before.filter(|(before, _)| *before == serial)?;
        Some(Trace {
            shift,
            ..self.trace()
        })
    }

    /// Whether a link may end with `page`, its newest one: with sound, and a whole packet of it.
    pub(super) fn can_part_behind(&self, page: &Page) -> bool {
        let stamp = page.stamp();
        let is_whole = page.lacing().last().is_some_and(|n| *n < 255);
        let is_all_here = !stamp.is_continued || page.n_packets_ended() > 1;
        let is_newest = stamp.serial == self.serial && stamp.sequence == self.newest.sequence;
        is_newest && is_whole && is_all_here && stamp.granule > 0 && !self.has_ended
    }

    /// Ends the link with `last`, its newest page, and goes on under another serial number in a link
    /// that begins with `headers`. Its time begins at 0, as in any other link: some players take time
    /// that jumps for a fault.
    pub(super) fn part_behind(
        &mut self,
        last: &Page,
        serial: u32,
        headers: &[Page],
        out: &mut Vec<Page>,
    ) {
        let stamp = last.stamp();
        out.push(last.restamped(Stamp {
            is_last: true,
            ..stamp
        }));
        self.before = Some((std::mem::replace(&mut self.serial, serial), self.shift));
        self.sequence_next = 0;
        if let Shift::Known(shift) = self.shift {
            self.shift = Shift::Known(shift.saturating_sub(self.newest.granule));
        }
        self.newest.granule = 0;
        for page in headers {
            let stamp = self.next_stamp(page.stamp());
            out.push(page.restamped(stamp));
        }
        if let (Codec::Vorbis(_), Some((packet, _))) =
            (Codec::of(&self.first_packets), last.packets().last())
        {
            // A decoder that begins puts out nothing for its first packet, and needs it for the
            // next (Vorbis I §1.3.2): it comes again.
            let n_segments = packet.len() / 255 + 1;
            let lacing = &last.lacing()[last.lacing().len() - n_segments..];
            let stamp = self.next_stamp(Stamp {
                granule: 0,
                is_continued: false,
                ..stamp
            });
            out.push(Page::build(stamp, lacing, packet));
        }
    }

    /// The page that ends it.
    pub(super) fn end(&mut self) -> Page {
        self.has_ended = true;
        let codec = Codec::of(&self.first_packets);
        Page::end_of(&self.newest, codec.silent_packet())
    }

    fn write_bridge(&mut self, page: &Page, out: &mut Vec<Page>) -> u64 {
        let mut bridge = Filling::default();
        for silence in self.measure.bridge(page) {
            bridge.add(&silence.packet, silence.n_samples);
        }
        self.write_filling(&bridge, out)
    }

    fn write_filling(&mut self, filling: &Filling, out: &mut Vec<Page>) -> u64 {
        if filling.lacing.is_empty() {
            return 0;
        }
        let granule = self.newest.granule;
        let stamp = self.next_stamp(Stamp {
            granule: granule.saturating_add_unsigned(filling.n_samples),
            is_continued: filling.is_continued,
            is_first: false,
            is_last: false,
            ..self.newest
        });
        out.push(Page::build(stamp, &filling.lacing, &filling.body));
        filling.n_samples
    }

    /// The stamp with the log's numbers, which is the newest from now on.
    fn next_stamp(&mut self, stamp: Stamp) -> Stamp {
        let written = Stamp {
            serial: self.serial,
            sequence: self.sequence_next,
            ..stamp
        };
        self.sequence_next = self.sequence_next.wrapping_add(1);
        self.has_hole = false;
        self.has_ended = stamp.is_last;
        self.newest = Stamp {
            granule: written.granule.max(self.newest.granule),
            ..written
        };
        written
    }
}

/// A page of filler that is being put together.
#[derive(Debug, Default)]
struct Filling {
    lacing: Vec<u8>,
    body: Vec<u8>,
    n_samples: u64,
    is_continued: bool,
}

impl Filling {
    /// Ends the packet that the page before has left open.
    fn end_packet(&mut self, n_samples: u32) {
        self.is_continued = true;
        self.add(&[], n_samples);
    }

    fn add(&mut self, packet: &[u8], n_samples: u32) {
        self.lacing
            .push(u8::try_from(packet.len()).unwrap_or_default());
        self.body.extend_from_slice(packet);
        self.n_samples += u64::from(n_samples);
    }
}

#[cfg(test)]
pub(super) mod tests;
