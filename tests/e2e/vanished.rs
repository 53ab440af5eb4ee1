//! Listeners whose way to us is cut without a word, as phones do all day: they are noticed, and
//! nobody else hears of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tests::cluster::{Cluster, PLAY_MAX, Role, Sound, write_private};
use tests::ear::Ear;
use tests::figures::note;
use tests::http::get;
use tests::netns::{Laboratory, Namespace};
use tests::programs::Program;
use tests::soak::GAP_MAX;
use tests::wait::{eventually, until};

/// The promise: from the cut until his slot is free.
const GONE_MAX: Duration = Duration::from_secs(45);
/// The mount is held for much longer than that, so that it is not this that ends him.
const HOLD: &str = "hold_seconds = 300\n";
const SERVERS: [Role; 2] = [Role::Master, Role::Relay(0)];
const PATIENCE: Duration = Duration::from_secs(20);
/// No byte for this long: all that there was has been sent.
const QUIET: Duration = Duration::from_secs(3);

/// All programs in one network, and listeners in two others.
struct Stage {
    cluster: Cluster,
    servers: Namespace,
    lost: Namespace,
    near: Namespace,
    // The last: all the others are in it.
    laboratory: Laboratory,
}

impl Stage {
    fn start() -> Result<Self> {
        let mut laboratory = Laboratory::new()?;
        let mut stage = Self {
            cluster: Cluster::prepare(1, &Sound::Tone)?,
            servers: laboratory.add("servers")?,
            lost: laboratory.add("lost")?,
            near: laboratory.add("near")?,
            laboratory,
        };
        // With filler nobody would be in silence.
        for (name, more) in [("master", "filler_after_seconds = 0.0\n"), ("relay1", "")] {
            let path = stage.cluster.folder().join(format!("{name}.toml"));
            let text = std::fs::read_to_string(&path)?;
            let text = text.replace("listen = \"127.0.0.1:", "listen = \"0.0.0.0:");
            write_private(&path, &format!("{HOLD}{more}{text}"))?;
        }
        for role in [Role::Source, Role::Master, Role::Relay(0), Role::Balancer] {
            let program = stage.cluster.program(role);
            let outside = std::mem::replace(program, Program::new("", "", "".as_ref()));
            *program = stage.servers.program(outside);
        }
        let cluster = &mut stage.cluster;
        stage.servers.inside(|| {
            cluster.start_servers()?;
            cluster.start_program(Role::Source)?;
            cluster.wait_until_playing(PLAY_MAX)
        })?;
        Ok(stage)
    }

    /// One who listens from there.
    fn listen(&self, from: &Namespace, role: Role) -> Result<Ear> {
        let address = self.servers.address().to_string();
        let url = self.cluster.mount_at(role).replace("127.0.0.1", &address);
        let ear = from.inside(|| eventually(PATIENCE, "it plays", || Ear::listen(&url)))?;
        ear.wait_for_samples(48_000, PATIENCE)?;
        Ok(ear)
    }

    /// Somebody near and somebody who will be lost, at each server.
    fn listeners(&self) -> Result<(Vec<Ear>, Vec<Ear>)> {
        let from = |space| SERVERS.map(|role| self.listen(space, role));
        let near = from(&self.near).into_iter().collect::<Result<_>>()?;
        let lost = from(&self.lost).into_iter().collect::<Result<_>>()?;
        for role in SERVERS {
            self.wait_for_listeners(role, 2, PATIENCE)?;
        }
        Ok((near, lost))
    }

    fn wait_for_listeners(&self, role: Role, n: u64, deadline: Duration) -> Result<()> {
        let url = self.cluster.url(role).context("listens")?;
        // The balancer listens at the master, too.
        let n = n + u64::from(matches!(role, Role::Master));
        let what = format!("{role:?} has {n} listeners");
        self.servers.inside(|| {
            eventually(deadline, &what, || {
                let status = get(&format!("{url}/api/v1/status"))?.text();
                let status: Value = serde_json::from_str(&status)?;
                let taken = status.pointer("/slots/listeners/taken");
                match taken.and_then(Value::as_u64) {
                    Some(taken) if taken == n => Ok(()),
                    taken => bail!("{taken:?}"),
                }
            })
        })
    }

    /// Cuts the way, and waits until those behind it are gone.
    fn lose(&self, lost: &[Ear], doing: &str) -> Result<()> {
        let cut = Instant::now();
        self.laboratory.blackhole(&self.lost, &self.servers)?;
        for role in SERVERS {
            let left = GONE_MAX.saturating_sub(cut.elapsed());
            self.wait_for_listeners(role, 1, left)?;
            note(&format!(
                "{role:?}: a listener who vanished {doing} is gone after {:?}",
                cut.elapsed()
            ));
        }
        // Nor did the way back carry a word.
        ensure!(lost.iter().all(|ear| !ear.heard().has_ended));
        Ok(())
    }

    /// Nothing has come to them for a while.
    fn wait_until_quiet(&self, ears: &[Ear]) -> Result<()> {
        let n_bytes = || ears.iter().map(|ear| ear.heard().body.len()).sum::<usize>();
        let (mut heard, mut since) = (n_bytes(), Instant::now());
        until(PATIENCE, "all has been sent", || {
            if n_bytes() != heard {
                (heard, since) = (n_bytes(), Instant::now());
            }
            since.elapsed() >= QUIET
        })
    }
}

#[test]
fn vanished_listeners_are_gone_within_45_s_and_nobody_else_hears_a_gap() -> Result<()> {
    let stage = Stage::start()?;
    let (near, lost) = stage.listeners()?;
    stage
        .lose(&lost, "in the middle of sound")
        .with_context(|| stage.cluster.story())?;
    for ear in near {
        let gap = ear.longest_gap();
        ensure!(gap < GAP_MAX, "{gap:?} without a page at {}", ear.url());
        ensure!(!ear.heard().has_ended, "the one who is near was cut off");
        ear.stop().check_order()?;
    }
    Ok(())
}

#[test]
fn a_listener_who_vanishes_while_nothing_is_sent_is_gone_within_45_s() -> Result<()> {
    let mut stage = Stage::start()?;
    let (near, lost) = stage.listeners()?;
    stage.cluster.program(Role::Source).kill()?;
    stage.wait_until_quiet(&near)?;
    stage
        .lose(&lost, "in silence")
        .with_context(|| stage.cluster.story())?;
    stage.cluster.start_program(Role::Source)?;
    for ear in near {
        let n_samples = ear.heard().n_samples();
        ear.wait_for_samples(n_samples + 48_000, PATIENCE)
            .context("the one who waited in silence hears the source's return")?;
    }
    Ok(())
}
