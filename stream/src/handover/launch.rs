//! How a program starts its heir: the same path and arguments, and one end of a pair of sockets in
//! the place of its standard input.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tracing::info;

use super::heir::Heir;
use crate::shutdown::notify_ready;

/// The argument that tells a program that it is an heir.
pub const TAKE_OVER: &str = "--take-over";
/// The argument with which a program only looks at its settings.
const CHECK: &str = "--check";
/// The settings are looked at within this time.
const CHECK_MAX: Duration = Duration::from_secs(10);
/// How often it is asked whether that is done.
const CHECK_EVERY: Duration = Duration::from_millis(10);

/// How this program was started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The file that is the program now, or whatever will stand in its place.
    pub program: PathBuf,
    /// All arguments but the program's name.
    pub arguments: Vec<OsString>,
}

/// What comes before a program and what comes after it.
#[derive(Debug)]
pub struct Succession {
    /// How to start the one that comes after.
    pub launch: Launch,
    /// Set if this one takes over from another.
    pub heir: Option<Heir>,
    /// To be used when nothing can fail any more.
    pub ready: Ready,
}

/// Says that a program is up, in its log and to systemd. `default` says nothing.
#[derive(Debug, Default)]
pub struct Ready {
    /// The line for the log.
    pub(super) line: Option<String>,
    /// systemd is told of an heir by the program before it.
    pub(super) is_told: bool,
}

impl Ready {
    /// From here on it serves.
    pub fn say(self) {
        if let Some(line) = self.line {
            info!("{line}");
        }
        if self.is_told {
            notify_ready();
        }
    }
}

impl Launch {
    /// Has the new program look at the settings. What it complains of is in the log.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut child = self
            .command(CHECK)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| self.complaint(&error))?;
        let until = Instant::now() + CHECK_MAX;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(format!("its check of the settings failed ({status})"));
                }
                Ok(None) if Instant::now() < until => std::thread::sleep(CHECK_EVERY),
                Ok(None) | Err(_) => {
                    end(&mut child);
                    let seconds = CHECK_MAX.as_secs();
                    return Err(format!("it did not check the settings within {seconds} s"));
                }
            }
        }
    }

    /// Starts the new program.
    pub(super) fn start(&self, socket: UnixStream) -> Result<Child, String> {
        self.command(TAKE_OVER)
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .spawn()
            .map_err(|error| self.complaint(&error))
    }

    fn command(&self, more: &str) -> Command {
        let mut command = Command::new(&self.program);
        let arguments = self.arguments.iter().filter(|word| *word != TAKE_OVER);
        command.args(arguments).arg(more);
        command
    }

    fn complaint(&self, error: &io::Error) -> String {
        format!("{} cannot be started: {error}", self.program.display())
    }
}

/// Ends a program that is of no use.
pub(super) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
