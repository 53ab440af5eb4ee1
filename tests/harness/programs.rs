//! One child process: started with its log in a file, found by its pid, ended on drop.
//!
//! Children die with this process, however it ends: the kernel sees to it, see `launch`.

pub mod heir;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::eventually;

/// How many starts may wait for the starting thread.
const LAUNCHES_MAX: usize = 16;
/// Whoever was killed is gone within this time.
const KILL_MAX: Duration = Duration::from_secs(5);
/// How much of a log's end is shown in a complaint.
const LOG_SHOWN_BYTES: u64 = 4096;

/// A program that can be started, killed and started again.
#[derive(Debug)]
pub struct Program {
    name: String,
    /// Words before the path: a program that runs this one.
    behind: Vec<String>,
    path: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
    /// The process that it has put in its place, if it has.
    heir: Option<u32>,
}

/// The folder with Plenum's programs: the one this executable was built into.
///
/// # Errors
/// When this executable cannot be found.
pub fn directory() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the own executable")?;
    let beside = own.parent().context("the own executable is in no folder")?;
    // Tests are built into target/debug/deps, programs into target/debug.
    if beside.ends_with("deps") {
        return Ok(beside.parent().unwrap_or(beside).to_owned());
    }
    Ok(beside.to_owned())
}

/// Where tests may keep what is dear to make: beside the build, gone with `cargo clean`.
///
/// # Errors
/// When the folder cannot be made.
pub fn cache(name: &str) -> Result<PathBuf> {
    let directory = directory()?;
    let target = directory
        .parent()
        .context("the programs are in no folder")?;
    let path = target.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

/// The path of one of Plenum's programs, such as `plenum-master`.
///
/// # Errors
/// When it has not been built.
pub fn find(name: &str) -> Result<PathBuf> {
    let path = directory()?.join(name);
    if !path.is_file() {
        bail!(
            "{} is not there; `make test` builds the programs before it runs the tests",
            path.display()
        );
    }
    Ok(path)
}

impl Program {
    /// A program that is not running yet. Its log is `<name>.log` in `directory`.
    pub fn new(name: &str, path: impl Into<PathBuf>, directory: &Path) -> Self {
        Self {
            name: name.to_owned(),
            behind: Vec::new(),
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log: directory.join(format!("{name}.log")),
            child: None,
            heir: None,
        }
    }

    /// With these arguments as well.
    #[must_use]
    pub fn arguments<S: Into<String>>(mut self, more: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// Run by another program, which these words begin and which becomes it, as `nice` does.
    /// Those given last come first.
    #[must_use]
    pub fn behind<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.behind.splice(0..0, words.into_iter().map(Into::into));
        self
    }

    /// As [`Program::behind`], but next to it: behind all other words.
    #[must_use]
    pub fn nearest<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.behind.extend(words.into_iter().map(Into::into));
        self
    }

    /// With this environment variable.
    #[must_use]
    pub fn variable(mut self, key: &str, value: &str) -> Self {
        self.set_variable(key, value);
        self
    }

    /// From its next start on with this environment variable.
    pub fn set_variable(&mut self, key: &str, value: &str) {
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    /// Starts it. A log of an earlier run is kept and continued.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn start(&mut self) -> Result<()> {
        if self.is_running() {
            bail!("{} runs already", self.name);
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        // The kernel kills the child when the thread that started it ends.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            // Ctrl-C is for whoever started us; we end our children in good order.
            .process_group(0)
            .args(&self.behind)
            .arg(&self.path)
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .current_dir(self.log.parent().unwrap_or_else(|| Path::new(".")))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = launch(command).with_context(|| format!("cannot start {}", self.name))?;
        self.end_child();
        (self.child, self.heir) = (Some(child), None);
        Ok(())
    }

    /// What it is called in complaints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.heir.or_else(|| self.child.as_ref().map(Child::id))
    }

    /// Whether it runs. A program that ended by itself is noticed here.
    pub fn is_running(&mut self) -> bool {
        self.exit().is_none() && self.pid().is_some()
    }

    /// How it ended, if it was started and has ended by itself.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        if let Some(heir) = self.heir {
            // How one ends that is no child of ours is not known.
            return (!heir::is_alive(heir)).then(ExitStatus::default);
        }
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// Kills it with SIGKILL: it can do nothing about it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(heir) = self.heir.take() {
            let _ = signal(heir, Signal::KILL);
            let killed = heir::wait_for_end(heir, KILL_MAX);
            self.end_child();
            return killed;
        }
        let mut child = self
            .child
            .take()
            .ok_or_else(|| anyhow!("{} does not run", self.name))?;
        let _ = child.kill();
        child
            .wait()
            .with_context(|| format!("cannot wait for {}", self.name))?;
        Ok(())
    }

    /// The one before an heir may still be there.
    fn end_child(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it does not run, or is still there at the deadline.
    pub fn stop(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.ask_to_stop()?;
        self.wait(deadline)
    }

    /// Asks it to stop (SIGTERM) and does not wait.
    ///
    /// # Errors
    /// When it does not run.
    pub fn ask_to_stop(&mut self) -> Result<()> {
        let Some(pid) = self.pid() else {
            bail!("{} does not run", self.name);
        };
        signal(pid, Signal::TERM)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not run, or is still there at the deadline.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let status = eventually(deadline, &format!("{} ends", self.name), || {
            self.exit().context("still running")
        })
        .with_context(|| self.story())?;
        self.heir = None;
        self.end_child();
        Ok(status)
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The command line, for a person to type.
    pub fn command_line(&self) -> String {
        let path = self.path.display().to_string();
        let words = self.behind.iter().chain([&path]).chain(&self.arguments);
        words.map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// The end of its log, to stand in a complaint.
    pub fn story(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let length = file.metadata().map_or(0, |m| m.len());
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(LOG_SHOWN_BYTES)));
            let _ = file.read_to_end(&mut text);
        }
        format!(
            "the log of {} ends:\n{}",
            self.name,
            String::from_utf8_lossy(&text)
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.pid().is_some() {
            let _ = self.kill();
        }
    }
}

/// Sends a signal to a process of ours.
///
/// # Errors
/// When there is no such process.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.context("not a process number")?;
    kill_process(pid, signal).with_context(|| format!("cannot signal process {pid:?}"))
}

/// The processes that were started with this argument, whoever started them.
pub fn started_with(argument: &str) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == argument.as_bytes())
    })
    .collect()
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

type Launch = (Command, SyncSender<std::io::Result<Child>>);

/// Starts a child from a thread that lives as long as this process. The kernel ends a child
/// with the *thread* that started it, and a test's thread ends before the others' tests do.
fn launch(command: Command) -> Result<Child> {
    static LAUNCHER: OnceLock<SyncSender<Launch>> = OnceLock::new();
    let launcher = LAUNCHER.get_or_init(|| {
        let (sender, launches) = sync_channel::<Launch>(LAUNCHES_MAX);
        std::thread::spawn(move || {
            for (mut command, answer) in launches {
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, child) = sync_channel(1);
    launcher
        .send((command, answer))
        .map_err(|_| anyhow!("the starting thread is gone"))?;
    Ok(child.recv().context("the starting thread is gone")??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_started_killed_and_started_again() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let mut sleeper =
            Program::new("sleeper", "/bin/sleep", directory.path()).arguments(["600"]);
        sleeper.start()?;
        let first = sleeper.pid();
        assert!(sleeper.is_running());
        sleeper.kill()?;
        assert!(!sleeper.is_running());
        sleeper.start()?;
        assert_ne!(sleeper.pid(), first);
        let status = sleeper.stop(Duration::from_secs(5))?;
        assert!(!status.success());
        Ok(())
    }

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let program = Program::new("x", "/bin/echo", Path::new("/tmp")).arguments(["a b", "it's"]);
        assert_eq!(program.command_line(), r"/bin/echo 'a b' 'it'\''s'");
    }
}
