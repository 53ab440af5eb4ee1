//! The command line of the load tool.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ::tests::http::Address;
use clap::{Parser, ValueEnum};

/// The longest of the times on the command line.
const SECONDS_MAX: f64 = 7.0 * 24.0 * 3600.0;
/// More listeners than any machine has sockets for one process.
const LISTENERS_MAX: u64 = 1_000_000;

/// The headings of the options.
const CROWD: &str = "Who comes";
const MEASURED: &str = "What is measured";
const CALLS: &str = "How they call";

/// A crowd of listeners on one core: joins, listens, and says what they went through.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "plenum-swarm",
    version,
    after_help = "Examples:\n  \
        plenum-swarm http://127.0.0.1:8000/live.ogg --listeners 1000\n  \
        plenum-swarm URL --listeners 5000 --rate 0          a crowd: all at the same moment\n  \
        plenum-swarm URL --before 500 --listeners 5000 --rate 0\n                       \
        the same, and what it does to 500 who listen already\n  \
        plenum-swarm URL --listeners 2000 --churn 100 --seconds 3600\n                       \
        100 a second go, 100 others come, for an hour\n  \
        plenum-swarm URL --listeners 19500 --local 127.0.0.2,127.0.0.3\n                       \
        from two addresses, which have twice the ports\n  \
        PW=... plenum-swarm URL --relay-user relay --relay-password-env PW --relays 5\n                       \
        five relays among them, who get every page at once\n  \
        plenum-swarm URL --listeners 500 --json result.json && echo it carries 500\n                       \
        for scripts\n\n\
        A few of them (--sample) are listened to closely: every page's checksum, sequence and\n\
        offset, how late it comes after the first who got it, and what a player that starts\n\
        with one second of sound would do. The others only count bytes.\n\n\
        Use it on your own servers only. Each listener is a socket: `ulimit -Hn` says how many\n\
        this process may have. It speaks plain http; where a proxy adds TLS, ask behind it.\n\n\
        Exit codes: 0 everybody heard sound and every page was right, 1 not so, 2 usage."
)]
pub(crate) struct Arguments {
    /// What to listen to, such as <http://127.0.0.1:8000/live.ogg>. Redirects are followed
    #[arg(value_parser = url)]
    pub(crate) url: String,
    /// How many listeners
    #[arg(long, help_heading = CROWD, default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u64).range(..=LISTENERS_MAX))]
    listeners: u64,
    /// Joins a second; 0 is all at once
    #[arg(long, help_heading = CROWD, default_value_t = 500.0, value_name = "N",
          value_parser = rate)]
    pub(crate) rate: f64,
    /// Listeners who are there before the others come
    #[arg(long, help_heading = CROWD, default_value_t = 0, value_name = "N",
          value_parser = clap::value_parser!(u64).range(..=LISTENERS_MAX))]
    before: u64,
    /// Measures for this long once everybody is there
    #[arg(long, help_heading = MEASURED, default_value = "20", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Lets the server come to rest for this long before that
    #[arg(long, help_heading = MEASURED, default_value = "3", value_name = "SECONDS",
          value_parser = seconds)]
    pub(crate) settle: Duration,
    /// Waits this long at most for everybody's first sound
    #[arg(long, help_heading = MEASURED, default_value = "60", value_name = "SECONDS",
          value_parser = seconds)]
    pub(crate) patience: Duration,
    /// How many are listened to closely
    #[arg(long, help_heading = MEASURED, default_value_t = 50, value_name = "N")]
    pub(crate) sample: usize,
    /// During the measurement so many a second go, and others come
    #[arg(long, help_heading = CROWD, default_value_t = 0.0, value_name = "N",
          value_parser = rate)]
    pub(crate) churn: f64,
    /// Own addresses to call from, in turn
    #[arg(long, help_heading = CALLS, value_delimiter = ',', value_name = "ADDRESSES")]
    pub(crate) local: Vec<IpAddr>,
    /// Some are relays, with this name; they come first and get every page at once
    #[arg(long, help_heading = CALLS, value_name = "NAME", requires = "relay_password_env")]
    pub(crate) relay_user: Option<String>,
    /// The environment variable that holds the relays' password
    #[arg(long, help_heading = CALLS, value_name = "VARIABLE", requires = "relay_user")]
    pub(crate) relay_password_env: Option<String>,
    /// How many relays
    #[arg(long, help_heading = CALLS, default_value_t = 1, value_name = "N",
          requires = "relay_user",
          value_parser = clap::value_parser!(u64).range(..=LISTENERS_MAX))]
    relays: u64,
    /// The server's process on this machine: its processor time and memory are measured too
    #[arg(long, help_heading = MEASURED, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Writes the result to this file, for programs
    #[arg(long, help_heading = MEASURED, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The version of HTTP to speak
    #[arg(long, help_heading = CALLS, default_value = "1.0", value_name = "VERSION")]
    pub(crate) http: Http,
}

/// The version of HTTP to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Http {
    /// As simple players do.
    #[value(name = "1.0")]
    V10,
    /// As most players do.
    #[value(name = "1.1")]
    V11,
}

impl Arguments {
    /// Those who come in the crowd.
    pub(crate) fn n_crowd(&self) -> usize {
        usize::try_from(self.listeners).unwrap_or(usize::MAX)
    }

    /// Those who are there before.
    pub(crate) fn n_before(&self) -> usize {
        usize::try_from(self.before).unwrap_or(usize::MAX)
    }

    /// Those who log in as relays.
    pub(crate) fn n_relays(&self) -> usize {
        match self.relay_user {
            Some(_) => usize::try_from(self.relays).unwrap_or(usize::MAX),
            None => 0,
        }
    }
}

fn url(text: &str) -> Result<String, String> {
    if text.starts_with("https://") {
        return Err(
            "this program speaks plain http only; where a proxy adds TLS, \
                    ask the server behind it"
                .to_owned(),
        );
    }
    let address = Address::parse(text).map_err(|error| error.to_string())?;
    if address.authority.starts_with(':') {
        return Err("it names no host".to_owned());
    }
    Ok(text.to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(format!("must be 0 to {SECONDS_MAX}"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if !(0.0..=1e6).contains(&rate) {
        return Err("must be 0 to 1000000".to_owned());
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str]) -> Result<Arguments, String> {
        let words = ["plenum-swarm", "http://h/m.ogg"].iter().chain(words);
        Arguments::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn impossible_numbers_are_refused() {
        for words in [
            ["--rate", "-1"],
            ["--rate", "NaN"],
            ["--seconds", "-1"],
            ["--seconds", "1e99"],
            ["--listeners", "-5"],
            ["--local", "nowhere"],
            ["--http", "2"],
            ["--relay-user", "relay"],
        ] {
            assert!(check(&words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_listened_to_is_refused_in_words() {
        let refused = |url: &str| {
            let parsed = Arguments::try_parse_from(["plenum-swarm", url]);
            let error = parsed.err().unwrap();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        let text = refused("https://radio.example/live.ogg");
        assert!(text.contains("plain http only"), "{text}");
        for url in ["radio.example/live.ogg", "http://", "ftp://radio.example/"] {
            refused(url);
        }
    }

    #[test]
    fn without_a_relay_password_there_are_no_relays() {
        let plain = check(&["--listeners", "7"]).unwrap();
        assert_eq!((plain.n_crowd(), plain.n_relays()), (7, 0));
        let words = ["--relay-user", "r", "--relay-password-env", "PW"];
        assert_eq!(check(&words).unwrap().n_relays(), 1);
    }
}
