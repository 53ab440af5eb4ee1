//! `demo.env`: one `KEY=value` a line, there exactly while the demo plays.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use tests::cluster::{Cluster, Role, write_private};
use tests::configs::{ADMIN_USER, RELAY_USER, SOURCE_USER};

use crate::{ORDER, watch};

const FILE: &str = "demo.env";

/// Takes the file of an earlier demo away: its process numbers are somebody else's now.
pub(crate) fn remove(folder: &Path) {
    let _ = std::fs::remove_file(folder.join(FILE));
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write(cluster: &mut Cluster) -> Result<()> {
    let unfinished = cluster.folder().join("demo.env.new");
    let text = text(cluster);
    write_private(&unfinished, &text)?;
    std::fs::rename(&unfinished, cluster.folder().join(FILE)).context("cannot write demo.env")
}

fn text(cluster: &mut Cluster) -> String {
    let (ports, secrets) = (cluster.ports().clone(), cluster.secrets().clone());
    let relays = ports.relay_urls();
    let mut text = String::new();
    for (key, value) in [
        ("BALANCER_URL", ports.balancer_url()),
        ("MASTER_URL", ports.master_url()),
        ("RELAY_URLS", relays.join(",")),
        ("RELAY_URL", relays.first().cloned().unwrap_or_default()),
        ("SOURCE_USER", SOURCE_USER.to_owned()),
        ("SOURCE_PASSWORD", secrets.source),
        ("ADMIN_USER", ADMIN_USER.to_owned()),
        ("ADMIN_PASSWORD", secrets.admin.clone()),
        ("OPERATOR_PASSWORD", secrets.admin),
        ("RELAY_USER", RELAY_USER.to_owned()),
        ("RELAY_PASSWORD", secrets.relay),
        (
            "RELAY_TOKEN",
            secrets.tokens.first().cloned().unwrap_or_default(),
        ),
    ] {
        let _ = writeln!(text, "{key}={value}");
    }
    for role in ORDER {
        let key = key(role);
        let pid = watch::pid(cluster, role).unwrap_or_default();
        let config = watch::config(cluster, role);
        let command = cluster.program(role).command_line();
        let _ = writeln!(text, "{key}_PID={pid}\n{key}_CONFIG={config}");
        let _ = writeln!(text, "# {key}_COMMAND={command}");
    }
    text
}

fn key(role: Role) -> String {
    match role {
        Role::Source => "SOURCE".to_owned(),
        Role::Master => "MASTER".to_owned(),
        Role::Balancer => "BALANCER".to_owned(),
        Role::Relay(n) => format!("RELAY{}", n + 1),
    }
}
