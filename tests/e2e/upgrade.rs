//! A new version in the place of a running one: nobody who listens, sends or is just coming notices.

mod words;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stream::ogg::Framer;
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, STOP_MAX, Sound, write_private};
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::Heard;
use tests::http::get;
use tests::peers::{self, Method};
use tests::programs::heir::{is_alive, wait_for_end};
use tests::programs::{Program, find, signal};
use tests::soak::{GAP_MAX, every_sample_once, hear_the_end, listen_from_the_start};
use tests::speech;
use tests::tls::Certificate;
use tests::wait::{eventually, until};

const SECOND: i64 = 48_000;
const EAR_MAX: Duration = Duration::from_secs(20);
/// Who listens while everything is replaced; some of them all the time, others come and go.
const N_LISTENERS: &str = "300";
const CHURN_A_SECOND: &str = "30";
const CROWD_SECONDS: &str = "12";
const CROWD_MAX: Duration = Duration::from_secs(60);
const UPGRADES: [Role; 6] = [
    Role::Master,
    Role::Relay(0),
    Role::Relay(0),
    Role::Master,
    Role::Master,
    Role::Relay(0),
];

/// A crowd that listens to `url` and comes and goes.
fn crowd(url: &str, folder: &Path, name: &str) -> Result<Program> {
    let json = folder.join(format!("{name}.json")).display().to_string();
    let mut swarm = Program::new(name, find("plenum-swarm")?, folder)
        .arguments([url, "--listeners", N_LISTENERS, "--churn", CHURN_A_SECOND])
        .arguments(["--settle", "0", "--seconds", CROWD_SECONDS, "--json", &json]);
    swarm.start()?;
    Ok(swarm)
}

fn check_crowd(mut swarm: Program, folder: &Path) -> Result<()> {
    let status = swarm.wait(CROWD_MAX)?;
    let json = folder.join(format!("{}.json", swarm.name()));
    let outcome: Value = serde_json::from_slice(&std::fs::read(json)?)?;
    let number = |path: &str| outcome.pointer(path).and_then(Value::as_f64);
    let [refused, stalls] = ["/n_not_connected", "/sample/n_stalls"].map(number);
    note(&format!(
        "{}: {} came and went, {} pages checked, {stalls:?} stalls",
        swarm.name(),
        number("/n_churned").unwrap_or_default(),
        number("/sample/n_pages").unwrap_or_default(),
    ));
    ensure!(status.success(), "{}", swarm.story());
    ensure!(refused == Some(0.0), "{refused:?} could not connect");
    Ok(())
}

/// Upgrades again and again, at moments that have nothing to do with the pages.
fn upgrade_all(cluster: &mut Cluster) -> Result<()> {
    for (n, role) in UPGRADES.into_iter().enumerate() {
        cluster.program(role).upgrade()?;
        // Nothing can be watched here: the moment is to be a random one.
        std::thread::sleep(Duration::from_millis(137 * (n as u64 + 1)));
    }
    Ok(())
}

fn check_log(cluster: &mut Cluster, role: Role) -> Result<()> {
    let log = cluster.program(role).log();
    let stood = log
        .lines()
        .filter(|line| line.contains("everything stood still"));
    note(&stood.collect::<Vec<_>>().join("\n"));
    ensure!(!log.contains("WARN") || role != Role::Master, "{log}");
    Ok(())
}

/// Upgrades a whole chain, with or without a state directory at its master.
fn upgrade_a_chain(state: Option<&Path>) -> Result<Cluster> {
    let mut cluster = Cluster::prepare_recorded(1, &Sound::File(speech::sitting()?))?;
    if let Some(state) = state {
        let state = state.display().to_string();
        let name = "PLENUM_MASTER__STATE_DIRECTORY";
        cluster = cluster.with_variable(Role::Master, name, &state);
    }
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    let at_relay = listen_from_the_start(&cluster, Role::Relay(0))?;
    let direct = listen_from_the_start(&cluster, Role::Master)?;
    let folder = tempfile::tempdir()?;
    let foreign = format!("{}/ffmpeg.ogg", cluster.ports().master_url());
    let (sound, password) = (speech::sitting()?, cluster.secrets().source.clone());
    let mut ffmpeg = peers::ffmpeg(folder.path(), &sound, &foreign, &password, Method::Put)?;
    ffmpeg.start()?;
    let to_ffmpeg = eventually(EAR_MAX, "ffmpeg plays", || Ear::listen(&foreign))
        .with_context(|| ffmpeg.story())?;
    direct.wait_for_samples(3 * SECOND, PLAY_MAX)?;
    let crowds = [
        (Role::Relay(0), "crowd-at-relay"),
        (Role::Master, "crowd-at-master"),
    ];
    let crowds: Vec<Program> = crowds
        .into_iter()
        .map(|(role, name)| crowd(&cluster.mount_at(role), folder.path(), name))
        .collect::<Result<_>>()?;

    upgrade_all(&mut cluster).with_context(|| cluster.story())?;

    for swarm in crowds {
        check_crowd(swarm, folder.path()).with_context(|| cluster.story())?;
    }
    for (ear, name) in [
        (&at_relay, "relay"),
        (&direct, "master"),
        (&to_ffmpeg, "ffmpeg"),
    ] {
        let gap = ear.longest_gap();
        note(&format!("{name}: longest time without a page {gap:?}"));
        ensure!(!ear.heard().has_ended, "a listener was sent away: {name}");
        ensure!(gap < GAP_MAX, "{gap:?} without a page: {name}");
    }
    ensure!(ffmpeg.is_running(), "{}", ffmpeg.story());
    to_ffmpeg.stop().check_order()?;
    for role in [Role::Master, Role::Relay(0)] {
        check_log(&mut cluster, role)?;
    }
    cluster.program(Role::Source).stop(STOP_MAX)?;
    for ear in [at_relay, direct] {
        let heard = hear_the_end(ear).with_context(|| cluster.story())?;
        every_sample_once(&cluster.recording(), &heard)?;
    }
    let metrics = get(&format!("{}/metrics", cluster.ports().relay_urls()[0]))?.text();
    let skipped = format!("plenum_skipped_bytes_total{{mount=\"{MOUNT}\"}} 0");
    ensure!(metrics.contains(&skipped), "{metrics}");
    Ok(cluster)
}

#[test]
fn a_chain_is_upgraded_under_load_and_nobody_notices() -> Result<()> {
    upgrade_a_chain(None).map(drop)
}

#[test]
fn what_an_heir_writes_to_disk_is_what_a_restart_goes_on_with() -> Result<()> {
    let state = tempfile::tempdir()?;
    let mut cluster = upgrade_a_chain(Some(state.path()))?;
    let tag = |cluster: &Cluster| -> Result<String> {
        let ear = Ear::listen(&cluster.mount_at(Role::Master))?;
        let heard = ear.stop();
        Ok(heard.head.header("etag").context("no ETag")?.to_owned())
    };
    let before = tag(&cluster)?;
    cluster.program(Role::Master).kill()?;
    cluster.start_program(Role::Master)?;
    ensure!(tag(&cluster)? == before, "a new log began");
    Ok(())
}

/// A master in a file of its own, which can be replaced.
fn replaceable(cluster: &Cluster, folder: &Path) -> Result<(Program, PathBuf)> {
    let path = folder.join("plenum-master");
    std::fs::copy(find("plenum-master")?, &path)?;
    let config = cluster.folder().join("master.toml").display().to_string();
    let program = Program::new("replaceable", &path, folder).arguments(["--config", &config]);
    Ok((program, path))
}

/// Puts a script in the place of a program, as a package manager does.
fn replace(path: &Path, script: &str) -> Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, format!("#!/bin/sh\n{script}\n"))?;
    std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    std::fs::rename(&new, path)?;
    Ok(())
}

#[test]
fn a_new_version_that_is_of_no_use_changes_nothing() -> Result<()> {
    let mut cluster = Cluster::prepare(0, &Sound::Tone)?;
    let folder = tempfile::tempdir()?;
    let (mut master, path) = replaceable(&cluster, folder.path())?;
    master.start()?;
    cluster.start_program(Role::Source)?;
    let url = cluster.mount_at(Role::Master);
    let ear =
        eventually(PLAY_MAX, "it plays", || Ear::listen(&url)).with_context(|| master.story())?;
    ear.wait_for_samples(SECOND, EAR_MAX)?;
    let checks_well = "case \"$*\" in *--check*) exit 0;; esac";
    // A word is two lengths of four bytes and then JSON.
    let ready = r#"printf '\007\000\000\000\000\000\000\000"Ready"' >&0"#;
    for (script, why) in [
        ("exit 2".to_owned(), "its check of the settings failed"),
        (format!("{checks_well}; exit 1"), "has gone"),
        (format!("{checks_well}; {ready}; sleep 0.1"), "no upgrade"),
        (
            format!("{checks_well}; {ready}; exec sleep 60"),
            "takes too long",
        ),
    ] {
        replace(&path, &script)?;
        let complaint = master
            .upgrade()
            .err()
            .context("it was upgraded")?
            .to_string();
        note(&complaint);
        ensure!(complaint.contains(why), "{complaint}");
        let n_wanted = ear.heard().n_samples() + SECOND;
        ear.wait_for_samples(n_wanted, EAR_MAX)?;
    }
    ensure!(!ear.heard().has_ended, "a listener was sent away");
    std::fs::remove_file(&path)?;
    std::fs::copy(find("plenum-master")?, &path)?;
    master.upgrade().with_context(|| master.story())?;
    let n_wanted = ear.heard().n_samples() + SECOND;
    ear.wait_for_samples(n_wanted, EAR_MAX)?;
    ear.stop().check_order()?;
    Ok(())
}

#[test]
fn wrong_settings_are_refused_by_the_one_that_runs() -> Result<()> {
    let mut cluster = Cluster::start(1, &Sound::Tone)?;
    let at_relay = cluster.mount_at(Role::Relay(0));
    cluster.wait_until_plays(&at_relay, EAR_MAX)?;
    let path = cluster.folder().join("relay1.toml");
    let text = std::fs::read_to_string(&path)?;
    write_private(&path, &format!("burst_seconds = -1.0\n{text}"))?;
    let relay = cluster.program(Role::Relay(0));
    let complaint = relay
        .upgrade()
        .err()
        .context("it was upgraded")?
        .to_string();
    ensure!(complaint.contains("check of the settings"), "{complaint}");
    ensure!(relay.log().contains("burst_seconds"), "{}", relay.log());
    write_private(&path, &text)?;
    let sent = |cluster: &Cluster| -> Result<u64> {
        let text = get(&format!("{}/metrics", cluster.ports().relay_urls()[0]))?.text();
        let start = format!("plenum_sent_bytes_total{{mount=\"{MOUNT}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        Ok(line.with_context(|| text.clone())?.parse()?)
    };
    let n_before = sent(&cluster)?;
    cluster.program(Role::Relay(0)).upgrade()?;
    let n_after = sent(&cluster)?;
    ensure!(
        n_before > 0 && n_after >= n_before,
        "{n_before}, then {n_after}"
    );
    Ok(())
}

#[test]
fn filler_goes_on_where_it_was() -> Result<()> {
    let mut cluster = Cluster::prepare(0, &Sound::Tone)?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    let ear = listen_from_the_start(&cluster, Role::Master)?;
    ear.wait_for_samples(2 * SECOND, PLAY_MAX)?;
    let source = cluster.program(Role::Source).pid().context("it runs")?;
    signal(source, rustix::process::Signal::STOP)?;
    let log = |cluster: &mut Cluster| cluster.program(Role::Master).log();
    until(EAR_MAX, "filler stands in", || {
        log(&mut cluster).contains("filler stands in")
    })?;
    cluster.program(Role::Master).upgrade()?;
    let n_wanted = ear.heard().n_samples() + 3 * SECOND;
    ear.wait_for_samples(n_wanted, EAR_MAX)?;
    signal(source, rustix::process::Signal::CONT)?;
    until(EAR_MAX, "the source is back", || {
        log(&mut cluster).contains("of filler stood in")
    })
    .with_context(|| cluster.story())?;
    let gap = ear.longest_gap();
    // Filler begins after two seconds of nothing.
    ensure!(gap < Duration::from_secs(4), "{gap:?} without a page");
    ear.stop().check_order()
}

#[test]
fn who_listens_through_tls_stays_with_the_old_process_and_misses_nothing() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    let certificate = Certificate::make(cluster.folder())?;
    let path = cluster.folder().join("relay1.toml");
    let settings = std::fs::read_to_string(&path)? + &certificate.settings();
    write_private(&path, &settings)?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    listen_from_the_start(&cluster, Role::Relay(0))?;
    let url = cluster.mount_at(Role::Relay(0));
    let url = url.replace("http://127.0.0.1", "https://localhost");
    let file = cluster.folder().join("tls.ogg");
    let mut curl = Program::new("curl", "curl", cluster.folder())
        .arguments(["-sS", "-N", "--cacert", &certificate.file(), "-o"])
        .arguments([file.display().to_string(), url]);
    curl.start()?;
    let size = || std::fs::metadata(&file).map_or(0, |about| about.len());
    until(EAR_MAX, "sound comes through TLS", || size() > 6_000)?;
    let relay = cluster.program(Role::Relay(0));
    let mut before = Vec::new();
    for _ in 0..2 {
        before.push(relay.hand_over()?);
        let n_before = size();
        until(EAR_MAX, "it goes on", || size() > n_before + 8_000)
            .with_context(|| relay.story())?;
    }
    ensure!(before.iter().all(|pid| is_alive(*pid)), "{}", relay.story());
    ensure!(curl.is_running(), "{}", curl.story());
    curl.stop(STOP_MAX)?;
    for pid in before {
        wait_for_end(pid, STOP_MAX).with_context(|| relay.story())?;
    }
    let (mut heard, mut framer) = (Heard::default(), Framer::new());
    heard.take(&mut framer, &std::fs::read(&file)?, Duration::ZERO);
    note(&format!("{} samples through TLS", heard.n_samples()));
    heard.check_order()
}
