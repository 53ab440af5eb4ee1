//! The thread that makes pages of sound: input, desk, encoder, recording, backlog.
//!
//! It waits for nobody but its input, so that no network and no server can make sound
//! get lost before it is encoded.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use stream::shutdown::Shutdown;
use tokio::sync::oneshot;
use tracing::info;

use crate::backlog::Shared;
use crate::desk::Desk;
use crate::desk::channels::Layout;
use crate::encoder::{Encoder, Encoding};
use crate::input::{Block, Input, Read, WAIT_MAX};
use crate::pages::Made;
use crate::recording::Recording;
use crate::status::Status;

/// How much sound there is between two readings of the meter.
const METER_INTERVAL: Duration = Duration::from_millis(50);

/// All that the thread needs.
pub struct Sound {
    /// Where sound comes from.
    pub input: Box<dyn Input>,
    /// The input need not keep time: it waits while much waits to be sent.
    pub is_fast: bool,
    /// What the desk gives.
    pub layout: Layout,
    /// How to encode.
    pub encoding: Encoding,
    /// The logical stream's serial number.
    pub serial: u32,
    /// A file that gets every page.
    pub recording: Option<Recording>,
    /// Where pages go.
    pub backlog: Arc<Shared>,
    /// Level and time.
    pub status: Arc<Status>,
}

/// The running thread.
#[must_use]
pub struct Running(oneshot::Receiver<anyhow::Result<()>>);

impl Sound {
    /// Starts the thread. It ends when the input does, when it fails, or when the program
    /// is told to stop; in each case the logical stream is ended properly first.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(self, shutdown: Shutdown) -> anyhow::Result<Running> {
        let (done, receiver) = oneshot::channel();
        std::thread::Builder::new()
            .name("sound".to_owned())
            .spawn(move || {
                let _ = done.send(self.run(&shutdown));
            })
            .context("no thread for the sound")?;
        Ok(Running(receiver))
    }

    fn run(mut self, shutdown: &Shutdown) -> anyhow::Result<()> {
        // However this ends, the uplink must not wait for pages that never come.
        let backlog = self.backlog.clone();
        let outcome = self.make_pages(shutdown);
        backlog.end();
        if let Some(recording) = self.recording.take() {
            recording.finish();
        }
        outcome
    }

    fn make_pages(&mut self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let mut encoder = Encoder::new(&self.encoding, self.serial)?;
        let mut desk = Desk::new(self.layout);
        let mut block = Block::default();
        let mut unmetered = Duration::ZERO;
        let why = loop {
            if shutdown.is_requested() {
                break Ok("told to stop");
            }
            if self.is_fast && !self.backlog.wait_for_room(WAIT_MAX) {
                continue;
            }
            match self.input.read(&mut block) {
                Ok(Read::Nothing) => continue,
                Ok(Read::End) => break Ok("the input has ended"),
                Ok(Read::Sound) => {}
                Err(error) => break Err(error),
            }
            desk.process(&mut block, |channels| self.encode(&mut encoder, channels))?;
            unmetered += length(&block);
            if unmetered >= METER_INTERVAL {
                unmetered = Duration::ZERO;
                self.status.add_level(desk.read_meter());
            }
        };
        desk.finish(|channels| self.encode(&mut encoder, channels))?;
        encoder.finish(|made| self.keep(made))?;
        info!("the stream ends: {}", why?);
        Ok(())
    }

    fn encode(&mut self, encoder: &mut Encoder, channels: &[&[f32]]) -> anyhow::Result<()> {
        encoder.encode(channels, |made| self.keep(made))?;
        self.status
            .add_samples(channels.first().map_or(0, |samples| samples.len()));
        Ok(())
    }

    fn keep(&mut self, made: Made) {
        if let Some(recording) = &mut self.recording {
            recording.write(made.page());
        }
        self.backlog.push(made);
    }
}

impl Running {
    /// Waits until the thread has ended.
    ///
    /// # Errors
    /// What the input or encoder failed with.
    pub async fn ended(self) -> anyhow::Result<()> {
        self.0
            .await
            .context("the sound thread ended unexpectedly")?
    }
}

fn length(block: &Block) -> Duration {
    let n_frames = u32::try_from(block.n_frames()).unwrap_or(u32::MAX);
    Duration::from_secs(1) * n_frames / block.rate.max(1)
}
