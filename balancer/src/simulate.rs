//! What would happen if so many came at once: a crowd, made-up time, and the code that serves.
//!
//! Reading order: `scene` (who comes, which relays there are), `people` (where listeners are),
//! `policy` (what a balancer is here), `ours` (this one), `rivals` (others), `relay` (what a relay
//! does), `agenda` and `world` (what happens), `optimum` (the best possible), `words` and `draw`
//! (what is said of it). `live` reads relays as they are. Carries no sound and opens no socket.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use fastrand::Rng;

mod agenda;
mod draw;
mod ground;
mod live;
pub(crate) mod optimum;
mod ours;
mod outcome;
mod people;
mod policy;
mod progress;
mod relay;
mod rivals;
mod scene;
mod words;
mod world;

pub use people::Share;
pub use policy::Kind;
pub use scene::BuiltIn;

use ground::Ground;
use progress::Progress;
use scene::{Crowd, Scene};
use words::{Results, Run};
use world::Terms;

/// More listeners than this are refused: they would not fit into memory.
const LISTENERS_MAX: u64 = 20_000_000;

/// Let a crowd come, in memory: who is turned away, how far is it, which relay is how full?
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Relays as they are: the answer of a balancer's /api/v1/status
    #[arg(long, value_name = "FILE", conflicts_with = "scene")]
    relays: Option<PathBuf>,
    /// Relays of a scene that is built in
    #[arg(long, value_enum, required_unless_present = "relays")]
    scene: Option<BuiltIn>,
    /// How many come [default: those of the scene; 1000 with --relays]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=LISTENERS_MAX))]
    listeners: Option<u64>,
    /// Within which time [default: that of the scene; 60s with --relays]
    #[arg(long = "in", value_name = "TIME", value_parser = time)]
    span: Option<Duration>,
    /// Of a hundred listeners so many are in a country; the others as the world's addresses are
    #[arg(long, value_name = "DE=85", value_delimiter = ',', value_parser = Share::parse)]
    from: Vec<Share>,
    /// How often relays say how they stand; several to compare
    #[arg(long, value_name = "TIME", value_delimiter = ',', value_parser = time, default_value = "10s")]
    report_age: Vec<Duration>,
    /// How relays are chosen; several to compare
    #[arg(long, value_enum, value_delimiter = ',', default_value = "plenum")]
    policy: Vec<Kind>,
    /// Balancers, each asked by a part of the listeners
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    balancers: u8,
    /// The percentage of those who ask and never come
    #[arg(long, value_name = "PERCENT", default_value_t = 3.0, value_parser = percent)]
    lost: f64,
    /// The percentage of those who go to a relay without asking
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    direct: f64,
    /// The percentage of relays that say all is well and let nobody in
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    black_holes: f64,
    /// The percentage of relays that do so from the middle of the time on, after a good life
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    black_later: f64,
    /// The relays are new: nobody has seen yet that listeners get there
    #[arg(long)]
    unproved: bool,
    /// The same number makes the same crowd
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Do not work out the best possible, which takes longest
    #[arg(long)]
    no_optimum: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Draw it, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Runs what is asked for, and says what came of it.
///
/// # Errors
/// When the relays cannot be read, the shares make no sense, or the drawing cannot be written.
pub fn run(arguments: &Arguments) -> Result<String> {
    let results = results(arguments)?;
    if let Some(file) = &arguments.svg {
        std::fs::write(file, draw::svg(&results))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if arguments.json {
        return Ok(serde_json::to_string_pretty(&results)? + "\n");
    }
    Ok(words::text(&results))
}

fn results(arguments: &Arguments) -> Result<Results> {
    let scene = scene(arguments)?;
    let ground = Rc::new(Ground::of(&scene));
    let mut results = Results::of(&scene, arguments.seed);
    if !arguments.no_optimum {
        let mut progress = Progress::new("the best possible", 0);
        let solution = ground.optimum(&scene, &mut || progress.step(0));
        results.optimum = Some(solution.into());
    }
    for kind in &arguments.policy {
        for interval in &arguments.report_age {
            let terms = Terms {
                kind: *kind,
                interval: *interval,
                n_balancers: usize::from(arguments.balancers),
                seed: arguments.seed,
            };
            let mut progress = Progress::new(kind.name(), scene.arrivals.len());
            let outcome = world::run(&scene, &ground, terms, &mut |n| progress.step(n));
            let optimum = results.optimum.as_ref();
            let run = Run::of(terms, outcome, optimum, &scene);
            results.runs.push(run);
        }
    }
    Ok(results)
}

fn scene(arguments: &Arguments) -> Result<Scene> {
    let mut chance = Rng::with_seed(arguments.seed);
    let (name, relays, crowd) = match (&arguments.relays, arguments.scene) {
        (Some(file), _) => {
            let crowd = Crowd {
                n_listeners: 1_000,
                span: Duration::from_secs(60),
                ..BuiltIn::B.crowd()
            };
            (file.display().to_string(), live::read(file)?, crowd)
        }
        (None, scene) => {
            let scene = scene.context("either --relays or --scene")?;
            let name = format!("scene {}", scene.name());
            (name, scene.relays(&mut chance), scene.crowd())
        }
    };
    let asked = arguments.listeners.map(usize::try_from).transpose()?;
    let crowd = Crowd {
        n_listeners: asked.unwrap_or(crowd.n_listeners),
        span: arguments.span.unwrap_or(crowd.span),
        shares: match arguments.from.as_slice() {
            [] => crowd.shares,
            shares => shares.to_vec(),
        },
        lost: arguments.lost / 100.0,
        direct: arguments.direct / 100.0,
        black_holes: arguments.black_holes / 100.0,
        black_later: arguments.black_later / 100.0,
        is_unproved: arguments.unproved,
    };
    Scene::draw(name, relays, &crowd, &mut chance).map_err(|complaint| anyhow!(complaint))
}

/// `90s`, `5m` or `1h`; a number alone is seconds.
fn time(text: &str) -> Result<Duration, String> {
    let complaint = || format!("`{text}` is not a time such as 30s, 5m or 1h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_| complaint())?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(complaint()),
    };
    match seconds {
        0.1..=86_400.0 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("`{text}` is not between 100ms and 24h")),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .trim_end_matches('%')
        .parse()
        .map_err(|_| format!("`{text}` is not a percentage"))?;
    (0.0..=100.0)
        .contains(&number)
        .then_some(number)
        .ok_or_else(|| format!("`{text}` is not between 0 and 100"))
}

#[cfg(test)]
mod tests;
