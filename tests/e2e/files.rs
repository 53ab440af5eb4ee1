//! Files that the operator gives for a mount: what is heard while its source is away, what a new
//! listener hears first, and where what comes is copied to.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tests::cluster::{Cluster, Role, Sound};
use tests::configs::SOURCE_USER;
use tests::ear::Ear;
use tests::http::{Request, get};
use tests::programs::{Program, signal};
use tests::speech;
use tests::tone::{OTHER, OWN, Player, RATE, tones};
use tests::tools::{finish, samples};
use tests::wait::{eventually, until};

use crate::fallback::{serials, tone};

const PATIENCE: Duration = Duration::from_secs(20);
/// So much is heard of a stream that begins with an intro, in seconds.
const HEARD_SECONDS: &str = "4";

/// A file of the tone that no source plays.
fn file(folder: &Path, name: &str, seconds: usize, codec: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let sound = format!("sine=frequency={OTHER}:sample_rate={RATE}:duration={seconds}");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args([
            "-nostdin",
            "-loglevel",
            "error",
            "-f",
            "lavfi",
            "-i",
            &sound,
        ])
        .args(["-c:a", codec, "-b:a", "64k", "-y"])
        .arg(&path);
    let made = finish(&mut ffmpeg, PATIENCE)?;
    ensure!(made.status.success(), "{made:?}");
    Ok(path)
}

fn mp3_source(cluster: &Cluster, folder: &Path) -> Program {
    let (port, password) = (cluster.ports().master, &cluster.secrets().source);
    let to = format!("icecast://{SOURCE_USER}:{password}@127.0.0.1:{port}/b.mp3");
    let sound = format!("sine=frequency={OWN}:sample_rate={RATE}");
    Program::new("mp3", "ffmpeg", folder)
        .arguments(["-nostdin", "-loglevel", "warning", "-re", "-f", "lavfi"])
        .arguments(["-i", &sound, "-c:a", "libmp3lame", "-b:a", "64k"])
        .arguments(["-content_type", "audio/mpeg", "-f", "mp3", &to])
}

/// What a new listener hears, with titles between the frames or without.
fn first_heard(url: &str, titles: &str) -> Result<Vec<usize>> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-loglevel", "error", "-icy", titles, "-i", url])
        .args(["-t", HEARD_SECONDS, "-ac", "1", "-f", "s16le", "-"]);
    let heard = finish(&mut ffmpeg, PATIENCE)?;
    let said = String::from_utf8_lossy(&heard.stderr).into_owned();
    ensure!(heard.status.success() && said.is_empty(), "{said}");
    Ok(tones(&samples(&heard.stdout)))
}

fn sound_of(file: &Path) -> Result<Vec<usize>> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(file)
        .args(["-ac", "1", "-f", "s16le", "-"]);
    let heard = finish(&mut ffmpeg, PATIENCE)?;
    ensure!(
        heard.status.success() && heard.stderr.is_empty(),
        "{heard:?}"
    );
    Ok(tones(&samples(&heard.stdout)))
}

/// Two times a source was there: two files, of which the first has been written to its end.
fn check_copies(folder: &Path) -> Result<()> {
    let files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<Result<Vec<_>>>()?;
    files.sort();
    ensure!(files.len() == 2, "a file for each time: {files:?}");
    ensure!(sound_of(&files[0])? == [OWN], "{files:?}");
    Ok(())
}

#[test]
fn files_are_heard_while_a_source_is_away_and_before_the_stream_and_written_while_it_is_there()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let away = file(folder.path(), "away.ogg", 3, "libvorbis")?;
    let welcome = file(folder.path(), "welcome.mp3", 2, "libmp3lame")?;
    let dumps = folder.path().join("dumps");
    let mounts = format!(
        "[{{ path = \"/a.ogg\", fallback_file = \"{}\", fallback_after_seconds = 1.0, \
             dump_file = \"{}/%H%M%S.ogg\" }}, \
          {{ path = \"/b.mp3\", intro_file = \"{}\", dump_file = \"/dev/full\" }}]",
        away.display(),
        dumps.display(),
        welcome.display()
    );
    let at_relay = format!(
        "[{{ path = \"/b.mp3\", intro_file = \"{}\" }}]",
        welcome.display()
    );
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?
        .with_variable(Role::Master, "PLENUM_MASTER__MOUNT", &mounts)
        .with_variable(Role::Relay(0), "PLENUM_RELAY__MOUNT", &at_relay);
    cluster.start_servers()?;
    let mut mp3 = mp3_source(&cluster, folder.path());
    mp3.start()?;
    let at = |role, mount: &str| {
        Ok::<_, anyhow::Error>(format!("{}{mount}", cluster.url(role).context("listens")?))
    };
    let (master, relay) = (at(Role::Master, "/a.ogg")?, at(Role::Relay(0), "/a.ogg")?);
    // No source has ever come: the file is heard all the same.
    eventually(PATIENCE, "the file is played", || Ear::listen(&master))?.stop();
    let player = Player::start(&master, folder.path())?;
    let hears = |tones: &[usize]| {
        let heard = player.hears(tones, PATIENCE);
        heard.with_context(|| cluster.story())
    };
    hears(&[OTHER])?;
    // Longer than the file is.
    until(PATIENCE, "the file is played again", || {
        player.n_samples() > 5 * RATE
    })?;
    let mut own = tone(&cluster, "own", "/a.ogg", OWN, folder.path());
    own.start()?;
    hears(&[OTHER, OWN])?;
    let at_relay = eventually(PATIENCE, "a listener at the relay", || Ear::listen(&relay))?;
    let link = at(Role::Balancer, "/a.ogg")?;
    eventually(PATIENCE, "the balancer sends listeners", || {
        Ear::listen(&link)
    })?
    .stop();
    own.kill()?;
    let _sent = Ear::listen(&link).context("its source went a moment ago")?;
    hears(&[OTHER, OWN, OTHER])?;
    let sent = Ear::listen(&link).context("its file is played")?;
    until(PATIENCE, "the file is heard through the balancer", || {
        !sent.heard().pages.is_empty()
    })?;
    let front = get(&at(Role::Balancer, "/")?)?.text();
    ensure!(
        front.contains("/a.ogg") && !front.contains("~file"),
        "{front}"
    );
    own.start()?;
    hears(&[OTHER, OWN, OTHER, OWN])?;
    // Where one whole file follows another, ffmpeg counts 64 samples twice and says so.
    let log = player.stop()?;
    let mut said = log.lines().filter(|line| !line.contains("monotonic"));
    ensure!(
        !said.any(|line| line.contains("rror") || line.contains("nvalid")),
        "{log}"
    );
    until(PATIENCE, "three links at the relay", || {
        serials(&at_relay.heard()).len() >= 3
    })?;
    at_relay.stop().check_order()?;
    let status = get(&at(Role::Relay(0), "/status-json.xsl")?)?.text();
    ensure!(!status.contains("~file"), "{status}");

    check_copies(&dumps)?;
    let b = at(Role::Master, "/b.mp3")?;
    for titles in ["0", "1"] {
        ensure!(first_heard(&b, titles)? == [OTHER, OWN], "-icy {titles}");
    }
    let log = cluster.program(Role::Master).log();
    ensure!(log.contains("No space left") && mp3.is_running(), "{log}");
    std::fs::copy(file(folder.path(), "other.mp3", 1, "libmp3lame")?, &welcome)?;
    std::fs::copy(file(folder.path(), "other.ogg", 1, "libvorbis")?, &away)?;
    told_of_others(
        &mut cluster,
        Role::Master,
        &["`intro_file` of /b.mp3", "`fallback_file` of /a.ogg"],
    )?;
    told_of_others(&mut cluster, Role::Relay(0), &["`intro_file` of /b.mp3"])
}

/// After SIGHUP it is said which files hold other sound than before.
fn told_of_others(cluster: &mut Cluster, role: Role, words: &[&str]) -> Result<()> {
    let program = cluster.program(role);
    signal(program.pid().context("it runs")?, Signal::HUP)?;
    for word in words {
        let word = format!("what is in the {word}");
        until(PATIENCE, "other files", || program.log().contains(&word))
            .with_context(|| program.story())?;
    }
    Ok(())
}

#[test]
fn a_file_plays_on_while_its_master_is_upgraded() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let away = file(folder.path(), "away.ogg", 60, "libvorbis")?;
    let mounts = format!(
        "[{{ path = \"/c.ogg\", fallback_file = \"{}\", fallback_after_seconds = 0.5 }}]",
        away.display()
    );
    let name = "PLENUM_MASTER__MOUNT";
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?.with_variable(Role::Master, name, &mounts);
    cluster.start_servers()?;
    let at = |role| Ok::<_, anyhow::Error>(cluster.url(role).context("listens")? + "/c.ogg");
    let urls = [at(Role::Master)?, at(Role::Relay(0))?];
    let (_, mut upload) = Request::new("PUT", &urls[0])?
        .credentials(SOURCE_USER, &cluster.secrets().source)
        .header("Content-Type", "application/ogg")
        .header("Content-Length", "9223372036854775807")
        .open()?;
    upload.send(&std::fs::read(speech::sitting_ogg()?)?[..60_000])?;
    // Until then who comes hears the file first.
    until(PATIENCE, "its source is there", || {
        let log = cluster.program(Role::Master).log();
        log.contains("/c.ogg is back")
    })?;
    let listen = |url: &String| eventually(PATIENCE, "its source is heard", || Ear::listen(url));
    let ears = urls.iter().map(listen).collect::<Result<Vec<_>>>()?;
    drop(upload);
    let hear_until = |seconds: usize| {
        ears.iter().try_for_each(|ear| {
            until(PATIENCE, "so much of the file is heard", || {
                let heard = ear.heard();
                let newest = heard.sound().last().map_or(0, |page| page.stamp.granule);
                serials(&heard).len() > 1 && newest > (seconds * RATE) as i64
            })
        })
    };
    hear_until(4)?;
    cluster.program(Role::Master).upgrade()?;
    hear_until(6).with_context(|| cluster.story())?;
    for ear in ears {
        let heard = ear.stop();
        heard.check_order()?;
        let n_links = serials(&heard).len();
        ensure!(n_links == 2, "{n_links} links: {}", cluster.story());
    }
    Ok(())
}
