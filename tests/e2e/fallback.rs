//! A mount whose source dies: its listeners hear the fallback in the same answer, and come home.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, Role, Sound};
use tests::configs::SOURCE_USER;
use tests::ear::Ear;
use tests::heard::Heard;
use tests::http::get;
use tests::programs::Program;
use tests::tools::samples;
use tests::wait::{eventually, until};

const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const RATE: usize = 48_000;
/// What the source of the mount plays, in hertz, and what that of its fallback.
pub(crate) const OWN: usize = 400;
pub(crate) const OTHER: usize = 1600;
/// From the death of the source to the fallback: what the settings say, and what it takes.
const GAP_MAX: Duration = Duration::from_millis(2500);

pub(crate) fn tone(
    cluster: &Cluster,
    name: &str,
    mount: &str,
    hertz: usize,
    folder: &Path,
) -> Program {
    let (port, password) = (cluster.ports().master, &cluster.secrets().source);
    let to = format!("icecast://{SOURCE_USER}:{password}@127.0.0.1:{port}{mount}");
    Program::new(name, "ffmpeg", folder)
        .arguments([
            "-nostdin",
            "-loglevel",
            "warning",
            "-re",
            "-f",
            "lavfi",
            "-i",
        ])
        .arguments([format!("sine=frequency={hertz}:sample_rate={RATE}")])
        .arguments([
            "-c:a",
            "libvorbis",
            "-b:a",
            "64k",
            "-page_duration",
            "200000",
        ])
        .arguments(["-content_type", "application/ogg", "-f", "ogg", &to])
}

/// Which of the two is heard in each tenth of a second; in a change neither may be.
pub(crate) fn tones(sound: &[i16]) -> Vec<usize> {
    let hertz = sound.chunks_exact(RATE / 10).map(|tenth| {
        let turns = tenth.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0));
        turns.count() * 5
    });
    let mut heard: Vec<usize> = hertz
        .filter_map(|hertz| {
            let near = |tone: usize| hertz.abs_diff(tone) < tone / 10;
            [OWN, OTHER].into_iter().find(|tone| near(*tone))
        })
        .collect();
    heard.dedup();
    heard
}

pub(crate) fn serials(heard: &Heard) -> BTreeSet<u32> {
    heard.sound().map(|page| page.stamp.serial).collect()
}

#[test]
fn listeners_hear_the_fallback_while_their_source_is_away_and_only_they_come_home() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hook = folder.path().join("hook");
    let mounts = format!(
        "[{{ path = \"/a.ogg\", fallback = \"/b.ogg\", fallback_after_seconds = 1.0, \
             on_connect = [\"{0}\", \"+\"], on_disconnect = [\"{0}\", \"-\"] }}, \
          {{ path = \"/b.ogg\", hidden = true }}]",
        hook.display()
    );
    std::fs::write(&hook, "#!/bin/sh\necho \"$1$2\" >> \"$0.said\"\n")?;
    std::fs::set_permissions(&hook, Permissions::from_mode(0o755))?;
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?.with_variable(
        Role::Master,
        "PLENUM_MASTER__MOUNT",
        &mounts,
    );
    cluster.start_servers()?;
    let mut own = tone(&cluster, "own", "/a.ogg", OWN, folder.path());
    let mut other = tone(&cluster, "other", "/b.ogg", OTHER, folder.path());
    own.start()?;
    other.start()?;
    let at = |role, mount| {
        Ok::<_, anyhow::Error>(format!("{}{mount}", cluster.url(role).context("listens")?))
    };
    let (master, relay) = (at(Role::Master, "/a.ogg")?, at(Role::Relay(0), "/a.ogg")?);
    let listen = |url: &str| eventually(PATIENCE, url, || Ear::listen(url));
    let ears = [listen(&master)?, listen(&relay)?];
    let beside = listen(&at(Role::Master, "/b.ogg")?)?;
    listen(&at(Role::Relay(0), "/b.ogg")?)?.stop();

    let status = get(&at(Role::Relay(0), "/status-json.xsl")?)?.text();
    ensure!(
        status.contains("/a.ogg") && !status.contains("/b.ogg"),
        "{status}"
    );
    let sound = folder.path().join("sound.raw");
    let to = sound.display().to_string();
    let mut player = Program::new("player", "ffmpeg", folder.path())
        .arguments([
            "-nostdin",
            "-loglevel",
            "warning",
            "-i",
            &master,
            "-ac",
            "1",
        ])
        .arguments(["-f", "s16le", "-flush_packets", "1", "-y", &to]);
    player.start()?;
    let heard = || std::fs::read(&sound).map(|bytes| tones(&samples(&bytes)));
    let hears = |tones: &[usize]| {
        let what = format!("the player has heard {tones:?}");
        until(PATIENCE, &what, || {
            heard().is_ok_and(|heard| heard == tones)
        })
        .with_context(|| format!("{:?} {}", heard(), cluster.story()))
    };
    hears(&[OWN])?;
    own.kill()?;
    hears(&[OWN, OTHER])?;
    let late = listen(&master)?;
    ensure!(late.heard().head.status == 200);
    own.start()?;
    hears(&[OWN, OTHER, OWN])?;
    player.kill()?;
    let said = player.log();
    ensure!(
        !said.to_lowercase().contains("error") && !said.contains("nvalid"),
        "{said}"
    );
    for ear in ears {
        until(PATIENCE, "three links", || serials(&ear.heard()).len() >= 3).with_context(|| {
            let heard = ear.heard();
            let mut serials: Vec<_> = heard.pages.iter().map(|page| page.stamp.serial).collect();
            serials.dedup();
            format!("{} has heard {serials:?} {}", ear.url(), cluster.story())
        })?;
        let gap = ear.longest_gap();
        ensure!(gap < GAP_MAX, "{gap:?} without a page at {}", ear.url());
        ear.stop().check_order()?;
    }
    until(PATIENCE, "who came late is home", || {
        serials(&late.heard()).len() == 2
    })?;
    let said = std::fs::read_to_string(folder.path().join("hook.said"))?;
    ensure!(said == "+/a.ogg\n-/a.ogg\n+/a.ogg\n", "the hooks: {said}");
    let n_samples = beside.heard().n_samples();
    beside.wait_for_samples(n_samples + 24_000, PATIENCE)?;
    let beside = beside.stop();
    ensure!(
        serials(&beside).len() == 1,
        "who asked for the fallback was led away from it"
    );
    beside.check_order()
}
