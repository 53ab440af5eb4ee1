//! Other people's players as listeners have them: with a link or a playlist, and a sound card that
//! is a file. Is there ever more sound, and where from?

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::programs::Program;
use crate::wait::until;

/// VLC refuses to be root.
pub const NOBODY: [&str; 5] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--",
];
/// A player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Radio {
    /// mpv.
    Mpv,
    /// VLC, without window.
    Vlc,
    /// ffmpeg, which decodes into a file.
    Ffmpeg,
    /// ffplay.
    Ffplay,
    /// `MPlayer`.
    Mplayer,
    /// ogg123.
    Ogg123,
    /// `GStreamer`.
    Gstreamer,
    /// mpg123, which only knows MPEG.
    Mpg123,
}

impl Radio {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Mpv,
        Self::Vlc,
        Self::Ffmpeg,
        Self::Ffplay,
        Self::Mplayer,
        Self::Ogg123,
        Self::Gstreamer,
        Self::Mpg123,
    ];

    /// Those that read a playlist, and play what comes next in it when the sound ends; VLC when the
    /// relay that it asks again refuses it.
    pub const WITH_LIST: [Self; 4] = [Self::Mpv, Self::Mplayer, Self::Mpg123, Self::Vlc];

    fn command(self, from: &str, to: &str, is_list: bool) -> (&'static str, Vec<String>) {
        let pcm = format!("--ao-pcm-file={to}");
        let mplayer = format!("pcm:file={to}:nowaveheader");
        let vlc =
            format!("#transcode{{acodec=s16l}}:std{{access=file{{append}},mux=raw,dst={to}}}");
        let location = format!("location={from}");
        let sink = format!("location={to}");
        let (name, words): (_, Vec<&str>) = match self {
            Self::Mpv => {
                let raw = "--ao-pcm-waveheader=no";
                let plain = ["--no-config", "--no-terminal", "--no-video", "--ao=pcm"];
                ("mpv", [plain.as_slice(), &[raw, &pcm, from]].concat())
            }
            Self::Vlc => {
                let plain = ["-I", "dummy", "--no-dbus", "--no-video", "--sout-keep"];
                ("cvlc", [plain.as_slice(), &["--sout", &vlc, from]].concat())
            }
            Self::Ffmpeg => {
                let plain = ["-nostdin", "-v", "warning", "-i", from];
                (
                    "ffmpeg",
                    [plain.as_slice(), &["-f", "s16le", "-y", to]].concat(),
                )
            }
            Self::Ffplay => ("ffplay", vec!["-nodisp", "-v", "warning", from]),
            Self::Mplayer => {
                let plain = ["-nolirc", "-vo", "null", "-nocache", "-ao", &mplayer];
                let list: &[&str] = if is_list { &["-playlist"] } else { &[] };
                ("mplayer", [plain.as_slice(), list, &[from]].concat())
            }
            Self::Ogg123 => ("ogg123", vec!["-q", "-d", "raw", "-f", to, from]),
            Self::Gstreamer => {
                let source = [
                    "-q",
                    "souphttpsrc",
                    &location,
                    "!",
                    "oggdemux",
                    "!",
                    "vorbisdec",
                ];
                (
                    "gst-launch-1.0",
                    [source.as_slice(), &["!", "filesink", &sink]].concat(),
                )
            }
            Self::Mpg123 => {
                let list: &[&str] = if is_list { &["-@"] } else { &[] };
                ("mpg123", [&["-q", "-O", to], list, &[from]].concat())
            }
        };
        (name, words.into_iter().map(str::to_owned).collect())
    }
}

/// A player that plays.
#[derive(Debug)]
pub struct Playing {
    radio: Radio,
    program: Program,
    sound: PathBuf,
}

impl Playing {
    /// Plays a link, or a playlist in a file, into `folder`.
    ///
    /// # Errors
    /// When the player is not installed.
    pub fn start(radio: Radio, from: &str, folder: &Path) -> Result<Self> {
        let is_list = !from.contains("://");
        let own = folder.join(format!("{radio:?}{}", if is_list { "-list" } else { "" }));
        std::fs::create_dir_all(&own)?;
        // VLC is somebody else.
        for path in [folder, &own] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
        }
        let sound = own.join("sound.raw");
        let to = sound.display().to_string();
        let (name, arguments) = radio.command(from, &to, is_list);
        let mut program = Program::new(name, name, &own)
            .arguments(arguments)
            .variable("HOME", &own.display().to_string())
            .variable("SDL_AUDIODRIVER", "disk")
            .variable("SDL_DISKAUDIOFILE", &to);
        if radio == Radio::Vlc && rustix::process::getuid().is_root() {
            program = program.behind(NOBODY);
        }
        program.start()?;
        Ok(Self {
            radio,
            program,
            sound,
        })
    }

    /// Which one.
    pub fn radio(&self) -> Radio {
        self.radio
    }

    /// How many bytes of sound there are. A new file counts from 0.
    pub fn n_bytes(&self) -> u64 {
        std::fs::metadata(&self.sound).map_or(0, |about| about.len())
    }

    /// Waits until so many more bytes of sound come than there were at any time since.
    ///
    /// # Errors
    /// When it does not within the deadline.
    pub fn wait_for_more(&mut self, n_bytes: u64, deadline: Duration) -> Result<()> {
        let what = format!("{:?} plays", self.radio);
        let mut least = self.n_bytes();
        until(deadline, &what, || {
            let now = self.n_bytes();
            least = least.min(now);
            now >= least + n_bytes
        })
        .with_context(|| format!("{} bytes; {}", self.n_bytes(), self.program.story()))
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn stop(mut self) -> Result<()> {
        ensure!(self.program.is_running(), "{}", self.program.story());
        self.program.kill()
    }
}
