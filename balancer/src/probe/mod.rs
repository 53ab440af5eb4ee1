//! Probes: the balancer listens to each relay as anybody would, and compares what it hears with
//! what the master sent.
//!
//! Reading order: `truth` and `flow` (what the master sent lately), `judge` (what an answer means), `health`
//! (when a relay is out, and when it is back), `ways` (the same for both kinds of address), all of
//! them pure; then `follow` (listens to the master), `listen` (listens to a relay), `rounds`
//! (which relay when). `known` is what they found out.

pub mod finding;
pub mod flow;
pub(crate) mod follow;
pub mod health;
pub mod judge;
pub mod known;
mod listen;
pub(crate) mod rounds;
pub mod truth;
pub mod ways;

/// What a probe calls itself: relays count it apart.
pub const AGENT: &str = concat!("Plenum-probe/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    #[test]
    fn relays_know_a_probe_by_its_name() {
        assert!(super::AGENT.starts_with(stream::report::PROBE_AGENT));
    }
}
