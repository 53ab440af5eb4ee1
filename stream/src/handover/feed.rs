//! What cannot be handed over (the keys of TLS are in this process alone) is served on by the
//! program that leaves, for a while: its heir feeds it with the pages that come.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::{debug, info};

use super::channel::{Channel, Said};
use super::estate::Word;
use crate::fanout::{Fanout, Figures};
use crate::log::Log;
use crate::log::account::Step;
use crate::mount::Mount;
use crate::mpeg::Sniffer;
use crate::ogg::Found;
use crate::shutdown::Shutdown;

/// Whoever listens through TLS may stay with the program that leaves for so long.
pub(super) const STAY_MAX: Duration = Duration::from_secs(3600);
/// How often pages are passed on.
const FEED_EVERY: Duration = Duration::from_millis(100);
/// So often something is passed on, be it nothing: it shows that somebody is there.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// The other side says or takes something within this time.
const PATIENCE: Duration = Duration::from_secs(5);
/// So much of a mount is passed on at once.
const FEED_BYTES_MAX: usize = 256 * 1024;
/// And so many pages.
const FEED_PAGES_MAX: usize = 1024;

/// Whether somebody is being fed.
#[derive(Clone, Debug, Default)]
pub struct Feeding(Arc<AtomicBool>);

impl Feeding {
    fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// One mount of those that are passed on.
struct Fed {
    mount: Arc<Mount>,
    log: Arc<Log>,
    offset: u64,
}

/// Feeds the program that has left, as long as it takes anything. Beside each mount stands how
/// far its log had come.
pub(super) fn feed<'a>(
    mut channel: Channel,
    mounts: impl Iterator<Item = (&'a Option<Arc<Mount>>, &'a u64)>,
    shutdown: Shutdown,
) -> Feeding {
    let feeding = Feeding(Arc::new(AtomicBool::new(true)));
    let said = feeding.clone();
    let mut fed: Vec<(usize, Fed)> = mounts.enumerate().filter_map(fed).collect();
    let started = std::thread::Builder::new()
        .name("feed".to_owned())
        .spawn(move || {
            let mut beat = Instant::now();
            while !shutdown.is_requested() {
                std::thread::sleep(FEED_EVERY);
                channel.allow(PATIENCE);
                if let Err(error) = pass_on(&mut channel, &mut fed, &mut beat) {
                    debug!("the program before this one is not fed any more: {error}");
                    break;
                }
            }
            said.0.store(false, Ordering::Release);
        });
    if started.is_err() {
        feeding.0.store(false, Ordering::Release);
    }
    feeding
}

fn fed((n, (mount, head)): (usize, (&Option<Arc<Mount>>, &u64))) -> Option<(usize, Fed)> {
    let mount = Arc::clone(mount.as_ref()?);
    let fed = Fed {
        log: mount.log(),
        mount,
        offset: *head,
    };
    Some((n, fed))
}

fn pass_on(channel: &mut Channel, fed: &mut [(usize, Fed)], beat: &mut Instant) -> io::Result<()> {
    for (n, fed) in fed {
        if fed.mount.is_removed() || !Arc::ptr_eq(&fed.log, &fed.mount.log()) {
            return Err(io::Error::other("a log has ended"));
        }
        let (from, mut pages) = (fed.offset, Vec::new());
        fed.offset = fed
            .log
            .read(from, FEED_BYTES_MAX, FEED_PAGES_MAX, &mut pages)
            .map_err(|_| io::Error::other("it is too slow"))?;
        if !pages.is_empty() {
            *beat = Instant::now();
            let word = Word::Pages {
                mount: *n,
                offset: from,
            };
            channel.say(&word, &pages.concat(), &[])?;
        }
    }
    if beat.elapsed() >= BEAT_EVERY {
        *beat = Instant::now();
        channel.say(&Word::Ready, &[], &[])?;
    }
    Ok(())
}

/// Serves those who had to stay, until they have gone or [`STAY_MAX`] has passed, and those whom
/// this program feeds itself.
pub(super) fn stay(
    channel: &mut Channel,
    mounts: &[Arc<Mount>],
    fanout: &Fanout,
    feeding: &Feeding,
    shutdown: &Shutdown,
) {
    let until = Instant::now() + STAY_MAX;
    let n_staying = || fanout.figures().map(Figures::n_staying).sum::<u64>();
    info!(
        "{} who listen through TLS stay with this process, for {} minutes at most",
        n_staying(),
        STAY_MAX.as_secs() / 60
    );
    while (n_staying() > 0 || feeding.is_on()) && Instant::now() < until && !shutdown.is_requested()
    {
        channel.allow(PATIENCE);
        let taken = channel
            .hear(Word::n_sockets)
            .and_then(|said| take(&said, mounts));
        if let Err(error) = taken {
            return info!("those who stayed are let go: {error}");
        }
    }
}

fn take(said: &Said, mounts: &[Arc<Mount>]) -> io::Result<()> {
    let Word::Pages { mount, offset } = said.word else {
        return Ok(());
    };
    let log = mounts
        .get(mount)
        .map(|mount| mount.log())
        .filter(|log| log.head() == offset)
        .ok_or_else(|| io::Error::other("pages are missing"))?;
    let (mut framer, mut input) = (Sniffer::trusting(), said.beside.as_slice());
    while let Some(found) = framer.next(&mut input) {
        let Found::Page(page) = found else {
            return Err(io::Error::other("pages are damaged"));
        };
        log.append(&page, Step::default(), Instant::now())
            .map_err(|stray| io::Error::other(stray.to_string()))?;
    }
    Ok(())
}

/// Whether somebody has to stay.
pub(super) fn is_needed(fanout: &Fanout, feeding: &Feeding) -> bool {
    feeding.is_on() || fanout.figures().any(|figures| figures.n_staying() > 0)
}
