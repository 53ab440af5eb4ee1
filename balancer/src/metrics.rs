//! `/metrics`: what Prometheus reads (OpenMetrics 1.0). Counts by relay, outcome and reason; never
//! a listener, and no address.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::balancer::Balancer;
use crate::probe::finding::Fault;
use crate::registry::State;
use crate::share::standing::Standing;

/// The media type of the text format.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page.
///
/// # Errors
/// When it cannot be written.
pub fn page(balancer: &Arc<Balancer>) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("plenum_balancer");
    registry.register_collector(Box::new(Scrape {
        balancer: Arc::clone(balancer),
        now: Instant::now(),
    }));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

/// All states that a relay can be in, by their words.
const STATES: [State; 7] = [
    State::Open,
    State::Full,
    State::Draining,
    State::Disabled,
    State::Quarantined,
    State::Stale,
    State::Unheard,
];

#[derive(Debug)]
struct Scrape {
    balancer: Arc<Balancer>,
    now: Instant,
}

/// What is shown of one relay.
struct Row {
    name: String,
    state: State,
    listeners: u32,
    slots: u32,
    reserved: u64,
    age: Option<Duration>,
}

/// Name, help, and how to read the value of a relay; `None`: it has none.
type RelayFigure = (&'static str, &'static str, fn(&Row) -> Option<f64>);

const RELAY_GAUGES: [RelayFigure; 4] = [
    (
        "relay_listeners",
        "Listeners, as the relay said last",
        |row| Some(f64::from(row.listeners)),
    ),
    (
        "relay_slots",
        "Listeners that the relay could serve",
        |row| Some(f64::from(row.slots)),
    ),
    (
        "relay_reserved",
        "Listeners that may be on their way to the relay",
        |row| Some(as_f64(row.reserved)),
    ),
    (
        "relay_report_age_seconds",
        "Time since the relay reported, or answered when it was asked",
        |row| row.age.map(|age| age.as_secs_f64()),
    ),
];

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let rows = self.rows();
        self.listeners(&mut encoder)?;
        relays(&mut encoder, &rows)?;
        self.probes(&mut encoder)?;
        self.share(&mut encoder)?;
        if let Some(master) = self.balancer.overflow() {
            let help = "Slots of the master that are neither taken nor promised";
            let n_free = as_f64(master.places(self.now).free);
            gauge(&mut encoder, "master_free_slots", help, |mut e| {
                e.encode_gauge(&n_free)
            })?;
        }
        if let Some(regret) = self.balancer.desk().regret() {
            let help = "By how many kilometres the last listeners could have been sent nearer, \
                        on average";
            gauge(&mut encoder, "regret_km", help, |mut e| {
                e.encode_gauge(&regret.km())
            })?;
            let help = "How far from their relays the last listeners are, on average";
            gauge(&mut encoder, "mean_distance_km", help, |mut e| {
                e.encode_gauge(&regret.mean_km)
            })?;
        }
        let n_free = self.balancer.registry().n_free(self.now);
        let help = "Slots that are neither taken nor promised, at relays that take listeners";
        gauge(&mut encoder, "free_slots", help, |mut e| {
            e.encode_gauge(&as_f64(n_free))
        })
    }
}

impl Scrape {
    fn rows(&self) -> Vec<Row> {
        let registry = self.balancer.registry();
        let row = |(_, relay, state): (usize, &crate::registry::Relay, State)| Row {
            name: relay.name().to_owned(),
            state,
            listeners: relay.report().map_or(0, |report| report.listeners),
            slots: relay.report().map_or(0, |report| report.slots),
            reserved: relay.n_reserved(),
            age: relay.report_age(self.now),
        };
        registry.relays(self.now).map(row).collect()
    }

    fn listeners(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let counts = &self.balancer.counts;
        let help = "Listeners, by where they were sent";
        counters(
            encoder,
            ("redirects", help, "outcome"),
            &[
                ("relay", &counts.to_relay),
                ("master", &counts.to_master),
                ("nowhere", &counts.unserved),
                ("silent", &counts.silent),
                ("unknown", &counts.unknown),
            ],
        )?;
        let help = "Listeners who wait for a slot at the moment";
        let n_waiting = u64::try_from(self.balancer.n_waiting()).unwrap_or(u64::MAX);
        gauge(encoder, "waiting", help, |mut e| {
            e.encode_gauge(&as_f64(n_waiting))
        })?;
        let help = "Reports with a token that no relay has";
        counter(encoder, "wrong_tokens", help, |mut e| {
            e.encode_counter::<NoLabelSet, _, f64>(&load(&counts.wrong_tokens), None)
        })
    }

    fn share(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(share) = self.balancer.share().map(Standing::status) else {
            return Ok(());
        };
        let help = "1 while what is shared with other balancers can be reached";
        gauge(encoder, "share_connected", help, |mut e| {
            e.encode_gauge(&f64::from(u8::from(share.is_connected)))
        })?;
        let help = "Other balancers that live, as far as is shared";
        let others = u64::try_from(share.others).unwrap_or(u64::MAX);
        gauge(encoder, "share_others", help, |mut e| {
            e.encode_gauge(&as_f64(others))
        })?;
        let help = "Changes of the operator, here or at balancers that it shares with";
        let version = self.balancer.desk().changes().version;
        gauge(encoder, "changes_version", help, |mut e| {
            e.encode_gauge(&as_f64(version))
        })
    }

    fn probes(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let counts = &self.balancer.probes.counts;
        let mut results = vec![
            ("good", &counts.good),
            ("heard", &counts.heard),
            ("unclear", &counts.unclear),
        ];
        let faults = Fault::ALL.map(|fault| (fault.as_str(), counts.of(fault)));
        results.extend(faults);
        let help = "Probes of relays, by what they found";
        counters(encoder, ("probes", help, "result"), &results)?;
        let polls = &self.balancer.polls;
        let help = "Questions to Icecasts, by what came of them";
        counters(
            encoder,
            ("polls", help, "result"),
            &[("answered", &polls.n_answered), ("failed", &polls.n_failed)],
        )
    }
}

fn relays(encoder: &mut DescriptorEncoder<'_>, rows: &[Row]) -> Result<(), Error> {
    gauge(encoder, "relays", "Relays, by state", |mut e| {
        STATES.iter().try_for_each(|state| {
            let n = rows.iter().filter(|row| row.state == *state).count();
            e.encode_family(&[("state", state.as_str())])?
                .encode_gauge(&as_f64(u64::try_from(n).unwrap_or(u64::MAX)))
        })
    })?;
    let help = "1 while the relay is in quarantine: it serves something else, or nobody";
    gauge(encoder, "relay_quarantined", help, |mut e| {
        rows.iter().try_for_each(|row| {
            let is_it = u8::from(row.state == State::Quarantined);
            e.encode_family(&[("relay", row.name.as_str())])?
                .encode_gauge(&f64::from(is_it))
        })
    })?;
    for (name, help, read) in RELAY_GAUGES {
        gauge(encoder, name, help, |mut e| {
            rows.iter().try_for_each(|row| match read(row) {
                Some(value) => e
                    .encode_family(&[("relay", row.name.as_str())])?
                    .encode_gauge(&value),
                None => Ok(()),
            })
        })?;
    }
    Ok(())
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    write: impl FnOnce(MetricEncoder<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    write(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    write: impl FnOnce(MetricEncoder<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    write(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

/// Several counters under one name, told apart by a label.
fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, label): (&str, &str, &str),
    values: &[(&str, &AtomicU64)],
) -> Result<(), Error> {
    counter(encoder, name, help, |mut e| {
        values.iter().try_for_each(|(word, value)| {
            e.encode_family(&[(label, *word)])?
                .encode_counter::<NoLabelSet, _, f64>(&load(value), None)
        })
    })
}

fn load(value: &AtomicU64) -> u64 {
    value.load(Ordering::Relaxed)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn as_f64(n: u64) -> f64 {
    n as f64
}
