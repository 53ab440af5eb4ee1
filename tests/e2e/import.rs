//! Icecast's own settings, as Debian ships them, become settings of a master that it accepts.

use std::process::Command;

use anyhow::{Result, ensure};
use tests::programs::find;

#[test]
fn debians_icecast_xml_becomes_settings_that_the_master_accepts() -> Result<()> {
    let master = find("plenum-master")?;
    let import = |file: &str| Command::new(&master).args(["import", file]).output();
    let made = import("/etc/icecast2/icecast.xml")?;
    let toml = String::from_utf8(made.stdout)?;
    let log = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "{log}");
    ensure!(log.contains("tags became keys"), "{log}");
    for line in [
        "listeners = 100",
        "source_timeout_seconds = 10",
        "listen = \"0.0.0.0:8000\"",
        "# <logging/accesslog> (access.log): no, on purpose",
    ] {
        ensure!(toml.contains(line), "{line} is missing in\n{toml}");
    }
    ensure!(!toml.contains("hackme"), "{toml}");
    ensure!(!toml.contains("neither Icecast"), "{toml}");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("master.toml");
    std::fs::write(&file, &toml)?;
    let check = Command::new(&master)
        .args(["--check", "--config"])
        .arg(&file)
        .output()?;
    let complaint = String::from_utf8_lossy(&check.stderr);
    ensure!(check.status.success(), "{complaint}\n{toml}");

    let wrong = import(&file.display().to_string())?;
    let complaint = String::from_utf8_lossy(&wrong.stderr);
    ensure!(wrong.status.code() == Some(2), "{:?}", wrong.status);
    ensure!(complaint.contains("it is not XML"), "{complaint}");

    // What was protected and is lost shows also to a script.
    let lost = "<icecast><mount><mount-name>/m</mount-name><authentication type=\"command\"/>\
                </mount></icecast>";
    std::fs::write(&file, lost)?;
    let closed = import(&file.display().to_string())?;
    let log = String::from_utf8_lossy(&closed.stderr);
    ensure!(
        closed.status.code() == Some(3),
        "{:?}: {log}",
        closed.status
    );
    ensure!(log.contains("nobody may listen to /m"), "{log}");
    ensure!(String::from_utf8(closed.stdout)?.contains("htpasswd = \"/dev/null\""));
    Ok(())
}
