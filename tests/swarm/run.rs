//! A run from the first joiner to the result: gather, crowd, settle, hold.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::arguments::Arguments;
use crate::caller::{Caller, Target};
use crate::crowd::{Crowd, REST};
use crate::outcome::{Hold, Memory, Outcome, Server};
use crate::process::{Process, raise_files_max};
use crate::tally::Group;

/// Files that the swarm has open besides its listeners' sockets.
const FILES_BESIDES: u64 = 32;
/// Joins between two looks at what has come.
const JOINS_AT_ONCE_MAX: usize = 64;
/// Those who are there before the crowd come at this many a second.
const GATHER_RATE: f64 = 500.0;
/// How often the server's memory is looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(10);
/// How often the progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// Runs the whole of it. `relay_password` is for those who log in as relays.
///
/// # Errors
/// When nothing could be measured: no sockets, no such server.
pub(crate) fn run(arguments: &Arguments, relay_password: Option<&str>) -> Result<Outcome> {
    let n_all = arguments.n_crowd() + arguments.n_before() + arguments.n_relays();
    let n_files = raise_files_max();
    if n_all as u64 + FILES_BESIDES > n_files {
        bail!(
            "{n_all} listeners need as many sockets, but this process may have {n_files} files: \
             raise `ulimit -Hn`, or run several swarms"
        );
    }
    let mut caller = Caller::new(arguments.http, arguments.local.clone());
    let target = caller.target(&arguments.url, None)?;
    let login = arguments.relay_user.as_deref().zip(relay_password);
    let relay = caller.target(&arguments.url, login)?;
    let server = arguments.server_pid.map(Process::of).transpose()?;
    let mut run = Run {
        arguments,
        crowd: Crowd::new(caller).context("no epoll")?,
        target,
        relay,
        bar: bar(n_all),
        shown: Instant::now(),
        rss_empty: server.as_ref().map(Process::rss_kib).transpose()?,
        server,
    };
    run.everybody_joins()?;
    run.hold()?;
    run.bar.finish_and_clear();
    Ok(run.finish())
}

struct Run<'a> {
    arguments: &'a Arguments,
    crowd: Crowd,
    target: Target,
    relay: Target,
    bar: ProgressBar,
    shown: Instant,
    server: Option<Process>,
    rss_empty: Option<u64>,
}

impl Run<'_> {
    fn everybody_joins(&mut self) -> Result<()> {
        let arguments = self.arguments;
        let (n_before, n_relays) = (arguments.n_before(), arguments.n_relays());
        self.join(n_relays, GATHER_RATE, Group::Relay)?;
        self.join(n_before, GATHER_RATE, Group::Before)?;
        if n_before + n_relays > 0 {
            self.let_pass(arguments.settle)?;
        }
        self.crowd.tally().is_crowded = true;
        self.join(arguments.n_crowd(), arguments.rate, Group::Crowd)?;
        self.let_pass(arguments.settle)
    }

    /// So many join at this rate, and are waited for.
    fn join(&mut self, n_joiners: usize, rate: f64, group: Group) -> Result<()> {
        let target = match group {
            Group::Relay => self.relay.clone(),
            _ => self.target.clone(),
        };
        let began = Instant::now();
        let mut all_joined = began;
        let mut n_joined = 0;
        while n_joined < n_joiners || self.crowd.n_waiting() > 0 {
            let n_due = due(began.elapsed(), rate, n_joiners) - n_joined;
            for _ in 0..n_due.min(JOINS_AT_ONCE_MAX) {
                let is_sampled = self.is_sampled(group, n_joined, n_joiners);
                self.crowd.join(&target, group, is_sampled);
                n_joined += 1;
                all_joined = Instant::now();
            }
            self.crowd.take_all()?;
            if n_joined == n_joiners && all_joined.elapsed() > self.arguments.patience {
                self.crowd.give_up_waiting();
            }
            if n_due <= JOINS_AT_ONCE_MAX {
                self.rest("joining");
            }
        }
        Ok(())
    }

    /// All relays, and the sample evenly among the others.
    fn is_sampled(&self, group: Group, n: usize, n_of_all: usize) -> bool {
        let n_sample = self.arguments.sample.min(n_of_all);
        match group {
            Group::Relay => true,
            _ => (n + 1) * n_sample / n_of_all > n * n_sample / n_of_all,
        }
    }

    fn let_pass(&mut self, time: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.crowd.take_all()?;
            self.rest("settling");
        }
        Ok(())
    }

    /// The measurement, with everybody there.
    fn hold(&mut self) -> Result<()> {
        let own = Process::own();
        let began = Instant::now();
        let n_bytes = self.crowd.tally().n_bytes;
        let n_listeners = self.crowd.n_listening();
        let own_time = own.processor_time()?;
        let server_time = self.server_time()?;
        let rss_at_start = self.server_rss()?;
        let memory = self.listen(began)?;
        let seconds = began.elapsed().as_secs_f64();
        let share = |time: Duration| time.as_secs_f64() / seconds.max(f64::MIN_POSITIVE);
        let server_used = self.server_time()?.saturating_sub(server_time);
        let own_used = own.processor_time()?.saturating_sub(own_time);
        let mean = (n_listeners + self.crowd.n_listening()) as f64 / 2.0;
        let mut hold = Hold {
            seconds,
            n_listeners: mean,
            n_bytes: self.crowd.tally().n_bytes - n_bytes,
            own_core_share: share(own_used),
            server: None,
        };
        if self.server.is_some() {
            let rss_empty = self.rss_empty.unwrap_or(0);
            let per_listener = |amount: f64| if mean > 0.0 { amount / mean } else { 0.0 };
            hold.server = Some(Server {
                core_share: share(server_used),
                us_per_listener_second: per_listener(share(server_used) * 1e6),
                rss_kib_empty: rss_empty,
                rss_kib_at_start: rss_at_start,
                rss_kib_at_end: self.server_rss()?,
                rss_kib_per_listener: per_listener(rss_at_start.saturating_sub(rss_empty) as f64),
                memory,
            });
        }
        self.crowd.tally().outcome.hold = hold;
        self.wait_for_the_last()
    }

    /// Lets the time of the measurement pass, while some go and others come. Gives the
    /// server's memory during it.
    fn listen(&mut self, began: Instant) -> Result<Vec<Memory>> {
        let mut n_churned = 0;
        let mut memory = Vec::new();
        let mut look_at = Duration::ZERO;
        while began.elapsed() < self.arguments.seconds {
            let n_due = due(began.elapsed(), self.arguments.churn, usize::MAX);
            while self.arguments.churn > 0.0 && n_churned < n_due {
                self.crowd.leave_one();
                self.crowd.join(&self.target, Group::Churned, false);
                n_churned += 1;
            }
            self.crowd.take_all()?;
            if self.server.is_some() && began.elapsed() >= look_at {
                memory.push(Memory {
                    seconds: began.elapsed().as_secs_f64(),
                    rss_kib: self.server_rss()?,
                });
                look_at += MEMORY_EVERY;
            }
            self.rest("measuring");
        }
        Ok(memory)
    }

    /// Those who came at the very end of the measurement get their time, too.
    fn wait_for_the_last(&mut self) -> Result<()> {
        let began = Instant::now();
        while self.crowd.n_waiting() > 0 {
            self.crowd.take_all()?;
            if began.elapsed() > self.arguments.patience {
                self.crowd.give_up_waiting();
            }
            self.rest("waiting for the last");
        }
        Ok(())
    }

    fn server_time(&self) -> Result<Duration> {
        let time = self.server.as_ref().map(Process::processor_time);
        Ok(time.transpose()?.unwrap_or_default())
    }

    fn server_rss(&self) -> Result<u64> {
        let rss = self.server.as_ref().map(Process::rss_kib);
        Ok(rss.transpose()?.unwrap_or_default())
    }

    fn rest(&mut self, doing: &'static str) {
        if self.shown.elapsed() >= SHOW_EVERY {
            self.shown = Instant::now();
            let n_listening = self.crowd.n_listening();
            self.bar.set_position(n_listening as u64);
            self.bar.set_message(doing);
        }
        sleep(REST);
    }

    fn finish(self) -> Outcome {
        let mut outcome = self.crowd.finish().finish();
        outcome.url.clone_from(&self.arguments.url);
        outcome
    }
}

/// How many should have come after so long; with rate 0 all at once.
fn due(elapsed: Duration, rate: f64, n_max: usize) -> usize {
    if rate <= 0.0 {
        return n_max;
    }
    let n_due = elapsed.as_secs_f64() * rate + 1.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "above 0, and far below the limit"
    )]
    let n_due = n_due as usize;
    n_due.min(n_max)
}

/// Shown on a terminal only.
fn bar(n_all: usize) -> ProgressBar {
    let bar = ProgressBar::new(n_all as u64);
    let template = "{elapsed_precise} {bar:40} {pos}/{len} listening, {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
