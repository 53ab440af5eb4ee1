//! Two balancers that know nothing of each other send to the same relays: never one listener too
//! many, and when one of them dies, the other one answers at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tests::cluster::{Cluster, Role, Sound, write_private};
use tests::configs;
use tests::http::{Connection, Request};
use tests::ports;
use tests::programs::{Program, find};
use tests::wait::eventually;

const N_SLOTS: usize = 8;
const N_RELAYS: usize = 2;
const START_MAX: Duration = Duration::from_secs(30);
/// The promise after one has died.
pub(crate) const ANSWER_MAX: Duration = Duration::from_millis(500);

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) second: Program,
    pub(crate) second_url: String,
}

/// What became of one who asked.
pub(crate) enum Outcome {
    Seated(Connection),
    /// The balancer had no place for him.
    NoPlace,
    /// A relay sent him back: the balancer had sent him to a full one.
    SentBack,
}

fn stage() -> Result<Stage> {
    stage_with("")
}

/// Both balancers have these settings besides.
pub(crate) fn stage_with(more: &str) -> Result<Stage> {
    let mut cluster = Cluster::prepare(N_RELAYS, &Sound::Tone)?;
    let folder = cluster.folder().to_owned();
    let port = ports::free()?;
    let second_url = format!("http://127.0.0.1:{port}");
    let (ports, mut secrets) = (cluster.ports().clone(), cluster.secrets().clone());
    let first_tokens = secrets.tokens.clone();
    // Each balancer has tokens of its own.
    secrets.tokens = first_tokens
        .iter()
        .map(|token| format!("{token}2"))
        .collect();
    for n in 0..N_RELAYS {
        let text = configs::relay(n, &ports, cluster.secrets());
        let text = text.replace("[balancer]", "[[balancer]]");
        let token = &secrets.tokens[n];
        let text = format!(
            "{text}\n[[balancer]]\nurl = \"{second_url}\"\ntoken = \"{token}\"\n\n\
             [slots]\nlisteners = {N_SLOTS}\n"
        );
        write_private(&folder.join(format!("relay{}.toml", n + 1)), &text)?;
    }
    // Nobody goes to the master or waits for a slot.
    let lonely = |text: &str| {
        let (head, rest) = text.split_once("[master]").unwrap_or((text, ""));
        let relays = rest.find("[[relay]]").map_or("", |at| &rest[at..]);
        format!("wait_for_slot_seconds = 0.0\n{head}{relays}\n{more}")
    };
    let first = lonely(&configs::balancer(&ports, cluster.secrets()));
    write_private(&folder.join("balancer.toml"), &first)?;
    let mut other = ports.clone();
    other.balancer = port;
    let file = folder.join("balancer2.toml");
    write_private(&file, &lonely(&configs::balancer(&other, &secrets)))?;
    let mut second = Program::new("balancer2", find("plenum-balancer")?, &folder)
        .arguments(["--config", &file.display().to_string()]);
    second.start()?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    Ok(Stage {
        cluster,
        second,
        second_url,
    })
}

impl Stage {
    pub(crate) fn links(&self) -> [String; 2] {
        let first = self.cluster.link();
        let mount = first.rsplit('/').next().unwrap_or_default().to_owned();
        [first, format!("{}/{mount}", self.second_url)]
    }
}

/// Asks a balancer, and goes where he is sent.
pub(crate) fn ask(link: &str) -> Result<Outcome> {
    // Each one another player: of one who asks twice both redirects may count for a while.
    let player = format!("player {}", fastrand::u64(..));
    let request = Request::new("GET", link)?.header("User-Agent", &player);
    let (head, _) = request.open()?;
    if head.status == 503 {
        return Ok(Outcome::NoPlace);
    }
    ensure!(head.status == 302, "{head:?}");
    let location = head.header("location").context("no Location")?;
    let (head, connection) = Request::new("GET", location)?.open()?;
    match head.status {
        200 => Ok(Outcome::Seated(connection)),
        302 | 503 => Ok(Outcome::SentBack),
        _ => bail!("{head:?}"),
    }
}

/// Asks one balancer as fast as he answers, until so long nobody found a place.
fn rush(link: &str, patience: Duration) -> Result<Vec<Connection>> {
    let (mut seated, mut last) = (Vec::new(), Instant::now());
    while last.elapsed() < patience {
        match ask(link)? {
            Outcome::Seated(connection) => {
                seated.push(connection);
                last = Instant::now();
            }
            Outcome::NoPlace => std::thread::sleep(Duration::from_millis(50)),
            Outcome::SentBack => bail!("{link} sent somebody to a full relay"),
        }
    }
    Ok(seated)
}

/// Waits until somebody has found a place through each balancer.
pub(crate) fn wait_until_seated(stage: &Stage) -> Result<()> {
    for link in &stage.links() {
        eventually(START_MAX, "a place through each balancer", || {
            match ask(link)? {
                Outcome::Seated(_) => Ok(()),
                _ => bail!("none yet"),
            }
        })
        .with_context(|| stage.cluster.story() + &stage.second.story())?;
    }
    Ok(())
}

#[test]
fn two_balancers_fill_most_slots_and_never_send_anybody_to_a_full_relay() -> Result<()> {
    let mut stage = stage()?;
    let links = stage.links();
    wait_until_seated(&stage)?;
    let patience = Duration::from_secs(6);
    let seated = std::thread::scope(|scope| {
        let rushes = links
            .each_ref()
            .map(|link| scope.spawn(|| rush(link, patience)));
        rushes.map(|rush| {
            rush.join()
                .map_err(|_| anyhow::anyhow!("a rush panicked"))?
        })
    });
    let [first, second] = seated;
    let (first, second) = (first?, second?);
    let (n_first, n_second) = (first.len(), second.len());
    let n_slots = N_SLOTS * N_RELAYS;
    // A part is kept for those who come directly, and lent anew only with the next reports.
    ensure!(
        n_first + n_second >= n_slots * 3 / 4
            && n_first + n_second <= n_slots
            && n_first.min(n_second) > 0,
        "{n_first} and {n_second} on {n_slots} slots; {}",
        stage.cluster.story()
    );
    // One dies; those who leave make room that the other one may give away.
    stage.cluster.program(Role::Balancer).kill()?;
    let killed = Instant::now();
    let answer = Request::new("HEAD", &links[1])?.send()?;
    ensure!(
        matches!(answer.head.status, 302 | 503) && killed.elapsed() < ANSWER_MAX,
        "{:?} after {:?}",
        answer.head,
        killed.elapsed()
    );
    drop(second);
    let found = rush(&links[1], patience)?;
    ensure!(
        !found.is_empty(),
        "nobody found a place after {n_second} had left"
    );
    ensure!(found.len() <= n_second, "{} for {n_second}", found.len());
    drop(first);
    Ok(())
}

#[test]
fn when_one_balancer_dies_the_other_one_answers_within_half_a_second() -> Result<()> {
    let mut stage = stage()?;
    let links = stage.links();
    wait_until_seated(&stage)?;
    stage.cluster.program(Role::Balancer).kill()?;
    let killed = Instant::now();
    let outcome = ask(&links[1])?;
    let took = killed.elapsed();
    ensure!(matches!(outcome, Outcome::Seated(_)), "no place");
    ensure!(took < ANSWER_MAX, "{took:?}");
    Ok(())
}
