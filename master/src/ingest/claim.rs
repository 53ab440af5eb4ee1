//! A source's claim to a mount: at once where nobody sits, else after whoever sits there has been heard,
//! or has been silent for long enough.

use std::time::{Duration, Instant};

use stream::http::Line;
use stream::http::head::Head;
use stream::log::Epoch;
use stream::mount::{Claimant, Facts, MountPath, Publisher, Refusal};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::{Ingest, serial_of, uplink_of};
use crate::credentials::Known;

/// How long a new connection of a source waits for the silent old one to let go.
const TAKEOVER_MAX: Duration = Duration::from_secs(2);
/// So many connections at once wait for a source that may be gone without a word to be heard or to
/// count as silent; a further one is told at once that the mount is in use. Each waits for as long as
/// that source may be silent, 10 s at most.
const WAITING_MAX: usize = 64;
/// How often it looks.
const TAKEOVER_EVERY: Duration = Duration::from_millis(20);

/// Places for those who wait.
#[derive(Debug)]
pub(crate) struct Waiting(Semaphore);

impl Default for Waiting {
    fn default() -> Self {
        Self(Semaphore::new(WAITING_MAX))
    }
}

/// Takes the seat of the mount. While nothing comes from a predecessor with the same login it waits
/// to learn whether he is gone: encoders that are refused once often do not come again.
pub(super) async fn claim(
    ingest: &Ingest,
    head: &Head,
    socket: &Line,
    path: &MountPath,
    who: &Known,
) -> Result<Publisher, Refusal> {
    let began = Instant::now();
    let mut dismissed = None;
    let mut place = None;
    let claimant = Claimant {
        user: who.user.clone(),
        login: who.login,
        serial: serial_of(head),
        uplink: uplink_of(head),
    };
    loop {
        let facts = Facts::from_headers(|name| head.header(name)).with_others(head.headers());
        let mut facts = ingest.config.said_of(path, facts);
        facts.terms = ingest.config.terms(path);
        let epoch = Epoch::new(fastrand::u128(..));
        let claimed = ingest
            .desk
            .claim(path, &claimant, facts, epoch, Instant::now());
        match claimed {
            Err(Refusal::TakingOver)
                if dismissed.get_or_insert_with(Instant::now).elapsed() < TAKEOVER_MAX => {}
            Err(Refusal::NotYetSilent(heard)) if heard < began => {
                place = place.or_else(|| ingest.waiting.0.try_acquire().ok());
                if place.is_none() || socket.is_gone() {
                    return Err(Refusal::InUse);
                }
            }
            claimed => return claimed,
        }
        tokio::select! {
            () = sleep(TAKEOVER_EVERY) => {}
            () = ingest.shutdown.requested() => return Err(Refusal::InUse),
        }
    }
}
