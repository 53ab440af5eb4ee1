//! The source: takes sound from a card, files or a tone, encodes it, and gets it to a
//! master (or an Icecast server) whatever the network does.
//!
//! Reading order: `input` (where sound comes from), `desk` (what is done to it),
//! `encoder` and `pages` (sound to Ogg pages), `sound` (the thread that does all that),
//! `backlog` (pages that wait), `spool` (the same on the disk), `uplink` (pages to the
//! server), `back_fill` (later, for a recording, what was not sent live). Around them: `config`,
//! `options`, `status`, `progress`, `recording`, `hangup`.

pub mod back_fill;
pub mod backlog;
pub mod config;
pub mod desk;
pub mod encoder;
pub mod hangup;
pub mod input;
pub mod options;
pub mod pages;
pub mod progress;
pub mod recording;
pub mod sound;
pub mod spool;
pub mod status;
pub mod uplink;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use stream::config::ConfigError;
use stream::shutdown::Shutdown;
use tokio::sync::oneshot;
use tracing::warn;

use back_fill::BackFill;
use backlog::Shared;
use config::{Settings, SpoolAt};
use desk::channels::Channels;
use encoder::{Encoder, Encoding};
use input::Input;
use input::card::CardInput;
use input::decode::Tags;
use input::file::{FileInput, Playlist, STANDARD_INPUT};
use input::tone::Tone;
use options::Wish;
use progress::Names;
use recording::Recording;
use sound::Sound;
use spool::Spool;
use spool::remains::Remains;
use status::Status;
use uplink::Uplink;
use uplink::request::Stream;

/// A source that is ready to go: the input is open, the settings fit it.
pub struct Source {
    sound: Sound,
    uplink: Uplink,
    back_fill: Option<BackFill>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The server has been sent everything.
    Complete,
    /// It was told to stop while pages still waited for the server.
    Cut {
        /// How many.
        n_pages: u64,
        /// They are in the spool: the next run sends them, if it comes soon.
        is_spooled: bool,
    },
}

/// Opens the input and checks everything that can be checked before a connection.
///
/// # Errors
/// Names what is wrong: file, card, or setting.
pub fn open(settings: Settings, device: &str, wish: &Wish) -> anyhow::Result<Source> {
    let (input, tags, is_fast) = open_input(&settings, device, wish)?;
    let layout = settings.layout(input.n_channels());
    let n_channels = u8::try_from(layout.n_channels()).context("too many channels")?;
    settings.effort.check(n_channels)?;
    let encoding = Encoding {
        n_channels,
        effort: settings.effort,
        tags: stream_tags(&settings, tags),
    };
    // The serial stays below 2^31: some players take it for a signed number.
    let serial = fastrand::u32(1..1 << 31);
    // A first one, thrown away, shows whether the encoder takes these settings.
    Encoder::new(&encoding, serial)?;
    let recording = settings
        .record
        .as_deref()
        .map(Recording::create)
        .transpose();
    let recording = recording.map_err(|error| wrong_setting(&error))?;
    let (spool, remains) = open_spool(&settings, serial)?;
    let catch_up = settings.catch_up;
    let n_uplinks = settings.ways.len();
    let backlog = Arc::new(Shared::with_spool(spool.clone(), catch_up, n_uplinks));
    let status = Arc::new(Status::new(n_uplinks));
    let back_fill = spool.clone().map(|spool| BackFill {
        target: settings.target.clone(),
        spool,
        backlog: backlog.clone(),
        speed: settings.fill_speed,
    });
    Ok(Source {
        back_fill,
        uplink: Uplink {
            ways: settings.ways,
            stream: Stream {
                about: settings.about,
                encoding: encoding.clone(),
                serial,
            },
            backlog: backlog.clone(),
            status: status.clone(),
            spool,
            remains,
            catch_up,
        },
        sound: Sound {
            input,
            is_fast,
            layout,
            encoding,
            serial,
            recording,
            backlog,
            status,
        },
    })
}

/// Checks what can be checked without a sound card: for `--check`.
///
/// # Errors
/// As [`open`].
pub fn check(wish: &Wish) -> anyhow::Result<()> {
    if let Wish::File {
        files,
        is_looped,
        is_fast,
    } = wish
    {
        let files = playlist(files, *is_looped, *is_fast);
        files.check().map_err(|error| wrong_setting(&error))?;
    }
    Ok(())
}

/// Runs until the input has ended and everything is sent, or until told to stop.
///
/// # Errors
/// When the input fails for good.
pub async fn run(source: Source, shutdown: Shutdown) -> anyhow::Result<Outcome> {
    let Source {
        sound,
        uplink,
        back_fill,
    } = source;
    let (backlog, status) = (sound.backlog.clone(), sound.status.clone());
    let names = Names::of(&uplink.ways);
    let (done, sent) = oneshot::channel();
    let running = sound.start(shutdown.clone())?;
    let end = shutdown.clone();
    shutdown.spawn("uplink", async move {
        let _ = done.send(uplink.run(end).await);
    });
    if let Some(back_fill) = back_fill {
        shutdown.spawn("back-fill", back_fill.run(shutdown.clone()));
    }
    let end = shutdown.clone();
    let shown = backlog.clone();
    shutdown.spawn("progress", async move {
        progress::show(&names, &status, &shown, &end).await;
    });
    stream::shutdown::notify_ready();
    let ended = running.ended().await;
    // Also what was encoded before a failure is still sent.
    let is_complete = sent.await.unwrap_or(false);
    ended?;
    let n_pages = backlog.lock().n_waiting();
    let is_spooled = backlog.spool().is_some();
    if is_spooled {
        // The disk may be slow; nobody else has to wait for it.
        let _ = tokio::task::spawn_blocking(move || backlog.spool().map(Spool::close)).await;
    }
    Ok(if is_complete {
        Outcome::Complete
    } else {
        Outcome::Cut {
            n_pages,
            is_spooled,
        }
    })
}

type OpenSpool = (Option<Arc<Spool>>, Vec<Remains>);

/// A folder that was named has to be one that can be used; without the usual one it goes on.
fn open_spool(settings: &Settings, serial: u32) -> anyhow::Result<OpenSpool> {
    let open = |folder: &Path| {
        let opened = Spool::open(folder, settings.spool_limits, settings.catch_up, serial);
        opened.map(|(spool, remains)| (Some(Arc::new(spool)), remains))
    };
    match &settings.spool {
        SpoolAt::Nowhere => Ok((None, Vec::new())),
        SpoolAt::Named(folder) => open(folder).map_err(|error| wrong_setting(&error)),
        SpoolAt::Usual(folder) => open(folder).or_else(|error| {
            warn!("{error:#}; the stream goes on with what memory holds");
            Ok((None, Vec::new()))
        }),
    }
}

type Opened = (Box<dyn Input>, Tags, bool);

fn open_input(settings: &Settings, device: &str, wish: &Wish) -> anyhow::Result<Opened> {
    Ok(match wish {
        Wish::Card { .. } => {
            let is_mono = settings.channels == Some(Channels::Mono) && settings.pick.is_none();
            let card = CardInput::open(device, is_mono).map_err(|error| wrong_setting(&error))?;
            (Box::new(card), Tags::default(), false)
        }
        Wish::File {
            files,
            is_looped,
            is_fast,
        } => {
            let files = FileInput::open(playlist(files, *is_looped, *is_fast));
            let files = files.map_err(|error| wrong_setting(&error))?;
            let tags = files.tags().clone();
            (Box::new(files), tags, *is_fast)
        }
        Wish::Tone { hertz } => (
            Box::new(Tone::new(f64::from(*hertz))),
            Tags::default(),
            false,
        ),
    })
}

/// What cannot be opened at the start was named wrongly, as far as we know.
fn wrong_setting(error: &anyhow::Error) -> anyhow::Error {
    ConfigError::new(format!("{error:#}")).into()
}

fn playlist(files: &[PathBuf], is_looped: bool, is_fast: bool) -> Playlist {
    let place = |file: &PathBuf| match file.to_str() {
        Some("-") => PathBuf::from(STANDARD_INPUT),
        _ => file.clone(),
    };
    Playlist {
        files: files.iter().map(place).collect(),
        is_looped,
        is_fast,
    }
}

fn stream_tags(settings: &Settings, tags: Tags) -> Vec<(String, String)> {
    let from_file = if settings.title.is_none() {
        [("TITLE", tags.title), ("ARTIST", tags.artist)]
    } else {
        [("TITLE", settings.title.clone()), ("ARTIST", None)]
    };
    from_file
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.replace('\0', ""))))
        .collect()
}
