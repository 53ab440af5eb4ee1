//! What listeners do to others and to themselves: they are slow, they vanish, they move.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use stream::ogg::Framer;
use tests::ear::Ear;
use tests::heard::Heard;
use tests::place::PORT;
use tests::programs::{Program, find};
use tests::wait::{eventually, until};

use crate::list::Size;
use crate::listener::At;
use crate::report::Report;
use crate::stage::{MOUNT, PATIENCE, Plan, Stage};

const AFTER: Duration = Duration::from_secs(8);
/// Slow listeners, …
const N_SLOW: usize = 40;
/// … watched for so long, …
const SLOW_PLAYS: Duration = Duration::from_secs(110);
/// … some behind one line, which carries half of what they ask for: 83 kbit/s each.
const SLOW_MEGABITS: f64 = 1.66;
/// For the kernel a listener has vanished when a loss of packets has lasted for the whole timeout
/// and then nothing comes twice running: on a line as full as that one it may be mistaken about
/// so many of them.
const N_TAKEN_FOR_VANISHED_MAX: usize = N_SLOW / 10;
/// Radios: so many, with as small a receive buffer as the usual library of small devices has, …
const N_RADIOS: usize = 20;
const RADIO_BYTES: usize = 5_700;
/// … who read so much once in this time: as fast as sound is made.
const RADIO_READS: usize = 620;
const RADIO_EVERY: Duration = Duration::from_millis(60);
const RADIO_PLAYS: Duration = Duration::from_secs(60);
/// A listener may cost a server so much memory, even a slow one.
const KIB_EACH_MAX: f64 = 32.0;
/// Listeners who vanish.
const N_LOST: usize = 1000;
/// They are gone from the count within this time.
const GONE_MAX: Duration = Duration::from_secs(45);

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// F34: forty who read half as fast as sound is made. Each second they are half a second further
/// behind, until the ring does not reach so far.
pub(crate) fn slow(_: Size) -> Result<Report> {
    let mut stage = Stage::start(short_ring()?)?;
    let audience = stage.audience()?;
    let began = Instant::now();
    let before = resident_kib(&stage.relays[0].program)?;
    let half = Radio {
        reads: RADIO_READS / 2,
        plays: SLOW_PLAYS,
    };
    let slow = stage.crowd.inside(|| listen_all(&stage, half, N_SLOW))?;
    let most = (resident_kib(&stage.relays[0].program)? - before) / N_SLOW as f64;
    let fell_behind = stage.relays[0].figure("fell_behind_total")?;
    let mut report = Report::take(&mut stage, audience, began)?;
    let n_moved = demand_of_slow(&mut report, &slow, most);
    report.demand(n_moved == N_SLOW, "all of them are moved to live sound");
    report.demand(slow.iter().all(|heard| !heard.has_ended), "slow ones stay");
    report.demand(
        fell_behind >= n_moved as f64,
        "plenum_fell_behind_total counts them",
    );
    Ok(report)
}

/// F34l: forty behind a line that carries half of their sound. The kernel shares it unevenly: some
/// get all they ask for, and some nothing for a long time.
pub(crate) fn narrow(_: Size) -> Result<Report> {
    let mut stage = Stage::start(short_ring()?)?;
    let audience = stage.audience()?;
    let space = stage.laboratory.add("slow")?;
    let began = Instant::now();
    let before = resident_kib(&stage.relays[0].program)?;
    let url = stage.mount_at(At::Relay(0));
    let slow: Vec<Ear> = space.inside(|| {
        let ears = (0..N_SLOW).map(|_| eventually(PATIENCE, "it plays", || Ear::listen(&url)));
        ears.collect()
    })?;
    // Not before: their bursts would fill the line for minutes.
    space.limit_download(SLOW_MEGABITS)?;
    sleep(SLOW_PLAYS);
    let most = (resident_kib(&stage.relays[0].program)? - before) / N_SLOW as f64;
    let slow: Vec<_> = slow.into_iter().map(as_heard_until_now).collect();
    let away = slow.iter().filter(|heard| heard.has_ended);
    let away: Vec<String> = away.map(how_sent_away).collect();
    let mut report = Report::take(&mut stage, audience, began)?;
    let n_moved = demand_of_slow(&mut report, &slow, most);
    // Who gets two thirds of his sound stays within the ring for the whole time. For more than 31
    // of them the line is too small.
    report.demand(n_moved >= N_SLOW / 5, "slow ones are moved to live sound");
    if !away.is_empty() {
        report.note(format!("sent away: {}", away.join(", ")));
    }
    report.demand(
        away.len() <= N_TAKEN_FOR_VANISHED_MAX,
        "hardly anybody is taken for one who vanished",
    );
    Ok(report)
}

fn short_ring() -> Result<Plan> {
    Ok(Plan {
        burst: 4.0,
        filler_after: 2.0,
        ring: 40,
        ..Plan::new()?
    })
}

/// What holds for all who are slow, however they are. Gives how many were moved.
fn demand_of_slow(report: &mut Report, slow: &[Heard], kib_each: f64) -> usize {
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    let n_ended = slow.iter().filter(|heard| heard.has_ended).count();
    let n_moved = slow.iter().filter(|heard| heard.n_jumps() > 0).count();
    let n_most = slow.iter().map(Heard::n_jumps).max().unwrap_or_default();
    let n_junk: usize = slow.iter().map(|heard| heard.n_junk).sum();
    report.note(format!(
        "{n_moved} of {} slow ones moved to live sound, {n_most} times at most, {n_ended} sent away; {kib_each:.1} KiB each",
        slow.len()
    ));
    report.demand(n_most <= 2, "once a minute at most");
    report.demand(n_junk == 0, "slow ones get whole pages");
    report.demand(kib_each <= KIB_EACH_MAX, "32 KiB for each at most");
    n_moved
}

/// What he heard, without the end that comes of our hanging up.
fn as_heard_until_now(ear: Ear) -> Heard {
    let has_ended = ear.heard().has_ended;
    Heard {
        has_ended,
        ..ear.stop()
    }
}

fn how_sent_away(heard: &Heard) -> String {
    let waited = heard.longest_wait.as_secs();
    match heard.n_jumps() {
        0 => format!("one who waited {waited} s for a byte"),
        _ => format!("one who fell behind again and waited up to {waited} s for a byte"),
    }
}

/// F34r: radios that have played their burst and read no faster than they play, into buffers so
/// small that what is sent always waits for them.
pub(crate) fn radios(_: Size) -> Result<Report> {
    let mut stage = Stage::start(Plan::new()?)?;
    let audience = stage.audience()?;
    let began = Instant::now();
    let radios = stage.crowd.inside(|| listen_all(&stage, RADIO, N_RADIOS))?;
    let mut report = Report::take(&mut stage, audience, began)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    let ended = radios.iter().filter(|heard| heard.has_ended);
    let last = |heard: &Heard| heard.pages.last().map_or(0, |page| page.at.as_secs());
    let first_to_go = ended.clone().map(last).min();
    let (n_ended, n_jumps) = (
        ended.count(),
        radios.iter().map(Heard::n_jumps).sum::<usize>(),
    );
    report.note(match first_to_go {
        Some(at) => format!("{n_ended} of {N_RADIOS} radios disconnected, the first after {at} s"),
        None => format!("none of {N_RADIOS} radios disconnected in a minute"),
    });
    report.demand(n_ended == 0, "no radio disconnected");
    report.demand(n_jumps == 0, "radios miss nothing");
    Ok(report)
}

/// A small device: it reads so many bytes once in [`RADIO_EVERY`], for so long.
#[derive(Clone, Copy)]
struct Radio {
    reads: usize,
    plays: Duration,
}

/// One that reads as fast as sound is made.
const RADIO: Radio = Radio {
    reads: RADIO_READS,
    plays: RADIO_PLAYS,
};

fn listen_all(stage: &Stage, radio: Radio, n: usize) -> Result<Vec<Heard>> {
    let address = SocketAddr::from((stage.relays[0].space.address(), PORT));
    let threads: Vec<_> = (0..n)
        .map(|_| std::thread::spawn(move || radio.listen(address)))
        .collect();
    let joined = threads.into_iter().map(JoinHandle::join);
    joined
        .map(|heard| heard.map_err(|_| anyhow!("a radio panicked"))?)
        .collect()
}

impl Radio {
    fn listen(self, address: SocketAddr) -> Result<Heard> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_recv_buffer_size(RADIO_BYTES)?;
        socket.connect(&address.into())?;
        let mut socket = TcpStream::from(socket);
        socket.write_all(format!("GET {MOUNT} HTTP/1.0\r\n\r\n").as_bytes())?;
        let (mut byte, mut head) = ([0], Vec::new());
        while !head.ends_with(b"\r\n\r\n") {
            ensure!(socket.read(&mut byte)? == 1, "no head");
            head.push(byte[0]);
        }
        let (mut heard, mut framer) = (Heard::default(), Framer::new());
        let (began, mut bytes) = (Instant::now(), vec![0; self.reads]);
        while began.elapsed() < self.plays {
            match socket.read(&mut bytes) {
                Ok(0) | Err(_) => {
                    heard.has_ended = true;
                    break;
                }
                Ok(n_bytes) => heard.take(&mut framer, &bytes[..n_bytes], began.elapsed()),
            }
            sleep(RADIO_EVERY);
        }
        Ok(heard)
    }
}

/// F37: a thousand whose way is cut without a word.
pub(crate) fn vanished(_: Size) -> Result<Report> {
    let mut stage = Stage::start(Plan::new()?)?;
    let audience = stage.audience()?;
    let lost = stage.laboratory.add("lost")?;
    let before = (taken(&stage)?, resident_kib(&stage.relays[0].program)?);
    let swarm = Program::new("swarm", find("plenum-swarm")?, stage.plan.folder.path());
    let mut swarm = lost
        .program(swarm)
        .arguments([
            stage.mount_at(At::Relay(0)),
            "--listeners".to_owned(),
            N_LOST.to_string(),
        ])
        .arguments(["--rate", "200", "--seconds", "300"]);
    swarm.start()?;
    let all = before.0 + N_LOST as u64;
    eventually(seconds(60), "a thousand listen", || {
        let taken = taken(&stage)?;
        ensure!(taken == all, "{taken} listen");
        Ok(())
    })
    .with_context(|| swarm.story())?;
    sleep(seconds(5));
    let with = resident_kib(&stage.relays[0].program)?;
    stage.laboratory.blackhole(&lost, &stage.relays[0].space)?;
    let cut = Instant::now();
    let gone = eventually(GONE_MAX * 2, "they are gone", || {
        let taken = taken(&stage)?;
        ensure!(taken == before.0, "{taken} listen");
        Ok(cut.elapsed())
    })?;
    swarm.kill()?;
    let after = resident_kib(&stage.relays[0].program)?;
    let mut report = Report::take(&mut stage, audience, cut)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.note(format!(
        "{N_LOST} gone after {:.0} s; memory {:.1} MiB before, {:.1} with them, {:.1} after",
        gone.as_secs_f64(),
        before.1 / 1024.0,
        with / 1024.0,
        after / 1024.0
    ));
    report.demand(gone <= GONE_MAX, "gone within 45 s");
    report.demand(
        after <= with + 1024.0,
        "memory does not grow by their going",
    );
    Ok(report)
}

fn taken(stage: &Stage) -> Result<u64> {
    let status: Value = serde_json::from_str(&stage.relays[0].page("/api/v1/status")?)?;
    let taken = status.pointer("/slots/listeners/taken");
    taken.and_then(Value::as_u64).context("slots taken")
}

/// F39: his relay is killed, and he goes on at another.
pub(crate) fn moves(_: Size) -> Result<Report> {
    let mut stage = Stage::start(Plan::new()?)?;
    let mut audience = stage.audience()?;
    stage.relays[0].program.kill()?;
    let killed = Instant::now();
    let mut slowest = Duration::ZERO;
    let (mut movers, rest): (Vec<_>, Vec<_>) =
        audience.drain(..).partition(|one| one.at == At::Relay(0));
    for mover in &mut movers {
        until(PATIENCE, "his connection ends", || mover.has_ended())?;
        slowest = slowest.max(mover.go_on(&stage, At::Relay(1))? - killed);
    }
    let n_movers = movers.len();
    sleep(AFTER);
    movers.extend(rest);
    let mut report = Report::take(&mut stage, movers, killed)?;
    report.demand_r0();
    report.demand_stall(Duration::ZERO);
    report.note(format!(
        "{n_movers} moved to another relay, the slowest after {:.2} s, at the next byte",
        slowest.as_secs_f64()
    ));
    Ok(report)
}

/// What a program has in memory.
fn resident_kib(program: &Program) -> Result<f64> {
    let pid = program.pid().context("it does not run")?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.context("no VmRSS")?.parse()?)
}
