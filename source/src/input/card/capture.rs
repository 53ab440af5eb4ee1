//! One run of a sound card, on a thread of its own that can be left behind.
//!
//! Opening, closing and dropping a stream can block for ever inside a driver or sound
//! server; then only this thread hangs. The callback copies into a ring and does nothing
//! that waits or allocates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, FromSample, SampleFormat, SizedSample, StreamConfig,
    SupportedBufferSize, SupportedStreamConfigRange,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::devices;
use crate::encoder::RATE;

/// The ring holds so much sound. Full: what arrives is dropped and counted, and silence
/// takes its place.
const RING: Duration = Duration::from_secs(5);

/// The ring of stamps holds so many callbacks: five seconds of the shortest.
const STAMPS_MAX: usize = 4096;

/// So many frames a callback, if the card can: 43 ms. Two of them are all that the driver
/// keeps for us.
const PERIOD_FRAMES: u32 = 2048;

/// How long the driver may wait before it looks whether the card is still there.
const POLL: Duration = Duration::from_millis(500);

/// More capture threads than this hanging in drivers: only a restart helps.
const THREADS_MAX: usize = 8;

/// Capture threads that have not ended. Global because a driver that hangs does so for the
/// whole process.
static N_THREADS: AtomicUsize = AtomicUsize::new(0);

/// Written beside the sound for every callback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// When the callback came.
    pub at: Instant,
    /// How many frames it put into the ring.
    pub n_frames: usize,
    /// It found no room for others.
    pub is_cut: bool,
}

/// What the callbacks report.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// How often the card lost sound.
    pub n_overruns: AtomicU64,
    /// Other errors.
    pub n_errors: AtomicU64,
    /// The card is gone; nothing more will come.
    pub is_gone: AtomicBool,
}

/// A card that is delivering.
pub(super) struct Running {
    /// Samples a second.
    pub rate: u32,
    /// How many channels.
    pub n_channels: usize,
    /// The format in words, for the log.
    pub format: String,
    /// The sound.
    pub samples: Consumer<f32>,
    /// What was put into `samples`, callback by callback.
    pub stamps: Consumer<Stamp>,
    /// What went wrong.
    pub report: Arc<Report>,
}

/// A capture thread. Dropping it tells the thread to close the card, and does not wait.
pub(super) struct Capture {
    opened: Receiver<anyhow::Result<Running>>,
    _stop: SyncSender<()>,
}

impl Capture {
    /// Starts opening a card. `is_mono`: one channel is enough.
    pub(super) fn start(name: &str, is_mono: bool) -> anyhow::Result<Self> {
        if N_THREADS.fetch_add(1, Ordering::Relaxed) >= THREADS_MAX {
            N_THREADS.fetch_sub(1, Ordering::Relaxed);
            bail!(
                "the driver of `{name}` hangs and does not let go ({THREADS_MAX} attempts); \
                 restart this program, and the sound server if that does not help"
            );
        }
        let (report, opened) = sync_channel(1);
        let (stop, stopped) = sync_channel(0);
        let device_name = name.to_owned();
        std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || {
                run(&device_name, is_mono, &report, &stopped);
                N_THREADS.fetch_sub(1, Ordering::Relaxed);
            })
            .context("no thread for the sound card")?;
        Ok(Self {
            opened,
            _stop: stop,
        })
    }

    /// Whether the card is open by now, waiting at most `wait` for it.
    pub(super) fn opened(&self, wait: Duration) -> Option<anyhow::Result<Running>> {
        if wait.is_zero() {
            return match self.opened.try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err(anyhow::anyhow!(GONE))),
            };
        }
        match self.opened.recv_timeout(wait) {
            Ok(outcome) => Some(outcome),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                Some(Err(anyhow::anyhow!(GONE)))
            }
        }
    }
}

const GONE: &str = "the thread of the sound card ended";

fn run(
    name: &str,
    is_mono: bool,
    report: &SyncSender<anyhow::Result<Running>>,
    stopped: &Receiver<()>,
) {
    match open(name, is_mono) {
        Ok((stream, running)) => {
            if report.send(Ok(running)).is_ok() {
                // Ends when the other side is dropped.
                let _ = stopped.recv();
            }
            drop(stream);
        }
        Err(error) => {
            let _ = report.send(Err(error));
        }
    }
}

fn open(name: &str, is_mono: bool) -> anyhow::Result<(cpal::Stream, Running)> {
    let device = devices::find(name)?;
    let ranges: Vec<_> = device
        .supported_input_configs()
        .map_err(|error| explain(name, &error))?
        .collect();
    let (config, format) = choose(&ranges, is_mono)
        .with_context(|| format!("sound card `{name}` offers no format that can be used"))?;
    let n_samples = RING.as_secs() * u64::from(config.sample_rate) * u64::from(config.channels);
    let (sample_writer, samples) = RingBuffer::new(usize::try_from(n_samples)?);
    let (stamp_writer, stamps) = RingBuffer::new(STAMPS_MAX);
    let report = Arc::new(Report::default());
    let rings = Rings {
        samples: sample_writer,
        stamps: stamp_writer,
        n_channels: usize::from(config.channels),
    };
    let stream = build(&device, config, format, rings, &report)
        .and_then(|stream| stream.play().map(|()| stream))
        .map_err(|error| explain(name, &error))?;
    let running = Running {
        rate: config.sample_rate,
        n_channels: usize::from(config.channels),
        format: format!("{format}"),
        samples,
        stamps,
        report,
    };
    Ok((stream, running))
}

fn explain(name: &str, error: &cpal::Error) -> anyhow::Error {
    let remedy = match error.kind() {
        ErrorKind::DeviceBusy => "another program is using it; close that one",
        ErrorKind::DeviceNotAvailable => "it is not there; is it plugged in?",
        ErrorKind::PermissionDenied => "this user may not use it; add it to the group `audio`",
        ErrorKind::UnsupportedConfig => "try its `plughw:` name, which converts formats",
        _ => "see what there is with --list-devices",
    };
    anyhow::anyhow!("sound card `{name}` does not open ({error}): {remedy}")
}

/// The format nearest to what is sent, so that little is converted: 48 kHz, then 44.1;
/// one or two channels as needed; samples that keep all bits.
fn choose(
    ranges: &[SupportedStreamConfigRange],
    is_mono: bool,
) -> Option<(StreamConfig, SampleFormat)> {
    let range = ranges
        .iter()
        .filter(|range| format_rank(range.sample_format()).is_some())
        .min_by_key(|range| {
            let rate = u8::from(pick_rate(range) != RATE);
            let format = format_rank(range.sample_format());
            (rate, channel_rank(range.channels(), is_mono), format)
        })?;
    let buffer_size = match *range.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => {
            BufferSize::Fixed(PERIOD_FRAMES.clamp(min, max))
        }
        _ => BufferSize::Fixed(PERIOD_FRAMES),
    };
    let config = StreamConfig {
        channels: range.channels(),
        sample_rate: pick_rate(range),
        buffer_size,
    };
    Some((config, range.sample_format()))
}

fn pick_rate(range: &SupportedStreamConfigRange) -> u32 {
    let possible = range.min_sample_rate()..=range.max_sample_rate();
    [RATE, 44_100, 96_000]
        .into_iter()
        .find(|rate| possible.contains(rate))
        .unwrap_or_else(|| range.max_sample_rate())
}

fn channel_rank(n_channels: u16, is_mono: bool) -> u16 {
    match (n_channels, is_mono) {
        (1, true) | (2, false) => 0,
        (1, false) | (2, true) => 1,
        (many, _) => many,
    }
}

fn format_rank(format: SampleFormat) -> Option<usize> {
    const USABLE: [SampleFormat; 7] = [
        SampleFormat::F32,
        SampleFormat::I32,
        SampleFormat::I24,
        SampleFormat::I16,
        SampleFormat::F64,
        SampleFormat::U16,
        SampleFormat::U8,
    ];
    USABLE.iter().position(|usable| *usable == format)
}

fn build(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    rings: Rings,
    report: &Arc<Report>,
) -> Result<cpal::Stream, cpal::Error> {
    match format {
        SampleFormat::I16 => build_as::<i16>(device, config, rings, report),
        SampleFormat::I24 => build_as::<cpal::I24>(device, config, rings, report),
        SampleFormat::I32 => build_as::<i32>(device, config, rings, report),
        SampleFormat::F64 => build_as::<f64>(device, config, rings, report),
        SampleFormat::U16 => build_as::<u16>(device, config, rings, report),
        SampleFormat::U8 => build_as::<u8>(device, config, rings, report),
        _ => build_as::<f32>(device, config, rings, report),
    }
}

fn build_as<T>(
    device: &Device,
    config: StreamConfig,
    mut rings: Rings,
    report: &Arc<Report>,
) -> Result<cpal::Stream, cpal::Error>
where
    T: SizedSample + Send + 'static,
    f32: FromSample<T>,
{
    let report = report.clone();
    device.build_input_stream::<T, _, _>(
        config,
        move |samples, _| rings.take(samples, Instant::now()),
        move |error| report.add(error.kind()),
        Some(POLL),
    )
}

/// The writing side of the rings, owned by the callback.
struct Rings {
    samples: Producer<f32>,
    stamps: Producer<Stamp>,
    n_channels: usize,
}

impl Rings {
    /// Runs in the driver's thread: copies what fits, whole frames, and never waits.
    fn take<T: SizedSample>(&mut self, samples: &[T], at: Instant)
    where
        f32: FromSample<T>,
    {
        if self.stamps.slots() == 0 {
            // The reader has been away for seconds: the clock will tell it how long.
            return;
        }
        let n_frames = self.samples.slots().min(samples.len()) / self.n_channels.max(1);
        let n_samples = n_frames * self.n_channels;
        let Ok(room) = self.samples.write_chunk_uninit(n_samples) else {
            return;
        };
        room.fill_from_iter(samples.iter().map(|sample| sample.to_sample::<f32>()));
        let _ = self.stamps.push(Stamp {
            at,
            n_frames,
            is_cut: n_samples < samples.len(),
        });
    }
}

impl Report {
    /// Runs in the driver's thread.
    fn add(&self, kind: ErrorKind) {
        match kind {
            ErrorKind::Xrun => {
                self.n_overruns.fetch_add(1, Ordering::Relaxed);
            }
            ErrorKind::DeviceNotAvailable
            | ErrorKind::StreamInvalidated
            | ErrorKind::HostUnavailable => self.is_gone.store(true, Ordering::Relaxed),
            _ => {
                self.n_errors.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests;
