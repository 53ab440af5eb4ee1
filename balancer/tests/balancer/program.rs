//! The program as its operator meets it: arguments, exit codes, signals.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use mmdb_writer::Writer;
use serde_json::json;

use crate::desk::DEADLINE;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plenum-balancer"));
    command.env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn write(folder: &tempfile::TempDir, name: &str, content: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// Ends with the test, however that ends.
pub(crate) struct Running {
    child: Child,
    log: std::path::PathBuf,
}

impl Running {
    pub(crate) fn start(folder: &tempfile::TempDir, config: &str) -> Self {
        let log = folder.path().join("log");
        let child = program()
            .args(["--config", config])
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Where it listens, as it has said.
    pub(crate) fn address(&self) -> SocketAddr {
        let log = self.log();
        let (_, rest) = log.split_once("balancer listens on ").unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn wait_for_log(&self, line: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap();
            if log.contains(line) {
                return;
            }
            assert!(Instant::now() < deadline, "no {line:?} in: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the program does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_teaches_and_version_tells() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    for word in ["Examples:", "openssl rand", "Exit codes", "--check"] {
        assert!(text(&help.stdout).contains(word), "{word}");
    }
    let version = run(&["--version"]);
    assert!(text(&version.stdout).starts_with("plenum-balancer "));
    assert_eq!(run(&["--nonsense"]).status.code(), Some(2));
}

#[test]
fn a_check_is_silent_when_all_is_well_and_says_what_is_not() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("balancer.toml");
    let good = run(&["--check", "--config", &shipped.display().to_string()]);
    assert_eq!(good.status.code(), Some(0));
    assert!(good.stdout.is_empty() && good.stderr.is_empty(), "{good:?}");

    let folder = tempfile::tempdir().unwrap();
    let missing_geo = "geo_files = [\"/nonexistent/city.mmdb\"]";
    for (name, content, complaint) in [
        (
            "a.toml",
            "\nlisten_on = 1",
            "a.toml line 2: unknown field `listen_on`",
        ),
        ("b.toml", "listen = ", "b.toml line 1"),
        (
            "c.toml",
            "report_stale_seconds = 1.0",
            "c.toml: `report_stale_seconds`",
        ),
        ("d.toml", missing_geo, "geo file /nonexistent/city.mmdb"),
    ] {
        let file = write(&folder, name, content);
        let bad = run(&["--check", "--config", &file]);
        assert_eq!(bad.status.code(), Some(2), "{content}");
        assert!(bad.stdout.is_empty());
        assert!(text(&bad.stderr).contains(complaint), "{bad:?}");
    }
    let missing = run(&["--check", "--config", "/nonexistent.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("/nonexistent.toml"));
}

#[test]
fn a_broken_geo_file_at_the_start_is_a_matter_of_settings() {
    let folder = tempfile::tempdir().unwrap();
    let broken = write(&folder, "city.mmdb", "no database");
    let config = write(
        &folder,
        "balancer.toml",
        &format!("listen = \"127.0.0.1:0\"\ngeo_files = [{broken:?}]"),
    );
    let mut running = Running::start(&folder, &config);
    assert_eq!(running.exit_code(), Some(2));
    running.wait_for_log("city.mmdb");
}

#[test]
fn damaged_changes_of_the_operator_are_named_with_the_remedy_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let changes = state.join("operator.json");
    std::fs::write(&changes, "{\"format\":1,\"content\":{\"version\":").unwrap();
    let config = write(
        &folder,
        "balancer.toml",
        &format!("listen = \"127.0.0.1:0\"\nstate_directory = {state:?}"),
    );
    let checked = run(&["--check", "--config", &config]);
    assert_eq!(checked.status.code(), Some(2));
    let mut running = Running::start(&folder, &config);
    assert_eq!(running.exit_code(), Some(2));
    running.wait_for_log("operator.json is damaged");
    for said in [
        text(&checked.stderr),
        std::fs::read_to_string(&running.log).unwrap(),
    ] {
        assert!(said.contains("mend it, or move it away"), "{said}");
    }
    let kept = std::fs::read_to_string(&changes).unwrap();
    assert!(kept.ends_with("\"version\":"), "{kept}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = write(&folder, "balancer.toml", &format!("listen = \"{address}\""));
    let mut running = Running::start(&folder, &config);
    assert_eq!(running.exit_code(), Some(1));
    running.wait_for_log(&format!("cannot listen on {address}"));
}

#[test]
fn signals_reload_the_geo_files_and_stop_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("Test");
    let network: ipnet::IpNet = "192.0.2.0/24".parse().unwrap();
    writer
        .insert(network, &json!({"country_code": "DE"}))
        .unwrap();
    let database = folder.path().join("country.mmdb");
    std::fs::write(&database, writer.to_bytes().unwrap()).unwrap();
    let config = write(
        &folder,
        "balancer.toml",
        &format!(
            "listen = \"127.0.0.1:0\"\ngeo_files = [{:?}]",
            database.display().to_string()
        ),
    );
    let mut running = Running::start(&folder, &config);
    running.wait_for_log("nobody can be sent anywhere");
    running.wait_for_log("balancer listens on 127.0.0.1:");
    running.signal("HUP");
    running.wait_for_log("country.mmdb was read again");
    std::fs::write(&database, "broken").unwrap();
    running.signal("HUP");
    running.wait_for_log("what was in use before stays");
    running.signal("TERM");
    assert_eq!(running.exit_code(), Some(0));
    running.wait_for_log("balancer stopped, everything finished");
}

#[test]
fn a_secret_is_never_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(
        &folder,
        "balancer.toml",
        "listen = \"127.0.0.1:0\"\n[[relay]]\nname = \"a\"\ntoken = \"a very secret token\"\n",
    );
    let mut child = program()
        .args(["--config", &config])
        .env("PLENUM_LOG", "trace")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut log = Vec::new();
    let mut part = [0; 4096];
    while !text(&log).contains("balancer listens") {
        let n = stderr.read(&mut part).unwrap();
        assert!(n > 0, "{}", text(&log));
        log.extend_from_slice(&part[..n]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!text(&log).contains("very secret"));
}
