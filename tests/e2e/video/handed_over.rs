//! WebM while master and relay are upgraded: one response, and not a packet is missing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, Role, STOP_MAX, Sound, write_private};
use tests::ear::Ear;
use tests::figures::note;
use tests::http::get;
use tests::picture::{MOUNT, SECOND_BYTES, camera, check_clean, follow};
use tests::programs::Program;
use tests::programs::heir::{is_alive, wait_for_end};
use tests::tls::Certificate;
use tests::wait::{eventually, until};

const WAIT_MAX: Duration = Duration::from_secs(20);
/// The encoder lets go of three tenths of a second at once.
const GAP_MAX: Duration = Duration::from_secs(2);
const UPGRADES: [Role; 4] = [Role::Master, Role::Relay(0), Role::Master, Role::Master];

/// Somebody who listens through TLS, into a file.
fn through_tls(url: &str, certificate: &Certificate, folder: &Path) -> Result<(Program, PathBuf)> {
    let file = folder.join("tls.webm");
    let url = url.replace("http://127.0.0.1", "https://localhost");
    let mut curl = Program::new("curl", "curl", folder)
        .arguments(["-sS", "-N", "--cacert", &certificate.file(), "-o"])
        .arguments([file.display().to_string(), url]);
    curl.start()?;
    Ok((curl, file))
}

/// Waits until there is all that was sent, and looks at it.
fn check_all(file: &Path, record: &PathBuf, take: impl Fn() -> Result<()>) -> Result<()> {
    let heard = eventually(WAIT_MAX, "all of it has come", || {
        take()?;
        let parts = follow(std::slice::from_ref(record), file)?;
        let part = *parts.first().context("one record")?;
        ensure!(part.is_to_its_end(), "{part:?}");
        Ok(part)
    });
    note(&format!("{}: {:?}", file.display(), heard?));
    check_clean(&file.display().to_string(), 60)
}

#[test]
fn a_picture_is_handed_over_and_not_a_packet_is_missing() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    let folder = cluster.folder().to_owned();
    let certificate = Certificate::make(&folder)?;
    let settings = folder.join("relay1.toml");
    let text = std::fs::read_to_string(&settings)? + &certificate.settings();
    write_private(&settings, &text)?;
    cluster.start_servers()?;
    let master = cluster.ports().master_url();
    let relay = cluster.url(Role::Relay(0)).context("listens")?;
    let record = folder.join("record.webm");
    let mut source = camera(&master, &cluster.secrets().source, &record)?;
    source.start()?;
    let mut ears = Vec::new();
    for (name, node) in [("master", &master), ("relay", &relay)] {
        let url = format!("{node}{MOUNT}");
        let ear = eventually(WAIT_MAX, "it plays", || Ear::listen(&url))
            .with_context(|| source.story() + &cluster.story())?;
        ears.push((name, ear));
    }
    let (mut curl, file) = through_tls(&format!("{relay}{MOUNT}"), &certificate, &folder)?;
    let n_come = || std::fs::metadata(&file).map_or(0, |about| about.len());
    until(WAIT_MAX, "it comes through TLS", || n_come() > 0)?;

    let mut before = Vec::new();
    for role in UPGRADES {
        before.push(cluster.program(role).hand_over()?);
        let wanted: Vec<usize> = ears.iter().map(|(_, ear)| ear.heard().body.len()).collect();
        until(WAIT_MAX, "it goes on", || {
            let mut both = ears.iter().zip(&wanted);
            both.all(|((_, ear), n_before)| ear.heard().body.len() > n_before + SECOND_BYTES / 2)
        })
        .with_context(|| cluster.story())?;
    }
    source.stop(STOP_MAX)?;

    for (name, ear) in ears {
        let file = folder.join(format!("{name}.webm"));
        check_all(&file, &record, || {
            Ok(std::fs::write(&file, &ear.heard().body)?)
        })
        .with_context(|| format!("{name}: {}", cluster.story()))?;
        let heard = ear.heard();
        ensure!(!heard.has_ended, "a listener was sent away: {name}");
        note(&format!("{name}: nothing for {:?}", heard.longest_wait));
        ensure!(heard.longest_wait < GAP_MAX, "{:?}", heard.longest_wait);
    }
    check_all(&file, &record, || Ok(())).with_context(|| cluster.story())?;
    ensure!(curl.is_running(), "{}", curl.story());
    ensure!(is_alive(before[1]), "nobody stays who listens through TLS");
    curl.stop(STOP_MAX)?;
    for pid in before {
        wait_for_end(pid, STOP_MAX)?;
    }
    let metrics = get(&format!("{relay}/metrics"))?.text();
    let skipped = format!("plenum_skipped_bytes_total{{mount=\"{MOUNT}\"}} 0");
    ensure!(metrics.contains(&skipped), "{metrics}");
    let log = cluster.program(Role::Master).log();
    ensure!(!log.contains("WARN"), "{log}");
    Ok(())
}
