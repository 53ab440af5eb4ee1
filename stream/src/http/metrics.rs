//! `/metrics`: what Prometheus reads (OpenMetrics 1.0). Counts by mount, class and reason; never
//! a listener.

use std::fmt::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::shown::Shown;
use super::turned_away;
use crate::fanout::{Figures, REASONS, Snapshot};
use crate::follow::Tally;
use crate::follow::tally::UpstreamState;
use crate::mount::{Class, Mount};

/// The media type of the text format.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page.
pub(super) fn page(shown: &Shown) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("plenum");
    registry.register_collector(Box::new(Scrape(shown.clone())));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Scrape(Shown);

/// Name, help, and how to read the value of a mount.
type MountFigure<T> = (&'static str, &'static str, fn(&Mount) -> T);

const MOUNT_GAUGES: [MountFigure<f64>; 6] = [
    (
        "on_air",
        "1 while the source of the mount is there",
        |mount| f64::from(u8::from(mount.is_on_air())),
    ),
    (
        "filled",
        "1 while filler stands in for the source: listeners hear silence",
        |mount| f64::from(u8::from(mount.filled_since().is_some())),
    ),
    (
        "uplinks",
        "Uplinks over which the source delivered in the last second",
        |mount| as_f64(mount.counts().n_uplinks.load(Ordering::Relaxed)),
    ),
    ("log_bytes", "Bytes of the mount kept in memory", |mount| {
        as_f64(mount.log().n_bytes())
    }),
    (
        "silence_seconds",
        "Time since the newest page came",
        |mount| {
            mount
                .log()
                .silence(Instant::now())
                .map_or(0.0, |silence| silence.as_secs_f64())
        },
    ),
    (
        "listeners_peak",
        "The most listeners at once so far",
        |mount| as_f64(mount.peak_listeners()),
    ),
];

const MOUNT_COUNTERS: [MountFigure<u64>; 10] = [
    ("received_bytes", "Bytes appended to the log", |mount| {
        mount.log().head()
    }),
    (
        "sent_bytes",
        "Bytes written to listeners and relays",
        |mount| load(&mount.counts().n_bytes_sent),
    ),
    ("sends", "Writes to listeners and relays", |mount| {
        load(&mount.counts().n_sends)
    }),
    (
        "fell_behind",
        "Times a listener's bytes had left memory before he got them",
        |mount| load(&mount.counts().n_fell_behind),
    ),
    (
        "missing_pages",
        "Pages that the source sent and that never came",
        |mount| load(&mount.counts().n_pages_missing),
    ),
    (
        "skipped_bytes",
        "Bytes that a relay could not get from its master",
        |mount| load(&mount.counts().n_bytes_skipped),
    ),
    (
        "disk_written_bytes",
        "Bytes of the log that a master wrote to its state directory",
        |mount| load(&mount.counts().n_bytes_to_disk),
    ),
    (
        "disk_failures",
        "Times that writing the log to the state directory was given up",
        |mount| load(&mount.counts().n_disk_failures),
    ),
    (
        "disk_restored_pages",
        "Pages that a master read back from its state directory when it started",
        |mount| load(&mount.counts().n_pages_restored),
    ),
    (
        "gaps",
        "Times that filler had to stand in for the source",
        |mount| load(&mount.counts().n_gaps),
    ),
];

/// Name, help, and how to read the value of an upstream.
type UpstreamFigure = (&'static str, &'static str, fn(&Tally) -> u64);

const UPSTREAM_COUNTERS: [UpstreamFigure; 2] = [
    (
        "upstream_pages",
        "Pages that came from an upstream first",
        Tally::n_taken,
    ),
    (
        "upstream_doubled_pages",
        "Pages that came from an upstream and were there already",
        Tally::n_doubled,
    ),
];

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.slots(&mut encoder)?;
        self.mounts(&mut encoder)?;
        self.shards(&mut encoder)?;
        self.tls(&mut encoder)?;
        self.uplink(&mut encoder)?;
        self.upstreams(&mut encoder)?;
        self.reign(&mut encoder)?;
        let help = "Wrong passwords of sources, relays and operators";
        counter(&mut encoder, "wrong_passwords", help, |mut e| {
            e.encode_counter::<NoLabelSet, _, f64>(&turned_away::n_wrong_passwords(), None)
        })?;
        let uptime = self.0.started.0.elapsed().as_secs_f64();
        gauge(
            &mut encoder,
            "uptime_seconds",
            "How long the program has been running",
            |mut e| e.encode_gauge(&uptime),
        )
    }
}

impl Scrape {
    fn slots(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let slots = &self.0.slots;
        let classes = [(Class::Listener, "listener"), (Class::Relay, "relay")];
        gauge(encoder, "slots", "Slots in all, by class", |mut e| {
            classes.iter().try_for_each(|(class, name)| {
                e.encode_family(&[("class", *name)])?
                    .encode_gauge(&as_f64(slots.n_max(*class)))
            })
        })?;
        let mounts = self.0.table.all();
        gauge(
            encoder,
            "listeners",
            "Who is being served, by mount and class",
            |mut e| {
                for mount in &mounts {
                    for (class, name) in classes {
                        let labels = [("mount", mount.path().as_str()), ("class", name)];
                        e.encode_family(&labels)?
                            .encode_gauge(&as_f64(mount.n_served(class)))?;
                    }
                }
                Ok(())
            },
        )
    }

    fn mounts(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mounts = self.0.table.all();
        for (name, help, read) in MOUNT_GAUGES {
            gauge(encoder, name, help, |mut e| {
                mounts.iter().try_for_each(|mount| {
                    let labels = [("mount", mount.path().as_str())];
                    e.encode_family(&labels)?.encode_gauge(&read(mount))
                })
            })?;
        }
        let help = "How much filler there was in all";
        counter(encoder, "filler_seconds", help, |mut e| {
            mounts.iter().try_for_each(|mount| {
                let length = Duration::from_millis(load(&mount.counts().filler_ms));
                let labels = [("mount", mount.path().as_str())];
                e.encode_family(&labels)?
                    .encode_counter::<NoLabelSet, _, f64>(&length.as_secs_f64(), None)
            })
        })?;
        for (name, help, read) in MOUNT_COUNTERS {
            counter(encoder, name, help, |mut e| {
                mounts.iter().try_for_each(|mount| {
                    let labels = [("mount", mount.path().as_str())];
                    e.encode_family(&labels)?
                        .encode_counter::<NoLabelSet, _, f64>(&read(mount), None)
                })
            })?;
        }
        Ok(())
    }

    fn reign(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(trail) = &self.0.reign else {
            return Ok(());
        };
        let help = "The reign of this master: the higher one counts";
        gauge(encoder, "reign", help, |mut e| {
            e.encode_gauge(&i64::try_from(trail.reign()).unwrap_or(i64::MAX))
        })?;
        let help = "1 while this master is a standby: it copies another and takes no sources";
        gauge(encoder, "standby", help, |mut e| {
            e.encode_gauge(&f64::from(u8::from(!trail.is_master())))
        })
    }

    fn tls(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let Some(tls) = &self.0.tls else {
            return Ok(());
        };
        let n_tls: u64 = self.0.fanout.figures().map(Figures::n_tls).sum();
        let help = "Who is being served through TLS, relays too";
        gauge(encoder, "listeners_tls", help, |mut e| {
            e.encode_gauge(&as_f64(usize::try_from(n_tls).unwrap_or(usize::MAX)))
        })?;
        let help = "When the certificate expires, in seconds since 1970";
        let expires = tls.certificates().expires().as_second();
        gauge(encoder, "tls_certificate_expires_seconds", help, |mut e| {
            e.encode_gauge(&expires)
        })?;
        let help = "Callers closed because too many shook hands at once";
        counter(encoder, "tls_crowded_out", help, |mut e| {
            e.encode_counter::<NoLabelSet, _, f64>(&tls.n_crowded_out(), None)
        })
    }

    fn uplink(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let uplink = self.0.fanout.uplink();
        let help = "Bytes a second that may be sent in all, relays first; 0 is without limit";
        gauge(encoder, "uplink_limit_bytes", help, |mut e| {
            e.encode_gauge(&uplink.limit())
        })?;
        let help = "Relay connections whose bytes do not get out";
        gauge(encoder, "relays_held_up", help, |mut e| {
            e.encode_gauge(&uplink.n_held_up())
        })?;
        let help = "Turns of listeners that were put off because the uplink was full";
        counter(encoder, "put_off", help, |mut e| {
            e.encode_counter::<NoLabelSet, _, f64>(&uplink.n_put_off(), None)
        })
    }

    fn upstreams(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let (upstreams, now) = (&self.0.upstreams, Instant::now());
        if upstreams.is_empty() {
            return Ok(());
        }
        let help = "1 for the state in which an upstream is";
        gauge(encoder, "upstream_state", help, |mut e| {
            for upstream in upstreams {
                for state in UpstreamState::ALL {
                    let is_it = u8::from(upstream.state(now) == state);
                    let labels = [("upstream", upstream.url()), ("state", state.name())];
                    e.encode_family(&labels)?.encode_gauge(&u32::from(is_it))?;
                }
            }
            Ok(())
        })?;
        for (name, help, read) in UPSTREAM_COUNTERS {
            counter(encoder, name, help, |mut e| {
                upstreams.iter().try_for_each(|upstream| {
                    e.encode_family(&[("upstream", upstream.url())])?
                        .encode_counter::<NoLabelSet, _, f64>(&read(upstream), None)
                })
            })?;
        }
        Ok(())
    }

    fn shards(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let shards: Vec<&Figures> = self.0.fanout.figures().collect();
        counter(
            encoder,
            "closes",
            "Listeners not served any more, by reason",
            |mut e| {
                REASONS.iter().try_for_each(|(reason, name)| {
                    let n_closed: u64 = shards.iter().map(|shard| shard.n_closed(*reason)).sum();
                    let labels = [("reason", *name)];
                    let mut e = e.encode_family(&labels)?;
                    e.encode_counter::<NoLabelSet, _, f64>(&n_closed, None)
                })
            },
        )?;
        let help = "Time a shard has been at work; a rate near 1 means that it is full";
        counter(encoder, "shard_busy_seconds", help, |mut e| {
            shards.iter().enumerate().try_for_each(|(n, shard)| {
                let labels = [("shard", n.to_string())];
                let mut e = e.encode_family(&labels)?;
                e.encode_counter::<NoLabelSet, _, f64>(&shard.busy_time().as_secs_f64(), None)
            })
        })?;
        let help = "Age of the oldest byte of each write, from its arrival here";
        histogram(
            encoder,
            "lag_seconds",
            help,
            &all(&shards, |shard| shard.lag().snapshot()),
        )?;
        let help = "From a listener's arrival at the door to his first page; its count is joins";
        let first_page = all(&shards, |shard| shard.first_page().snapshot());
        histogram(encoder, "first_page_seconds", help, &first_page)
    }
}

/// The histograms of all shards in one.
fn all(shards: &[&Figures], of: impl Fn(&Figures) -> Snapshot) -> Snapshot {
    let mut all = Snapshot {
        buckets: Vec::new(),
        sum: 0.0,
        count: 0,
    };
    for one in shards.iter().map(|shard| of(shard)) {
        all.sum += one.sum;
        all.count += one.count;
        all.buckets.resize(one.buckets.len(), (0.0, 0));
        for (total, (end, count)) in all.buckets.iter_mut().zip(one.buckets) {
            *total = (end, total.1 + count);
        }
    }
    all
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Fn(MetricEncoder<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    values(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Fn(MetricEncoder<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    values(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: &Snapshot,
) -> Result<(), Error> {
    let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    encoder.encode_histogram::<NoLabelSet>(values.sum, values.count, &values.buckets, None)
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of bytes and people stay below 2^53"
)]
fn as_f64(n: usize) -> f64 {
    n as f64
}
