//! A source with two ways to its master: either may be cut for any time, and nobody hears it.
//! And a source with two masters.

use std::net::Ipv4Addr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, STOP_MAX, Sound, write_private};
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::Heard;
use tests::http::get;
use tests::netns::{LINE, Laboratory, Namespace, SECOND_LINE};
use tests::players::Decoder;
use tests::programs::Program;
use tests::soak::{GAP_MAX, every_sample_once, hear_the_end, listen_from_the_start};
use tests::speech;
use tests::wait::{eventually, until};

/// A way is away for this long, …
const CUT: Duration = Duration::from_secs(20);
/// … or only for this long.
const SHORT_CUT: Duration = Duration::from_secs(4);
/// From the end of a cut until that way carries pages again.
const BACK_MAX: Duration = Duration::from_secs(15);
/// One that stands by begins within this time; players have four seconds in hand.
const BEGIN_MAX: Duration = Duration::from_millis(2_200);
/// A page is never longer than this.
const PAGE: i64 = 14_400;
const SECOND: i64 = 48_000;

/// The chain in one network, and its source in another with two lines to it.
struct Stage {
    cluster: Cluster,
    servers: Namespace,
    /// The source's addresses.
    lines: [Ipv4Addr; 2],
    _laptop: Namespace,
    // The last: all the others are in it.
    laboratory: Laboratory,
}

impl Stage {
    fn start(second_stands_by: bool) -> Result<Self> {
        let mut laboratory = Laboratory::new()?;
        let (servers, laptop) = (laboratory.add("servers")?, laboratory.add("laptop")?);
        let lines = [laptop.address(), laboratory.add_second_line(&laptop)?];
        let mut cluster = Cluster::prepare_recorded(1, &Sound::File(speech::sitting()?))?;
        change(&cluster.folder().join("master.toml"), |text| {
            text.replace("listen = \"127.0.0.1:", "listen = \"0.0.0.0:")
        })?;
        let master = servers.address().to_string();
        change(&cluster.folder().join("source.toml"), |text| {
            text.replace("127.0.0.1", &master)
                + &format!(
                    "[[uplink]]\nbind = \"{LINE}\"\n\n[[uplink]]\nbind = \"{SECOND_LINE}\"\n"
                )
                + &format!("standby = {second_stands_by}\n")
        })?;
        for role in [Role::Master, Role::Relay(0), Role::Balancer, Role::Source] {
            let program = cluster.program(role);
            let outside = std::mem::replace(program, Program::new("", "", "".as_ref()));
            let space = if role == Role::Source {
                &laptop
            } else {
                &servers
            };
            *program = space.program(outside);
        }
        servers.inside(|| {
            cluster.start_servers()?;
            cluster.program(Role::Source).start()
        })?;
        Ok(Self {
            cluster,
            servers,
            lines,
            _laptop: laptop,
            laboratory,
        })
    }

    /// One who hears everything from the first page on.
    fn listen(&self) -> Result<Ear> {
        let listen = || listen_from_the_start(&self.cluster, Role::Relay(0));
        self.servers.inside(listen)
    }

    fn cut(&self, line: usize) -> Result<()> {
        self.laboratory
            .cut(self.lines[line], self.servers.address())
    }

    fn heal(&self, line: usize) -> Result<()> {
        self.laboratory
            .heal(self.lines[line], self.servers.address())
    }

    /// A figure of the mount at the master.
    fn figure(&self, name: &str) -> Result<f64> {
        let url = format!("{}/metrics", self.cluster.ports().master_url());
        let text = self.servers.inside(|| Ok(get(&url)?.text()))?;
        let start = format!("plenum_{name}{{mount=\"{MOUNT}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        Ok(line
            .with_context(|| format!("no {name} in {text}"))?
            .parse()?)
    }

    fn wait_for_uplinks(&self, n: f64) -> Result<()> {
        let began = Instant::now();
        until(BACK_MAX, &format!("{n} uplinks deliver"), || {
            self.figure("uplinks").is_ok_and(|n_now| n_now == n)
        })
        .with_context(|| self.cluster.story())?;
        note(&format!("{n} uplinks deliver after {:?}", began.elapsed()));
        Ok(())
    }

    /// Every sample, once, in one stream without filler.
    fn judge(mut self, ear: Ear, gap_max: Duration) -> Result<()> {
        let longest = ear.longest_gap();
        self.cluster.program(Role::Source).stop(STOP_MAX)?;
        let heard = hear_the_end(ear).with_context(|| self.cluster.story())?;
        every_sample_once(&self.cluster.recording(), &heard)
            .with_context(|| self.cluster.story())?;
        let n_missing = self.figure("missing_pages_total")?;
        let filler = self.figure("filler_seconds_total")?;
        note(&format!(
            "longest time without a page {longest:?}; {filler} s of filler, {n_missing} pages \
             missing"
        ));
        ensure!(
            n_missing == 0.0 && filler == 0.0,
            "{}",
            self.cluster.story()
        );
        ensure!(longest < gap_max, "{longest:?} without a page");
        Ok(())
    }
}

fn change(file: &Path, change: impl Fn(String) -> String) -> Result<()> {
    write_private(file, &change(std::fs::read_to_string(file)?))
}

fn decode(heard: &Heard, folder: &Path) -> Result<Vec<i16>> {
    let file = folder.join("heard.ogg");
    std::fs::write(&file, &heard.body)?;
    Decoder::Reference.decode(&file)
}

#[test]
fn either_of_two_ways_may_be_cut_for_20_s_and_no_sample_is_missing_or_late() -> Result<()> {
    let stage = Stage::start(false)?;
    let ear = stage.listen()?;
    ear.wait_for_samples(3 * SECOND, PLAY_MAX)?;
    stage.wait_for_uplinks(2.0)?;
    for (line, cut) in [(0, CUT), (1, CUT), (0, SHORT_CUT), (1, SHORT_CUT)] {
        stage.cut(line)?;
        sleep(cut);
        stage.heal(line)?;
        stage.wait_for_uplinks(2.0)?;
    }
    stage.judge(ear, GAP_MAX)
}

#[test]
fn a_way_that_stands_by_begins_when_the_first_is_cut_and_no_sample_is_missing() -> Result<()> {
    let stage = Stage::start(true)?;
    let ear = stage.listen()?;
    ear.wait_for_samples(3 * SECOND, PLAY_MAX)?;
    ensure!(stage.figure("uplinks")? == 1.0, "the second is not needed");
    stage.cut(0)?;
    sleep(CUT);
    stage.heal(0)?;
    stage.wait_for_uplinks(2.0)?;
    // It stops again when the first has delivered for a while.
    stage.wait_for_uplinks(1.0)?;
    let n_then = ear.heard().n_samples();
    ear.wait_for_samples(n_then + 3 * SECOND, PLAY_MAX)?;
    stage.judge(ear, BEGIN_MAX)
}

#[test]
fn a_killed_master_is_left_for_the_other_which_gets_the_next_page() -> Result<()> {
    let mut first = Cluster::prepare_recorded(0, &Sound::File(speech::sitting()?))?;
    let password = first.secrets().source.clone();
    let mut second = Cluster::prepare(0, &Sound::Tone)?.with_variable(
        Role::Master,
        "PLENUM_MASTER__SOURCE__0__PASSWORD",
        &password,
    );
    let spare = second.mount_at(Role::Master);
    first = first.with_variable(Role::Source, "PLENUM_SOURCE__SPARE_URLS__0", &spare);
    first.start_program(Role::Master)?;
    second.start_program(Role::Master)?;
    first.program(Role::Source).start()?;
    let at_first = listen_from_the_start(&first, Role::Master)?;
    at_first.wait_for_samples(3 * SECOND, PLAY_MAX)?;
    let killed = Instant::now();
    first.program(Role::Master).kill()?;
    let at_second = eventually(PLAY_MAX, "the other master plays", || Ear::listen(&spare))
        .with_context(|| first.story())?;
    note(&format!(
        "the other master plays after {:?}",
        killed.elapsed()
    ));
    at_second.wait_for_samples(3 * SECOND, PLAY_MAX)?;
    let before = at_first.wait_for_end(STOP_MAX)?;
    first.program(Role::Source).stop(STOP_MAX)?;
    let after = hear_the_end(at_second)?;
    after.check_order()?;
    let until = before.sound().last().context("sound")?.stamp.granule;
    let from = after.sound().next().context("sound")?.stamp.granule;
    // What the first had acknowledged it may not have passed on yet: at most a pace of half a
    // second, and a page that was coming in.
    note(&format!("from {until} at the one to {from} at the other"));
    ensure!(
        from <= until + 2 * PAGE + SECOND / 2,
        "{} samples are missing",
        from - until
    );
    // What the second has is the end of what was encoded, to the last sample.
    let (whole, end) = (
        Decoder::Reference.decode(&first.recording())?,
        decode(&after, second.folder())?,
    );
    // A decoder puts nothing out for the first packet it gets.
    ensure!(whole.ends_with(&end[2048..]), "the end differs");
    Ok(())
}
