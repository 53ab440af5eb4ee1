//! A relay that is full, and one that swallows listeners: players play all the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, Sound, write_private};
use tests::ear::Ear;
use tests::http::{Request, get};
use tests::players::Decoder;
use tests::ports;
use tests::wait::eventually;

const PLAYER_MAX: Duration = Duration::from_secs(25);
const PATIENCE: Duration = Duration::from_secs(25);
/// A second of sound: mono, 16 bits, 48 kHz.
const ONE_SECOND_BYTES: u64 = 2 * 48_000;
const N_LISTENERS: usize = 40;
/// Two may be on their way to a relay that has not proved itself, and one more after each quarantine.
const N_SWALLOWED_MAX: usize = 4;

/// So many listeners the first relay takes.
fn set_slots(chain: &Cluster, n: usize) -> Result<()> {
    let path = chain.folder().join("relay1.toml");
    let text = std::fs::read_to_string(&path)?;
    write_private(&path, &format!("{text}\n[slots]\nlisteners = {n}\n"))
}

#[test]
fn a_player_that_a_full_relay_sends_back_plays_from_the_other_one() -> Result<()> {
    let mut chain = Cluster::prepare(2, &Sound::Tone)?;
    set_slots(&chain, 1)?;
    chain.start_servers()?;
    chain.start_program(Role::Source)?;
    let full = chain.mount_at(Role::Relay(0));
    chain.wait_until_plays(&chain.mount_at(Role::Relay(1)), PLAY_MAX)?;
    let ear = eventually(PATIENCE, "the only slot", || Ear::listen(&full))?;
    ensure!(ear.url() == full, "sent on to {}", ear.url());
    let folder = tempfile::tempdir()?;
    let mut ffmpeg = Decoder::Ffmpeg.play(&full, folder.path())?;
    ffmpeg
        .wait_for_bytes(ONE_SECOND_BYTES, PLAYER_MAX)
        .with_context(|| chain.story())?;
    let answer = Request::new("GET", &format!("{full}?x=1"))?.send()?;
    let back = answer.head.header("location").context("no Location")?;
    ensure!(
        back.starts_with(&format!("{}?x=1&ticket=", chain.link())),
        "{back}"
    );
    let expected = format!("{}?x=1&ticket=", chain.mount_at(Role::Relay(1)));
    // Until it has proved itself, two at once may be on their way there.
    eventually(PATIENCE, "the other relay", || {
        let other = Request::new("GET", back)?.send()?;
        let other = other.head.header("location").context("no Location")?;
        ensure!(other.starts_with(&expected), "{other}");
        Ok(())
    })?;
    ear.stop().check_order()
}

/// A relay that reports, and where nobody answers.
struct BlackHole {
    balancer: String,
    token: String,
    url: String,
    sequence: u64,
    wants_arrivals: bool,
}

impl BlackHole {
    fn report(&mut self) -> Result<()> {
        self.sequence += 1;
        let mut report = json!({
            "url": self.url, "run": "hole", "sequence": self.sequence, "slots": 100_000,
            "listeners": 0, "draining": false,
            "mounts": [{"path": MOUNT, "content_type": "application/ogg", "is_on_air": true,
                        "epoch": "00", "offset": 0, "listeners": 0}]
        });
        if self.wants_arrivals {
            report["arrivals"] = json!({"direct": 0, "bounced": 0, "admitted": []});
        }
        let answer = Request::new("POST", &format!("{}/api/v1/report", self.balancer))?
            .header("Authorization", &format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .body(report.to_string())
            .send()?;
        ensure!(answer.head.status == 200, "{}", answer.text());
        let receipt: Value = serde_json::from_str(&answer.text())?;
        self.wants_arrivals = receipt["arrivals"] == true;
        Ok(())
    }
}

fn states(balancer: &str) -> Result<BTreeMap<String, String>> {
    let status: Value = serde_json::from_str(&get(&format!("{balancer}/api/v1/status"))?.text())?;
    let relays = status["relays"].as_array().context("no relays")?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let states = relays
        .iter()
        .map(|relay| (word(&relay["name"]), word(&relay["state"])));
    Ok(states.collect())
}

#[test]
fn a_relay_that_swallows_listeners_gets_few_and_then_none() -> Result<()> {
    let mut chain = Cluster::prepare(2, &Sound::Tone)?;
    // So few slots that the other one looks emptier as soon as a handful listens.
    set_slots(&chain, 2 * N_LISTENERS)?;
    for role in [Role::Master, Role::Balancer, Role::Relay(0), Role::Source] {
        chain.start_program(role)?;
    }
    chain.wait_until_playing(PLAY_MAX)?;
    let mut hole = BlackHole {
        balancer: chain.ports().balancer_url(),
        token: chain.secrets().tokens[1].clone(),
        url: format!("http://127.0.0.1:{}", ports::free()?),
        sequence: 0,
        wants_arrivals: false,
    };
    let (mut n_swallowed, mut crowd) = (0, Vec::new());
    let start = Instant::now();
    for n in 0..N_LISTENERS {
        if start.elapsed() >= Duration::from_secs(hole.sequence) {
            hole.report()?;
        }
        let agent = format!("listener {n}");
        let ask = Request::new("GET", &chain.link())?.header("User-Agent", &agent);
        let (head, _) = ask.open()?;
        let location = head
            .header("location")
            .with_context(|| format!("{head:?}"))?;
        if location.starts_with(&hole.url) {
            n_swallowed += 1;
        } else {
            // He is seen to come, and stays.
            crowd.push(Ear::listen(location)?);
        }
    }
    // A probe may find out before anybody is sent there.
    ensure!(
        n_swallowed <= N_SWALLOWED_MAX,
        "{n_swallowed} of {N_LISTENERS} were swallowed; {}",
        chain.story()
    );
    let balancer = chain.ports().balancer_url();
    eventually(PATIENCE, "it is put away", || {
        hole.report()?;
        let states = states(&balancer)?;
        ensure!(states["relay-2"] == "in quarantine", "{states:?}");
        ensure!(states["relay-1"] == "open", "{states:?}");
        Ok(())
    })
    .with_context(|| chain.story())?;
    // Until it has named all that came, the master may help out.
    eventually(PATIENCE, "the good relay takes who comes", || {
        let ear = Ear::listen(&chain.link())?;
        let good = chain.mount_at(Role::Relay(0));
        ensure!(ear.url().starts_with(&good), "{}", ear.url());
        Ok(())
    })
}
