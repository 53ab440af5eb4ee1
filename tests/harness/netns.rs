//! Networks that are not there: namespaces of the kernel around one router, each with an address,
//! a line of a known rate, and ways that can be cut without a word.
//!
//! Needs root and Debian's iproute2. All of it goes with the [`Laboratory`], also after a panic;
//! what a killed process left behind goes when the next one begins.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::programs::Program;
use crate::tools::run;

/// Where `ip netns` keeps its namespaces.
const FOLDER: &str = "/run/netns";
/// Names begin with this, then come the process and the laboratory.
const PREFIX: &str = "plenum-lab";
/// Namespaces around one router: each has a network of its own, 10.77.1.0 to 10.77.250.0.
const NAMESPACES_MAX: u8 = 250;
/// A line holds as much as it sends in this time; the rest is dropped.
const LINE_HOLDS: &str = "50ms";
/// So much may leave a line at once.
const LINE_BURST: &str = "32kb";
/// How a namespace calls its own line.
pub const LINE: &str = "line";
/// How it calls its second one, if it has one.
pub const SECOND_LINE: &str = "line2";

/// A router, and the namespaces around it.
#[derive(Debug)]
pub struct Laboratory {
    prefix: String,
    router: Name,
    n_namespaces: u8,
}

/// A machine of its own, as far as the network goes.
#[derive(Debug)]
pub struct Namespace {
    name: Name,
    router: String,
    to_here: String,
    address: Ipv4Addr,
}

/// A namespace's name; the namespace goes with it.
#[derive(Debug)]
struct Name(String);

impl Laboratory {
    /// A router without anybody around it.
    ///
    /// # Errors
    /// When this machine does not let us; the text says what helps.
    pub fn new() -> Result<Self> {
        static N: AtomicU32 = AtomicU32::new(0);
        let remedy = "network namespaces need root and iproute2: run the tests as root, in a \
                      container with CAP_NET_ADMIN and CAP_SYS_ADMIN, after `make setup`";
        ensure!(geteuid().is_root(), "{remedy}");
        clear_away();
        let n = N.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}-{}-{n}", std::process::id());
        let router = Name::new(format!("{prefix}-router")).context(remedy)?;
        router.set("net.ipv4.ip_forward", "1").context(remedy)?;
        Ok(Self {
            prefix,
            router,
            n_namespaces: 0,
        })
    }

    /// Adds a namespace that reaches all others and is reached by them.
    ///
    /// # Errors
    /// When the kernel does not make it.
    pub fn add(&mut self, word: &str) -> Result<Namespace> {
        let name = Name::new(format!("{}-{word}", self.prefix))?;
        ip(&["-n", &name.0, "link", "set"], &["lo", "up"])?;
        let (to_here, address) = self.lead(&name, LINE, 0)?;
        Ok(Namespace {
            name,
            router: self.router.0.clone(),
            to_here,
            address,
        })
    }

    /// Gives a namespace a second line, which connections take that are bound to it: see
    /// [`SECOND_LINE`]. Returns its address there.
    ///
    /// # Errors
    /// When the kernel does not make it.
    pub fn add_second_line(&mut self, space: &Namespace) -> Result<Ipv4Addr> {
        let (_, address) = self.lead(&space.name, SECOND_LINE, 1)?;
        // Answers to the second line come in where the first would be taken to send.
        for name in ["all", SECOND_LINE] {
            space.set(&format!("net.ipv4.conf.{name}.rp_filter"), "0")?;
        }
        Ok(address)
    }

    /// A line from the router into a namespace: how the router calls it, and its address there.
    fn lead(&mut self, name: &Name, line: &str, metric: u8) -> Result<(String, Ipv4Addr)> {
        ensure!(self.n_namespaces < NAMESPACES_MAX, "no network left");
        self.n_namespaces += 1;
        let (n, router) = (self.n_namespaces, &self.router.0);
        let to_here = format!("to{n}");
        let (address, gateway) = (Ipv4Addr::new(10, 77, n, 2), Ipv4Addr::new(10, 77, n, 1));
        let pair = ["type", "veth", "peer", "name", line, "netns", &name.0];
        ip(&["-n", router, "link", "add", &to_here], &pair)?;
        for (space, line, own) in [(router, &to_here[..], gateway), (&name.0, line, address)] {
            let own = format!("{own}/24");
            ip(&["-n", space, "addr", "add", &own], &["dev", line])?;
            ip(&["-n", space, "link", "set"], &[line, "up"])?;
        }
        let (via, metric) = (gateway.to_string(), metric.to_string());
        let to = ["default", "via", &via, "dev", line, "metric", &metric];
        ip(&["-n", &name.0, "route", "add"], &to)?;
        Ok((to_here, address))
    }

    /// Swallows all that one sends to the other and the other to the one, without a word to
    /// either.
    ///
    /// # Errors
    /// When the kernel does not do it.
    pub fn blackhole(&self, one: &Namespace, other: &Namespace) -> Result<()> {
        self.cut(one.address, other.address)
    }

    /// As [`Self::blackhole`], for addresses: one of a namespace's lines may be cut alone.
    ///
    /// # Errors
    /// As [`Self::blackhole`].
    pub fn cut(&self, one: Ipv4Addr, other: Ipv4Addr) -> Result<()> {
        self.rule("add", one, other, &[])?;
        self.rule("add", other, one, &[])
    }

    /// Undoes [`Self::cut`].
    ///
    /// # Errors
    /// When nothing was cut.
    pub fn heal(&self, one: Ipv4Addr, other: Ipv4Addr) -> Result<()> {
        self.rule("del", one, other, &[])?;
        self.rule("del", other, one, &[])
    }

    /// Lets them reach each other again.
    ///
    /// # Errors
    /// When they could all the time.
    pub fn unblackhole(&self, one: &Namespace, other: &Namespace) -> Result<()> {
        self.heal(one.address, other.address)
    }

    /// Swallows whatever belongs to the connections that `from` has opened to `to`, as a router
    /// does that has forgotten them; new ones get through. There is no way back for them. How
    /// many there were.
    ///
    /// # Errors
    /// When the kernel does not do it.
    pub fn forget(&self, from: &Namespace, to: &Namespace) -> Result<usize> {
        let ports = from.ports_to(to)?;
        let (from, to) = (from.address, to.address);
        for port in &ports {
            self.rule("add", from, to, &["ipproto", "tcp", "sport", port])?;
            self.rule("add", to, from, &["ipproto", "tcp", "dport", port])?;
        }
        Ok(ports.len())
    }

    fn rule(&self, what: &str, from: Ipv4Addr, to: Ipv4Addr, more: &[&str]) -> Result<()> {
        let (from, to) = (from.to_string(), to.to_string());
        let ways = [&["from", &from, "to", &to], more, &["blackhole"]].concat();
        ip(&["-n", &self.router.0, "rule", what], &ways)
    }
}

impl Namespace {
    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// One more address of the same line.
    ///
    /// # Errors
    /// When it has been given before.
    pub fn second_address(&self) -> Result<Ipv4Addr> {
        let [a, b, n, _] = self.address.octets();
        let second = Ipv4Addr::new(a, b, n, 3);
        let own = format!("{second}/24");
        ip(&["-n", &self.name.0, "addr", "add", &own], &["dev", LINE])?;
        Ok(second)
    }

    /// A program that will run inside.
    #[must_use]
    pub fn program(&self, program: Program) -> Program {
        program.behind(["ip", "netns", "exec", &self.name.0])
    }

    /// Does something inside: connections that are opened meanwhile begin here. On a thread of
    /// its own, as are the threads it starts.
    ///
    /// # Errors
    /// Those of the work; or when it panics.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let space = File::open(Path::new(FOLDER).join(&self.name.0))?;
        let enter = || -> Result<T> {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))
                .context("cannot enter a network namespace")?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter).join())
            .map_err(|_| anyhow!("the work inside {} panicked", self.name.0))?
    }

    /// Our ends of the connections from here to there.
    fn ports_to(&self, there: &Self) -> Result<Vec<String>> {
        let there = there.address.to_string();
        let mut ss = Command::new("ip");
        ss.args(["netns", "exec", &self.name.0, "ss", "-tnH", "dst", &there]);
        let said = String::from_utf8(run(&mut ss)?.stdout)?;
        let port = |line: &str| {
            Some(
                line.split_whitespace()
                    .nth(3)?
                    .rsplit_once(':')?
                    .1
                    .to_owned(),
            )
        };
        Ok(said.lines().filter_map(port).collect())
    }

    /// Limits what it sends, to all others together.
    ///
    /// # Errors
    /// When the kernel does not do it.
    pub fn limit_rate(&self, megabits: f64) -> Result<()> {
        limit(&self.name.0, LINE, megabits)
    }

    /// Limits what it receives, from all others together.
    ///
    /// # Errors
    /// When the kernel does not do it.
    pub fn limit_download(&self, megabits: f64) -> Result<()> {
        limit(&self.router, &self.to_here, megabits)
    }

    /// Takes the limit of what it sends away again.
    ///
    /// # Errors
    /// When there is none.
    pub fn unlimit_rate(&self) -> Result<()> {
        let mut tc = Command::new("tc");
        run(tc.args(["-n", &self.name.0, "qdisc", "del", "dev", LINE, "root"])).map(drop)
    }

    /// Sets a kernel parameter of its network, such as `net.ipv4.tcp_congestion_control`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.name.set(name, value)
    }
}

impl Name {
    fn new(name: String) -> Result<Self> {
        ip(&["netns", "add"], &[&name])?;
        Ok(Self(name))
    }

    fn set(&self, name: &str, value: &str) -> Result<()> {
        let setting = format!("{name}={value}");
        let exec = ["netns", "exec", &self.0, "sysctl", "-q", "-w", &setting];
        ip(&exec, &[])
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del"], &[&self.0]);
    }
}

/// Removes what processes left behind that are gone.
fn clear_away() {
    let Ok(entries) = std::fs::read_dir(FOLDER) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let rest = name.strip_prefix(PREFIX).unwrap_or_default();
        let pid = rest.split('-').nth(1).and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid: u32| !Path::new(&format!("/proc/{pid}")).exists()) {
            drop(Name(name));
        }
    }
}

fn limit(space: &str, line: &str, megabits: f64) -> Result<()> {
    let rate = format!("{megabits}mbit");
    let mut tc = Command::new("tc");
    tc.args(["-n", space, "qdisc", "replace", "dev", line, "root"]);
    tc.args(["tbf", "rate", &rate, "burst", LINE_BURST]);
    run(tc.args(["latency", LINE_HOLDS])).map(drop)
}

fn ip(words: &[&str], more: &[&str]) -> Result<()> {
    run(Command::new("ip").args(words).args(more)).map(drop)
}

#[cfg(test)]
mod tests;
