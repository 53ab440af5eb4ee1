//! The command line. What is given here overrides `source.toml`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Uplink};
use crate::desk::channels::{Channels, Pick};

const EXAMPLES: &str = "\
The password is never given on the command line, where other users of the machine can read
it. Put it into source.toml (password = \"…\" or password_file = \"…\") or set the environment
variable PLENUM_SOURCE__PASSWORD. Any other key can be set in the same way, such as
PLENUM_SOURCE__URL.

Examples:
  plenum-source --list-devices
      What can be recorded from.
  plenum-source --url http://radio.example:8000/live.ogg card --device Scarlett --channels mono
      Send the sound card whose name contains `Scarlett`, mixed to one channel.
  plenum-source --url http://radio.example:8000/live.ogg card --pick left --record today.ogg
      Only the left channel of the default card; keep a copy.
  plenum-source file morning.flac noon.mp3 --loop
      Play files for ever, in real time.
  ffmpeg -v error -i radio.m3u8 -f wav - | plenum-source file -
      What another program writes: `-` is the standard input, and a named pipe works, too.
  plenum-source --spool /srv/spool card
      Keep what the master has not confirmed in that folder; it survives a restart.
  plenum-source --uplink eth0 --uplink wwan0 card
      Over two networks at once: either may fail for any time and nobody hears it.
  plenum-source --url http://a.example/live.ogg --url http://b.example/live.ogg card
      A second master, for when the first does not answer.
  plenum-source tone
      A test tone, to see whether the chain works.

Ends with 0 when all is sent or waits in the spool for the next run, 1 when something failed
or the last of it never reached the server, 2 when the settings are wrong. SIGTERM, SIGINT
(Ctrl-C) and SIGHUP (its terminal was closed; not with nohup) end it in an orderly way.
Set PLENUM_LOG=debug to see more.";

/// Encodes a sound card, files or a tone to Ogg Vorbis and sends it to a Plenum master or
/// an Icecast server.
#[derive(Debug, Parser)]
#[command(name = "plenum-source", version, after_long_help = EXAMPLES, after_help = "See --help for examples and for where the password goes.")]
pub struct Options {
    /// Settings file [default: /etc/plenum/source.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Check settings and files, print nothing, and end: 0 fine, 2 wrong
    #[arg(long, global = true)]
    pub check: bool,

    /// List the sound cards that can be recorded from, and end
    #[arg(long)]
    pub list_devices: bool,

    #[command(flatten)]
    overrides: Overrides,

    /// What to send
    #[command(subcommand)]
    pub input: Option<Wish>,
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Wish {
    /// A sound card
    Card {
        /// Its name, or a part of its name or description that fits only one
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
    },
    /// Sound files, one after another: WAV, FLAC, MP3, Ogg Vorbis, AAC, M4A
    File {
        /// Played in this order; `-` is the standard input
        #[arg(required = true, value_name = "FILES")]
        files: Vec<PathBuf>,
        /// Start over at the end, for ever
        #[arg(long = "loop")]
        is_looped: bool,
        /// As fast as encoder and server take it, not in real time
        #[arg(long = "fast")]
        is_fast: bool,
    },
    /// A sine tone
    Tone {
        /// Its pitch
        #[arg(long, default_value_t = 440, value_parser = clap::value_parser!(u32).range(20..=20_000))]
        hertz: u32,
    },
}

/// Keys of `source.toml` that the command line can set, too.
#[derive(Debug, Args)]
struct Overrides {
    /// Where to send: server and mount, such as http://radio.example:8000/live.ogg. Given more
    /// than once: servers that stand in for the first while it does not answer
    #[arg(long, global = true)]
    url: Vec<String>,
    /// Certificates (PEM) that vouch for an https server, besides those of this machine
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// Send over this interface or local address; given more than once: over all of them at once
    #[arg(long, value_name = "INTERFACE", global = true)]
    uplink: Vec<String>,
    /// An interface or local address that is used only while no other uplink delivers
    #[arg(long, value_name = "INTERFACE", global = true)]
    standby_uplink: Vec<String>,
    /// User that the server knows [default: source]
    #[arg(long, global = true)]
    user: Option<String>,
    /// Name of the station
    #[arg(long, global = true)]
    name: Option<String>,
    /// What it is about
    #[arg(long, global = true)]
    description: Option<String>,
    /// Such as `speech`
    #[arg(long, global = true)]
    genre: Option<String>,
    /// The station's own page
    #[arg(long, value_name = "URL", global = true)]
    website: Option<String>,
    /// Let directories list it
    #[arg(long, global = true)]
    public: bool,
    /// Title that players show [default: of the first file]
    #[arg(long, global = true)]
    title: Option<String>,
    /// kbit/s on average [default: 96]
    #[arg(long, value_name = "KBITS", global = true)]
    bitrate: Option<u32>,
    /// Vorbis quality from -1 to 10, instead of a bitrate
    #[arg(
        long,
        value_name = "Q",
        global = true,
        conflicts_with = "bitrate",
        allow_negative_numbers = true
    )]
    quality: Option<f32>,
    /// Send one channel or two [default: as the input]
    #[arg(long, global = true)]
    channels: Option<Channels>,
    /// Use only a part of the input
    #[arg(long, global = true)]
    pick: Option<Pick>,
    /// Samples a second of what is sent; this version knows only 48000
    #[arg(long, global = true, value_parser = ["48000"])]
    rate: Option<String>,
    /// Also write what is sent to this new file
    #[arg(long, value_name = "FILE.ogg", global = true)]
    record: Option<PathBuf>,
    /// Keep pages in this folder until the master has them [default: a folder for each mount
    /// below ~/.local/state/plenum/spool]
    #[arg(long, value_name = "FOLDER", global = true)]
    spool: Option<PathBuf>,
    /// Keep pages in memory only: the last minute
    #[arg(long, global = true, conflicts_with = "spool")]
    no_spool: bool,
}

impl Options {
    /// Lays what was given on the command line over the settings.
    pub fn apply(&self, config: &mut Config) {
        let given = &self.overrides;
        if let Some((first, others)) = given.url.split_first() {
            config.url.clone_from(first);
            config.spare_urls = others.to_vec();
        }
        config.ca_file = given.ca_file.clone().or_else(|| config.ca_file.take());
        if !(given.uplink.is_empty() && given.standby_uplink.is_empty()) {
            let hot = given.uplink.iter().map(|bind| (bind, false));
            let standby = given.standby_uplink.iter().map(|bind| (bind, true));
            let uplinks = hot.chain(standby).map(|(bind, standby)| Uplink {
                bind: bind.clone(),
                url: String::new(),
                standby,
            });
            config.uplink = uplinks.collect();
        }
        set(&mut config.user, given.user.as_ref());
        set(&mut config.name, given.name.as_ref());
        set(&mut config.description, given.description.as_ref());
        set(&mut config.genre, given.genre.as_ref());
        set(&mut config.website, given.website.as_ref());
        if given.bitrate.is_some() {
            config.quality = None;
        }
        set(&mut config.bitrate, given.bitrate.as_ref());
        config.public |= given.public;
        config.title = given.title.clone().or_else(|| config.title.take());
        config.quality = given.quality.or(config.quality);
        config.channels = given.channels.or(config.channels);
        config.pick = given.pick.or(config.pick);
        config.record = given.record.clone().or_else(|| config.record.take());
        config.spool = given.spool.clone().or_else(|| config.spool.take());
        if given.no_spool {
            config.spool = Some(PathBuf::new());
        }
        if let Some(Wish::Card {
            device: Some(device),
        }) = &self.input
        {
            config.device.clone_from(device);
        }
    }
}

fn set<T: Clone>(place: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        place.clone_from(given);
    }
}
