//! Every curl line of docs/PROTOCOL.md works as it stands there.
//!
//! In the document they are the lines that begin with `curl` in blocks marked `sh`. The
//! line before says which status is expected: `# 200`. Variables are those of demo.env, and
//! `$ETAG` and `$OFFSET` of an answer that a listener got before. Lines run one after the
//! other, in the repository's own folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tests::cluster::{Cluster, Role, Sound};
use tests::configs::{ADMIN_USER, RELAY_USER, SOURCE_USER};
use tests::ear::Ear;
use tests::figures::note;
use tests::speech;
use tests::tools::finish;

const LINES_MIN: usize = 15;
/// An endless answer is listened to for so many seconds.
const LISTEN_SECONDS: &str = "2";
const LINE_MAX: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    command: String,
    status: String,
}

fn lines(document: &str) -> Result<Vec<Line>> {
    let mut found = Vec::new();
    let mut is_shell = false;
    let mut status = None;
    let mut rest = document.lines().zip(1..);
    while let Some((line, number)) = rest.next() {
        let line = line.trim();
        if let Some(kind) = line.strip_prefix("```") {
            is_shell = kind == "sh";
        } else if is_shell && line.starts_with('#') {
            let first = line.trim_start_matches('#').trim().get(..3);
            status = first
                .filter(|word| word.parse::<u16>().is_ok())
                .map(str::to_owned);
        } else if is_shell && line.starts_with("curl") {
            let mut command = line.to_owned();
            while let Some(whole) = command.strip_suffix('\\') {
                let (next, _) = rest.next().context("a line ends in \\ and none follows")?;
                command = format!("{whole} {}", next.trim());
            }
            let status = status
                .take()
                .with_context(|| format!("line {number}: no expected status before it"))?;
            found.push(Line {
                number,
                command,
                status,
            });
        }
    }
    Ok(found)
}

/// Runs a line in bash, with a curl that says its status on stderr besides.
fn run(line: &Line, variables: &[(String, String)]) -> Result<()> {
    let script = format!(
        "curl() {{ command curl --silent --show-error --max-time {LISTEN_SECONDS} \
         --write-out '%{{stderr}}\nstatus: %{{http_code}}\n' \"$@\"; }}\n{}",
        line.command
    );
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(&script).current_dir(root());
    bash.envs(variables.iter().cloned());
    let output = finish(&mut bash, LINE_MAX)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let status = said.lines().rev().find_map(|l| l.strip_prefix("status: "));
    let body = String::from_utf8_lossy(&output.stdout);
    if status != Some(&line.status) {
        bail!(
            "line {}: {} answers {status:?}, not {}; {said} {}",
            line.number,
            line.command,
            line.status,
            body.chars().take(80).collect::<String>()
        );
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn variables(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let earlier = Ear::listen(&cluster.mount_at(Role::Master))?.stop().head;
    let tag = earlier.header("etag").context("no ETag")?;
    let (ports, secrets) = (cluster.ports(), cluster.secrets());
    let relays = ports.relay_urls();
    let variables = [
        ("ETAG", tag.to_owned()),
        ("OFFSET", earlier.number("stream-offset")?.to_string()),
        ("BALANCER_URL", ports.balancer_url()),
        ("MASTER_URL", ports.master_url()),
        ("RELAY_URL", relays[0].clone()),
        ("RELAY_URLS", relays.join(",")),
        ("RELAY_TOKEN", secrets.tokens[0].clone()),
        ("SOURCE_USER", SOURCE_USER.to_owned()),
        ("SOURCE_PASSWORD", secrets.source.clone()),
        ("ADMIN_USER", ADMIN_USER.to_owned()),
        ("ADMIN_PASSWORD", secrets.admin.clone()),
        ("OPERATOR_PASSWORD", secrets.admin.clone()),
        ("RELAY_USER", RELAY_USER.to_owned()),
        ("RELAY_PASSWORD", secrets.relay.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    Ok(variables.to_vec())
}

#[test]
fn every_curl_line_of_the_protocol_document_works() -> Result<()> {
    let document = root().join("docs/PROTOCOL.md");
    let document = std::fs::read_to_string(&document)
        .with_context(|| format!("cannot read {}", document.display()))?;
    let lines = lines(&document)?;
    ensure!(lines.len() >= LINES_MIN, "only {} curl lines", lines.len());
    let cluster = Cluster::start(2, &Sound::File(speech::sitting()?))?;
    let variables = variables(&cluster)?;
    let complaints: Vec<_> = lines
        .iter()
        .filter_map(|line| run(line, &variables).err())
        .map(|error| format!("{error:#}"))
        .collect();
    note(&format!("{} curl lines", lines.len()));
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

#[test]
fn curl_lines_are_found_with_their_status_even_when_broken_over_lines() -> Result<()> {
    let document =
        "words\n```sh\n# 200, and sound\ncurl -i \\\n  $A\n# 401\ncurl $B\n```\ncurl no\n";
    let found = lines(document)?;
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].command, "curl -i  $A");
    assert_eq!(
        (found[0].status.as_str(), found[1].status.as_str()),
        ("200", "401")
    );
    assert!(lines("```sh\ncurl $A\n```").is_err());
    Ok(())
}
