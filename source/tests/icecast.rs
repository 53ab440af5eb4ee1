//! The source against Debian's Icecast 2.4.4, which Plenum has to work with.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::*;

fn icecast(folder: &Path, port: u16, n: u32) -> Program {
    let here = folder.display();
    let config = format!(
        "<icecast><limits><clients>50</clients><sources>5</sources></limits>\
         <authentication><source-password>{PASSWORD}</source-password>\
         <admin-user>admin</admin-user><admin-password>{PASSWORD}</admin-password></authentication>\
         <hostname>localhost</hostname>\
         <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>\
         <paths><basedir>/usr/share/icecast2</basedir><logdir>{here}</logdir>\
         <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>\
         </paths><logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog></logging>\
         <security><chroot>0</chroot><changeowner><user>nobody</user><group>nogroup</group>\
         </changeowner></security></icecast>"
    );
    let file = folder.join("icecast.xml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("icecast2");
    let program = Program::start(
        command.arg("-c").arg(&file),
        &folder.join(format!("icecast-{n}.log")),
    );
    eventually("icecast2", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    program
}

#[test]
fn listeners_of_icecast_hear_exactly_what_was_encoded_also_after_it_was_killed() {
    let folder = folder();
    let (port, record) = (free_port(), folder.path().join("record.ogg"));
    let file = folder.path().join("programme.wav");
    programme(&file, 14);
    let server = icecast(folder.path(), port, 1);
    let mut source = Program::start(
        source(port)
            .args(["--name", "Täst", "file"])
            .arg(&file)
            .arg("--record")
            .arg(&record),
        &folder.path().join("source.log"),
    );
    source.wait_for("on air: ", 1);
    let mut first = Vec::new();
    eventually("a mount with sound", || {
        first = listen(port, |n_bytes| n_bytes > 40_000);
        first.len() > 30_000
    });
    server.kill();
    source.wait_for("trying again", 1);
    let server = icecast(folder.path(), port, 2);
    source.wait_for("on air: ", 2);
    let second = listen(port, |_| false);
    let ended = source.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    server.kill();

    let whole = decode(&record);
    assert_eq!(whole.len(), 14 * 48_000);
    for (name, heard) in [("first.ogg", first), ("second.ogg", second)] {
        let path = folder.path().join(name);
        fs::write(&path, heard).unwrap();
        find(&decode(&path), &whole);
    }
}

#[test]
fn a_file_sent_fast_arrives_whole_at_icecast() {
    let folder = folder();
    let (port, record) = (free_port(), folder.path().join("record.ogg"));
    let file = folder.path().join("programme.wav");
    programme(&file, 120);
    let server = icecast(folder.path(), port, 1);
    let mut source = Program::start(
        source(port)
            .arg("file")
            .arg(&file)
            .arg("--fast")
            .arg("--record")
            .arg(&record),
        &folder.path().join("source.log"),
    );
    source.wait_for("everything was sent", 1);
    let ended = source.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("trying again"), "{}", ended.log);
    assert_eq!(decode(&record).len(), 120 * 48_000);
    let log = fs::read_to_string(folder.path().join("error.log")).unwrap();
    assert!(log.contains("at \"/live.ogg\" exiting"), "{log}");
    server.kill();
}

#[test]
fn a_wrong_password_is_said_in_plain_words_and_a_busy_mount_is_waited_for() {
    let folder = folder();
    let port = free_port();
    let server = icecast(folder.path(), port, 1);
    let mut wrong = Program::start(
        source(port)
            .env("PLENUM_SOURCE__PASSWORD", "not the password")
            .arg("tone"),
        &folder.path().join("wrong.log"),
    );
    wrong.wait_for("wrong user or password", 1);
    assert!(!wrong.log().contains("not the password"));
    wrong.terminate();
    assert_eq!(wrong.wait().code, Some(1), "nothing reached a server");

    let mut first = Program::start(source(port).arg("tone"), &folder.path().join("first.log"));
    first.wait_for("on air: ", 1);
    let mut second = Program::start(source(port).arg("tone"), &folder.path().join("second.log"));
    second.wait_for("the mount is in use by another source", 1);
    first.terminate();
    assert_eq!(first.wait().code, Some(0));
    second.wait_for("on air: ", 1);
    second.terminate();
    assert_eq!(second.wait().code, Some(0));
    server.kill();
}
