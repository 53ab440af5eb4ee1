//! Listens to one upstream's list of mounts. It is pushed, not polled.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::Response;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{Level, info, warn};

use super::trail::Trail;
use super::upstream::{Upstream, ask, reason};
use crate::backoff::Backoff;
use crate::mount::Catalog;
use crate::mount::catalog::LINE_BYTES_MAX;

/// A node says something every second; this long without a word means it is gone.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3);

/// What comes of listening to a list.
#[derive(Debug)]
pub(super) enum ListNews {
    /// What it says now.
    Says(Catalog),
    /// Nothing comes any more.
    Lost {
        /// The other side has hung up: what it had to say, it has said.
        has_hung_up: bool,
    },
}

/// One who listens to the list of one upstream.
pub(super) struct Listening {
    pub(super) number: usize,
    pub(super) upstream: Arc<Upstream>,
    pub(super) trail: Arc<Trail>,
    pub(super) news: mpsc::Sender<(usize, ListNews)>,
}

/// What has been said of a list that does not come. Where the other side hangs up that is no
/// reason to warn before it was asked again in vain: an upstream that is upgraded does so, too.
#[derive(Default)]
struct Complaint {
    stood: bool,
    said: Option<String>,
}

impl Complaint {
    /// The list comes.
    fn stands(&mut self) {
        *self = Self {
            stood: true,
            said: None,
        };
    }

    /// How loudly to say that it does not come any more. `None`: that was said.
    fn about(&mut self, why: &str, has_hung_up: bool) -> Option<Level> {
        if std::mem::take(&mut self.stood) && has_hung_up {
            return Some(Level::INFO);
        }
        if self.said.as_deref() == Some(why) {
            return None;
        }
        self.said = Some(why.to_owned());
        Some(Level::WARN)
    }
}

impl Listening {
    /// Listens until nobody wants news any more. An upstream that is not there is waited for.
    pub(super) async fn run(self) {
        let work = async {
            let mut backoff = Backoff::new();
            let mut complaint = Complaint::default();
            loop {
                let (why, has_hung_up) = self.listen(&mut backoff, &mut complaint).await;
                let url = self.upstream.url();
                match complaint.about(&why, has_hung_up) {
                    Some(Level::WARN) => warn!("the list of mounts at {url} is lost: {why}"),
                    Some(_) => info!("the list of mounts at {url} broke off: {why}; asking again"),
                    None => {}
                }
                self.upstream.tally().listed(false);
                if self.tell(ListNews::Lost { has_hung_up }).await.is_err() {
                    return;
                }
                sleep(backoff.next(fastrand::f64())).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = self.news.closed() => {}
        }
    }

    /// Listens on one connection; returns why it ended, and whether the other side hung up.
    async fn listen(&self, backoff: &mut Backoff, complaint: &mut Complaint) -> (String, bool) {
        let request = self.upstream.get("/api/v1/catalog?follow", &self.trail);
        let mut answer = match ask(request).await {
            Ok(answer) => answer,
            Err(why) => return (why, false),
        };
        let mut read = BytesMut::new();
        let mut is_first = true;
        loop {
            let line = match next_line(&mut answer, &mut read).await {
                Ok(line) => line,
                Err(lost) => return lost,
            };
            match Catalog::parse(&line) {
                Ok(catalog) => {
                    backoff.reset();
                    self.upstream.tally().listed(true);
                    if std::mem::take(&mut is_first) {
                        info!("following the list of mounts at {}", self.upstream.url());
                        complaint.stands();
                    }
                    if self.tell(ListNews::Says(catalog)).await.is_err() {
                        return ("nobody wants it".to_owned(), false);
                    }
                }
                Err(why) => return (format!("a line of it makes no sense: {why}"), false),
            }
        }
    }

    async fn tell(&self, news: ListNews) -> Result<(), ()> {
        self.news.send((self.number, news)).await.map_err(drop)
    }
}

/// The next line of the list, heartbeats included.
///
/// # Errors
/// Why there is none, and whether the other side has hung up.
async fn next_line(answer: &mut Response, read: &mut BytesMut) -> Result<BytesMut, (String, bool)> {
    loop {
        if let Some(end) = read.iter().position(|b| *b == b'\n') {
            return Ok(read.split_to(end + 1));
        }
        if read.len() > LINE_BYTES_MAX {
            let why = format!("a line has more than {LINE_BYTES_MAX} bytes");
            return Err((why, false));
        }
        match timeout(SILENCE_MAX, answer.chunk()).await {
            Err(_) => return Err((format!("silent for {} s", SILENCE_MAX.as_secs()), false)),
            Ok(Err(error)) => return Err((reason(&error), true)),
            Ok(Ok(None)) => return Err(("it ended".to_owned(), true)),
            Ok(Ok(Some(chunk))) => read.extend_from_slice(&chunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_breaks_off_is_warned_of_once_it_was_asked_for_in_vain() {
        let mut complaint = Complaint::default();
        assert_eq!(complaint.about("refused", false), Some(Level::WARN));
        assert_eq!(complaint.about("refused", false), None);
        for _ in 0..2 {
            // An upgrade of the upstream: 10 ms later it comes again.
            complaint.stands();
            assert_eq!(complaint.about("it ended", true), Some(Level::INFO));
        }
        let mut silent = Complaint::default();
        silent.stands();
        assert_eq!(silent.about("silent for 3 s", false), Some(Level::WARN));
        assert_eq!(complaint.about("it ended", true), Some(Level::WARN));
        assert_eq!(complaint.about("it ended", true), None);
        assert_eq!(complaint.about("refused", false), Some(Level::WARN));
    }
}
