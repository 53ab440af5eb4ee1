//! What the programs are told: their TOML files, as an operator would write them. Pure.

use std::fmt::Write;
use std::path::Path;

/// Everything that must agree between the files.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The password with which sources publish (user `source`).
    pub source: String,
    /// The password of the relays at the master (user `relay`).
    pub relay: String,
    /// The master's administrator (user `admin`), and the balancer's operator (user `operator`).
    pub admin: String,
    /// One token a relay, for its reports to the balancer.
    pub tokens: Vec<String>,
}

/// Where everybody listens on 127.0.0.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The balancer: what listeners know.
    pub balancer: u16,
    /// The master.
    pub master: u16,
    /// The relays.
    pub relays: Vec<u16>,
}

impl Ports {
    /// The balancer's link.
    pub fn balancer_url(&self) -> String {
        url(self.balancer)
    }

    /// The master's address.
    pub fn master_url(&self) -> String {
        url(self.master)
    }

    /// The relays' addresses.
    pub fn relay_urls(&self) -> Vec<String> {
        self.relays.iter().map(|port| url(*port)).collect()
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The user name with which sources publish.
pub const SOURCE_USER: &str = "source";
/// The user name of relays at the master.
pub const RELAY_USER: &str = "relay";
/// The user name of the master's administrator.
pub const ADMIN_USER: &str = "admin";

/// `master.toml`.
pub fn master(ports: &Ports, secrets: &Secrets) -> String {
    format!(
        "listen = \"127.0.0.1:{}\"\n\
         public_url = \"{}\"\n\n\
         [[source]]\nuser = \"{SOURCE_USER}\"\npassword = \"{}\"\nmounts = [\"/*\"]\n\n\
         [relay]\nuser = \"{RELAY_USER}\"\npassword = \"{}\"\n\n\
         [admin]\nuser = \"{ADMIN_USER}\"\npassword = \"{}\"\n",
        ports.master,
        ports.master_url(),
        secrets.source,
        secrets.relay,
        secrets.admin,
    )
}

/// `relay.toml` of the relay with this number, from 0.
pub fn relay(n: usize, ports: &Ports, secrets: &Secrets) -> String {
    let port = ports.relays[n];
    format!(
        "listen = \"127.0.0.1:{port}\"\n\
         public_url = \"{}\"\n\n\
         [master]\nurl = \"{}\"\nuser = \"{RELAY_USER}\"\npassword = \"{}\"\n\n\
         [balancer]\nurl = \"{}\"\ntoken = \"{}\"\n",
        url(port),
        ports.master_url(),
        secrets.relay,
        ports.balancer_url(),
        secrets.tokens[n],
    )
}

/// `balancer.toml`.
pub fn balancer(ports: &Ports, secrets: &Secrets) -> String {
    let mut text = format!(
        "listen = \"127.0.0.1:{}\"\npublic_url = \"{}\"\n\n\
         [operator]\npassword = \"{}\"\n\n[master]\nurl = \"{}\"\n",
        ports.balancer,
        ports.balancer_url(),
        secrets.admin,
        ports.master_url(),
    );
    for (n, token) in (1..).zip(&secrets.tokens) {
        let _ = write!(
            text,
            "\n[[relay]]\nname = \"relay-{n}\"\ntoken = \"{token}\"\n"
        );
    }
    text
}

/// `source.toml` for a source that publishes at this address and keeps pages in this folder
/// (empty: only in memory).
pub fn source(url: &str, password: &str, spool: &Path) -> String {
    format!(
        "url = \"{url}\"\nuser = \"{SOURCE_USER}\"\npassword = \"{password}\"\n\
         name = \"Plenum\"\ndescription = \"A sitting that never ends\"\n\
         spool = \"{}\"\n",
        spool.display()
    )
}
