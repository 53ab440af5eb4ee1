//! The relay: mirrors every mount of a master byte for byte and serves it to listeners, and to
//! other relays. Comes back by itself, whatever broke; needs no disk and keeps no listener's
//! address.
//!
//! Reading order: `config`, `stream::follow` (what is mirrored), `icecast` (what is mirrored of
//! other people's servers), `house` (listeners and pages), `report` (what the balancer is told).

pub mod balancers;
pub mod config;
mod house;
mod icecast;
mod report;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use stream::current::Current;
use stream::follow::{Follower, Tally, Trail};
use stream::handover::{self, Giver, Heir, Inheritance, Succession};
use stream::http::asked::Rules;
use stream::http::door;
use stream::http::guard::Departures;
use stream::http::icecast::stats_lines::StatsLines;
use stream::http::overflow::Overflow;
use stream::http::tls::Tls;
use stream::mount::course::TURN_EVERY;
use stream::mount::{Courses, Desk, MountTable, Slots};
use stream::reload;
use stream::shutdown::Shutdown;
use stream::ticket::TicketKey;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use config::Config;
use house::{Following, Lasting, Relay};

/// What it is called.
pub const PROGRAM: &str = "plenum-relay";

/// Runs a relay behind `listeners` until `shutdown` is requested.
///
/// # Errors
/// When the system gives no thread or no epoll to serve with, the certificate is of no use, or
/// another program was to hand over and did not.
pub async fn run(
    listeners: Vec<TcpListener>,
    (config, file): (Config, Option<PathBuf>),
    succession: Succession,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let (asked, hangup) = (handover::asked()?, reload::asked()?);
    let own = listeners.iter().map(|at| at.as_fd().try_clone_to_owned());
    let own = own.collect::<std::io::Result<_>>()?;
    let fanout = Arc::new(config.knobs().fanout(&shutdown)?);
    let tls = Tls::start(config.tls.as_ref(), &shutdown).map_err(std::io::Error::other)?;
    let rules = Rules::load(
        house::ALLOW,
        &config.alias,
        &config.mount,
        config.public_url.as_deref(),
    );
    let mut rules = rules.map_err(std::io::Error::other)?;
    let table = Arc::new(MountTable::new());
    let slots = Slots::new(config.slots.listeners, config.slots.relays);
    let mut estate = Heir::inherit(succession.heir, config.knobs().keep()).await?;
    let (following, desk) = follow(&config, &table, &mut estate, &shutdown);
    let courses: Arc<Courses> = Arc::default();
    courses.review(&table, Instant::now());
    rules.departures = Departures::start(&shutdown);
    estate.seat(&slots, &fanout, &courses, &rules);
    let turning = turn(Arc::clone(&courses), Arc::clone(&table), shutdown.clone());
    shutdown.spawn("fallback", turning);
    let overflow = report(&config, (&table, &courses), &slots, &shutdown);
    let giver = Giver {
        program: PROGRAM,
        launch: succession.launch,
        listen: config.listen.clone(),
        listeners: own,
        table: Arc::clone(&table),
        fanout: Arc::clone(&fanout),
        desk,
        reign: None,
        lock: None,
        feeding: estate.feed(&shutdown),
        shutdown: shutdown.clone(),
    };
    let lasting = Lasting {
        table,
        slots,
        courses,
        departures: rules.departures.clone(),
        overflow,
        fanout,
        tls: tls.clone(),
        following,
        stats_lines: StatsLines::default(),
        started: (Instant::now(), Timestamp::now()),
        shutdown: shutdown.clone(),
    };
    let relay = Arc::new(Current::new(Relay::new(config, rules, lasting)));
    giver.start(asked);
    let renewed = Arc::clone(&relay);
    let again = move || Relay::reread(&renewed, file.as_deref());
    shutdown.spawn("reload", reload::watch(hangup, shutdown.clone(), again));
    succession.ready.say();
    door::serve(listeners, relay, tls, estate.porch, shutdown).await
}

/// Looks where listeners have to be while a source is away.
async fn turn(courses: Arc<Courses>, table: Arc<MountTable>, shutdown: Shutdown) {
    let mut clock = interval(TURN_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            _ = clock.tick() => {}
        }
        for turn in courses.review(&table, Instant::now()) {
            info!("{turn}");
        }
    }
}

/// Begins to report to every balancer there is.
fn report(
    config: &Config,
    (table, courses): (&Arc<MountTable>, &Arc<Courses>),
    slots: &Slots,
    shutdown: &Shutdown,
) -> Option<Arc<Overflow>> {
    let balancers = config.balancer.iter();
    let ways = balancers.map(|balancer| {
        let key = TicketKey::of(&balancer.token);
        (balancer.for_listeners().to_owned(), key)
    });
    let overflow = Arc::new(Overflow::new(ways, Instant::now()));
    for at in 0..config.balancer.len() {
        let heard = (Arc::clone(table), Arc::clone(courses));
        let overflow = Arc::clone(&overflow);
        let reporter = report::Reporter::new(config, at, heard, slots.clone(), overflow);
        shutdown.spawn("report", reporter.run(shutdown.clone()));
    }
    (!config.balancer.is_empty()).then_some(overflow)
}

/// Begins to mirror whatever there is to be mirrored, and goes on with what the program before this
/// one had. Returns who is followed, and who writes, if anybody here does.
fn follow(
    config: &Config,
    table: &Arc<MountTable>,
    estate: &mut Inheritance,
    shutdown: &Shutdown,
) -> (Following, Option<Arc<Desk>>) {
    let run = format!("{:032x}", fastrand::u128(..));
    let (keep, hold) = (config.knobs().keep(), config.hold());
    if let Some(icecast) = &config.icecast {
        // Its streams become logs here: of these this relay is the master.
        let desk = Desk::new(Arc::clone(table), keep);
        estate.put_on(&desk, table);
        let tally = Arc::new(Tally::new(&icecast.url));
        let copier = icecast::Copier::new(
            icecast,
            Arc::clone(&tally),
            Arc::clone(&desk),
            Arc::clone(table),
            hold,
            shutdown.clone(),
        );
        shutdown.spawn("icecast", copier.run());
        let following = Following {
            trail: Arc::new(Trail::of_master(run)),
            tallies: vec![tally],
        };
        return (following, Some(desk));
    }
    let trail = Arc::new(Trail::of_follower(run));
    let upstreams: Vec<_> = config.upstreams().into_iter().map(Arc::new).collect();
    let tallies = upstreams
        .iter()
        .map(|upstream| Arc::clone(upstream.tally()));
    let following = Following {
        trail: Arc::clone(&trail),
        tallies: tallies.collect(),
    };
    let mut upstreams = upstreams.into_iter();
    if let Some(first) = upstreams.next() {
        let follower = Follower::new(first, Arc::clone(table), keep, hold, shutdown.clone());
        let follower = upstreams.fold(follower, Follower::with_upstream);
        let follower = follower.with_trail(trail);
        let follower = follower.resuming(estate.mirrors(table));
        shutdown.spawn("catalog", follower.run());
    }
    (following, None)
}
