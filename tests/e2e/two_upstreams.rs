//! A relay with a master and a sibling: either way may be cut, and nobody hears it. Relays in a
//! row, and relays in a circle.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tests::cluster::{Cluster, PLAY_MAX, Role, STOP_MAX, Sound, write_private};
use tests::configs::RELAY_USER;
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::{Heard, same_bytes};
use tests::http::{Request, get};
use tests::line::Line;
use tests::netns::{Laboratory, Namespace};
use tests::programs::Program;
use tests::soak::{every_sample_once, hear_the_end};
use tests::speech;
use tests::wait::{eventually, until};

const RELAY: Role = Role::Relay(0);
const SIBLING: Role = Role::Relay(1);
/// The way to the master is cut for so long.
const CUT: Duration = Duration::from_secs(20);
/// A listener has 4 s in hand: with less than that between two pages he hears nothing of it.
const GAP_MAX: Duration = Duration::from_millis(2_500);
/// With both ways in use, a cut costs no more than a pace.
const HOT_GAP_MAX: Duration = Duration::from_millis(1_200);
/// The sibling is let go when the master has been steady for 10 s.
const RELEASE_MAX: Duration = Duration::from_secs(25);
const SECOND: i64 = 48_000;

/// Adds to a program's settings, after putting other words in place of some.
fn change(cluster: &Cluster, name: &str, words: &[(&str, &str)], more: &str) -> Result<()> {
    let path = cluster.folder().join(format!("{name}.toml"));
    let mut text = std::fs::read_to_string(&path)?;
    for (old, new) in words {
        ensure!(text.contains(old), "{old} is not in {text}");
        text = text.replace(old, new);
    }
    write_private(&path, &format!("{text}\n{more}"))
}

/// What a relay is told so that others may follow it.
fn open_to_relays(cluster: &Cluster) -> String {
    format!("[relay]\npassword = \"{}\"\n", cluster.secrets().relay)
}

fn upstream(cluster: &Cluster, url: &str, more: &str) -> String {
    let password = &cluster.secrets().relay;
    format!("[[upstream]]\nurl = \"{url}\"\npassword = \"{password}\"\n{more}\n")
}

/// Relays that `server` serves now.
fn n_relays(server: &str) -> Result<u64> {
    let status: Value = serde_json::from_str(&get(&format!("{server}/api/v1/status"))?.text())?;
    let taken = status.pointer("/slots/relays/taken");
    taken.and_then(Value::as_u64).context("no count of relays")
}

/// How a relay's upstreams stand, as its status says.
fn standing(server: &str) -> Result<Vec<String>> {
    let status: Value = serde_json::from_str(&get(&format!("{server}/api/v1/status"))?.text())?;
    let upstreams = status.get("upstreams").and_then(Value::as_array);
    let states = upstreams.context("no upstreams")?.iter().map(|upstream| {
        let state = upstream.get("state").and_then(Value::as_str);
        state.context("no state").map(str::to_owned)
    });
    states.collect()
}

/// Every sample that the source encoded, once; and one log, without a hole.
fn judge(cluster: &Cluster, heard: &Heard, gap_max: Duration) -> Result<()> {
    every_sample_once(&cluster.recording(), heard)?;
    let end = heard.pages.last().map_or(Duration::ZERO, |page| page.at);
    let gap = heard.longest_gap(end);
    note(&format!("longest time without a page {gap:?}"));
    ensure!(gap < gap_max, "{gap:?} without a page");
    Ok(())
}

/// Master, sibling and relay in networks of their own.
struct Stage {
    cluster: Cluster,
    master: Namespace,
    sibling: Namespace,
    relay: Namespace,
    // The last: all the others are in it.
    laboratory: Laboratory,
}

impl Stage {
    fn start() -> Result<Self> {
        let mut laboratory = Laboratory::new()?;
        let mut stage = Self {
            cluster: Cluster::prepare_recorded(2, &Sound::File(speech::sitting()?))?,
            master: laboratory.add("master")?,
            sibling: laboratory.add("sibling")?,
            relay: laboratory.add("relay")?,
            laboratory,
        };
        stage.configure()?;
        let cluster = &mut stage.cluster;
        for (role, space) in [
            (Role::Source, &stage.master),
            (Role::Master, &stage.master),
            (Role::Balancer, &stage.master),
            (SIBLING, &stage.sibling),
            (RELAY, &stage.relay),
        ] {
            let program = cluster.program(role);
            let outside = std::mem::replace(program, Program::new("", "", "".as_ref()));
            *program = space.program(outside);
        }
        for (role, space) in [
            (Role::Master, &stage.master),
            (SIBLING, &stage.sibling),
            (RELAY, &stage.relay),
            (Role::Source, &stage.master),
        ] {
            space.inside(|| cluster.start_program(role))?;
        }
        Ok(stage)
    }

    fn configure(&self) -> Result<()> {
        let cluster = &self.cluster;
        let local = ("listen = \"127.0.0.1:", "listen = \"0.0.0.0:");
        change(cluster, "master", &[local], "")?;
        let master = cluster.ports().master_url();
        let to_master = format!("url = \"{}\"", self.seen(&self.master, &master));
        let words = [local, (&format!("url = \"{master}\""), &to_master)];
        change(cluster, "relay2", &words, &open_to_relays(cluster))?;
        let sibling = cluster.url(SIBLING).context("listens")?;
        let more = upstream(cluster, &self.seen(&self.sibling, &sibling), "");
        change(cluster, "relay1", &words, &more)
    }

    /// An address as it is seen from outside.
    fn seen(&self, space: &Namespace, url: &str) -> String {
        url.replace("127.0.0.1", &space.address().to_string())
    }

    /// How the relay's upstreams stand.
    fn standing(&self) -> Result<Vec<String>> {
        let url = self.cluster.url(RELAY).context("listens")?;
        self.relay.inside(|| standing(&url))
    }

    /// Relays that the sibling serves now.
    fn n_at_sibling(&self) -> Result<u64> {
        let url = self.cluster.url(SIBLING).context("listens")?;
        self.sibling.inside(|| n_relays(&url))
    }
}

#[test]
fn either_upstream_may_be_away_and_no_listener_misses_a_sample() -> Result<()> {
    let mut stage = Stage::start()?;
    let url = stage.cluster.mount_at(RELAY);
    let ear = stage
        .relay
        .inside(|| eventually(PLAY_MAX, "the relay plays", || Ear::listen(&url)))
        .with_context(|| stage.cluster.story())?;
    ear.wait_for_samples(4 * SECOND, PLAY_MAX)?;

    stage.laboratory.blackhole(&stage.relay, &stage.master)?;
    // Nothing can be watched here: time itself is the condition.
    sleep(CUT);
    ensure!(stage.n_at_sibling()? > 0, "the sibling is not asked");
    ensure!(stage.standing()? == ["away", "delivering"]);
    stage.laboratory.unblackhole(&stage.relay, &stage.master)?;
    until(RELEASE_MAX, "the sibling is let go", || {
        stage.n_at_sibling().is_ok_and(|n| n == 0)
    })
    .with_context(|| stage.cluster.story())?;

    until(RELEASE_MAX, "the sibling stands by", || {
        let standing = stage.standing();
        standing.is_ok_and(|standing| standing == ["delivering", "standing_by"])
    })
    .with_context(|| stage.cluster.story())?;

    stage.laboratory.blackhole(&stage.relay, &stage.sibling)?;
    sleep(Duration::from_secs(5));
    stage.laboratory.unblackhole(&stage.relay, &stage.sibling)?;
    stage.cluster.program(SIBLING).kill()?;
    let n_samples = ear.heard().n_samples();
    ear.wait_for_samples(n_samples + 5 * SECOND, PLAY_MAX)?;

    stage.cluster.program(Role::Source).stop(STOP_MAX)?;
    let heard = hear_the_end(ear).with_context(|| stage.cluster.story())?;
    judge(&stage.cluster, &heard, GAP_MAX).with_context(|| stage.cluster.story())
}

#[test]
fn with_both_upstreams_in_use_a_cut_costs_no_more_than_a_pace() -> Result<()> {
    let mut cluster = Cluster::prepare_recorded(2, &Sound::File(speech::sitting()?))?;
    let master = cluster.ports().master_url();
    let line = Line::to(cluster.ports().master)?;
    change(&cluster, "relay2", &[], &open_to_relays(&cluster))?;
    let sibling = cluster.url(SIBLING).context("listens")?;
    let more = upstream(&cluster, &sibling, "standby = false");
    let words = (
        format!("url = \"{master}\""),
        format!("url = \"{}\"", line.url()),
    );
    change(&cluster, "relay1", &[(&words.0, &words.1)], &more)?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    let url = cluster.mount_at(RELAY);
    let ear = eventually(PLAY_MAX, "the relay plays", || Ear::listen(&url))?;
    until(PLAY_MAX, "both are asked", || {
        n_relays(&sibling).is_ok_and(|n| n == 1)
    })
    .with_context(|| cluster.story())?;
    ear.wait_for_samples(4 * SECOND, PLAY_MAX)?;
    let metrics = get(&format!(
        "{}/metrics",
        cluster.url(RELAY).context("listens")?
    ))?
    .text();
    let doubled = format!("plenum_upstream_doubled_pages_total{{upstream=\"{sibling}\"}}");
    ensure!(metrics.contains(&doubled), "{metrics}");
    ensure!(standing(&cluster.url(RELAY).context("listens")?)? == ["delivering"; 2]);
    line.cut();
    sleep(Duration::from_secs(5));
    line.heal();
    let n_samples = ear.heard().n_samples();
    ear.wait_for_samples(n_samples + 4 * SECOND, PLAY_MAX)?;
    cluster.program(SIBLING).kill()?;
    let n_samples = ear.heard().n_samples();
    ear.wait_for_samples(n_samples + 2 * SECOND, PLAY_MAX)?;
    cluster.program(Role::Source).stop(STOP_MAX)?;
    let heard = hear_the_end(ear).with_context(|| cluster.story())?;
    judge(&cluster, &heard, HOT_GAP_MAX).with_context(|| cluster.story())
}

#[test]
fn relays_in_a_row_have_the_same_bytes_and_a_circle_is_refused() -> Result<()> {
    let mut cluster = Cluster::prepare(2, &Sound::Tone)?;
    let (relay, below) = (RELAY, SIBLING);
    let master = cluster.ports().master_url();
    let url = |role| cluster.url(role).context("listens");
    let (relay_url, below_url) = (url(relay)?, url(below)?);
    // The first follows the master and, by mistake, the second, which follows it.
    let more = upstream(&cluster, &below_url, "standby = false") + &open_to_relays(&cluster);
    change(&cluster, "relay1", &[], &more)?;
    let (old, new) = (
        format!("url = \"{master}\""),
        format!("url = \"{relay_url}\""),
    );
    change(
        &cluster,
        "relay2",
        &[(&old, &new)],
        &open_to_relays(&cluster),
    )?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    let ears = [Role::Master, relay, below].map(|role| {
        let url = cluster.mount_at(role);
        eventually(PLAY_MAX, &format!("{url} plays"), || Ear::listen(&url))
    });
    let ears = ears.into_iter().collect::<Result<Vec<_>>>();
    let ears = ears.with_context(|| cluster.story())?;
    for ear in &ears {
        ear.wait_for_samples(4 * SECOND, PLAY_MAX)?;
    }
    until(PLAY_MAX, "the circle is noticed", || {
        cluster.program(relay).log().contains("follows us")
    })
    .with_context(|| cluster.story())?;
    let refused = Request::new("GET", &format!("{below_url}/api/v1/catalog"))?
        .credentials(RELAY_USER, &cluster.secrets().relay)
        .header("Stream-Path", &trail(&cluster, &relay_url)?[1])
        .send()?;
    ensure!(refused.head.status == 508, "{:?}", refused.head);
    ensure!(trail(&cluster, &below_url)?.len() == 3);
    let heard: Vec<Heard> = ears.into_iter().map(Ear::stop).collect();
    for other in &heard[1..] {
        ensure!(other.head.header("etag") == heard[0].head.header("etag"));
        same_bytes(heard[0].log()?, other.log()?)?;
        other.check_order()?;
    }
    Ok(())
}

/// The nodes from the master to this one.
fn trail(cluster: &Cluster, url: &str) -> Result<Vec<String>> {
    let answer = Request::new("GET", &format!("{url}/api/v1/catalog"))?
        .credentials(RELAY_USER, &cluster.secrets().relay)
        .send()?;
    let catalog: Value = serde_json::from_str(&answer.text())?;
    let Some(nodes) = catalog.pointer("/trail").and_then(Value::as_array) else {
        bail!("no trail in {catalog}");
    };
    let name = |node: &Value| node.as_str().map(str::to_owned);
    nodes.iter().map(|n| name(n).context("a name")).collect()
}
