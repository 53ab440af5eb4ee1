//! The same requests to Debian's Icecast and to our master. What differs stands in
//! docs/from-icecast.md with its reason: a difference that is not listed there is a mistake, and so
//! is a listed one that does not occur.

mod asking;
mod listed;
mod said;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, Role, Sound};
use tests::figures::note;
use tests::http::{Address, get};
use tests::peers::Icecast;
use tests::programs::Program;
use tests::wait::eventually;

use asking::{Server, requests};
use listed::{Row, rows};
use said::{Said, differences};

const WAIT_MAX: Duration = Duration::from_secs(30);
/// Requests at once; Icecast lets five wait.
const N_AT_ONCE: usize = 10;
const SHOUTCAST: &str = "/sc.mp3";
/// Nobody gets it by its name.
const UNNAMED: &str = "/unnamed.ogg";
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/from-icecast.md");

/// Mounts, and how ffmpeg makes them.
const MOUNTS: [(&str, &str, &[&str]); 5] = [
    (
        "/live.mp3",
        "audio/mpeg",
        &["-c:a", "libmp3lame", "-f", "mp3"],
    ),
    (
        "/live.ogg",
        "application/ogg",
        &["-c:a", "libvorbis", "-f", "ogg"],
    ),
    (
        "/live.opus",
        "application/ogg",
        &["-c:a", "libopus", "-f", "ogg"],
    ),
    (
        UNNAMED,
        "application/ogg",
        &["-c:a", "libvorbis", "-f", "ogg"],
    ),
    (
        SHOUTCAST,
        "audio/mpeg",
        &["-c:a", "libmp3lame", "-f", "mp3"],
    ),
];

/// One encoder for all mounts of both.
fn feed(servers: [&Server; 2], folder: &Path) -> Result<Program> {
    let mut ffmpeg = Program::new("feed", "ffmpeg", folder)
        .arguments(["-nostdin", "-loglevel", "error", "-re", "-f", "lavfi"])
        .arguments(["-i", "sine=sample_rate=48000"]);
    for server in servers {
        for (mount, kind, format) in MOUNTS {
            let Address { authority, .. } = Address::parse(&server.url)?;
            let to = format!("icecast://source:{}@{authority}{mount}", server.source);
            ffmpeg = ffmpeg
                // Whoever is silent for a second would have to make room.
                .arguments(["-map", "0:a", "-b:a", "32k", "-flush_packets", "1"])
                .arguments(format.iter().copied())
                .arguments(["-ice_name", "Name", "-ice_description", "Words"])
                .arguments(["-ice_genre", "talk", "-ice_url", "http://radio.example/"])
                .arguments(["-content_type", kind, &to]);
        }
    }
    ffmpeg.start()?;
    Ok(ffmpeg)
}

fn are_on_air(server: &Server) -> Result<()> {
    let status = get(&format!("{}/status-json.xsl", server.url))?.text();
    for (mount, ..) in MOUNTS {
        ensure!(status.contains(&format!("{mount}\"")), "{mount}: {status}");
    }
    Ok(())
}

/// Asks both everything. What was said, by request.
fn ask_all(servers: [&Server; 2]) -> Result<Vec<(&'static str, [Said; 2])>> {
    let mut answers = Vec::new();
    for section in requests() {
        let (next, said) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        let work = || {
            while let Some(request) = section.get(next.fetch_add(1, Ordering::Relaxed)) {
                let both = servers.map(|server| server.ask(request));
                if let Ok(mut said) = said.lock() {
                    said.insert(*request, both);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..N_AT_ONCE {
                scope.spawn(work);
            }
        });
        let mut said = said.into_inner().ok().context("a request panicked")?;
        for request in section {
            let [theirs, ours] = said.remove(request).context("asked")?;
            let both = [theirs.context(request)?, ours.context(request)?];
            answers.push((request, both));
        }
    }
    Ok(answers)
}

/// What differs and is not listed, and what is listed and does not differ.
fn complaints(answers: &[(&str, [Said; 2])], rows: &[Row]) -> Vec<String> {
    let mut unlisted: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (request, [theirs, ours]) in answers {
        for difference in differences(theirs, ours) {
            let mut is_listed = false;
            for row in rows {
                is_listed |= row.covers(request, &difference);
            }
            if !is_listed {
                unlisted
                    .entry(difference.to_string())
                    .or_default()
                    .push(request);
            }
        }
    }
    let unlisted = unlisted.iter().map(|(difference, requests)| {
        let requests: Vec<_> = requests.iter().map(|r| format!("`{r}`")).collect();
        format!("not listed: | {} {difference} |", requests.join(", "))
    });
    let unused = rows.iter().flat_map(Row::unused);
    let unused = unused.map(|row| format!("listed, but it is not so: {row}"));
    unlisted.chain(unused).collect()
}

#[test]
fn what_differs_from_debians_icecast_is_listed_with_its_reason() -> Result<()> {
    let unnamed = format!("[{{ path = \"{UNNAMED}\", only_as_fallback = true }}]");
    let mut cluster = Cluster::prepare(0, &Sound::Tone)?
        .with_variable(Role::Master, "PLENUM_MASTER__MOUNT", &unnamed)
        .with_variable(Role::Master, "PLENUM_MASTER__SHOUTCAST__MOUNT", SHOUTCAST)
        .with_variable(Role::Master, "PLENUM_MASTER__ADMIN__LEGACY_GET", "true");
    cluster.start_program(Role::Master)?;
    let folder = tempfile::tempdir()?;
    let password = "a-password-for-icecast";
    let mut icecast = Icecast::as_debian_ships_it(folder.path(), password, (SHOUTCAST, UNNAMED))?;
    icecast.program.start()?;
    let theirs = Server {
        url: icecast.url.clone(),
        source: password.to_owned(),
        relay: password.to_owned(),
        admin: password.to_owned(),
    };
    let secrets = cluster.secrets();
    let ours = Server {
        url: cluster.ports().master_url(),
        source: secrets.source.clone(),
        relay: secrets.relay.clone(),
        admin: secrets.admin.clone(),
    };
    eventually(WAIT_MAX, "Icecast answers", || get(&theirs.url))?;
    let source = feed([&theirs, &ours], folder.path())?;
    let mut listeners = Vec::new();
    for server in [&theirs, &ours] {
        eventually(WAIT_MAX, "all mounts play", || are_on_air(server))
            .with_context(|| source.story() + &cluster.story())?;
        let mut listener = Address::parse(&server.url)?.connect()?;
        listener.write_all(b"GET /live.mp3 HTTP/1.0\r\n\r\n")?;
        listeners.push(listener);
    }
    let answers = ask_all([&theirs, &ours])?;
    let rows = rows(&std::fs::read_to_string(DOCUMENT)?)?;
    let n_differences: usize = answers
        .iter()
        .map(|(_, [theirs, ours])| differences(theirs, ours).len())
        .sum();
    note(&format!(
        "{} requests to Icecast and to us: {n_differences} differences, of {} kinds",
        answers.len(),
        rows.len()
    ));
    let complaints = complaints(&answers, &rows);
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}
