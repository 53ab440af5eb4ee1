//! What the balancer knows of relays: Icecasts are asked, all are listened to, and one that serves
//! something else is out, while everybody goes on listening.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tests::cluster::{Cluster, MOUNT, Role, Sound, write_private};
use tests::crowd::{Plan, run};
use tests::ear::Ear;
use tests::figures::note;
use tests::fleet::{Fleet, Kind, Member};
use tests::http::{Address, Request};
use tests::ports;
use tests::programs::{Program, signal};
use tests::speech;
use tests::wait::eventually;

/// The promise: who serves something else is out within this time.
const OUT_MAX: Duration = Duration::from_secs(60);
const KNOWN_MAX: Duration = Duration::from_secs(20);
const EAR_MAX: Duration = Duration::from_secs(20);
/// Often, so that the tests are short.
const QUICK: &str = "poll_seconds = 1.0\nprobe_seconds = 1.0\n";

fn member(kind: Kind, n_places: u32) -> Member {
    Member { kind, n_places }
}

#[test]
fn a_mixed_fleet_works_from_the_first_day() -> Result<()> {
    let members = [
        member(Kind::Plenum, 5),
        member(Kind::IcecastStats, 7),
        member(Kind::IcecastPublic, 9),
    ];
    let mut fleet = Fleet::prepare(&members, QUICK, "")?;
    fleet.start()?;
    // A listener who came by himself is seen, and the limits are those that were configured.
    let direct = format!("{}{MOUNT}", fleet.icecasts[0].url);
    let ears: Vec<_> = (0..3)
        .map(|_| Ear::listen(&direct))
        .collect::<Result<_>>()?;
    eventually(KNOWN_MAX, "the listeners are seen", || {
        let relay = fleet.relay("icecast-1")?;
        ensure!(relay["slots"] == 7 && relay["listeners"] == 3, "{relay}");
        Ok(())
    })
    .with_context(|| fleet.cluster.story())?;
    ensure!(fleet.relay("icecast-2")?["slots"] == 9);
    drop(ears);
    eventually(KNOWN_MAX, "all have proved themselves", || {
        for name in ["relay-1", "icecast-1", "icecast-2"] {
            let relay = fleet.relay(name)?;
            ensure!(relay["window"].is_null(), "{relay}");
        }
        Ok(())
    })
    .with_context(|| fleet.cluster.story())?;
    // Nobody is refused, and nobody has all.
    let mut places = std::collections::BTreeMap::new();
    let mut crowd = Vec::new();
    for _ in 0..12 {
        let ear = eventually(EAR_MAX, "a place", || Ear::listen(&fleet.cluster.link()))?;
        let (place, _) = ear.url().split_once('?').unwrap_or_else(|| (ear.url(), ""));
        *places.entry(place.to_owned()).or_insert(0) += 1;
        crowd.push(ear);
    }
    ensure!(places.len() == 3, "one has nobody: {places:?}");
    for ear in &crowd {
        ear.wait_for_samples(48_000, EAR_MAX)?;
    }
    Ok(())
}

/// Serves a folder as a relay would serve a mount: endlessly what was recorded once.
struct Recorded {
    _program: Program,
    url: String,
}

impl Recorded {
    fn start(folder: &Path, file: &Path) -> Result<Self> {
        let port = ports::free()?;
        let site = folder.join("recorded");
        std::fs::create_dir_all(&site)?;
        std::fs::copy(file, site.join(MOUNT.trim_start_matches('/')))?;
        let status = format!(
            r#"{{"icestats":{{"source":{{"listenurl":"http://127.0.0.1:{port}{MOUNT}","listeners":0}}}}}}"#
        );
        std::fs::write(site.join("status-json.xsl"), status)?;
        let mut program = Program::new("recorded", "python3", folder)
            .arguments(["-m", "http.server", "--bind", "127.0.0.1", "--directory"])
            .arguments([site.display().to_string(), port.to_string()]);
        program.start()?;
        Ok(Self {
            _program: program,
            url: format!("http://127.0.0.1:{port}"),
        })
    }
}

fn polled(name: &str, url: &str) -> String {
    format!("\n[[relay]]\nname = \"{name}\"\nurl = \"{url}\"\n[relay.icecast]\nslots = 100\n")
}

/// Makes the relay with this number (from 1) mirror another master, or its own one again.
fn mirror(fleet: &Fleet, n: usize, from: &Cluster, to: &Cluster) -> Result<()> {
    let path = fleet.cluster.folder().join(format!("relay{n}.toml"));
    let text = std::fs::read_to_string(&path)?;
    let text = text
        .replace(&from.ports().master_url(), &to.ports().master_url())
        .replace(&from.secrets().relay, &to.secrets().relay);
    write_private(&path, &text)
}

/// MP3 beside the tone: it is compared, too, and nobody is accused because of it.
fn music(cluster: &Cluster, folder: &Path) -> Result<Program> {
    let Address { authority, .. } = Address::parse(&cluster.ports().master_url())?;
    let password = &cluster.secrets().source;
    let to = format!("icecast://source:{password}@{authority}/music.mp3");
    let mut ffmpeg = Program::new("music", "ffmpeg", folder)
        .arguments(["-nostdin", "-loglevel", "info", "-re", "-f", "lavfi"])
        .arguments(["-i", "anoisesrc=r=44100:a=0.1", "-b:a", "128k"])
        .arguments(["-c:a", "libmp3lame", "-f", "mp3", &to]);
    ffmpeg.start()?;
    Ok(ffmpeg)
}

fn wait_until_out(fleet: &Fleet, names: &[&str], since: Instant) -> Result<Duration> {
    eventually(OUT_MAX, "they are out", || {
        for name in names {
            let state = fleet.state(name)?;
            ensure!(state != "open", "{name} is {state}");
        }
        Ok(since.elapsed())
    })
    .with_context(|| fleet.cluster.story())
}

/// Whoever lies is the emptiest, so everybody would be sent there.
#[test]
fn who_serves_other_or_old_sound_hangs_or_is_gone_is_out_and_comes_back_when_he_is_good()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut other = Cluster::prepare(0, &Sound::Tone)?;
    other.start_servers()?;
    other.start_program(Role::Source)?;
    let recorded = Recorded::start(folder.path(), &speech::sitting_ogg()?)?;
    let members = [
        member(Kind::Plenum, 50),
        member(Kind::Plenum, 500),
        member(Kind::IcecastStats, 500),
        member(Kind::IcecastPublic, 500),
    ];
    let bytes = "probe = \"bytes\"\n[relay.icecast]";
    let more = polled("recorded", &recorded.url).replace("[relay.icecast]", bytes);
    let mut fleet = Fleet::prepare(&members, QUICK, &more)?;
    // The second relay has a token, a mount of the right name, and another master.
    mirror(&fleet, 2, &fleet.cluster, &other)?;
    fleet.start_programs()?;
    let _music = music(&fleet.cluster, folder.path())?;
    fleet.wait_until_open(&["relay-1", "icecast-1", "icecast-2"])?;
    let honest = Ear::listen(&fleet.cluster.mount_at(Role::Relay(0)))?;
    let hanging = fleet.icecasts[0].program.pid().context("it runs")?;
    let since = Instant::now();
    signal(hanging, Signal::STOP)?;
    fleet.icecasts[1].program.kill()?;
    let gone = wait_until_out(&fleet, &["icecast-2"], since)?;
    let lied = wait_until_out(&fleet, &["relay-2", "recorded"], since)?;
    let hung = wait_until_out(&fleet, &["icecast-1"], since)?;
    note(&format!("out: gone {gone:?}, lied {lied:?}, hung {hung:?}"));
    let compared = format!("{} on /music.mp3", fleet.cluster.ports().master_url());
    for evidence in [
        "relay relay-2 is in quarantine: /live.ogg at 127.0.0.1:",
        "relay recorded is in quarantine: /live.ogg at 127.0.0.1:",
        "relay icecast-1 does not tell how it stands: no answer within 5 s",
        "the connection was refused",
        "the master has sent no such stream",
        compared.as_str(),
    ] {
        eventually(OUT_MAX, "there is evidence", || {
            let log = fleet.cluster.program(Role::Balancer).log();
            ensure!(log.contains(evidence), "no {evidence:?} in {log}");
            Ok(())
        })?;
    }
    // Everybody is sent to the only one that is left.
    for _ in 0..5 {
        let answer = Request::new("HEAD", &fleet.cluster.link())?.send()?;
        let target = answer.head.header("location").context("where to")?;
        ensure!(
            target.starts_with(&fleet.cluster.mount_at(Role::Relay(0))),
            "{target}"
        );
    }
    // They mend their ways.
    signal(hanging, Signal::CONT)?;
    fleet.icecasts[1].program.start()?;
    fleet.cluster.program(Role::Relay(1)).kill()?;
    mirror(&fleet, 2, &other, &fleet.cluster)?;
    fleet.cluster.start_program(Role::Relay(1))?;
    fleet.wait_until_open(&["relay-1", "relay-2", "icecast-1", "icecast-2"])?;
    ensure!(fleet.state("recorded")? != "open");
    ensure!(
        !honest.heard().has_ended,
        "the honest relay's listener was cut off"
    );
    honest.stop().check_order()
}

/// `make crowd`, scaled down.
#[test]
fn a_crowd_finds_places_at_our_relays() -> Result<()> {
    crowd(Kind::Plenum)
}

#[test]
fn a_crowd_finds_places_at_icecasts() -> Result<()> {
    crowd(Kind::IcecastStats)
}

fn crowd(kind: Kind) -> Result<()> {
    let outcome = run(Plan {
        kind,
        places: vec![100, 50, 30, 20],
        n_listeners: 160,
        time: Duration::from_secs(6),
    })?;
    note(&outcome.to_string());
    outcome.check()
}
