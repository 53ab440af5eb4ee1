//! The load tool against the real chain: what it says of it is true.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use tests::cluster::{Cluster, Role, Sound};
use tests::configs::RELAY_USER;
use tests::tools::finish;

const SWARM_MAX: Duration = Duration::from_secs(60);
/// The variable in which the swarm finds the relays' password.
const PASSWORD: &str = "SWARM_RELAY_PASSWORD";

/// Runs a swarm, says whether it was content, and what it found.
fn swarm(cluster: &Cluster, url: &str, words: &[&str]) -> Result<(bool, Value)> {
    let json = cluster.folder().join("swarm.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_plenum-swarm"));
    command
        .args([url, "--settle", "1", "--seconds", "3", "--json"])
        .arg(&json)
        .args(words)
        .env(PASSWORD, &cluster.secrets().relay);
    let output = finish(&mut command, SWARM_MAX)?;
    let text = std::fs::read_to_string(&json)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.success(), serde_json::from_str(&text)?))
}

fn number(outcome: &Value, path: &str) -> Result<u64> {
    let value = outcome.pointer(path).and_then(Value::as_u64);
    value.with_context(|| format!("{path} in {outcome}"))
}

#[test]
fn a_crowd_hears_every_page_right_and_those_before_lose_nothing() -> Result<()> {
    let cluster = Cluster::start(2, &Sound::Tone)?;
    let words = [
        ["--listeners", "200"],
        ["--before", "20"],
        ["--rate", "0"],
        ["--churn", "20"],
    ];
    let (is_content, outcome) =
        swarm(&cluster, &cluster.link(), &words.concat()).with_context(|| cluster.story())?;
    ensure!(is_content, "{outcome}");
    for (path, wanted) in [
        ("/n_asked", 220),
        ("/n_heard", 220),
        ("/n_dropped", 0),
        ("/sample/n_listeners", 70),
        ("/sample/n_bad", 0),
        ("/sample/n_gaps", 0),
        ("/sample/n_different", 0),
    ] {
        ensure!(number(&outcome, path)? == wanted, "{path} in {outcome}");
    }
    // The balancer sent everybody on.
    let n_redirects = number(&outcome, "/n_redirects")?;
    ensure!(n_redirects >= 220, "{outcome}");
    Ok(())
}

#[test]
fn relays_get_a_page_before_paced_listeners_do() -> Result<()> {
    let cluster = Cluster::start(1, &Sound::Tone)?;
    let words = [
        ["--listeners", "20"],
        ["--relay-user", RELAY_USER],
        ["--relay-password-env", PASSWORD],
        ["--relays", "2"],
    ];
    let master = cluster.mount_at(Role::Master);
    let (is_content, outcome) =
        swarm(&cluster, &master, &words.concat()).with_context(|| cluster.story())?;
    ensure!(is_content, "{outcome}");
    let lag = |who: &str| {
        let lag = outcome.pointer(&format!("/lag/{who}/p50_ms"));
        lag.and_then(Value::as_f64).context("a lag")
    };
    ensure!(lag("relays")? < lag("crowd")?, "{outcome}");
    Ok(())
}

#[test]
fn those_who_hear_nothing_are_told_of() -> Result<()> {
    let cluster = Cluster::start(1, &Sound::Tone)?;
    let url = format!("{}/nothing-here.ogg", cluster.ports().master_url());
    let (is_content, outcome) = swarm(&cluster, &url, &["--listeners", "5"])?;
    ensure!(!is_content, "{outcome}");
    ensure!(number(&outcome, "/n_heard")? == 0, "{outcome}");
    ensure!(number(&outcome, "/statuses/404")? == 5, "{outcome}");
    Ok(())
}

#[test]
fn a_wrong_command_line_is_told_apart_from_a_bad_result() -> Result<()> {
    for words in [
        &["https://127.0.0.1/live.ogg"][..],
        &["http://127.0.0.1/live.ogg", "--relays", "many"],
        &[
            "http://127.0.0.1/live.ogg",
            "--relay-user",
            "relay",
            "--relay-password-env",
            "THIS_IS_NOT_SET",
        ],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plenum-swarm"));
        let output = finish(command.args(words), SWARM_MAX)?;
        ensure!(output.status.code() == Some(2), "{words:?}: {output:?}");
        ensure!(!output.stderr.is_empty(), "{words:?}: no words");
    }
    Ok(())
}

#[test]
fn who_is_sent_on_to_tls_says_so() -> Result<()> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/live.ogg", server.local_addr()?);
    let elsewhere = std::thread::spawn(move || -> Result<()> {
        let (mut socket, _) = server.accept()?;
        let answer = "HTTP/1.0 302 Found\r\nLocation: https://radio.example/live.ogg\r\n\r\n";
        socket.write_all(answer.as_bytes())?;
        // Until it hangs up.
        std::io::copy(&mut socket, &mut std::io::sink())?;
        Ok(())
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_plenum-swarm"));
    command.args([&url, "--listeners", "1", "--seconds", "0", "--settle", "0"]);
    let output = finish(&mut command, SWARM_MAX)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(
        text.contains("https://radio.example") && text.contains("plain http only"),
        "{text}"
    );
    elsewhere.join().map_err(|_| anyhow!("panicked"))?
}
