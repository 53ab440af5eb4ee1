//! Starts programs, watches what they log, and ends them. For the tests beside it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test program uses a part of it, and a test that cannot go on fails"
)]

use std::fs::{self, File};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing a test waits for takes longer.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub const PASSWORD: &str = "correct horse battery";

/// A running program whose stderr goes to a file. Killed when dropped.
pub struct Program {
    child: Child,
    log: PathBuf,
}

/// How a program ended.
pub struct Ended {
    pub code: Option<i32>,
    pub log: String,
}

impl Program {
    pub fn start(command: &mut Command, log: &Path) -> Self {
        Self::start_fed(command, Stdio::null(), log)
    }

    /// As [`Self::start`], with something to read.
    pub fn start_fed(command: &mut Command, input: Stdio, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        let child = command
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; make setup installs it"));
        Self {
            child,
            log: log.to_owned(),
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log says `text` for the `n`th time.
    pub fn wait_for(&mut self, text: &str, n: usize) {
        let name = format!("{text:?} ({n})");
        eventually(&name, || {
            let log = self.log();
            if log.matches(text).count() >= n {
                return true;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "ended with {ended:?} before {name}:\n{log}"
            );
            false
        });
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}"))
            .arg(self.child.id().to_string());
        assert!(kill.status().unwrap().success());
    }

    /// Sends SIGKILL and waits.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(mut self) -> Ended {
        let mut status = None;
        eventually("the end of the program", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        Ended {
            code: status.and_then(|status| status.code()),
            log: self.log(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// plenum-source that is to send to a port of this machine.
pub fn source(port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plenum-source"));
    command
        .env("PLENUM_SOURCE__PASSWORD", PASSWORD)
        .env("PLENUM_SOURCE__SPOOL", "")
        .env_remove("PLENUM_LOG")
        .args(["--url", &format!("http://127.0.0.1:{port}/live.ogg")]);
    command
}

pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs ffmpeg or sox to its end.
pub fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; make setup installs it"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {complaint}"
    );
    output.stdout
}

/// What ffmpeg decodes, as mono samples.
pub fn decode(path: &Path) -> Vec<i16> {
    let name = path.to_str().unwrap();
    let arguments = ["-v", "error", "-i", name, "-f", "s16le", "-ac", "1", "-"];
    run("ffmpeg", &arguments)
        .chunks_exact(2)
        .map(|two| i16::from_le_bytes([two[0], two[1]]))
        .collect()
}

/// A file of noise and a rising tone: no two moments of it are alike.
pub fn programme(path: &Path, seconds: u32) {
    let length = seconds.to_string();
    let name = path.to_str().unwrap();
    let shape = [
        "synth",
        &length,
        "sine",
        "200-4000",
        "brownnoise",
        "remix",
        "-",
    ];
    let file = ["-R", "-n", "-r", "44100", "-c", "2", "-b", "16", name];
    run("sox", &[&file[..], &shape[..], &["gain", "-12"]].concat());
}

/// What a listener gets until the server closes, or until `until` says it is enough.
pub fn listen(port: u16, mut is_enough: impl FnMut(usize) -> bool) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = "GET /live.ogg HTTP/1.0\r\nHost: localhost\r\n\r\n";
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    while !is_enough(heard.len()) {
        match socket.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(n_bytes) => heard.extend_from_slice(&bytes[..n_bytes]),
        }
    }
    let end = heard
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&heard[..end]).into_owned();
    assert!(head.contains(" 200 "), "{head}");
    heard.split_off(end + 4)
}

/// Where in `whole` the sound of `part` begins, when all of it is in there unchanged. Its
/// first samples are left out: a decoder that joins in the middle lacks what was before.
pub fn find(part: &[i16], whole: &[i16]) -> usize {
    const LEFT_OUT: usize = 4096;
    const KEY: usize = 512;
    assert!(part.len() > 3 * LEFT_OUT, "only {} samples", part.len());
    let part = &part[LEFT_OUT..];
    let at = whole
        .windows(KEY)
        .position(|window| window == &part[..KEY])
        .expect("its sound is in the recording");
    let same = &whole[at..];
    let n_same = part.iter().zip(same).take_while(|(a, b)| a == b).count();
    assert!(
        n_same == part.len(),
        "differs after {n_same} of {} samples",
        part.len()
    );
    at
}

/// A folder that a server can use which gives up its rights.
pub fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}
