//! Other people's players and checkers: what they make of a file or of a live stream.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::programs::Program;
use crate::tools::{finish, run, samples};
use crate::wait::until;

/// Somebody else's decoder of Vorbis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// ffmpeg's own decoder.
    Ffmpeg,
    /// mpv, which adds its own network and output to ffmpeg's decoder.
    Mpv,
    /// The reference decoder (libvorbis), behind ogg123's network code for live streams
    /// and oggdec for files.
    Reference,
}

impl Decoder {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ffmpeg, Self::Mpv, Self::Reference];

    /// Decodes a whole file: mono, 16 bits.
    ///
    /// # Errors
    /// When the decoder is missing or refuses the file.
    pub fn decode(self, file: &Path) -> Result<Vec<i16>> {
        let folder = tempfile::tempdir()?;
        let sound = folder.path().join("sound.raw");
        let mut command = if self == Self::Reference {
            let mut oggdec = Command::new("oggdec");
            oggdec
                .args(["-Q", "-R", "-b", "16", "-o"])
                .arg(&sound)
                .arg(file);
            oggdec
        } else {
            let (name, arguments) = self.command(&file.display().to_string(), &sound);
            let mut command = Command::new(name);
            command.args(arguments);
            command
        };
        run(&mut command)?;
        Ok(samples(&std::fs::read(&sound)?))
    }

    /// Starts playing a stream into a file, for ever.
    ///
    /// # Errors
    /// When the player is not installed.
    pub fn play(self, url: &str, folder: &Path) -> Result<Player> {
        let sound = folder.join(format!("{self:?}.raw"));
        let (name, arguments) = self.command(url, &sound);
        Player::start(name, arguments, sound, folder)
    }

    fn command(self, from: &str, to: &Path) -> (&'static str, Vec<String>) {
        let to = to.display().to_string();
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        match self {
            Self::Ffmpeg => (
                "ffmpeg",
                words(&[
                    "-nostdin",
                    "-loglevel",
                    "warning",
                    "-i",
                    from,
                    "-ac",
                    "1",
                    "-f",
                    "s16le",
                    "-flush_packets",
                    "1",
                    "-y",
                    &to,
                ]),
            ),
            Self::Mpv => (
                "mpv",
                words(&[
                    "--no-config",
                    "--no-terminal",
                    "--no-video",
                    "--ao=pcm",
                    "--ao-pcm-waveheader=no",
                    "--audio-format=s16",
                    "--audio-channels=mono",
                    &format!("--ao-pcm-file={to}"),
                    from,
                ]),
            ),
            Self::Reference => ("ogg123", words(&["-q", "-d", "raw", "-f", &to, from])),
        }
    }
}

/// A player that plays a live stream into a file.
#[derive(Debug)]
pub struct Player {
    program: Program,
    sound: PathBuf,
}

impl Player {
    /// A player with these arguments, which put `sound` out.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn start(
        name: &str,
        arguments: Vec<String>,
        sound: PathBuf,
        folder: &Path,
    ) -> Result<Self> {
        let mut program = Program::new(name, name, folder).arguments(arguments);
        program.start()?;
        Ok(Self { program, sound })
    }

    /// curl, which takes the bytes as they are and follows redirects.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn curl(url: &str, folder: &Path) -> Result<Self> {
        let sound = folder.join("curl.ogg");
        let to = sound.display().to_string();
        let arguments = ["-s", "-S", "-f", "-L", "-N", "-o", &to, url].map(str::to_owned);
        Self::start("curl", arguments.to_vec(), sound, folder)
    }

    /// ogg123 with a playlist, which it wants as a file.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn ogg123_with_playlist(playlist: &Path, folder: &Path) -> Result<Self> {
        let sound = folder.join("playlist.raw");
        let (to, list) = (sound.display().to_string(), playlist.display().to_string());
        let arguments = ["-q", "-d", "raw", "-f", &to, "-@", &list].map(str::to_owned);
        Self::start("ogg123", arguments.to_vec(), sound, folder)
    }

    /// Waits until so many bytes have come out of it.
    ///
    /// # Errors
    /// When it ends before, or the deadline passes.
    pub fn wait_for_bytes(&mut self, n_bytes: u64, deadline: Duration) -> Result<()> {
        let what = format!("{} puts out {n_bytes} bytes", self.program.name());
        let length = || std::fs::metadata(&self.sound).map_or(0, |about| about.len());
        until(deadline, &what, || {
            length() >= n_bytes || self.program.exit().is_some()
        })
        .and_then(|()| match length() {
            n if n >= n_bytes => Ok(()),
            n => bail!("{} ended after {n} bytes", self.program.name()),
        })
        .with_context(|| self.program.story())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.program.exit().is_some()
    }

    /// Ends it and gives the bytes that came out of it.
    ///
    /// # Errors
    /// When there is no output.
    pub fn stop(mut self) -> Result<Vec<u8>> {
        // Some have ended already, when the stream has.
        let _ = self.program.kill();
        let name = self.program.name();
        std::fs::read(&self.sound).with_context(|| format!("{name} put nothing out"))
    }
}

/// Whether a player comes to its end in good order, with a sound card that takes
/// everything at the speed of a real one: mpv, for this long.
///
/// # Errors
/// When it does not, with what it said.
pub fn mpv_plays(url: &str, length: Duration) -> Result<()> {
    let mut mpv = Command::new("mpv");
    mpv.args([
        "--no-config",
        "--no-video",
        "--ao=null",
        "--msg-level=all=warn",
    ])
    .arg(format!("--length={}", length.as_secs_f32()))
    .arg(url);
    let output = finish(&mut mpv, length + Duration::from_secs(15))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || said.to_lowercase().contains("error") {
        bail!("mpv {url} ({}): {said}", output.status);
    }
    Ok(())
}

/// oggz-validate: is the file well-formed from its first page to its last?
///
/// # Errors
/// Says what it complains of.
pub fn oggz_validate(file: &Path) -> Result<()> {
    run(Command::new("oggz-validate").arg(file)).map(drop)
}

/// The warnings and errors of ogginfo: it notices missing pages and holes.
///
/// # Errors
/// When it is not installed.
pub fn ogginfo(file: &Path) -> Result<Vec<String>> {
    let output = finish(
        Command::new("ogginfo").env("LC_ALL", "C").arg(file),
        Duration::from_secs(60),
    )?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let is_bad = |line: &&str| {
        let line = line.to_lowercase();
        ["warning", "error", "negative", "invalid", "eos not set"]
            .iter()
            .any(|word| line.contains(word))
    };
    Ok(said.lines().filter(is_bad).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech;

    #[test]
    fn all_decoders_agree_on_the_length_and_the_checkers_are_content() -> Result<()> {
        let file = speech::sitting_ogg()?;
        let lengths: Vec<_> = Decoder::ALL
            .iter()
            .map(|decoder| Ok(decoder.decode(&file)?.len()))
            .collect::<Result<_>>()?;
        assert!(lengths[0] > 60 * 48_000);
        assert!(lengths.iter().all(|n| *n == lengths[0]), "{lengths:?}");
        oggz_validate(&file)?;
        assert_eq!(ogginfo(&file)?, Vec::<String>::new());
        Ok(())
    }

    #[test]
    fn the_checkers_notice_a_missing_page() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let bytes = std::fs::read(speech::sitting_ogg()?)?;
        let starts: Vec<_> = bytes
            .windows(4)
            .enumerate()
            .filter(|(_, four)| *four == b"OggS")
            .map(|(at, _)| at)
            .collect();
        let damaged = folder.path().join("damaged.ogg");
        std::fs::write(
            &damaged,
            [&bytes[..starts[9]], &bytes[starts[10]..]].concat(),
        )?;
        assert_ne!(ogginfo(&damaged)?, Vec::<String>::new());
        Ok(())
    }
}
