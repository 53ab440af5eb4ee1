//! All other people's source programs at one master at once, in all formats, and all other people's
//! players. docs/interop.md says what is tried here. A program of its own, so that no other test runs
//! beside it: it needs the machine.

mod feed;
mod listeners;
mod sources;
mod table;

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle, scope};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use tests::browser::sound_card;
use tests::cluster::{Cluster, Role, STOP_MAX, Sound};
use tests::figures::note;
use tests::http::{Address, Request};
use tests::programs::cache;
use tests::wait::eventually;

use listeners::{Playing, browser_plays, ffmpeg_decodes};
use sources::{Running, Studio};
use table::{Format, LISTENERS, Line, SOURCES, document};

/// All are on air by then.
const ON_AIR_MAX: Duration = Duration::from_secs(120);
/// So many listen at once: more would keep the sources from their work.
const EARS_MAX: usize = 16;
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/interop.md");

/// Room for those who listen.
struct Room {
    n_free: Mutex<usize>,
    left: Condvar,
}

impl Room {
    /// Waits for a place, and does it there.
    fn inside<T>(&self, what: impl FnOnce() -> T) -> T {
        let free = self.n_free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.left.wait_while(free, |n_free| *n_free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        let done = what();
        *self.n_free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.left.notify_one();
        done
    }
}

/// Waits until who comes now comes late: what he gets does not begin where the log does.
fn wait_until_late(url: &str) -> Result<()> {
    let ask = Request::new("GET", url)?;
    eventually(ON_AIR_MAX, "it has been on air for a while", || {
        let (head, _) = ask.open()?;
        let offset = head.number("stream-offset")?;
        ensure!(offset > 0, "it has only begun");
        Ok(())
    })
}

/// Everybody listens to everybody, as soon as there is something to hear.
struct Audience<'a> {
    url: &'a str,
    folder: &'a Path,
    sound_card: &'a str,
    room: Room,
}

/// Of all sources.
fn all_mounts() -> impl Iterator<Item = (&'static Line, Format)> {
    let mounts = |line: &'static Line| line.formats().map(move |format| (line, format));
    SOURCES.iter().flat_map(mounts)
}

type Ear<'a> = ScopedJoinHandle<'a, Result<()>>;

impl<'a> Audience<'a> {
    /// All who can play what a source sends hear each of its mounts.
    fn hear(&'a self, scope: &'a Scope<'a, '_>, source: &'a Line) -> Vec<Ear<'a>> {
        let mounts = source.formats().flat_map(|format| {
            let plays = move |line: &&Line| !line.is_browser() && line.hears(source, format);
            let lines = LISTENERS.iter().filter(plays);
            lines.map(move |line| (format, line))
        });
        let ear = |(format, line): (Format, &'a Line)| {
            let url = format!("{}{}", self.url, source.mount(format));
            scope.spawn(move || {
                let listen = || match line.slug {
                    "ffmpeg" => ffmpeg_decodes(&url, (source, format), self.folder),
                    _ => Playing::start(line, (source, format), &url, self.folder)?.plays(),
                };
                wait_until_late(&url)
                    .and_then(|()| self.room.inside(listen))
                    .with_context(|| {
                        format!("{} plays {} of {}", line.name, format.name, source.name)
                    })
            })
        };
        mounts.map(ear).collect()
    }

    /// Each browser hears all mounts, on one page.
    fn browse(&'a self, scope: &'a Scope<'a, '_>) -> Vec<Ear<'a>> {
        let mounts: Vec<_> = all_mounts()
            .filter(|(source, _)| source.is_endless())
            .collect();
        let browsers = LISTENERS.iter().filter(|line| line.is_browser());
        let ear = |line: &'a Line| {
            let mounts = mounts.clone();
            scope.spawn(move || {
                for (source, format) in &mounts {
                    wait_until_late(&format!("{}{}", self.url, source.mount(*format)))?;
                }
                browser_plays(line, &mounts, self.url, self.sound_card).context(line.name)
            })
        };
        browsers.map(ear).collect()
    }
}

/// All come, and all are heard.
fn try_all(studio: &Studio, audience: &Audience<'_>) -> Result<Vec<Running>> {
    let mut running = studio.start(&SOURCES[0])?;
    studio.record()?;
    let wrong = scope(|scope| -> Result<Vec<String>> {
        let mut ears = audience.hear(scope, &SOURCES[0]);
        for line in &SOURCES[1..] {
            running.extend(studio.start(line).context(line.name)?);
            ears.extend(audience.hear(scope, line));
        }
        ears.extend(audience.browse(scope));
        let mut wrong = Vec::new();
        for ear in ears {
            let heard = ear.join().map_err(|_| anyhow!("a listener panicked"))?;
            wrong.extend(heard.err().map(|error| format!("{error:#}")));
        }
        Ok(wrong)
    })?;
    let stories: Vec<_> = running.iter().filter_map(Running::story).collect();
    let stories = stories.join("\n");
    ensure!(wrong.is_empty(), "{}\n\n{stories}", wrong.join("\n\n"));
    Ok(running)
}

/// Each source came once, stayed to the end, and sent nothing that was thrown away.
fn check_account(log: &str) -> Result<()> {
    for (line, format) in all_mounts() {
        let mount = format!(" {}", line.mount(format));
        let began = format!("source began{mount}");
        let n_began = log.lines().filter(|line| line.ends_with(&began)).count();
        let ended = format!("source ended{mount} after ");
        let mut lines = log.lines().filter(|line| line.contains(&ended));
        let account = lines.next().context(ended.clone())?;
        let is_clean = ["n_doubled=0", "n_missing=0", "n_stray=0", "n_junk_bytes=0"]
            .iter()
            .all(|none| account.contains(none));
        ensure!(
            n_began == 1 && lines.next().is_none() && account.contains("the master is stopping"),
            "{mount} was not there all the time: {log}"
        );
        ensure!(is_clean, "{account}");
    }
    Ok(())
}

#[test]
fn interop_of_all_sources_and_all_players_is_what_the_document_says() -> Result<()> {
    let shoutcast = "PLENUM_MASTER__SHOUTCAST__MOUNT";
    let cluster = Cluster::prepare(0, &Sound::Tone)?;
    let everywhere = Address::parse(&cluster.ports().master_url())?.authority;
    let everywhere = everywhere.replace("127.0.0.1", "0.0.0.0");
    let mut cluster = cluster
        .with_variable(Role::Master, shoutcast, "/old.mp3")
        .with_variable(Role::Master, "PLENUM_MASTER__LISTEN", &everywhere);
    cluster.start_program(Role::Master)?;
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let url = cluster.ports().master_url();
    let (_card, sound_card) = sound_card(folder.path())?;
    let studio = Studio::new(&url, &cluster.secrets().source, folder.path());
    let audience = Audience {
        url: &url,
        folder: folder.path(),
        sound_card: &sound_card,
        room: Room {
            n_free: Mutex::new(EARS_MAX),
            left: Condvar::new(),
        },
    };
    let running = try_all(&studio, &audience).with_context(|| cluster.story())?;
    cluster.program(Role::Master).stop(STOP_MAX)?;
    check_account(&cluster.program(Role::Master).log())?;
    drop(running);
    let n_mounts = all_mounts().count();
    let players = |source, format| {
        LISTENERS
            .iter()
            .filter(move |line: &&Line| line.hears(source, format))
    };
    let n_pairs: usize = all_mounts()
        .map(|(source, format)| players(source, format).count())
        .sum();
    note(&format!(
        "{n_pairs} times one of {n_mounts} mounts was heard, within {:?}",
        began.elapsed()
    ));
    Ok(())
}

#[test]
fn interop_is_told_as_it_is_tried() -> Result<()> {
    let (wanted, told) = (
        document(),
        std::fs::read_to_string(DOCUMENT).unwrap_or_default(),
    );
    if told != wanted {
        let file = cache("interop")?.join("interop.md");
        std::fs::write(&file, &wanted)?;
        anyhow::bail!(
            "docs/interop.md is not what is tried; that is in {}",
            file.display()
        );
    }
    Ok(())
}
