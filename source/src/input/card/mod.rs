//! A sound card as an input that never stops: holes, stalls and lost cards become silence
//! of the same length until sound comes again.
//!
//! `devices` finds the card, `capture` runs it on its own thread, `timeline` says how much
//! silence belongs where, `clock` what time it is meanwhile.

mod capture;
mod clock;
pub mod devices;
mod timeline;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use stream::backoff::Backoff;
use tracing::{info, warn};

use super::{Block, Input, Read};
use capture::{Capture, Running};
use clock::Clock;
use timeline::Timeline;

/// Opening a card may take this long.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// The first sound may take this long; sound servers need up to two seconds.
const FIRST_SOUND_MAX: Duration = Duration::from_secs(5);

/// A card that has delivered nothing for this long is opened anew: many drivers never say
/// that anything is wrong.
const SOUND_MAX: Duration = Duration::from_secs(3);

/// A lost card is tried again at least so often: whoever plugs it in waits for it.
const REOPEN_MAX: Duration = Duration::from_millis(500);

/// So many errors of a running card are one too many.
const ERRORS_MAX: u64 = 100;

/// How often the rings are looked into.
const POLL: Duration = Duration::from_millis(10);

/// Missing sound is logged at most this often.
const HOLES_SAID: Duration = Duration::from_secs(5);

/// The most silence in one block.
const SILENCE_FRAMES_MAX: u64 = 4800;

/// A card, and what to do while it is away.
pub struct CardInput {
    name: String,
    is_mono: bool,
    state: State,
    backoff: Backoff,
    /// Of the card as it was opened last.
    rate: u32,
    n_channels: usize,
    timeline: Timeline,
    clock: Clock,
    /// When timeline and clock start.
    origin: Instant,
    /// Silence that is to be given before anything else, in frames.
    n_silence: u64,
    /// Sound that is to be given after the silence, in frames.
    n_sound: usize,
    n_overruns_seen: u64,
    /// Some sound has come since the start of the program.
    is_heard: bool,
    holes: Holes,
    /// Why it could not be opened last: said when it changes.
    complaint: String,
}

/// Silence that was put in, said at most once in a while: a broken card has a hole in
/// every callback.
#[derive(Debug, Default)]
struct Holes {
    n_frames_unsaid: u64,
    said: Option<Instant>,
}

enum State {
    /// Delivering, or about to. The capture is kept: dropping it closes the card.
    Running {
        running: Running,
        _capture: Capture,
        since: Instant,
        last: Option<Instant>,
    },
    /// A thread is opening it.
    Opening { capture: Capture, since: Instant },
    /// To be opened again then.
    Waiting { until: Instant },
}

impl CardInput {
    /// Opens a card and waits until it is open. `is_mono`: one channel is enough.
    ///
    /// # Errors
    /// Says which card, and what is wrong: if there is none of that name, which there are.
    pub fn open(name: &str, is_mono: bool) -> anyhow::Result<Self> {
        let capture = Capture::start(name, is_mono)?;
        let Some(opened) = capture.opened(OPEN_MAX) else {
            bail!(
                "sound card `{name}` does not open within {} s: its driver or sound server hangs",
                OPEN_MAX.as_secs()
            );
        };
        let running = opened?;
        describe(name, &running);
        let now = Instant::now();
        Ok(Self {
            name: name.to_owned(),
            is_mono,
            backoff: Backoff::new(),
            rate: running.rate,
            n_channels: running.n_channels,
            timeline: Timeline::new(running.rate),
            clock: Clock::default(),
            origin: now,
            n_silence: 0,
            n_sound: 0,
            n_overruns_seen: 0,
            is_heard: false,
            holes: Holes::default(),
            complaint: String::new(),
            state: State::Running {
                running,
                _capture: capture,
                since: now,
                last: None,
            },
        })
    }

    /// Notices that this program has stood still, for which the card is not to blame.
    fn look_at_clock(&mut self, now: Instant) {
        let Some(left_out) = self.clock.look(now - self.origin) else {
            return;
        };
        let seconds = left_out.as_secs_f64();
        warn!(
            "this program stood still: {seconds:.1} s are left out, for the master fills them; \
             keep the machine from sleeping, swapping or being paused"
        );
        match &mut self.state {
            State::Running { since, last, .. } => {
                *since += left_out;
                *last = last.map(|last| last + left_out);
            }
            State::Opening { since, .. } => *since += left_out,
            State::Waiting { .. } => {}
        }
    }

    /// Looks after the card: opens it anew when it is gone or silent for too long.
    fn supervise(&mut self, now: Instant) -> anyhow::Result<()> {
        match &self.state {
            State::Running {
                running,
                since,
                last,
                ..
            } => {
                if let Some(why) = trouble(running, *since, *last, now) {
                    warn!(
                        "sound card `{}` {why}; sending silence, opening it anew",
                        self.name
                    );
                    self.wait(now);
                }
            }
            State::Opening { capture, since } => match capture.opened(Duration::ZERO) {
                Some(Ok(running)) => self.resume(running, now),
                Some(Err(error)) => {
                    let complaint = format!("{error:#}");
                    if complaint != self.complaint {
                        warn!("{complaint}; sending silence, trying again");
                        self.complaint = complaint;
                    }
                    self.wait(now);
                }
                None if now - *since > OPEN_MAX => {
                    warn!(
                        "sound card `{}` hangs while opening; trying again",
                        self.name
                    );
                    self.wait(now);
                }
                None => {}
            },
            State::Waiting { until } if *until <= now => {
                let capture = Capture::start(&self.name, self.is_mono)
                    .context("the sound card cannot be brought back")?;
                self.state = State::Opening {
                    capture,
                    since: now,
                };
            }
            State::Waiting { .. } => {}
        }
        Ok(())
    }

    fn wait(&mut self, now: Instant) {
        // Sound that is in the ring of the lost card is given up with it.
        self.n_sound = 0;
        let wait = self.backoff.next(fastrand::f64()).min(REOPEN_MAX);
        self.state = State::Waiting { until: now + wait };
    }

    /// The card is back, perhaps with another format.
    fn resume(&mut self, running: Running, now: Instant) {
        describe(&self.name, &running);
        self.complaint.clear();
        if (self.rate, self.n_channels) != (running.rate, running.n_channels) {
            self.rate = running.rate;
            self.n_channels = running.n_channels;
            self.timeline = Timeline::new(running.rate);
            self.clock = Clock::default();
            self.origin = now;
            self.n_silence = 0;
        }
        self.n_overruns_seen = 0;
        let before = std::mem::replace(&mut self.state, State::Waiting { until: now });
        if let State::Opening { capture, .. } = before {
            self.state = State::Running {
                running,
                _capture: capture,
                since: now,
                last: None,
            };
        }
    }

    /// Takes the next callback's stamp and finds out how much silence belongs before it.
    fn take_stamp(&mut self, now: Instant) {
        let State::Running {
            running,
            last,
            since,
            ..
        } = &mut self.state
        else {
            return;
        };
        let Ok(stamp) = running.stamps.pop() else {
            return;
        };
        if last.is_none() && now - *since < FIRST_SOUND_MAX {
            self.backoff.reset();
        }
        *last = Some(now);
        self.is_heard = true;
        let n_overruns = running.report.n_overruns.load(Ordering::Relaxed);
        let is_hole = n_overruns > self.n_overruns_seen;
        self.n_overruns_seen = n_overruns;
        let time = stamp.at.saturating_duration_since(self.origin);
        let time = self.clock.counted(time);
        let n_frames = stamp.n_frames as u64;
        self.n_silence = self
            .timeline
            .arrived(time, n_frames, is_hole || stamp.is_cut);
        self.n_sound = stamp.n_frames;
        self.holes.add(self.n_silence, self.rate, now);
    }

    /// Nothing came: perhaps for so long that silence is due.
    fn take_silence(&mut self, now: Instant) {
        let time = self.clock.counted(now - self.origin);
        self.n_silence = self.timeline.overdue(time);
        self.holes.add(self.n_silence, self.rate, now);
    }

    fn give_silence(&mut self, block: &mut Block) {
        let n_frames = self.n_silence.min(SILENCE_FRAMES_MAX);
        self.n_silence -= n_frames;
        block.silence(usize::try_from(n_frames).unwrap_or(0));
    }

    fn give_sound(&mut self, block: &mut Block) {
        let n_samples = self.n_sound * self.n_channels;
        self.n_sound = 0;
        let State::Running { running, .. } = &mut self.state else {
            return;
        };
        if let Ok(chunk) = running.samples.read_chunk(n_samples) {
            block.samples.extend(chunk);
        }
    }
}

impl Input for CardInput {
    fn n_channels(&self) -> usize {
        self.n_channels
    }

    fn read(&mut self, block: &mut Block) -> anyhow::Result<Read> {
        block.rate = self.rate;
        block.n_channels = self.n_channels;
        block.samples.clear();
        let now = Instant::now();
        self.look_at_clock(now);
        if self.n_silence == 0 && self.n_sound == 0 {
            self.supervise(now)?;
            self.take_stamp(now);
            let is_starting = !self.is_heard && now - self.origin < FIRST_SOUND_MAX;
            if self.n_sound == 0 && self.n_silence == 0 && !is_starting {
                self.take_silence(now);
            }
        }
        if self.n_silence > 0 {
            self.give_silence(block);
            return Ok(Read::Sound);
        }
        if self.n_sound > 0 {
            self.give_sound(block);
            return Ok(Read::Sound);
        }
        std::thread::sleep(POLL);
        Ok(Read::Nothing)
    }
}

impl Holes {
    fn add(&mut self, n_frames: u64, rate: u32, now: Instant) {
        self.n_frames_unsaid += n_frames;
        let is_due = self.said.is_none_or(|said| now - said > HOLES_SAID);
        if self.n_frames_unsaid > 0 && is_due {
            let missing_ms = self.n_frames_unsaid * 1000 / u64::from(rate.max(1));
            warn!(
                missing_ms,
                "the sound card gave no sound for {missing_ms} ms, silence instead"
            );
            self.n_frames_unsaid = 0;
            self.said = Some(now);
        }
    }
}

/// Why a running card has to be opened anew, if it has.
fn trouble(
    running: &Running,
    since: Instant,
    last: Option<Instant>,
    now: Instant,
) -> Option<String> {
    if running.report.is_gone.load(Ordering::Relaxed) && running.stamps.is_empty() {
        return Some("is gone".to_owned());
    }
    let n_errors = running.report.n_errors.load(Ordering::Relaxed);
    if n_errors > ERRORS_MAX {
        return Some(format!("reported {n_errors} errors"));
    }
    let (from, most) = last.map_or((since, FIRST_SOUND_MAX), |last| (last, SOUND_MAX));
    if now - from > most && running.stamps.is_empty() {
        return Some(format!("has delivered nothing for {} s", most.as_secs()));
    }
    None
}

fn describe(name: &str, running: &Running) {
    info!(
        "sound card `{name}` is open: {} Hz, {} channels, {}",
        running.rate, running.n_channels, running.format
    );
}
