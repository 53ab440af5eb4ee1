//! What systemd is told, and the log says, of a master that starts and of one that cannot.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Starts a master; what it tells systemd comes out of the socket.
fn start(folder: &Path, name: &str) -> (Child, UnixDatagram) {
    let config = folder.join("master.toml");
    let state = folder.join("state");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nstate_directory = {state:?}\n\
         [[source]]\npassword = \"of a source 1234\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let socket = folder.join(name);
    let told = UnixDatagram::bind(&socket).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plenum-master"));
    command
        .arg("--config")
        .arg(config)
        .env("NOTIFY_SOCKET", socket);
    let child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    (child.unwrap(), told)
}

#[test]
fn a_master_that_cannot_start_never_says_that_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, told) = start(folder.path(), "first");
    let mut word = [0; 512];
    told.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let n_bytes = told.recv(&mut word).unwrap();
    assert_eq!(String::from_utf8_lossy(&word[..n_bytes]).trim(), "READY=1");
    let (second, told) = start(folder.path(), "second");
    let ended = second.wait_with_output().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    told.set_nonblocking(true).unwrap();
    assert!(told.recv(&mut word).is_err(), "it told systemd something");
    let log = [ended.stdout, ended.stderr].concat();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("another master uses"), "{log}");
    assert!(
        !log.contains("listens on") && !log.contains("finished"),
        "{log}"
    );
}
