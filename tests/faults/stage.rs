//! The whole chain in the laboratory: a source, a master, relays and a balancer, each in a
//! network of its own around one router, and one more network for those who listen.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tempfile::TempDir;
use tests::alsa::{DEVICE, Desk};
use tests::cluster::{STOP_MAX, secret};
use tests::configs::RELAY_USER;
use tests::ear::Ear;
use tests::http::Request;
use tests::netns::{Laboratory, Namespace};
use tests::place::{PORT, Place, url};
use tests::programs::{Program, signal};
use tests::proxy::Proxy;
use tests::speech;
use tests::wait::eventually;

use crate::listener::{At, Listener};
use crate::report::Truth;
use crate::settings::{
    balancer_toml, master_toml, relay_toml, source_toml, standby_toml, upstream_toml,
};

pub(crate) const MOUNT: &str = "/live.ogg";
/// What the source records; later runs get a number.
pub(crate) const RECORDING: &str = "record.ogg";
pub(crate) const RATE: u32 = speech::RATE;
/// Until something plays that should.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How the chain is set. Players have ten seconds in hand, and silence stands in for a source
/// two seconds before they have played them.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) n_relays: usize,
    pub(crate) burst: f64,
    pub(crate) filler_after: f64,
    pub(crate) ring: u32,
    pub(crate) hold: u32,
    /// For each relay, from the first; 120 s for those behind.
    pub(crate) relay_holds: Vec<u32>,
    pub(crate) catch_up: u32,
    pub(crate) has_state: bool,
    /// Relays behind a proxy: all from this number on.
    pub(crate) proxied_from: usize,
    pub(crate) card: Option<Desk>,
    /// The source sends over two ways, to two addresses of the master.
    pub(crate) has_uplinks: bool,
    /// A second master stands by, whom sources and relays know.
    pub(crate) has_standby: bool,
    /// For each relay from the first, what else its settings hold. `@1` is the address of the
    /// first, `@2` that of the second, `@password` what relays log in with.
    pub(crate) relays_more: Vec<&'static str>,
    /// The second relay takes the first for its master.
    pub(crate) is_in_a_row: bool,
    /// What runs a program: its name, and the words before it.
    pub(crate) behind: Vec<(&'static str, Vec<String>)>,
    /// The environment of all programs.
    pub(crate) variables: Vec<(String, String)>,
    /// What programs keep is here rather than in the stage's own folder.
    pub(crate) folder: TempDir,
}

impl Plan {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            n_relays: 2,
            burst: 10.0,
            filler_after: 8.0,
            ring: 120,
            hold: 600,
            relay_holds: Vec::new(),
            catch_up: 60,
            has_state: false,
            proxied_from: usize::MAX,
            card: None,
            has_uplinks: false,
            has_standby: false,
            relays_more: Vec::new(),
            is_in_a_row: false,
            behind: Vec::new(),
            variables: Vec::new(),
            folder: tempfile::Builder::new().prefix("plenum-").tempdir()?,
        })
    }

    /// Where a program keeps things.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives a program a folder on a disk of its own, of so many KiB.
    pub(crate) fn small_disk(
        &mut self,
        program: &'static str,
        folder: &Path,
        kib: u32,
    ) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.display();
        let script =
            format!("mount -t tmpfs -o size={kib}k tmpfs '{folder}' && exec \"$0\" \"$@\"");
        let words = ["sh".to_owned(), "-c".to_owned(), script];
        self.behind.push((program, words.to_vec()));
        Ok(())
    }
}

/// The chain. Everything ends with it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) source: Place,
    pub(crate) master: Place,
    pub(crate) standby: Option<Place>,
    pub(crate) relays: Vec<Place>,
    pub(crate) balancer: Place,
    pub(crate) crowd: Namespace,
    pub(crate) proxies: Vec<Option<Proxy>>,
    /// The master's other address, if the source has two uplinks.
    pub(crate) second: Option<Ipv4Addr>,
    pub(crate) relay_password: String,
    pub(crate) plan: Plan,
    // The last: everything else is in it.
    pub(crate) laboratory: Laboratory,
}

impl Stage {
    /// The chain, playing for so long that whoever joins gets a whole burst.
    pub(crate) fn start(plan: Plan) -> Result<Self> {
        let mut stage = Self::build(plan)?;
        stage.master.start_server()?;
        stage.standby.iter_mut().try_for_each(Place::start_server)?;
        stage.balancer.start_server()?;
        stage.relays.iter_mut().try_for_each(Place::start_server)?;
        stage.source.program.start()?;
        let seconds = stage.plan.burst + 2.0;
        for n in 0..stage.relays.len() {
            let scout = stage.listen(At::Relay(n))?;
            scout
                .wait_for_seconds(seconds, PATIENCE + Duration::from_secs_f64(seconds))
                .with_context(|| stage.story())?;
        }
        Ok(stage)
    }

    fn build(plan: Plan) -> Result<Self> {
        let mut laboratory = Laboratory::new()?;
        let (source_password, relay_password) = (secret()?, secret()?);
        let names = (1..=plan.n_relays).map(|n| format!("relay{n}"));
        let names: Vec<_> = names.collect();
        let spaces = names.iter().map(|name| laboratory.add(name));
        let spaces: Vec<_> = spaces.collect::<Result<_>>()?;
        let tokens = names.iter().map(|_| secret()).collect::<Result<Vec<_>>>()?;
        let (hub, desk) = (laboratory.add("master")?, laboratory.add("source")?);
        let balancer = laboratory.add("balancer")?;
        let (master_url, balancer_url) = (url(&hub), url(&balancer));
        let second = plan.has_uplinks.then(|| hub.second_address()).transpose()?;
        let text = master_toml(&plan, &source_password, &relay_password);
        let master = place(&plan, "master", "master", hub, &text)?;
        let spare = plan.has_standby.then(|| laboratory.add("standby"));
        let spare = spare.transpose()?;
        let spare_url = spare.as_ref().map(url);
        let text = standby_toml(&text, &plan, &master_url, &relay_password, &secret()?);
        let standby = spare.map(|space| place(&plan, "master", "standby", space, &text));
        let standby = standby.transpose()?;
        let text = balancer_toml(&balancer_url, &master_url, &tokens);
        let balancer = place(&plan, "balancer", "balancer", balancer, &text)?;
        let urls: Vec<_> = spaces.iter().map(url).collect();
        let (mut relays, mut proxies) = (Vec::new(), Vec::new());
        for (n, space) in spaces.into_iter().enumerate() {
            let to = SocketAddr::from((master.space.address(), PORT));
            let proxy = (n >= plan.proxied_from).then(|| space.inside(|| Proxy::to(to)));
            let proxy = proxy.transpose()?;
            let upstream = proxy
                .as_ref()
                .map_or_else(|| master_url.clone(), Proxy::url);
            let text = relay_toml(&plan, n, &urls, &upstream, &relay_password)
                + &upstream_toml(spare_url.as_deref(), &relay_password)
                + &format!(
                    "[balancer]\nurl = \"{balancer_url}\"\ntoken = \"{}\"\n",
                    tokens[n]
                );
            relays.push(place(&plan, "relay", &names[n], space, &text)?);
            proxies.push(proxy);
        }
        let spare_url = spare_url.as_deref();
        let text = source_toml(&plan, &master_url, spare_url, second, &source_password);
        let mut source = place(&plan, "source", "source", desk, &text)?;
        source.program = with_sound(source.program, &plan)?;
        Ok(Self {
            source,
            master,
            standby,
            relays,
            balancer,
            crowd: laboratory.add("crowd")?,
            proxies,
            second,
            relay_password,
            plan,
            laboratory,
        })
    }

    /// Where it is.
    pub(crate) fn server(&self, at: At) -> &Place {
        match at {
            At::Master => &self.master,
            At::Relay(n) => &self.relays[n],
        }
    }

    /// The mount there.
    pub(crate) fn mount_at(&self, at: At) -> String {
        format!("{}{MOUNT}", self.server(at).url())
    }

    /// Somebody who listens there, from the network of the crowd.
    pub(crate) fn listen(&self, at: At) -> Result<Listener> {
        let url = self.mount_at(at);
        let ear = self
            .crowd
            .inside(|| eventually(PATIENCE, &format!("{url} plays"), || Ear::listen(&url)))
            .with_context(|| self.story())?;
        Ok(Listener::new(at, ear))
    }

    /// Somebody who gets every page of the master at once, as a relay does.
    pub(crate) fn listen_closely(&self) -> Result<Listener> {
        let url = self.mount_at(At::Master);
        let login = |request: Request| request.credentials(RELAY_USER, &self.relay_password);
        let ear = self.crowd.inside(|| Ear::listen_with(&url, login))?;
        Ok(Listener::new(At::Master, ear))
    }

    /// Two at the first relay, one at each other, one at the master.
    pub(crate) fn audience(&self) -> Result<Vec<Listener>> {
        let relays = (0..self.relays.len()).map(At::Relay);
        let places = [At::Master, At::Relay(0)].into_iter().chain(relays);
        let audience: Vec<_> = places.map(|at| self.listen(at)).collect::<Result<_>>()?;
        for listener in &audience {
            listener.wait_for_seconds(self.plan.burst * 0.8, PATIENCE)?;
        }
        Ok(audience)
    }

    /// Cuts the way between source and master without a word, for so long. When it was healed.
    pub(crate) fn cut_source(&self, length: Duration) -> Result<Instant> {
        let (one, other) = (&self.source.space, &self.master.space);
        self.laboratory.blackhole(one, other)?;
        std::thread::sleep(length);
        self.laboratory.unblackhole(one, other)?;
        Ok(Instant::now())
    }

    /// Cuts the ways between these relays and the master. When they were healed.
    pub(crate) fn cut_relays(&self, relays: &[usize], length: Duration) -> Result<Instant> {
        for n in relays {
            self.laboratory
                .blackhole(&self.relays[*n].space, &self.master.space)?;
        }
        std::thread::sleep(length);
        for n in relays {
            self.laboratory
                .unblackhole(&self.relays[*n].space, &self.master.space)?;
        }
        Ok(Instant::now())
    }

    /// The master's machine is gone: nobody hears a word of it any more.
    pub(crate) fn lose_master(&mut self) -> Result<()> {
        let places = [&self.source, &self.balancer];
        for place in places.into_iter().chain(&self.standby).chain(&self.relays) {
            self.laboratory
                .blackhole(&place.space, &self.master.space)?;
        }
        self.master.program.kill()
    }

    /// What listeners are compared with.
    pub(crate) fn truth(&self) -> Truth {
        Truth {
            recordings: self.recordings(),
            folder: self.plan.folder.path().to_owned(),
            story: self.story(),
        }
    }

    /// What the source has recorded, run by run.
    pub(crate) fn recordings(&self) -> Vec<PathBuf> {
        recordings(self.plan.folder.path())
    }

    /// Ends the source in good order, so that its last page is on its way.
    pub(crate) fn end_the_programme(&mut self) -> Result<()> {
        self.source
            .program
            .stop(STOP_MAX)
            .map(drop)
            .with_context(|| self.story())
    }

    /// The end of each program's log.
    pub(crate) fn story(&self) -> String {
        let places = [&self.source, &self.master, &self.balancer];
        let places = places.into_iter().chain(&self.standby).chain(&self.relays);
        places
            .map(|place| place.program.story())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The recordings of a source in this folder, run by run.
pub(crate) fn recordings(folder: &Path) -> Vec<PathBuf> {
    let names = (1..).map(|n| match n {
        1 => RECORDING.to_owned(),
        n => RECORDING.replace(".ogg", &format!("-{n}.ogg")),
    });
    let paths = names.map(|name| folder.join(name));
    paths.take_while(|path| path.is_file()).collect()
}

/// Stops a program where it stands, for so long. When it went on.
pub(crate) fn freeze(program: &Program, length: Duration) -> Result<Instant> {
    let pid = program.pid().context("it does not run")?;
    signal(pid, Signal::STOP)?;
    std::thread::sleep(length);
    signal(pid, Signal::CONT)?;
    Ok(Instant::now())
}

fn place(plan: &Plan, role: &str, name: &str, space: Namespace, text: &str) -> Result<Place> {
    let mut place = Place::new(role, name, space, text, plan.folder.path())?;
    for (key, value) in &plan.variables {
        place.program.set_variable(key, value);
    }
    let words = plan.behind.iter().filter(|(program, _)| *program == name);
    for (_, words) in words {
        place.program = place.program.nearest(words.clone());
    }
    Ok(place)
}

fn with_sound(source: Program, plan: &Plan) -> Result<Program> {
    let record = plan.path(RECORDING).display().to_string();
    let source = source.arguments(["--record", &record]);
    Ok(match &plan.card {
        Some(desk) => source
            .variable("ALSA_CONFIG_PATH", &desk.config().display().to_string())
            .arguments(["card", "--device", DEVICE]),
        None => source.arguments(["file", "--loop", &speech::noise()?.display().to_string()]),
    })
}
