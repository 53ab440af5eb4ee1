//! What the person at the laptop sees: one line that is redrawn on a terminal, or a log
//! line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use stream::shutdown::Shutdown;
use terminal_size::{Width, terminal_size_of};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::backlog::Shared;
use crate::config::Way;
use crate::desk::meter::{FLOOR_DBFS, Level, Reading};
use crate::spool::Spool;
use crate::spool::shelf::Report;
use crate::status::{Link, Status};

/// How often the line on a terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(250);

/// How often it is looked whether pages were lost, where there is no line to redraw.
const LOOK: Duration = Duration::from_secs(1);

/// How often a log line says how it goes.
const LOG: Duration = Duration::from_secs(10);

/// The level bar's left end, in dBFS; its right end is 0.
const BAR_DBFS: f32 = -48.0;

/// How many characters the level bar has.
const BAR_WIDTH: usize = 10;

/// The line is cut here, or where the terminal ends: a line that wraps cannot be redrawn.
const LINE_WIDTH: usize = 79;

/// Moves to the start of the line and empties it.
const CLEAR_LINE: &str = "\r\x1b[2K";

/// How masters and uplinks are called.
#[derive(Debug)]
pub struct Names {
    masters: Vec<String>,
    uplinks: Vec<String>,
}

impl Names {
    /// Those of these ways.
    pub fn of(ways: &[Way]) -> Self {
        let first = ways.iter().take(1);
        Self {
            masters: first
                .flat_map(|way| &way.targets)
                .map(ToString::to_string)
                .collect(),
            uplinks: ways.iter().map(Way::name).collect(),
        }
    }

    fn master(&self, status: &Status) -> &str {
        self.masters.get(status.master()).map_or("", String::as_str)
    }
}

/// Shows how it goes until the program is told to stop.
pub async fn show(names: &Names, status: &Status, backlog: &Shared, shutdown: &Shutdown) {
    let is_terminal = std::io::stderr().is_terminal();
    let interval = if is_terminal { REDRAW } else { LOOK };
    let (mut losses, mut logged) = (Losses::default(), Instant::now());
    while shutdown
        .unless_requested(tokio::time::sleep(interval))
        .await
        .is_some()
    {
        let now = Instant::now();
        if let Some(n_pages) = losses.add(backlog.n_lost(), now) {
            warn!(
                n_pages,
                "{n_pages} pages were lost: {} has been away for too long",
                names.master(status)
            );
        }
        if is_terminal {
            let moment = Moment::read(names, status, backlog);
            let columns = terminal_size_of(std::io::stderr()).map(|(Width(n), _)| n.into());
            write(&format!("{CLEAR_LINE}{}", moment.line(width(columns))));
        } else if now - logged >= LOG {
            logged = now;
            Moment::read(names, status, backlog).log();
        }
    }
    if is_terminal {
        write(CLEAR_LINE);
    }
}

/// Starts logging to stderr, filtered by `PLENUM_LOG` (`info` by default), so that log
/// lines and the redrawn line do not write over each other.
pub fn start_log() {
    // What the decoders mutter about odd files is said better by whoever opens them.
    let filter = EnvFilter::try_from_env("PLENUM_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,symphonia=off"));
    let is_terminal = std::io::stderr().is_terminal();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Lines { is_terminal })
        .with_ansi(is_terminal)
        .with_target(false)
        .try_init();
}

/// Writes to stderr, on a terminal after emptying the line that is redrawn there.
struct Lines {
    is_terminal: bool,
}

impl Write for Lines {
    /// Never fails: a terminal that was closed must not end the stream, and who is told that a
    /// line cannot be written would write that there, too.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut stderr = std::io::stderr().lock();
        if self.is_terminal {
            let _ = stderr.write_all(CLEAR_LINE.as_bytes());
        }
        let _ = stderr.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = std::io::stderr().flush();
        Ok(())
    }
}

/// Says how many pages were lost, at most once a second.
#[derive(Debug, Default)]
struct Losses {
    n_said: u64,
    said: Option<Instant>,
}

impl Losses {
    /// How many to say now, if any; `n_lost` is since the start.
    fn add(&mut self, n_lost: u64, now: Instant) -> Option<u64> {
        let n_new = n_lost.saturating_sub(self.n_said);
        if n_new == 0 || self.said.is_some_and(|said| now - said < LOOK) {
            return None;
        }
        self.n_said = n_lost;
        self.said = Some(now);
        Some(n_new)
    }
}

/// All that is shown of one moment.
#[derive(Debug)]
struct Moment {
    target: String,
    uplinks: Vec<(String, Link)>,
    level: Reading,
    encoded: Duration,
    n_bytes: u64,
    waiting: Duration,
    unacknowledged: Duration,
    n_lost: u64,
    spool: Option<Report>,
}

impl Moment {
    fn read(names: &Names, status: &Status, backlog: &Shared) -> Self {
        let (n_lost, spool) = (backlog.n_lost(), backlog.spool().map(Spool::report));
        let backlog = backlog.lock();
        Self {
            target: names.master(status).to_owned(),
            uplinks: names.uplinks.iter().cloned().zip(status.links()).collect(),
            level: status.take_level(),
            encoded: status.encoded(),
            n_bytes: status.bytes_sent(),
            waiting: backlog.waiting(),
            unacknowledged: backlog.unacknowledged(),
            n_lost,
            spool,
        }
    }

    fn line(&self, width: usize) -> String {
        let bars: Vec<_> = self.level.levels().iter().map(bar).collect();
        let mut line = format!(
            "{:10} {}  {}",
            self.state(),
            bars.join(" "),
            clock(self.encoded),
        );
        let is_behind = self.waiting > Duration::from_secs(1);
        if self.level.levels().iter().any(|level| level.n_clips > 0) {
            line.push_str("  TOO LOUD");
        }
        if is_behind {
            line.push_str(&format!("  {} s wait", self.waiting.as_secs()));
        }
        if let Some(spool) = self.spool {
            if !spool.is_writing {
                line.push_str("  SPOOL FULL");
            }
            if spool.n_for_archive > 0 {
                line.push_str(&format!("  {} for archive", spool.n_for_archive));
            }
        }
        if self.n_lost > 0 {
            line.push_str(&format!("  {} lost", self.n_lost));
        }
        if !is_behind {
            line.push_str(&format!("  {}", size(self.n_bytes)));
        }
        line.chars().take(width).collect()
    }

    /// How the uplink stands that stands best.
    fn best(&self) -> Link {
        let links = self.uplinks.iter().map(|(_, link)| *link);
        let order = [Link::OnAir, Link::Connecting, Link::Waiting];
        let mut order = order.into_iter();
        order
            .find(|wanted| links.clone().any(|link| link == *wanted))
            .unwrap_or_default()
    }

    /// In a word; with several uplinks also how each stands: its number carries, `s` stands by,
    /// `-` does neither.
    fn state(&self) -> String {
        let mut state = word(self.best()).to_owned();
        if self.uplinks.len() > 1 && self.best() == Link::OnAir {
            state.push(' ');
            state.extend((1..).zip(&self.uplinks).map(|(n, (_, link))| match link {
                Link::OnAir => char::from_digit(n, 10).unwrap_or('+'),
                Link::StandingBy => 's',
                Link::Connecting | Link::Waiting => '-',
            }));
        }
        state
    }

    /// The master, and how each uplink stands, if there are several.
    fn whereto(&self) -> String {
        let mut text = self.target.clone();
        if self.uplinks.len() > 1 {
            for (name, link) in &self.uplinks {
                text.push_str(&format!("; {name}: {}", word(*link)));
            }
        }
        text
    }

    fn log(&self) {
        let spool = self.spool.unwrap_or_default();
        info!(
            bytes = self.n_bytes,
            waiting_ms = ms(self.waiting),
            unacknowledged_ms = ms(self.unacknowledged),
            lost_pages = self.n_lost,
            archive_pages = spool.n_for_archive,
            spool_bytes = spool.n_bytes,
            "{} ({}), {} of sound, {}",
            word(self.best()),
            self.whereto(),
            clock(self.encoded),
            self.levels(),
        );
    }

    /// In words; of two channels each by its name.
    fn levels(&self) -> String {
        match self.level.levels() {
            [left, right] => format!("left: {}; right: {}", level_words(left), level_words(right)),
            levels => levels.iter().map(level_words).collect(),
        }
    }
}

/// How long the line may be: some terminals wrap when their last column is written to.
fn width(columns: Option<usize>) -> usize {
    columns.map_or(LINE_WIDTH, |n| LINE_WIDTH.min(n.saturating_sub(1)))
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn word(link: Link) -> &'static str {
    match link {
        Link::Connecting => "connecting",
        Link::OnAir => "on air",
        Link::Waiting => "waiting",
        Link::StandingBy => "standing by",
    }
}

/// A level as a bar: `#` up to the average, `|` at the peak.
fn bar(level: &Level) -> String {
    let (average, peak) = (place(level.average_dbfs), place(level.peak_dbfs));
    let mut bar: Vec<char> = vec!['.'; BAR_WIDTH];
    bar.iter_mut().take(average).for_each(|c| *c = '#');
    if let Some(at) = peak.checked_sub(1) {
        bar[at] = '|';
    }
    let text: String = bar.into_iter().collect();
    format!("[{text}] {:>4.0} dB", level.peak_dbfs)
}

/// How many characters of the bar a level fills.
fn place(dbfs: f32) -> usize {
    let part = 1.0 - (dbfs / BAR_DBFS).clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "0 to the width of the bar"
    )]
    let place = (part * BAR_WIDTH as f32).round() as usize;
    place.min(BAR_WIDTH)
}

fn level_words(level: &Level) -> String {
    if level.peak_dbfs <= FLOOR_DBFS {
        return "digital silence: is the cable in, the desk on?".to_owned();
    }
    let mut words = format!(
        "peak {:.0} dB, average {:.0} dB",
        level.peak_dbfs, level.average_dbfs
    );
    if level.n_clips > 0 {
        words.push_str(&format!(", too loud: clipped {} times", level.n_clips));
    }
    words
}

fn clock(length: Duration) -> String {
    let seconds = length.as_secs();
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn size(n_bytes: u64) -> String {
    format!("{}.{} MB", n_bytes / 1_000_000, n_bytes / 100_000 % 10)
}

fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

#[cfg(test)]
mod tests;
