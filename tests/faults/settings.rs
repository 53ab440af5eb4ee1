//! What the programs of the laboratory are told. Pure.

use std::net::Ipv4Addr;

use tests::configs::{RELAY_USER, SOURCE_USER};
use tests::place::PORT;

use crate::stage::{MOUNT, Plan};

/// Slots are no matter here.
const N_SLOTS: u32 = 3000;
/// A relay keeps a mount for so long without its master, unless the plan says otherwise.
const RELAY_HOLD: u32 = 120;

pub(crate) fn master_toml(plan: &Plan, source_password: &str, relay_password: &str) -> String {
    let state = if plan.has_state {
        plan.path("state").display().to_string()
    } else {
        String::new()
    };
    format!(
        "listen = \"0.0.0.0:{PORT}\"\nburst_seconds = {:?}\nfiller_after_seconds = {:?}\n\
         ring_seconds = {}\nhold_seconds = {}\nstate_directory = \"{state}\"\n\
         [slots]\nlisteners = {N_SLOTS}\n\
         [[source]]\nuser = \"{SOURCE_USER}\"\npassword = \"{source_password}\"\n\
         [relay]\nuser = \"{RELAY_USER}\"\npassword = \"{relay_password}\"\n",
        plan.burst, plan.filler_after, plan.ring, plan.hold
    )
}

/// A second master with the settings of the first, and a state directory of its own.
pub(crate) fn standby_toml(
    master: &str,
    plan: &Plan,
    master_url: &str,
    relay_password: &str,
    admin_password: &str,
) -> String {
    let state = |name| format!("state_directory = \"{}\"", plan.path(name).display());
    master.replace(&state("state"), &state("state-of-standby"))
        + &format!(
            "[standby]\nmaster = \"{master_url}\"\npassword = \"{relay_password}\"\n\
             [admin]\npassword = \"{admin_password}\"\n"
        )
}

/// What a relay is told of a second master.
pub(crate) fn upstream_toml(url: Option<&str>, password: &str) -> String {
    let upstream = |url| {
        format!("[[upstream]]\nurl = \"{url}\"\npassword = \"{password}\"\nmay_rule = true\n")
    };
    url.map_or_else(String::new, upstream)
}

pub(crate) fn balancer_toml(own_url: &str, master_url: &str, tokens: &[String]) -> String {
    let mut text = format!(
        "listen = \"0.0.0.0:{PORT}\"\npublic_url = \"{own_url}\"\n[master]\nurl = \"{master_url}\"\n"
    );
    for (n, token) in (1..).zip(tokens) {
        text += &format!("[[relay]]\nname = \"relay{n}\"\ntoken = \"{token}\"\n");
    }
    text
}

/// That of the relay with this number, but for its balancer.
pub(crate) fn relay_toml(
    plan: &Plan,
    n: usize,
    urls: &[String],
    upstream: &str,
    password: &str,
) -> String {
    let hold = plan.relay_holds.get(n).copied().unwrap_or(RELAY_HOLD);
    let mut more = plan
        .relays_more
        .get(n)
        .copied()
        .unwrap_or_default()
        .to_owned();
    for (n, url) in (1..).zip(urls) {
        more = more.replace(&format!("@{n}"), url);
    }
    let more = more.replace("@password", password);
    let is_below = plan.is_in_a_row && n == 1;
    let upstream = if is_below { urls[0].as_str() } else { upstream };
    format!(
        "listen = \"0.0.0.0:{PORT}\"\npublic_url = \"{}\"\nburst_seconds = {:?}\n\
         ring_seconds = {}\nhold_seconds = {hold}\n\
         [slots]\nlisteners = {N_SLOTS}\n\
         [master]\nurl = \"{upstream}\"\nuser = \"{RELAY_USER}\"\npassword = \"{password}\"\n\
         {more}",
        urls[n], plan.burst, plan.ring
    )
}

/// With another master's address, a spare; with the master's other address, two uplinks.
pub(crate) fn source_toml(
    plan: &Plan,
    master_url: &str,
    spare_url: Option<&str>,
    second: Option<Ipv4Addr>,
    password: &str,
) -> String {
    let uplinks = second.map_or_else(String::new, |second| {
        format!("[[uplink]]\n[[uplink]]\nurl = \"http://{second}:{PORT}{MOUNT}\"\n")
    });
    let spares = spare_url.map(|url| format!("spare_urls = [\"{url}{MOUNT}\"]\n"));
    let spares = spares.unwrap_or_default();
    format!(
        "url = \"{master_url}{MOUNT}\"\nuser = \"{SOURCE_USER}\"\npassword = \"{password}\"\n\
         spool = \"{}\"\ncatch_up_seconds = {}\n{spares}{uplinks}",
        plan.path("spool").display(),
        plan.catch_up
    )
}
