//! Programs of the operator's that are run when a source begins to be heard on a mount, and when
//! it is gone. Never through a shell; the mount is the last argument. Addresses of his that are told
//! of it are in `telling`.

mod telling;

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use stream::current::Current;
use stream::mount::MountPath;
use stream::shutdown::Shutdown;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use telling::Teller;

use crate::house::Master;
use crate::ticks::Ticks;

/// So often it is looked which mounts are on air.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The most programs that run at once; what would be run beyond them is left out.
const HOOKS_MAX: usize = 16;
/// A program that runs longer is killed.
const HOOK_TIME_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const WAIT_EVERY: Duration = Duration::from_millis(50);

/// Runs what is to be run, until the program ends.
pub(crate) async fn watch(masters: Arc<Current<Master>>, shutdown: Shutdown) {
    let mut ticks = Ticks::every(LOOK_EVERY, &shutdown);
    let room = Arc::new(Semaphore::new(HOOKS_MAX));
    let mut teller = Teller::new(shutdown.clone());
    // Who was there before this program is no event.
    let mut before = looks(&masters.now());
    while ticks.next().await {
        let master = masters.now();
        let now = looks(&master);
        let gone = before.keys().filter(|path| !now.contains_key(*path));
        for path in now.keys().chain(gone) {
            let mut programs = Vec::new();
            for is_there in events(before.get(path).copied(), now.get(path).copied()) {
                programs.extend(words(&master, path, *is_there));
                teller.tell(master.config(), path, *is_there, Timestamp::now());
            }
            run(programs, path, &room, &shutdown);
        }
        before = now;
    }
}

/// How a mount looks.
#[derive(Clone, Copy, Debug)]
struct Look {
    is_on_air: bool,
    /// Which time it is that its source is heard, or was.
    beginning: u64,
}

fn looks(master: &Master) -> HashMap<MountPath, Look> {
    let mounts = master.table().all().into_iter();
    let looks = mounts.map(|mount| {
        // The number first: who begins in between is seen the next time.
        let beginning = mount.beginning();
        let is_on_air = mount.is_on_air();
        (
            mount.path().clone(),
            Look {
                is_on_air,
                beginning,
            },
        )
    });
    looks.collect()
}

/// What has happened between two looks at a mount: a source is there (`true`) or gone, also if
/// neither look shows it.
fn events(before: Option<Look>, now: Option<Look>) -> &'static [bool] {
    let was_on_air = before.is_some_and(|look| look.is_on_air);
    let is_on_air = now.is_some_and(|look| look.is_on_air);
    let last = before.map_or(0, |look| look.beginning);
    let has_begun = now.is_some_and(|look| look.beginning != last);
    match (was_on_air, is_on_air, has_begun) {
        (false, false, false) | (true, true, false) => &[],
        (false, true, _) => &[true],
        (true, false, false) => &[false],
        (true, true, true) => &[false, true],
        (false, false, true) => &[true, false],
        (true, false, true) => &[false, true, false],
    }
}

fn words(master: &Master, path: &MountPath, is_there: bool) -> Option<Vec<String>> {
    let mounts = &master.config().mount;
    let mount = mounts.iter().find(|mount| mount.path == *path)?;
    let words = if is_there {
        &mount.on_connect
    } else {
        &mount.on_disconnect
    };
    (!words.is_empty()).then(|| words.clone())
}

/// Runs programs of one mount, one after another: a script that is told that the source is gone must
/// not end after the one that is told that it is there.
fn run(programs: Vec<Vec<String>>, path: &MountPath, room: &Arc<Semaphore>, shutdown: &Shutdown) {
    let Some(first) = programs.first().and_then(|words| words.first()) else {
        return;
    };
    let Ok(place) = Arc::clone(room).try_acquire_owned() else {
        return warn!("{first:?} is not run for {path}: {HOOKS_MAX} others still do");
    };
    let path = path.clone();
    shutdown.spawn("hook", async move {
        let ran = spawn_blocking(move || {
            for words in programs {
                let end = wait_for(&words, path.as_str());
                let name = words.first().map_or("", String::as_str);
                match end {
                    Ok(()) => info!("{name:?} was run for {path}"),
                    Err(why) => warn!("{name:?} for {path}: {why}"),
                }
            }
        });
        let _ = ran.await;
        drop(place);
    });
}

/// Runs a program to its end.
fn wait_for(words: &[String], path: &str) -> Result<(), String> {
    let (name, arguments) = words.split_first().ok_or("nothing to run")?;
    let began = Instant::now();
    let mut child = Command::new(name)
        .args(arguments)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("it cannot be run: {error}"))?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Err(error) => return Err(format!("it is lost: {error}")),
            Ok(None) if began.elapsed() < HOOK_TIME_MAX => std::thread::sleep(WAIT_EVERY),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                let seconds = HOOK_TIME_MAX.as_secs();
                return Err(format!("it was killed after {seconds} s"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, events, wait_for};

    #[test]
    fn a_source_that_leaves_and_comes_back_between_two_looks_is_told_of() {
        let look = |is_on_air, beginning| {
            Some(Look {
                is_on_air,
                beginning,
            })
        };
        for (before, now, expected) in [
            (None, None, &[][..]),
            (None, look(false, 0), &[]),
            (None, look(true, 5), &[true]),
            (look(true, 5), look(true, 5), &[]),
            (look(true, 5), look(false, 5), &[false]),
            (look(true, 5), look(true, 6), &[false, true]),
            (look(true, 5), look(false, 6), &[false, true, false]),
            (look(false, 5), look(true, 6), &[true]),
            (look(false, 5), look(false, 6), &[true, false]),
            (look(false, 5), None, &[]),
            (look(true, 5), None, &[false]),
            (None, look(false, 7), &[true, false]),
        ] {
            assert_eq!(events(before, now), expected, "{before:?} {now:?}");
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_program_gets_the_mount_as_its_last_word_and_no_shell_reads_it() {
        assert_eq!(
            wait_for(&words(&["/usr/bin/test", "/a;b", "="]), "/a;b"),
            Ok(())
        );
        let why = wait_for(&words(&["/usr/bin/test", "/a", "="]), "/b").unwrap_err();
        assert!(why.contains("exit status: 1"), "{why}");
        let why = wait_for(&words(&["/nowhere"]), "/b").unwrap_err();
        assert!(why.contains("cannot be run"), "{why}");
    }
}
