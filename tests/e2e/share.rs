//! Two balancers share the operator's changes through Redis, and go on by themselves when it, or one
//! of them, is away.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::cluster::{Role, secret};
use tests::http::Request;
use tests::ports;
use tests::programs::Program;
use tests::wait::eventually;

use crate::several_balancers::{ANSWER_MAX, Stage, stage_with, wait_until_seated};

/// What holds at one holds at the other by then: a second, and another one for a loaded machine.
const HEARD_MAX: Duration = Duration::from_secs(2);
/// Redis is noticed to be back by then, and what was changed meanwhile is shared.
const BACK_MAX: Duration = Duration::from_secs(7);
const START_MAX: Duration = Duration::from_secs(10);

/// A Redis that keeps nothing.
pub(crate) fn redis(port: u16, password: &str, folder: &Path) -> Program {
    let (port, folder_name) = (port.to_string(), folder.display().to_string());
    Program::new("redis", "/usr/bin/redis-server", folder).arguments([
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--requirepass",
        password,
        "--dir",
        &folder_name,
    ])
}

/// The operator at one of the balancers, by number.
struct Operator<'a> {
    stage: &'a Stage,
    n: usize,
}

impl Operator<'_> {
    fn url(&self, relay: &str) -> Result<String> {
        let base = match self.n {
            0 => self
                .stage
                .cluster
                .url(Role::Balancer)
                .context("no balancer")?,
            _ => self.stage.second_url.clone(),
        };
        Ok(format!("{base}/api/v1/relays/{relay}"))
    }

    fn order(&self, relay: &str, json: &str) -> Result<()> {
        let start = Instant::now();
        let answer = Request::new("PATCH", &self.url(relay)?)?
            .credentials("operator", &self.stage.cluster.secrets().admin)
            .body(json)
            .send()?;
        ensure!(answer.head.status == 200, "{:?}", answer.head);
        ensure!(start.elapsed() < ANSWER_MAX, "{:?}", start.elapsed());
        Ok(())
    }

    /// Waits until a relay's facts hold this.
    fn sees(&self, relay: &str, text: &str, within: Duration) -> Result<()> {
        let url = self.url(relay)?;
        eventually(within, &format!("{text} of {relay} at {}", self.n), || {
            let answer = Request::new("GET", &url)?
                .credentials("operator", &self.stage.cluster.secrets().admin)
                .send()?;
            let facts = String::from_utf8_lossy(&answer.body).into_owned();
            ensure!(facts.contains(text), "{facts}");
            Ok(())
        })
        .with_context(|| self.stage.cluster.story() + &self.stage.second.story())
    }
}

fn operators(stage: &Stage) -> [Operator<'_>; 2] {
    [0, 1].map(|n| Operator { stage, n })
}

/// Looking takes no place, and is answered at once.
fn looks(link: &str) -> Result<()> {
    let asked = Instant::now();
    let answer = Request::new("HEAD", link)?.send()?;
    ensure!(answer.head.status == 302, "{:?}", answer.head);
    ensure!(asked.elapsed() < ANSWER_MAX, "{:?}", asked.elapsed());
    Ok(())
}

/// Listeners ask both balancers for a while: each is answered, and soon.
fn redirects_go_on(stage: &Stage, time: Duration) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        stage.links().iter().try_for_each(|link| looks(link))?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn two_balancers_share_changes_through_redis_and_go_on_without_it() -> Result<()> {
    let (port, password) = (ports::free()?, secret()?);
    let mut stage = stage_with(&format!(
        "[share]\nurl = \"redis://127.0.0.1:{port}\"\npassword = \"{password}\"\n"
    ))?;
    let mut redis = redis(port, &password, stage.cluster.folder());
    redis.start()?;
    wait_until_seated(&stage)?;
    {
        let [one, other] = operators(&stage);
        other.sees("relay-1", "\"state\":\"open\"", START_MAX)?;
        one.order("relay-1", "{\"is_disabled\": true}")?;
        other.sees("relay-1", "\"state\":\"disabled\"", HEARD_MAX)?;
        other.order("relay-1", "{\"is_disabled\": false}")?;
        one.sees("relay-1", "\"state\":\"open\"", HEARD_MAX)?;
    }
    redis.kill()?;
    redirects_go_on(&stage, Duration::from_secs(2))?;
    {
        let [one, other] = operators(&stage);
        one.order("relay-1", "{\"is_disabled\": true}")?;
        other.order("relay-2", "{\"bias_km\": -70}")?;
        other.order("relay-1", "{\"bias_km\": 30}")?;
        other.sees("relay-1", "\"bias_km\":30.0", HEARD_MAX)?;
    }
    redirects_go_on(&stage, Duration::from_millis(200))?;
    redis.start()?;
    {
        let [one, other] = operators(&stage);
        // Of the first relay each has changed something else.
        one.sees("relay-2", "\"bias_km\":-70.0", BACK_MAX)?;
        one.sees("relay-1", "\"bias_km\":30.0", HEARD_MAX)?;
        other.sees("relay-1", "\"is_disabled\":true", HEARD_MAX)?;
        other.order("relay-1", "{\"is_disabled\": false}")?;
        one.sees("relay-1", "\"is_disabled\":false", HEARD_MAX)?;
    }
    // It has no state directory, and yet forgets nothing.
    stage.second.kill()?;
    stage.second.start()?;
    operators(&stage)[1].sees("relay-2", "\"bias_km\":-70.0", START_MAX)?;
    let link = &stage.links()[1];
    eventually(START_MAX, "relays lend it slots", || looks(link))?;
    stage.cluster.program(Role::Balancer).kill()?;
    looks(link)
}
