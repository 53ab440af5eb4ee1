//! Twice what the line carries: a master behind a small uplink, two relays, of which one comes through
//! TLS, and so many listeners at the master that they ask for twice of it. Listeners have to give way, relays must not notice.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{START_MAX, secret};
use crate::configs::{RELAY_USER, SOURCE_USER};
use crate::ear::Ear;
use crate::heard::Heard;
use crate::netns::{Laboratory, Namespace};
use crate::place::{PORT, Place, url};
use crate::programs::{Program, find};
use crate::speech;
use crate::tls::Certificate;
use crate::wait::eventually;

pub mod outcome;

pub use outcome::{Outcome, Plan};

const MOUNT: &str = "/live.ogg";
const N_RELAYS: usize = 2;
const KBITS: &str = "128";
/// Relays and the one who compares hear this much before the crowd comes.
const ALONE: Duration = Duration::from_secs(5);
/// How fast the crowd comes.
const JOINS_A_SECOND: &str = "50";
/// The crowd's own deadlines, and a reserve.
const CROWD_MAX: Duration = Duration::from_secs(120);
/// Tries it, with everybody in a network namespace of his own.
///
/// # Errors
/// When there can be no namespaces, or a program does not do its part at all.
pub fn run(plan: Plan) -> Result<Outcome> {
    // Two at a time would share the processor, and be late for that reason.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = Stage::build(plan)?;
    stage.start()?;
    let ears = stage.listen().with_context(|| stage.story())?;
    let outcome = stage.measure(ears).with_context(|| stage.story())?;
    Ok(outcome)
}

struct Stage {
    plan: Plan,
    master: Place,
    relays: Vec<Place>,
    source: Place,
    crowd: Namespace,
    relay_password: String,
    folder: TempDir,
    // The last: everything else is in it.
    _laboratory: Laboratory,
}

/// The one who compares, and one at each relay.
struct Ears {
    master: Ear,
    relays: Vec<Ear>,
}

impl Stage {
    fn build(plan: Plan) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("plenum-").tempdir()?;
        let mut laboratory = Laboratory::new()?;
        let (source_password, relay_password) = (secret()?, secret()?);
        let space = laboratory.add("master")?;
        space.limit_rate(plan.megabits)?;
        if let Some(congestion) = &plan.congestion {
            space.set("net.ipv4.tcp_congestion_control", congestion)?;
        }
        let master_url = url(&space);
        let certificate = Certificate::make_for(&space.address().to_string(), folder.path())?;
        let secure = format!(
            "{}\"\nca_file = \"{}",
            master_url.replace("http:", "https:"),
            certificate.file()
        );
        let megabits = if plan.is_configured {
            plan.megabits
        } else {
            0.0
        };
        let text = format!(
            "listen = \"0.0.0.0:{PORT}\"\nuplink_megabits = {megabits:?}\n\
             [slots]\nlisteners = 10000\n\
             [[source]]\nuser = \"{SOURCE_USER}\"\npassword = \"{source_password}\"\n\
             [relay]\nuser = \"{RELAY_USER}\"\npassword = \"{relay_password}\"\n{}",
            certificate.settings()
        );
        let master = Place::new("master", "master", space, &text, folder.path())?;
        let mut relays = Vec::new();
        for n in 1..=N_RELAYS {
            let name = format!("relay{n}");
            let space = laboratory.add(&name)?;
            let way = if n == N_RELAYS { &secure } else { &master_url };
            // Every page at once: what is late is late because of the master.
            let text = format!(
                "listen = \"0.0.0.0:{PORT}\"\npace_seconds = 0.0\n\
                 [master]\nurl = \"{way}\"\nuser = \"{RELAY_USER}\"\n\
                 password = \"{relay_password}\"\n"
            );
            relays.push(Place::new("relay", &name, space, &text, folder.path())?);
        }
        let space = laboratory.add("source")?;
        let text = format!(
            "url = \"{master_url}{MOUNT}\"\nuser = \"{SOURCE_USER}\"\n\
             password = \"{source_password}\"\nbitrate = {KBITS}\n"
        );
        let mut source = Place::new("source", "source", space, &text, folder.path())?;
        let noise = speech::noise()?.display().to_string();
        source.program = source.program.arguments(["file", "--loop", &noise]);
        Ok(Self {
            plan,
            master,
            relays,
            source,
            crowd: laboratory.add("crowd")?,
            relay_password,
            folder,
            _laboratory: laboratory,
        })
    }

    fn start(&mut self) -> Result<()> {
        self.master.start_server()?;
        self.source.program.start()?;
        self.relays.iter_mut().try_for_each(Place::start_server)
    }

    /// The one who compares logs in as a relay, so that he gets every page at once; he sits
    /// beside the master and takes nothing from the line.
    fn listen(&self) -> Result<Ears> {
        let login =
            |request: crate::http::Request| request.credentials(RELAY_USER, &self.relay_password);
        let master = self
            .master
            .eventually_heard(MOUNT, |url| Ear::listen_with(url, login))?;
        let relays = self
            .relays
            .iter()
            .map(|relay| relay.eventually_heard(MOUNT, Ear::listen));
        let relays = relays.collect::<Result<Vec<_>>>()?;
        for ear in &relays {
            let n_samples = i64::try_from(ALONE.as_secs())? * i64::from(speech::RATE);
            ear.wait_for_samples(n_samples, ALONE * 4)?;
        }
        Ok(Ears { master, relays })
    }

    fn measure(&mut self, ears: Ears) -> Result<Outcome> {
        let stream_megabits = megabits(&ears.master.heard());
        let n_listeners = (self.plan.megabits * self.plan.asked / stream_megabits).ceil() as usize;
        let from = Instant::now();
        let given = self.let_the_crowd_listen(n_listeners)?;
        let until = Instant::now();
        // It measures last, and then it ends.
        let all_came = until.checked_sub(self.plan.length).unwrap_or(from);
        let counts = self.master.figures()?;
        let (start, reference) = (ears.master.began(), ears.master.stop());
        let mut outcome = Outcome {
            plan: self.plan.clone(),
            n_listeners,
            stream_megabits,
            given_megabits: given,
            lags_before: Vec::new(),
            lags: Vec::new(),
            n_lost: 0,
            complaints: Vec::new(),
            counts,
            log: Vec::new(),
        };
        for ear in ears.relays {
            let relay = (ear.began(), last_heard(ear, &reference)?);
            outcome.compare(&relay.1, &reference, |outcome, here, there| {
                let (here, there) = (start + here, relay.0 + there);
                let lag = there.saturating_duration_since(here);
                if (all_came..until).contains(&here) {
                    outcome.lags.push(lag);
                } else if (from..all_came).contains(&here) {
                    outcome.lags_before.push(lag);
                }
            });
        }
        outcome.lags.sort();
        outcome.lags_before.sort();
        let log = self.master.program.log();
        let about = |line: &&str| line.contains("uplink");
        outcome.log = log.lines().filter(about).map(str::to_owned).collect();
        Ok(outcome)
    }

    /// Mbit/s that all of them got.
    fn let_the_crowd_listen(&self, n_listeners: usize) -> Result<f64> {
        let json = self.folder.path().join("crowd.json");
        let seconds = self.plan.length.as_secs().to_string();
        let swarm = Program::new("crowd", find("plenum-swarm")?, self.folder.path());
        let words = [
            "--rate",
            JOINS_A_SECOND,
            "--settle",
            "3",
            "--patience",
            "30",
            "--seconds",
            &seconds,
        ];
        let mut swarm = self
            .crowd
            .program(swarm)
            .arguments([format!("{}{MOUNT}", url(&self.master.space))])
            .arguments(["--listeners".to_owned(), n_listeners.to_string()])
            .arguments(words)
            .arguments(["--json".to_owned(), json.display().to_string()]);
        swarm.start()?;
        // How it ends does not matter: that some are dropped is what this is about.
        swarm.wait(self.plan.length + CROWD_MAX)?;
        let text = std::fs::read_to_string(&json).with_context(|| swarm.story())?;
        let result: Value = serde_json::from_str(&text)?;
        let number = |path: &str| {
            let value = result.pointer(path).and_then(Value::as_f64);
            value.with_context(|| format!("{path} in {text}"))
        };
        Ok(number("/hold/n_bytes")? * 8e-6 / number("/hold/seconds")?)
    }

    fn story(&self) -> String {
        let places = [&self.master, &self.source].into_iter().chain(&self.relays);
        places
            .map(|place| place.program.story())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Waits until the last page has come that was heard at the master.
fn last_heard(ear: Ear, reference: &Heard) -> Result<Heard> {
    let last = reference.sound().last().context("sound")?.stamp;
    eventually(START_MAX, "the last page comes to the relay", || {
        let heard = ear.heard();
        let there = heard.pages.last().map(|page| page.stamp.granule);
        ensure!(there >= Some(last.granule), "not yet");
        Ok(())
    })?;
    Ok(ear.stop())
}

fn megabits(heard: &Heard) -> f64 {
    let n_bytes: usize = heard.sound().skip(1).map(|page| page.n_bytes).sum();
    let seconds = heard.n_samples() as f64 / f64::from(speech::RATE);
    n_bytes as f64 * 8e-6 / seconds.max(f64::MIN_POSITIVE)
}
