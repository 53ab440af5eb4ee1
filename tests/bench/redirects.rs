//! Redirects per second on one core: the balancer, with few relays and with many, and nginx.
//!
//! The servers take turns. Relays are made up: a thread reports for them that all who were sent
//! have come.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use tests::ports;
use tests::programs::{Program, find};
use tests::wait::eventually;

use crate::knock::{Knocked, Pace, RELAYS_MAX, knock};
use crate::machine::Machine;
use crate::records::Middle;
use crate::reporter::{Reporter, token};
use crate::table::grid;

const ROUNDS: usize = 3;
const SECONDS: Duration = Duration::from_secs(4);
const CALLERS: usize = 64;
const START_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(10);
/// Few enough to have each listener who is sent there proved.
const FEW: usize = 13;
/// Relays say something this often, if there are few of them.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Large tables in large pages, as the balancer's unit and image have it. nginx gets it, too.
const LARGE_PAGES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");
/// Relays that nobody knows get few listeners at first, twice as many with each report.
const WARM_UP: Duration = Duration::from_secs(60);

/// What was measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Redirects {
    pub(crate) machine: Machine,
    pub(crate) servers: Vec<Server>,
}

/// One server, one value a round.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Server {
    pub(crate) name: String,
    /// Redirects a second on connections that stay.
    pub(crate) kept: Vec<f64>,
    /// The same, each on a connection of its own.
    pub(crate) anew: Vec<f64>,
    /// At half of what it does on connections that stay: µs that 99 of 100 do not exceed.
    pub(crate) half_load_p99_us: Vec<f64>,
}

struct Running {
    name: String,
    program: Program,
    address: SocketAddr,
    reporter: Option<Reporter>,
}

/// Runs all servers, round after round.
///
/// # Errors
/// When one does not work.
pub(crate) fn run(folder: &Path, core: Option<usize>, say: fn(&str)) -> Result<Redirects> {
    let folder = folder.join("servers");
    std::fs::create_dir_all(&folder)?;
    let mut all = vec![
        nginx(&folder, core)?,
        balancer(&folder, core, FEW)?,
        balancer(&folder, core, RELAYS_MAX)?,
    ];
    let mut servers: Vec<Server> = all.iter().map(|server| Server::new(&server.name)).collect();
    warm_up(&all)?;
    for _ in 0..ROUNDS {
        for (running, server) in all.iter().zip(&mut servers) {
            let _turn = running.turn();
            let kept = running.knock(Pace::Eager)?.per_second;
            server.kept.push(kept);
            server.anew.push(running.knock(Pace::Anew)?.per_second);
            let calm = running.knock(Pace::PerSecond(kept / 2.0))?;
            let p99 = calm.us.get(calm.us.len() * 99 / 100).copied();
            server
                .half_load_p99_us
                .push(p99.map_or(f64::NAN, f64::from));
            say(&format!("{}: {kept:.0} a second", server.name));
        }
    }
    for running in &mut all {
        running.program.stop(STOP_MAX)?;
    }
    Ok(Redirects {
        machine: Machine::here(),
        servers,
    })
}

/// Until everybody may be sent.
fn warm_up(all: &[Running]) -> Result<()> {
    for running in all {
        let Some(reporter) = &running.reporter else {
            continue;
        };
        let until = Instant::now() + WARM_UP;
        while Instant::now() < until {
            reporter.tell_all();
            running.crowd()?;
        }
        reporter.set_quiet(true);
    }
    Ok(())
}

/// While it lives the others are quiet.
struct Turn<'a>(Option<&'a Reporter>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(reporter) = self.0 {
            reporter.set_quiet(true);
        }
    }
}

/// The table.
pub(crate) fn table(redirects: &Redirects) -> String {
    let nginx = redirects
        .servers
        .first()
        .and_then(|s| Middle::of(s.kept.iter().copied()));
    let nginx = nginx.map_or(f64::NAN, |middle| middle.median);
    let head = [
        "server, one core",
        "redirects/s",
        "of nginx",
        "each on a new connection",
        "p99 at half load",
    ];
    let rows = redirects.servers.iter().map(|server| {
        let of = |values: &[f64]| Middle::of(values.iter().copied()).unwrap_or_default();
        let spread =
            |middle: Middle| format!("{:.0} ({:.0}–{:.0})", middle.median, middle.min, middle.max);
        let kept = of(&server.kept);
        vec![
            server.name.clone(),
            spread(kept),
            format!("{:.2}", kept.median / nginx),
            spread(of(&server.anew)),
            format!("{} µs", spread(of(&server.half_load_p99_us))),
        ]
    });
    let rows: Vec<_> = rows.collect();
    format!("### Redirects per second\n\n{}\n", grid(&head, &rows))
}

/// The part of `docs/benchmarks.md`.
pub(crate) fn section(redirects: &Redirects) -> String {
    let machine = &redirects.machine;
    format!(
        "\n{}Each server had one core, the load (`tests/bench/knock.rs`, {CALLERS} connections) \
         another one; {ROUNDS} rounds by turns, {} s each; median, least and most.\n\
         The balancer looked each listener's address up, chose among its relays, reserved a slot \
         and signed a ticket; nginx answered `return 302`. Both had `{}={}`, as the balancer's unit \
         sets it.\n\
         On new connections the load's own core is the limit, and all look alike.\n\
         Measured {} on {} × {}; {}.\n",
        table(redirects),
        SECONDS.as_secs(),
        LARGE_PAGES.0,
        LARGE_PAGES.1,
        machine.date,
        machine.n_processors,
        machine.processor,
        machine.programs.join(", ")
    )
}

impl Server {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kept: Vec::new(),
            anew: Vec::new(),
            half_load_p99_us: Vec::new(),
        }
    }
}

impl Running {
    fn knock(&self, pace: Pace) -> Result<Knocked> {
        let knocked =
            knock(self.address, CALLERS, SECONDS, pace).with_context(|| self.name.clone())?;
        self.count(&knocked);
        Ok(knocked)
    }

    /// Listeners, so that reports have something to confirm.
    fn crowd(&self) -> Result<()> {
        let half_a_second = Duration::from_millis(500);
        let knocked = knock(self.address, CALLERS, half_a_second, Pace::Eager);
        if let Ok(knocked) = &knocked {
            self.count(knocked);
        }
        Ok(())
    }

    fn count(&self, knocked: &Knocked) {
        if let Some(reporter) = &self.reporter {
            reporter.count(&knocked.at_relay);
        }
    }

    /// Its relays report again; each of them has when this returns.
    fn turn(&self) -> Turn<'_> {
        if let Some(reporter) = &self.reporter {
            reporter.set_quiet(false);
            reporter.tell_all();
        }
        Turn(self.reporter.as_ref())
    }
}

fn start(
    name: &str,
    path: &Path,
    words: &[&str],
    folder: &Path,
    core: Option<usize>,
) -> Result<Program> {
    let program = match core {
        Some(core) => {
            let core = core.to_string();
            let path = path.display().to_string();
            let mut pinned = vec!["-c".to_owned(), core, path];
            pinned.extend(words.iter().map(|word| (*word).to_owned()));
            Program::new(name, "taskset", folder).arguments(pinned)
        }
        None => Program::new(name, path, folder).arguments(words.iter().map(|w| (*w).to_owned())),
    };
    let mut program = program.variable(LARGE_PAGES.0, LARGE_PAGES.1);
    program.start()?;
    Ok(program)
}

fn nginx(folder: &Path, core: Option<usize>) -> Result<Running> {
    let port = ports::free()?;
    let here = folder.display();
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let mut text = format!(
        "{user} daemon off; master_process off; worker_processes 1; error_log stderr warn;\n\
         pid {here}/redirects.pid; events {{ worker_connections 4000; use epoll; }}\n\
         http {{ access_log off; tcp_nodelay on; keepalive_requests 1000000000;\n"
    );
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        text.push_str(&format!("{name}_temp_path {here}/{name};\n"));
    }
    text.push_str(&format!(
        "server {{ listen 127.0.0.1:{port} backlog=4096;\n\
         location / {{ return 302 http://10.1.0.1:8000/live.ogg; }} }} }}\n"
    ));
    let config = folder.join("redirects.conf");
    std::fs::write(&config, text)?;
    let config = config.display().to_string();
    let program = start(
        "nginx",
        Path::new("nginx"),
        &["-c", &config, "-e", "stderr"],
        folder,
        core,
    )?;
    up("nginx, return 302".to_owned(), program, port, None)
}

fn balancer(folder: &Path, core: Option<usize>, n_relays: usize) -> Result<Running> {
    let port = ports::free()?;
    let mut text = format!(
        "listen = \"127.0.0.1:{port}\"\ntrusted_proxies = [\"127.0.0.1\"]\n\
         report_stale_seconds = 300.0\nprobe_seconds = 0\n"
    );
    for at in 0..n_relays {
        // All over the world.
        let (north, east) = ((at * 37) % 120, (at * 101) % 360);
        text.push_str(&format!(
            "[[relay]]\nname = \"relay-{at}\"\ntoken = \"{}\"\nlatitude = {}\nlongitude = {}\n",
            token(at),
            north as f64 - 55.0,
            east as f64 - 180.0
        ));
    }
    let config = folder.join(format!("balancer-{n_relays}.toml"));
    std::fs::write(&config, text)?;
    let config = config.display().to_string();
    let (name, path) = ("plenum-balancer", find("plenum-balancer")?);
    let program = start(name, &path, &["--config", &config], folder, core)?;
    let running = up(format!("Plenum, {n_relays} relays"), program, port, None)?;
    let every = REPORT_EVERY * if n_relays > FEW { 10 } else { 1 };
    Ok(Running {
        reporter: Some(Reporter::start(running.address, n_relays, every)),
        ..running
    })
}

fn up(name: String, program: Program, port: u16, reporter: Option<Reporter>) -> Result<Running> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    eventually(START_MAX, "the server answers", || {
        TcpStream::connect(address).map_err(|error| anyhow!(error))
    })
    .with_context(|| program.story())?;
    Ok(Running {
        name,
        program,
        address,
        reporter,
    })
}
