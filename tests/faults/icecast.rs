//! The same breaks at Debian's Icecast: a master and two slaves with the settings they are
//! shipped with, fed by our source, heard by listeners who come again when they are sent away.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tests::cluster::{STOP_MAX, secret, write_private};
use tests::ear::Ear;
use tests::heard::Heard;
use tests::netns::{Laboratory, Namespace};
use tests::pcm::compare;
use tests::peers::icecast_as_shipped;
use tests::place::{PORT, url};
use tests::players::Decoder;
use tests::programs::{Program, find};
use tests::speech;
use tests::wait::eventually;

use crate::list::Size;
use crate::report::{Report, Truth};
use crate::stage::{MOUNT, Plan, RATE, RECORDING, recordings};

/// A slave asks for the list of mounts every 120 s.
const PLAYS_MAX: Duration = Duration::from_secs(150);
/// Listeners whose connection ended ask again so often.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// So much is heard before, and after everybody hears something again.
const BEFORE: Duration = Duration::from_secs(12);
const AFTER: Duration = Duration::from_secs(8);
const N_SLAVES: usize = 2;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

struct Stage {
    source: Program,
    desk: Namespace,
    master: Program,
    hub: Namespace,
    _slaves: Vec<Program>,
    spaces: Vec<Namespace>,
    crowd: Namespace,
    plan: Plan,
    // The last: everything else is in it.
    laboratory: Laboratory,
}

impl Stage {
    fn start() -> Result<Self> {
        let plan = Plan::new()?;
        let folder = plan.folder.path();
        // Icecast becomes another user.
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let mut laboratory = Laboratory::new()?;
        let (source_password, relay_password) = (secret()?, secret()?);
        let (hub, desk) = (laboratory.add("master")?, laboratory.add("source")?);
        let host = hub.address().to_string();
        let server = |name: &str, master| {
            let folder = folder.join(name);
            std::fs::create_dir_all(&folder)?;
            icecast_as_shipped(&folder, PORT, &source_password, &relay_password, master)
        };
        let mut master = hub.program(server("master", None)?);
        master.start()?;
        let mut source = desk.program(source(folder, &url(&hub), &source_password)?);
        source.start()?;
        let crowd = laboratory.add("crowd")?;
        plays(&crowd, &hub)?;
        let (mut slaves, mut spaces) = (Vec::new(), Vec::new());
        for n in 1..=N_SLAVES {
            let name = format!("relay{n}");
            let space = laboratory.add(&name)?;
            let mut slave = space.program(server(&name, Some((&host, PORT)))?);
            slave.start()?;
            plays(&crowd, &space)?;
            slaves.push(slave);
            spaces.push(space);
        }
        sleep(BEFORE);
        Ok(Self {
            source,
            desk,
            master,
            hub,
            _slaves: slaves,
            spaces,
            crowd,
            plan,
            laboratory,
        })
    }

    /// Two at the first slave, one at the other, one at the master.
    fn audience(&self) -> Result<Vec<Rejoiner>> {
        let places = [&self.hub, &self.spaces[0], &self.spaces[0], &self.spaces[1]];
        let audience = places.map(|space| {
            let url = format!("{}{MOUNT}", url(space));
            let ear = self.crowd.inside(|| Ear::listen(&url))?;
            Ok(Rejoiner {
                url,
                ear,
                earlier: Vec::new(),
            })
        });
        let audience: Vec<_> = audience.into_iter().collect::<Result<_>>()?;
        sleep(seconds(3));
        Ok(audience)
    }

    /// Waits until everybody hears something again, and what they hear for a while.
    fn wait_for_all(&self, audience: &mut [Rejoiner], mended: Instant) -> bool {
        let mut whole_since = None;
        while mended.elapsed() < PLAYS_MAX {
            let counts: Vec<_> = audience
                .iter_mut()
                .map(|one| one.tend(&self.crowd))
                .collect();
            if counts.iter().all(|hears| *hears) {
                let since = *whole_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= AFTER {
                    return true;
                }
            } else {
                whole_since = None;
            }
            sleep(ASK_EVERY);
        }
        false
    }

    /// What came of it.
    fn report(mut self, audience: Vec<Rejoiner>, mended: Instant) -> Result<Report> {
        self.source.stop(STOP_MAX)?;
        sleep(seconds(2));
        let truth = Truth {
            recordings: recordings(self.plan.folder.path()),
            folder: self.plan.folder.path().to_owned(),
            story: self.source.story() + "\n" + &self.master.story(),
        };
        let recording = truth.samples()?;
        let mut report = Report {
            story: truth.story.clone(),
            ..Report::default()
        };
        for one in audience {
            one.judge(&mut report, &truth.folder, &recording, mended)?;
        }
        Ok(report)
    }
}

fn source(folder: &Path, master_url: &str, password: &str) -> Result<Program> {
    let config = folder.join("source.toml");
    let text = format!(
        "url = \"{master_url}{MOUNT}\"\npassword = \"{password}\"\nspool = \"{}\"\n",
        folder.join("spool").display()
    );
    write_private(&config, &text)?;
    let record = folder.join(RECORDING).display().to_string();
    let noise = speech::noise()?.display().to_string();
    let config = config.display().to_string();
    let words = [
        "--config", &config, "--record", &record, "file", "--loop", &noise,
    ];
    Ok(Program::new("source", find("plenum-source")?, folder).arguments(words))
}

fn plays(crowd: &Namespace, space: &Namespace) -> Result<()> {
    let url = format!("{}{MOUNT}", url(space));
    let heard = || eventually(PLAYS_MAX, &format!("{url} plays"), || Ear::listen(&url));
    crowd.inside(heard).map(drop)
}

/// A listener who asks again when his connection has ended, as a good player does.
struct Rejoiner {
    url: String,
    ear: Ear,
    /// With the time at which each connection began.
    earlier: Vec<(Instant, Heard)>,
}

impl Rejoiner {
    /// Asks again, if need be. Whether something came lately.
    fn tend(&mut self, crowd: &Namespace) -> bool {
        if self.ear.heard().has_ended {
            let Ok(ear) = crowd.inside(|| Ear::listen(&self.url)) else {
                return false;
            };
            let before = std::mem::replace(&mut self.ear, ear);
            self.earlier.push((before.began(), before.stop()));
        }
        let last = self.ear.heard().sound().last().map(|page| page.at);
        last.is_some_and(|at| self.ear.began().elapsed() < at + seconds(2))
    }

    fn judge(
        self,
        report: &mut Report,
        folder: &Path,
        recording: &[i16],
        mended: Instant,
    ) -> Result<()> {
        let n_rejoined = self.earlier.len();
        let (began, ear) = (self.ear.began(), self.ear.stop());
        let mut parts = self.earlier;
        parts.push((began, ear));
        let firsts: Vec<_> = parts
            .iter()
            .map(|(began, heard)| first_sound(*began, heard))
            .collect();
        let (mut samples, mut stalled) = (Vec::new(), Duration::ZERO);
        let mut back = None;
        for (n, (began, heard)) in parts.iter().enumerate() {
            let file = folder.join("heard.ogg");
            std::fs::write(&file, &heard.body)?;
            if heard.n_samples() > 0 {
                samples.extend(Decoder::Reference.decode(&file)?);
            }
            // Until the next connection plays there is only what this one has left.
            let next = firsts.iter().skip(n + 1).flatten().next();
            let last = heard.pages.last().map_or(Duration::ZERO, |page| page.at);
            let until = next.map_or(last, |next| next.saturating_duration_since(*began));
            stalled += heard.stalled(until, RATE);
            let mut pages = heard.sound().map(|page| *began + page.at);
            back = back.or_else(|| pages.find(|at| *at > mended));
        }
        let found = compare(recording, &samples);
        let all = &mut report.measured;
        all.n_listeners += 1;
        all.n_disconnected += usize::from(n_rejoined > 0);
        all.n_lost = all.n_lost.max(found.n_lost);
        all.n_doubled = all.n_doubled.max(found.n_doubled);
        all.stall = all.stall.max(stalled.as_secs_f64());
        let back = back.map(|back| (back - mended).as_secs_f64());
        all.back = if all.n_listeners == 1 {
            back
        } else {
            all.back.zip(back).map(|(worst, back)| worst.max(back))
        };
        Ok(())
    }
}

fn first_sound(began: Instant, heard: &Heard) -> Option<Instant> {
    heard.sound().next().map(|page| began + page.at)
}

/// Breaks something, and mends it; then waits for everybody.
fn measure(fault: impl FnOnce(&mut Stage) -> Result<Instant>) -> Result<Report> {
    let mut stage = Stage::start().context("Icecast does not play")?;
    let mut audience = stage.audience()?;
    let mended = fault(&mut stage)?;
    let is_whole = stage.wait_for_all(&mut audience, mended);
    let mut report = stage.report(audience, mended)?;
    if !is_whole {
        report.note(format!(
            "not everybody was back within {} s",
            PLAYS_MAX.as_secs()
        ));
    }
    Ok(report)
}

fn cut_source(length: Duration) -> Result<Report> {
    measure(|stage| {
        stage.laboratory.blackhole(&stage.desk, &stage.hub)?;
        sleep(length);
        stage.laboratory.unblackhole(&stage.desk, &stage.hub)?;
        Ok(Instant::now())
    })
}

fn cut_slaves(length: Duration) -> Result<Report> {
    measure(|stage| {
        for space in &stage.spaces {
            stage.laboratory.blackhole(space, &stage.hub)?;
        }
        sleep(length);
        for space in &stage.spaces {
            stage.laboratory.unblackhole(space, &stage.hub)?;
        }
        Ok(Instant::now())
    })
}

pub(crate) fn short_break(_: Size) -> Result<Report> {
    cut_source(seconds(5))
}

pub(crate) fn minute_break(_: Size) -> Result<Report> {
    cut_source(seconds(60))
}

pub(crate) fn master_killed(_: Size) -> Result<Report> {
    measure(|stage| {
        stage.master.kill()?;
        sleep(seconds(1));
        stage.master.start()?;
        Ok(Instant::now())
    })
}

pub(crate) fn moment_away(_: Size) -> Result<Report> {
    cut_slaves(seconds(1))
}

pub(crate) fn away(_: Size) -> Result<Report> {
    cut_slaves(seconds(10))
}

pub(crate) fn minute_away(_: Size) -> Result<Report> {
    cut_slaves(seconds(60))
}
