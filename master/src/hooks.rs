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
/// So many times programs run or wait at once; what would be run beyond them is left out.
const HOOKS_MAX: usize = 16;
/// And so many times those of one mount.
const HOOKS_OF_ONE_MAX: usize = 8;
/// A program that runs longer is killed.
const HOOK_TIME_MAX: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const WAIT_EVERY: Duration = Duration::from_millis(50);

/// Runs what is to be run, until the program ends.
pub(crate) async fn watch(masters: Arc<Current<Master>>, shutdown: Shutdown) {
    let mut ticks = Ticks::every(LOOK_EVERY, &shutdown);
    let mut runner = Runner::new(shutdown.clone());
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
            runner.run(programs, path);
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

/// Runs programs: those of one mount one after another, also of what happened later. A script that is
/// told that the source is gone must not end after the one that is told that it is there.
struct Runner {
    room: Arc<Semaphore>,
    /// Whose turn it is, on each mount whose programs run.
    turns: HashMap<MountPath, Arc<Semaphore>>,
    shutdown: Shutdown,
}

impl Runner {
    fn new(shutdown: Shutdown) -> Self {
        Self {
            room: Arc::new(Semaphore::new(HOOKS_MAX)),
            turns: HashMap::new(),
            shutdown,
        }
    }

    fn run(&mut self, programs: Vec<Vec<String>>, path: &MountPath) {
        let Some(first) = programs.first().and_then(|words| words.first()) else {
            return;
        };
        self.turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        let one = || Arc::new(Semaphore::new(1));
        let turn = Arc::clone(self.turns.entry(path.clone()).or_insert_with(one));
        // Whoever runs or waits has one, and the table and we.
        let n_before = Arc::strong_count(&turn).saturating_sub(2);
        let place = Arc::clone(&self.room).try_acquire_owned().ok();
        let Some(place) = place.filter(|_| n_before < HOOKS_OF_ONE_MAX) else {
            return warn!("{first:?} is not run for {path}: too many others still do");
        };
        let path = path.clone();
        self.shutdown.spawn("hook", async move {
            let turn = turn.acquire_owned().await;
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
            drop((turn, place));
        });
    }
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
    use super::*;

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

    fn given(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_program_gets_the_mount_as_its_last_word_and_no_shell_reads_it() {
        assert_eq!(
            wait_for(&given(&["/usr/bin/test", "/a;b", "="]), "/a;b"),
            Ok(())
        );
        let why = wait_for(&given(&["/usr/bin/test", "/a", "="]), "/b").unwrap_err();
        assert!(why.contains("exit status: 1"), "{why}");
        let why = wait_for(&given(&["/nowhere"]), "/b").unwrap_err();
        assert!(why.contains("cannot be run"), "{why}");
    }

    #[tokio::test]
    async fn programs_of_one_mount_run_one_after_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("said");
        let says = |what: &str| {
            let script = format!("{what} >> {}", file.display());
            given(&["/bin/sh", "-c", &script])
        };
        let path = MountPath::parse("/live.mp3").unwrap();
        let mut runner = Runner::new(Shutdown::new());
        runner.run(
            vec![says("sleep 0.3; echo gone"), says("echo there")],
            &path,
        );
        runner.run(vec![says("sleep 0.3; echo gone")], &path);
        runner.run(vec![says("echo there")], &path);
        let all = u32::try_from(HOOKS_MAX).unwrap();
        let ended = tokio::time::timeout(HOOK_TIME_MAX, runner.room.acquire_many(all)).await;
        assert!(ended.unwrap().is_ok());
        let said = std::fs::read_to_string(&file).unwrap();
        assert_eq!(said, "gone\nthere\ngone\nthere\n");
    }

    #[tokio::test]
    async fn one_mount_leaves_room_for_the_programs_of_others() {
        let mut runner = Runner::new(Shutdown::new());
        let mut run = |path: &str| {
            let path = MountPath::parse(path).unwrap();
            runner.run(vec![given(&["/bin/sh", "-c", "sleep 0.1"])], &path);
            HOOKS_MAX - runner.room.available_permits()
        };
        let taken: Vec<_> = (0..HOOKS_MAX).map(|_| run("/live.mp3")).collect();
        assert_eq!(taken.last(), Some(&HOOKS_OF_ONE_MAX));
        assert_eq!(run("/other.mp3"), HOOKS_OF_ONE_MAX + 1);
    }
}
