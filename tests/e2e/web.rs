//! A script on somebody else's page: what it may ask, and what it may read of the answer, so that
//! it can go on at another relay where one has left it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, Role, Sound};
use tests::tools::run;

const ORIGIN: &str = "Origin: https://elsewhere.example";
/// What a script has to read to resume.
const NEEDED: [&str; 4] = ["etag", "stream-offset", "stream-prefix", "content-range"];

/// What curl prints of the head of an answer, in small letters.
fn head(url: &str, more: &[&str]) -> Result<String> {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--dump-header", "-", "--output", "/dev/null"]);
    curl.args(["--max-time", "1", "--header", ORIGIN]);
    curl.args(more).arg(url);
    // An endless answer ends by the clock, which curl calls a failure.
    let output = curl.output().context("cannot run curl")?;
    Ok(String::from_utf8_lossy(&output.stdout).to_lowercase())
}

fn value<'a>(head: &'a str, name: &str) -> Result<&'a str> {
    let start = format!("{name}: ");
    let line = head.lines().find_map(|line| line.strip_prefix(&start));
    line.with_context(|| format!("no {name} in {head}"))
}

/// A script may read what it needs.
fn check(head: &str, status: &str) -> Result<()> {
    ensure!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
    ensure!(value(head, "access-control-allow-origin")? == "*");
    let exposed = value(head, "access-control-expose-headers")?;
    for name in NEEDED {
        ensure!(exposed.split(", ").any(|word| word == name), "{exposed}");
    }
    Ok(())
}

#[test]
fn a_script_on_another_site_can_resume_at_another_relay() -> Result<()> {
    let cluster = Cluster::start(2, &Sound::Tone)?;
    run(Command::new("curl").arg("--version"))?;
    let joined = head(&cluster.mount_at(Role::Relay(0)), &[])?;
    check(&joined, "200")?;
    let if_range = format!("If-Range: {}", value(&joined, "etag")?);
    let range = format!("Range: bytes={}-", value(&joined, "stream-offset")?);
    for role in [Role::Relay(1), Role::Master] {
        let url = cluster.mount_at(role);
        let preflight = [
            "--request",
            "OPTIONS",
            "--header",
            "Access-Control-Request-Method: GET",
            "--header",
            "Access-Control-Request-Headers: if-range,range,icy-metadata",
        ];
        // The same where there is no mount now: the answer to GET says so.
        for url in [&url, &format!("{url}.away")] {
            let preflight = head(url, &preflight)?;
            check(&preflight, "204")?;
            let allowed = value(&preflight, "access-control-allow-headers")?;
            let allowed: Vec<_> = allowed.split(", ").collect();
            for wanted in ["range", "if-range", "icy-metadata", "authorization"] {
                ensure!(allowed.contains(&wanted), "{wanted} is not in {allowed:?}");
            }
            ensure!(value(&preflight, "access-control-allow-methods")?.contains("get"));
        }
        let of_all = ["--request", "OPTIONS", "--request-target", "*"];
        let of_all = head(&url, &of_all)?;
        ensure!(of_all.starts_with("http/1.1 204"), "{of_all}");
        ensure!(value(&of_all, "allow")?.contains("options"), "{of_all}");
        let resumed = head(&url, &["--header", &if_range, "--header", &range])?;
        check(&resumed, "206")?;
        ensure!(value(&resumed, "etag")? == value(&joined, "etag")?);
        let far = "Range: bytes=9000000000000000000-";
        let ahead = head(&url, &["--header", &if_range, "--header", far])?;
        check(&ahead, "416")?;
        ensure!(value(&ahead, "content-range")?.starts_with("bytes */"));
    }
    Ok(())
}
