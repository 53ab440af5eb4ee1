//! What a seed means: how everybody is set up, and what breaks when.

use std::time::Duration;

use fastrand::Rng;
use stream::log::Keep;
use stream::log::scribe::SegmentMax;

/// Nothing breaks before.
const FIRST_FAULT_MS: u64 = 100;
/// Nothing breaks after; all is healed by then.
const LAST_FAULT_MS: u64 = 75_000;
/// The most that breaks.
const FAULTS_MAX: usize = 16;

/// How everybody is set up.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What a ring keeps.
    pub(crate) keep: Keep,
    /// The master has a state directory.
    pub(crate) has_disk: bool,
    /// So long after it was appended a page is on the disk.
    pub(crate) disk_lag: Duration,
    pub(crate) segment_max: SegmentMax,
    pub(crate) catch_up: Duration,
    /// The source has a spool.
    pub(crate) is_spooled: bool,
    pub(crate) is_vorbis: bool,
    /// The sound comes from a card, which keeps time; else from a file.
    pub(crate) is_card: bool,
    /// Some packets lie on two pages.
    pub(crate) has_cut_packets: bool,
    pub(crate) n_relays: usize,
    pub(crate) n_listeners: usize,
}

/// Something that breaks.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Killed, and started again after so long.
    Kill(Victim, Duration),
    /// Stopped, and goes on after so long.
    Freeze(Victim, Duration),
    /// The master is killed and finds no disk when it is started again.
    LoseDisk(Duration),
    /// The master's disk is full for so long.
    FillDisk(Duration),
    /// Nothing arrives for so long.
    Silence(Way, Duration),
    /// All connections are broken.
    Reset(Way),
    /// All connections are forgotten by a box on the way.
    Forget(Way),
    /// One direction of each connection ends.
    HalfClose(Way),
    /// Everything takes much longer for so long.
    Slow(Way, Duration),
    /// Every machine sleeps for so long.
    Sleep(Duration),
    /// The listener of this number moves to another relay.
    Leave(usize),
}

/// Who is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Source,
    Master,
    Relay(usize),
}

/// Which way is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the source to the master.
    Source,
    /// From the master to this relay.
    Relay(usize),
    /// From this listener to all servers.
    Listener(usize),
}

/// A whole plan.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    /// In order of time.
    pub(crate) faults: Vec<(Duration, Fault)>,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed ^ 0x0070_6c61_6e00);
        let mut settings = Settings::draw(&mut chance);
        settings.is_card = Rng::with_seed(seed).f64() < 0.7;
        let n_faults = chance.usize(1..=FAULTS_MAX);
        let mut faults: Vec<_> = (0..n_faults)
            .map(|_| {
                let at = chance.u64(FIRST_FAULT_MS..LAST_FAULT_MS);
                let fault = Fault::draw(&settings, &mut chance);
                (Duration::from_millis(at), fault)
            })
            .collect();
        faults.sort_by_key(|(at, _)| *at);
        Self { settings, faults }
    }
}

impl Settings {
    fn draw(chance: &mut Rng) -> Self {
        let mut one_of = |choices: &[u64]| choices[chance.usize(..choices.len())];
        let keep_seconds = one_of(&[8, 20, 60]);
        let n_bytes = one_of(&[60_000, 1 << 24, 1 << 24]);
        let catch_up = one_of(&[10, 30, 120]);
        let lag_ms = one_of(&[0, 20, 300]);
        let segment_bytes = one_of(&[5_000, 40_000, 16 << 20]);
        let segment_seconds = one_of(&[10, 600]);
        let n_relays = one_of(&[1, 2, 2, 3]);
        let n_listeners = one_of(&[2, 3, 4]);
        Self {
            keep: Keep {
                time: Duration::from_secs(keep_seconds),
                n_bytes: usize::try_from(n_bytes).unwrap_or(usize::MAX),
            },
            has_disk: chance.f64() < 0.8,
            disk_lag: Duration::from_millis(lag_ms),
            segment_max: SegmentMax {
                time: Duration::from_secs(segment_seconds),
                n_bytes: segment_bytes,
            },
            catch_up: Duration::from_secs(catch_up),
            is_spooled: chance.f64() < 0.8,
            is_vorbis: chance.bool(),
            is_card: false,
            has_cut_packets: chance.f64() < 0.3,
            n_relays: usize::try_from(n_relays).unwrap_or(1),
            n_listeners: usize::try_from(n_listeners).unwrap_or(1),
        }
    }
}

impl Fault {
    /// Nobody keeps the log's time meanwhile; or the programme itself stands still.
    pub(crate) fn stops_the_clock(&self, settings: &Settings) -> bool {
        match self {
            Self::Freeze(Victim::Source, _) => !settings.is_card,
            Self::Kill(victim, _) | Self::Freeze(victim, _) => *victim == Victim::Master,
            Self::LoseDisk(_) | Self::Sleep(_) | Self::Slow(..) => true,
            _ => false,
        }
    }

    fn draw(settings: &Settings, chance: &mut Rng) -> Self {
        let length_ms = match chance.u8(..4) {
            0 => chance.u64(50..1_500),
            1 | 2 => chance.u64(1_500..8_000),
            _ => chance.u64(8_000..30_000),
        };
        let length = Duration::from_millis(length_ms);
        let relay = chance.usize(..settings.n_relays);
        let listener = chance.usize(..settings.n_listeners);
        let victim = [Victim::Source, Victim::Master, Victim::Relay(relay)][chance.usize(..3)];
        let ways = [
            Way::Source,
            Way::Source,
            Way::Relay(relay),
            Way::Relay(relay),
            Way::Listener(listener),
        ];
        let way = ways[chance.usize(..ways.len())];
        match chance.u8(..20) {
            0..=5 => Self::Kill(victim, length),
            6 => Self::Freeze(victim, length),
            7 => Self::LoseDisk(length),
            8 => Self::FillDisk(length),
            9..=12 => Self::Silence(way, length),
            13 => Self::Reset(way),
            14 => Self::Forget(way),
            15 => Self::HalfClose(way),
            16 => Self::Slow(way, length),
            17 => Self::Sleep(length),
            _ => Self::Leave(listener),
        }
    }
}
