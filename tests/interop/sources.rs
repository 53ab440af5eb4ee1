//! Other people's source programs, each of which sends all formats that it can.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{ScopedJoinHandle, scope};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tests::alsa::Desk;
use tests::cluster::write_private;
use tests::http::Address;
use tests::peers;
use tests::programs::Program;
use tests::tone::{OWN, RATE};
use tests::tools::run;

use super::feed::Feed;
use super::table::{FORMATS, Format, Line};

/// So long are the files that some of them send again and again.
const FILE_SECONDS: u64 = 30;
/// ffmpeg cannot hear two films one after another in one Ogg: this is longer than it takes.
const FILM_SECONDS: u64 = 100;
/// Liquidsoap wants multiples of 16.
const PICTURE: (u32, u32) = (160, 128);
const PICTURES_A_SECOND: u32 = 10;

/// Where they send, and what: a tone, and a picture that moves.
pub(super) struct Studio {
    url: String,
    password: String,
    folder: PathBuf,
}

/// What sends.
pub(super) enum Running {
    Program(
        Program,
        #[expect(dead_code, reason = "plays until it is dropped")] Option<Desk>,
    ),
    Feed(#[expect(dead_code, reason = "is ended when it is dropped")] Feed),
}

impl Running {
    pub(super) fn story(&self) -> Option<String> {
        match self {
            Self::Program(program, _) => Some(program.story()),
            Self::Feed(_) => None,
        }
    }
}

impl Studio {
    pub(super) fn new(url: &str, password: &str, folder: &Path) -> Self {
        Self {
            url: url.to_owned(),
            password: password.to_owned(),
            folder: folder.to_owned(),
        }
    }

    /// Makes the files that some of them send.
    pub(super) fn record(&self) -> Result<()> {
        // Sound waits long for pictures where one ffmpeg makes both.
        let (films, sounds) = FORMATS.iter().partition(|format| format.has_picture());
        let sounds: Vec<_> = sounds;
        let films: Vec<_> = films;
        let reels = films.into_iter().map(|film| vec![film]).chain([sounds]);
        scope(|scope| {
            let takes: Vec<_> = reels
                .map(|formats| scope.spawn(move || self.record_some(&formats)))
                .collect();
            let mut takes = takes.into_iter().map(ScopedJoinHandle::join);
            takes.try_for_each(|take| take.map_err(|_| anyhow!("a recording panicked"))?)
        })
    }

    fn record_some(&self, formats: &[&Format]) -> Result<()> {
        let seconds = formats
            .first()
            .map_or(0, |format| seconds(**format))
            .to_string();
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error"]);
        for input in inputs() {
            ffmpeg.args(["-t", &seconds]).args(input);
        }
        for format in formats {
            ffmpeg.args(coded(**format)).arg(self.file(**format));
        }
        if formats.len() > 1 {
            ffmpeg.args(["-map", "0:a"]).arg(self.wav());
        }
        run(&mut ffmpeg).map(drop)
    }

    /// Starts a program, with all formats that it is tried with.
    pub(super) fn start(&self, line: &Line) -> Result<Vec<Running>> {
        let folder = self.folder.join(line.slug);
        std::fs::create_dir_all(&folder)?;
        match line.slug {
            "put" | "legacy" => one(self.ffmpeg(line, &folder), None),
            "liquidsoap" => one(self.liquidsoap(line, &folder)?, None),
            "ices" => one(self.ices(line, &folder)?, None),
            "darkice" => {
                let desk = Desk::playing(&self.wav())?;
                one(self.darkice(line, &folder, &desk)?, Some(desk))
            }
            "gstreamer" => one(self.gstreamer(line, &folder)?, None),
            _ => line
                .formats()
                .map(|format| match line.slug {
                    "ezstream" => self.ezstream(line, format, &folder.join(format.ending)),
                    "curl" => self.curl(line, format).map(Running::Feed),
                    "shoutcast" => self.shoutcast(line, format).map(Running::Feed),
                    other => bail!("nobody knows how to start {other}"),
                })
                .collect(),
        }
    }

    fn file(&self, format: Format) -> PathBuf {
        self.folder.join(format!("tone.{}", format.ending))
    }

    fn wav(&self) -> PathBuf {
        self.folder.join("tone.wav")
    }

    fn host_and_port(&self) -> Result<(String, String)> {
        let Address { authority, .. } = Address::parse(&self.url)?;
        let (host, port) = authority.rsplit_once(':').context("has a port")?;
        Ok((host.to_owned(), port.to_owned()))
    }

    fn ffmpeg(&self, line: &Line, folder: &Path) -> Program {
        let authority = self.url.trim_start_matches("http://");
        let legacy = if line.slug == "legacy" { "1" } else { "0" };
        let mut ffmpeg =
            Program::new(line.slug, "ffmpeg", folder).arguments(["-nostdin", "-loglevel", "error"]);
        for input in inputs() {
            ffmpeg = ffmpeg.arguments(["-re"]).arguments(input);
        }
        for format in line.formats() {
            let mount = line.mount(format);
            let to = format!("icecast://source:{}@{authority}{mount}", self.password);
            ffmpeg = ffmpeg
                .arguments(coded(format))
                .arguments(["-legacy_icecast", legacy])
                .arguments(["-content_type", format.media_type, &to]);
        }
        ffmpeg
    }

    fn ezstream(&self, line: &Line, format: Format, folder: &Path) -> Result<Running> {
        std::fs::create_dir_all(folder)?;
        let url = format!("{}{}", self.url, line.mount(format));
        let word = if format.name == "MP3" { "MP3" } else { "Ogg" };
        let file = self.file(format);
        let mut program = peers::ezstream_of(folder, &file, &url, &self.password, word)?;
        program.start()?;
        Ok(Running::Program(program, None))
    }

    fn liquidsoap(&self, line: &Line, folder: &Path) -> Result<Program> {
        let (host, port) = self.host_and_port()?;
        let (width, height) = PICTURE;
        let mut script = format!(
            "settings.init.allow_root.set(true)\nsettings.log.stdout.set(true)\n\
             settings.frame.video.width.set({width})\nsettings.frame.video.height.set({height})\n\
             settings.frame.video.framerate.set({PICTURES_A_SECOND})\n\
             settings.frame.audio.samplerate.set({RATE})\n\
             sound = sine({OWN}.)\nfilm = mux_video(video=video.testsrc(), sound)\n"
        );
        for format in line.formats() {
            let what = if format.has_picture() {
                "film"
            } else {
                "sound"
            };
            let encoder = match format.name {
                "Vorbis" => "%vorbis(quality=0.0)",
                "Opus" => "%ogg(%opus(bitrate=48))",
                "FLAC" => "%ogg(%flac)",
                "MP3" => "%mp3(bitrate=64)",
                "AAC" => {
                    "%ffmpeg(format='adts', %audio(codec='aac')), icy_metadata='true', \
                     format='audio/aac'"
                }
                "Theora" => "%ogg(%theora(quality=20), %vorbis)",
                _ => {
                    "%ffmpeg(format='webm', %audio(codec='libvorbis'), \
                     %video(codec='libvpx', deadline='realtime', g=10)), icy_metadata='false', \
                     format='video/webm'"
                }
            };
            script += &format!(
                "output.icecast({encoder}, host='{host}', port={port}, password='{}', \
                 mount='{}', name='Liquidsoap', {what})\n",
                self.password,
                line.mount(format)
            );
        }
        let file = folder.join("radio.liq");
        write_private(&file, &script)?;
        let file = file.display().to_string();
        Ok(Program::new("liquidsoap", "liquidsoap", folder).arguments([file]))
    }

    fn ices(&self, line: &Line, folder: &Path) -> Result<Program> {
        let (host, port) = self.host_and_port()?;
        let list = folder.join("list.txt");
        // It plays no file twice in a row.
        let other = folder.join("other.ogg");
        let file = self.file(FORMATS[0]);
        std::fs::copy(&file, &other)?;
        let files = [file, other].map(|file| file.display().to_string() + "\n");
        std::fs::write(&list, files.concat())?;
        let config = folder.join("ices.xml");
        write_private(
            &config,
            &format!(
                "<ices><background>0</background><logpath>{}</logpath><logfile>ices.txt</logfile>\
                 <stream><metadata><name>ices</name></metadata>\
                 <input><module>playlist</module><param name=\"type\">basic</param>\
                 <param name=\"file\">{}</param></input>\
                 <instance><hostname>{host}</hostname><port>{port}</port>\
                 <password>{}</password><mount>{}</mount></instance></stream></ices>",
                folder.display(),
                list.display(),
                self.password,
                line.mount(FORMATS[0])
            ),
        )?;
        Ok(Program::new("ices2", "ices2", folder).arguments([config.display().to_string()]))
    }

    fn darkice(&self, line: &Line, folder: &Path, desk: &Desk) -> Result<Program> {
        let (host, port) = self.host_and_port()?;
        let mut settings =
            "[general]\nduration = 0\nbufferSecs = 1\nreconnect = yes\nrealtime = no\n\
             [input]\ndevice = default\nsampleRate = 48000\nbitsPerSample = 16\nchannel = 1\n"
                .to_owned();
        for (n, format) in line.formats().enumerate() {
            let word = format.name.to_lowercase();
            settings += &format!(
                "[icecast2-{n}]\nformat = {word}\nbitrateMode = cbr\nbitrate = 48\nserver = {host}\n\
                 port = {port}\npassword = {}\nmountPoint = {}\nname = DarkIce\n",
                self.password,
                line.mount(format).trim_start_matches('/')
            );
        }
        let file = folder.join("darkice.cfg");
        write_private(&file, &settings)?;
        let card = desk.config().display().to_string();
        Ok(Program::new("darkice", "darkice", folder)
            .arguments(["-c".to_owned(), file.display().to_string()])
            .variable("ALSA_CONFIG_PATH", &card))
    }

    fn gstreamer(&self, line: &Line, folder: &Path) -> Result<Program> {
        let (host, port) = self.host_and_port()?;
        let (width, height) = PICTURE;
        let mut words = format!(
            "-q audiotestsrc is-live=true wave=sine freq={OWN} \
             ! audio/x-raw,rate={RATE},channels=1 ! tee name=sound \
             videotestsrc is-live=true pattern=ball \
             ! video/x-raw,width={width},height={height},framerate={PICTURES_A_SECOND}/1 \
             ! tee name=picture"
        );
        for format in line.formats() {
            let coding = match format.name {
                "Vorbis" => "vorbisenc quality=0 ! oggmux",
                "Opus" => "opusenc bitrate=32000 ! oggmux",
                "FLAC" => "flacenc ! oggmux",
                "MP3" => "lamemp3enc target=bitrate bitrate=64 cbr=true",
                "Theora" => {
                    "vorbisenc ! queue ! oggmux name=ogg picture. ! queue ! videoconvert \
                     ! theoraenc bitrate=100 keyframe-force=10 ! queue ! ogg. ogg."
                }
                _ => {
                    "vorbisenc ! queue ! webmmux name=webm streamable=true picture. ! queue \
                     ! videoconvert ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=10 \
                     target-bitrate=100000 ! queue ! webm. webm."
                }
            };
            words += &format!(
                " sound. ! queue ! audioconvert ! {coding} ! shout2send ip={host} port={port} \
                 password={} mount={}",
                self.password,
                line.mount(format)
            );
        }
        let words = words.split_whitespace();
        Ok(Program::new("gst-launch-1.0", "gst-launch-1.0", folder).arguments(words))
    }

    fn curl(&self, line: &Line, format: Format) -> Result<Feed> {
        let mut curl = Command::new("curl")
            .args(["-sS", "-u", &format!("source:{}", self.password)])
            .args(["-H", &format!("Content-Type: {}", format.media_type)])
            .args(["-T", "-", &format!("{}{}", self.url, line.mount(format))])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start curl")?;
        let input = curl.stdin.take().context("it reads")?;
        self.feed(format, input, Some(curl))
    }

    fn shoutcast(&self, line: &Line, format: Format) -> Result<Feed> {
        let mut socket = Address::parse(&self.url)?.connect()?;
        let mount = line.mount(format);
        socket.write_all(format!("{mount}:{}\r\n", self.password).as_bytes())?;
        let mut answer = [0; 20];
        socket.read_exact(&mut answer)?;
        ensure!(answer.starts_with(b"OK2\r\n"), "{answer:?}");
        let kind = format.media_type;
        let lines =
            format!("icy-name:Old\r\nicy-pub:0\r\nicy-br:48\r\ncontent-type:{kind}\r\n\r\n");
        socket.write_all(lines.as_bytes())?;
        let socket: TcpStream = socket;
        self.feed(format, socket, None)
    }

    fn feed(
        &self,
        format: Format,
        to: impl Write + Send + 'static,
        reader: Option<Child>,
    ) -> Result<Feed> {
        let lasts = Duration::from_secs(seconds(format));
        Feed::start(&self.file(format), lasts, to, reader)
    }
}

/// Whether it sends a file again and again; others make a tone that never ends.
pub(super) fn plays_files(line: &Line) -> bool {
    ["curl", "darkice", "ezstream", "ices", "shoutcast"].contains(&line.slug)
}

fn one(program: Program, desk: Option<Desk>) -> Result<Vec<Running>> {
    let mut program = program.behind(["nice", "-n", "5"]);
    program.start()?;
    Ok(vec![Running::Program(program, desk)])
}

/// What ffmpeg begins with: sound, and a picture.
fn inputs() -> [Vec<String>; 2] {
    let (width, height) = PICTURE;
    [
        format!("-f lavfi -i sine=frequency={OWN}:sample_rate={RATE}"),
        format!("-f lavfi -i testsrc2=size={width}x{height}:rate={PICTURES_A_SECOND}"),
    ]
    .map(|words| words.split(' ').map(str::to_owned).collect())
}

fn seconds(format: Format) -> u64 {
    match format.has_picture() {
        true => FILM_SECONDS,
        false => FILE_SECONDS,
    }
}

/// How ffmpeg codes a format.
fn coded(format: Format) -> impl Iterator<Item = &'static str> {
    "-map 0:a"
        .split(' ')
        .chain(format.coding.split_whitespace())
}
