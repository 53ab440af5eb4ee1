//! Listeners who have gone are told to those who were asked about them (`listener_remove`), in the
//! words of Icecast. Nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::warn;

use crate::mount::departure::{Departure, Tells, Visitor};
use crate::post::{FORM, PostUrl, form, post};
use crate::shutdown::Shutdown;

/// So many wait to be told; further ones are left out, and the log says so.
const GONE_QUEUED_MAX: usize = 4096;
/// So many are told at once.
const TOLD_AT_ONCE_MAX: usize = 8;
/// Who is told has so long to answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Where those come who have gone.
#[derive(Clone, Debug)]
pub struct Departures(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    gone: Sender<Gone>,
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Gone {
    url: PostUrl,
    visitor: Visitor,
    after: Duration,
}

/// Who tells one address.
#[derive(Debug)]
struct Teller {
    url: PostUrl,
    queue: Arc<Queue>,
}

impl Default for Departures {
    /// Nobody is told.
    fn default() -> Self {
        Self::queue().0
    }
}

impl Departures {
    /// They are told until the program ends.
    pub fn start(shutdown: &Shutdown) -> Self {
        let (departures, gone) = Self::queue();
        shutdown.spawn("departures", tell_all(gone, shutdown.clone()));
        departures
    }

    fn queue() -> (Self, Receiver<Gone>) {
        let (sender, receiver) = channel(GONE_QUEUED_MAX);
        let queue = Queue {
            gone: sender,
            is_full: AtomicBool::new(false),
        };
        (Self(Arc::new(queue)), receiver)
    }

    /// What is kept while somebody listens, since then.
    pub(in crate::http) fn of(
        &self,
        url: PostUrl,
        visitor: Visitor,
        since: Instant,
    ) -> Arc<Departure> {
        let queue = Arc::clone(&self.0);
        Departure::new(visitor, since, Arc::new(Teller { url, queue }))
    }
}

impl Tells for Teller {
    fn has_gone(&self, visitor: &Visitor, after: Duration) {
        let gone = Gone {
            url: self.url.clone(),
            visitor: visitor.clone(),
            after,
        };
        let is_full = self.queue.gone.try_send(gone).is_err() && !self.queue.gone.is_closed();
        if is_full && !self.queue.is_full.swap(true, Ordering::Relaxed) {
            let path = &visitor.path;
            warn!("`listener_remove_url` of {path}: left out, {GONE_QUEUED_MAX} wait to be told");
        } else if !is_full {
            self.queue.is_full.store(false, Ordering::Relaxed);
        }
    }
}

async fn tell_all(mut gone: Receiver<Gone>, shutdown: Shutdown) {
    let room = Arc::new(Semaphore::new(TOLD_AT_ONCE_MAX));
    let complains = Arc::new(AtomicBool::new(true));
    while let Some(Some(one)) = shutdown.unless_requested(gone.recv()).await {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let complains = Arc::clone(&complains);
        shutdown.spawn("departure", async move {
            let told = tell(&one).await;
            drop(place);
            match told {
                Ok(()) => complains.store(true, Ordering::Relaxed),
                // It would say so for every listener.
                Err(why) if complains.swap(false, Ordering::Relaxed) => {
                    let path = &one.visitor.path;
                    warn!("`listener_remove_url` of {path}: {}: {why}", one.url.host());
                }
                Err(_) => {}
            }
        });
    }
}

async fn tell(gone: &Gone) -> Result<(), String> {
    let reply = post(&gone.url, FORM, gone.form(), ANSWER_MAX).await?;
    match reply.status.is_success() {
        true => Ok(()),
        false => Err(format!("it answers {}", reply.status)),
    }
}

impl Gone {
    fn form(&self) -> String {
        let visitor = &self.visitor;
        form(&[
            ("action", "listener_remove"),
            ("server", &visitor.server),
            ("port", &visitor.port),
            ("client", &visitor.number.to_string()),
            (
                "mount",
                &format!("{}{}", visitor.path.decoded(), visitor.query),
            ),
            ("user", &visitor.user),
            ("pass", ""),
            ("duration", &self.after.as_secs().to_string()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::MountPath;

    fn visitor() -> Visitor {
        Visitor {
            number: 7,
            path: MountPath::parse("/käse.ogg").unwrap(),
            query: "?a=b&c".to_owned(),
            server: "radio.example".to_owned(),
            port: "8000".to_owned(),
            user: "an&na".to_owned(),
        }
    }

    #[test]
    fn a_listener_is_told_of_when_he_goes_unless_another_program_has_him() {
        let (departures, mut gone) = Departures::queue();
        let url = PostUrl::parse("http://a/").unwrap();
        let since = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
        let stays = departures.of(url.clone(), visitor(), since);
        let goes = departures.of(url, visitor(), since);
        assert!(gone.try_recv().is_err());
        goes.is_another_programs();
        drop(goes);
        assert!(gone.try_recv().is_err());
        let (known, at) = stays.visitor();
        assert_eq!((known, at), (&visitor(), since));
        drop(stays);
        assert_eq!(
            gone.try_recv().unwrap().form(),
            "action=listener_remove&server=radio.example&port=8000&client=7&\
             mount=%2Fk%C3%A4se.ogg%3Fa%3Db%26c&user=an%26na&pass=&duration=61"
        );
    }

    #[test]
    fn who_is_too_much_is_left_out_and_nobody_waits() {
        let (departures, mut gone) = Departures::queue();
        let url = PostUrl::parse("http://a/").unwrap();
        for _ in 0..GONE_QUEUED_MAX + 5 {
            drop(departures.of(url.clone(), visitor(), Instant::now()));
        }
        let n_told = std::iter::from_fn(|| gone.try_recv().ok()).count();
        assert_eq!(n_told, GONE_QUEUED_MAX);
        drop(Departures::default().of(url, visitor(), Instant::now()));
    }
}
