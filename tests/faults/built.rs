//! What the programs that lie here can do: some faults need what an older version has not got.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tests::cluster::write_private;
use tests::programs::find;
use tests::tools::finish;

const CHECK_MAX: Duration = Duration::from_secs(10);

/// Whether this role takes these settings.
fn takes(role: &str, settings: &str) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("settings.toml");
    write_private(&config, settings)?;
    let mut check = Command::new(find(&format!("plenum-{role}"))?);
    let output = finish(check.arg("--config").arg(&config).arg("--check"), CHECK_MAX)?;
    Ok(output.status.success())
}

/// A source with two uplinks.
pub(crate) fn has_uplinks() -> Result<bool> {
    takes(
        "source",
        "password = \"a-long-password\"\nspool = \"\"\n\
         [[uplink]]\nbind = \"eth0\"\n[[uplink]]\nbind = \"eth1\"\n",
    )
}

/// A relay with two upstreams.
pub(crate) fn has_upstreams() -> Result<bool> {
    takes(
        "relay",
        "[master]\nurl = \"http://one\"\nuser = \"relay\"\npassword = \"a-long-password\"\n\
         [[upstream]]\nurl = \"http://two\"\npassword = \"a-long-password\"\n",
    )
}
