//! Makes the pages of one run of a source: no sound in them, but packets that last as long as real
//! ones, and no two alike.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use source::encoder::{Effort, Encoder, Encoding, RATE};
use source::pages::Made;
use stream::ogg::{Measure, Page, Stamp, granule};

/// A packet whose rest is on the next page has this many bytes on the first.
const CUT_BYTES: usize = 255;

/// What a codec's stream begins with, and how its packets begin.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    heads: Vec<[u8; 2]>,
}

/// One logical stream that is being made.
pub(crate) struct Studio {
    kind: Kind,
    run: u32,
    serial: u32,
    sequence: u32,
    granule: i64,
    n_packets: usize,
    is_cut: bool,
    measure: Measure,
}

impl Kind {
    /// Opus: packets of 20 ms.
    pub(crate) fn opus() -> Self {
        let head = b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0".to_vec();
        let tags = b"OpusTags\x01\0\0\0v\0\0\0\0".to_vec();
        let lacing = |packet: &[u8]| vec![u8::try_from(packet.len()).unwrap_or(0)];
        Self {
            headers: vec![(lacing(&head), head), (lacing(&tags), tags)],
            heads: vec![[0xfc, 0]],
        }
    }

    /// Vorbis, as the source's own encoder makes it: long blocks and short.
    pub(crate) fn vorbis() -> Result<&'static Self> {
        static KIND: OnceLock<Result<Kind>> = OnceLock::new();
        let kind = KIND.get_or_init(Self::encode);
        kind.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))
    }

    fn encode() -> Result<Self> {
        let encoding = Encoding {
            effort: Effort::Quality(0.0),
            n_channels: 1,
            tags: Vec::new(),
        };
        let mut encoder = Encoder::new(&encoding, 1)?;
        let mut made = Vec::new();
        let mut chance = Rng::with_seed(1);
        // Knocks between silence, so that there are long blocks and short ones.
        for n in 0..200 {
            let loud = if n % 7 == 0 { 0.9 } else { 0.001 };
            let block: Vec<f32> = (0..960).map(|_| (chance.f32() - 0.5) * loud).collect();
            encoder.encode(&[&block], |page| made.push(page))?;
        }
        encoder.finish(|page| made.push(page))?;
        let (mut headers, mut heads) = (Vec::new(), Vec::new());
        for made in made {
            match made {
                Made::Header(page) => headers.push((page.lacing().to_vec(), page.body().to_vec())),
                Made::Sound(page) => heads.extend(page.packets().filter_map(|(packet, _)| {
                    Some([*packet.first()?, packet.get(1).copied().unwrap_or(0)])
                })),
            }
        }
        let first = headers.first().context("no header pages")?;
        anyhow::ensure!(
            !first.1.is_empty() && heads.len() > 50,
            "too little was encoded"
        );
        Ok(Self { headers, heads })
    }
}

impl Studio {
    /// Begins a logical stream.
    pub(crate) fn new(kind: Kind, run: u32, serial: u32) -> Self {
        let first_packet = kind.headers.first().map_or(&[][..], |(_, body)| body);
        Self {
            measure: Measure::new(first_packet),
            kind,
            run,
            serial,
            sequence: 0,
            granule: 0,
            n_packets: 0,
            is_cut: false,
        }
    }

    /// Its header pages.
    pub(crate) fn headers(&mut self) -> Vec<Page> {
        let headers = self.kind.headers.clone();
        let pages = headers.iter().map(|(lacing, body)| {
            let page = Page::build(self.stamp(0), lacing, body);
            self.measure.take(&page);
            self.sequence += 1;
            page
        });
        pages.collect()
    }

    /// The next page of sound, of so many packets, and how long it lasts.
    pub(crate) fn page(&mut self, n_packets: usize, is_cut: bool) -> (Page, Duration) {
        let (mut lacing, mut body) = (Vec::new(), Vec::new());
        let is_continued = std::mem::replace(&mut self.is_cut, is_cut);
        for n in 0..n_packets {
            let packet = self.packet(n, is_continued && n == 0);
            let is_open = is_cut && n + 1 == n_packets;
            let n_bytes = if is_open { CUT_BYTES } else { packet.len() };
            lacing.push(u8::try_from(n_bytes).unwrap_or_default());
            body.extend_from_slice(&packet);
            let n_all = body.len() + n_bytes - packet.len();
            body.resize(n_all, 7);
        }
        let stamp = Stamp {
            is_continued,
            ..self.stamp(0)
        };
        let page = Page::build(stamp, &lacing, &body);
        let n_samples = self.measure.take(&page);
        self.granule = self.granule.saturating_add_unsigned(n_samples);
        let has_time = page.n_packets_ended() > 0;
        let granule = if has_time { self.granule } else { -1 };
        self.sequence += 1;
        let length = granule::time(i64::try_from(n_samples).unwrap_or(0), RATE);
        (
            page.restamped(Stamp { granule, ..stamp }),
            length.unwrap_or_default(),
        )
    }

    /// Begins as a packet of its kind does, and goes on as no other.
    fn packet(&mut self, n: usize, is_rest: bool) -> Vec<u8> {
        let mut packet = Vec::new();
        if !is_rest {
            packet.extend(self.kind.heads[self.n_packets % self.kind.heads.len()]);
            self.n_packets += 1;
        }
        packet.extend(self.run.to_le_bytes());
        packet.extend(self.sequence.to_le_bytes());
        packet.push(u8::try_from(n).unwrap_or_default());
        packet
    }

    fn stamp(&self, granule: i64) -> Stamp {
        Stamp {
            serial: self.serial,
            sequence: self.sequence,
            granule,
            is_continued: false,
            is_first: self.sequence == 0,
            is_last: false,
        }
    }
}
