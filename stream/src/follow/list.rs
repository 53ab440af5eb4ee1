//! Listens to one upstream's list of mounts. It is pushed, not polled.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::Response;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::trail::Trail;
use super::upstream::{Upstream, ask, reason};
use crate::backoff::Backoff;
use crate::mount::Catalog;
use crate::mount::catalog::LINE_BYTES_MAX;

/// A node says something every second; this long without a word means it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// What comes of listening to a list.
#[derive(Debug)]
pub(super) enum ListNews {
    /// What it says now.
    Says(Catalog),
    /// Nothing comes any more.
    Lost,
}

/// One who listens to the list of one upstream.
pub(super) struct Listening {
    pub(super) number: usize,
    pub(super) upstream: Arc<Upstream>,
    pub(super) trail: Arc<Trail>,
    pub(super) news: mpsc::Sender<(usize, ListNews)>,
}

impl Listening {
    /// Listens until nobody wants news any more. An upstream that is not there is waited for.
    pub(super) async fn run(self) {
        let work = async {
            let mut backoff = Backoff::new();
            let mut complaint = None;
            loop {
                let why = self.listen(&mut backoff, &mut complaint).await;
                if complaint.as_ref() != Some(&why) {
                    warn!(
                        "the list of mounts at {} is lost: {why}",
                        self.upstream.url()
                    );
                    complaint = Some(why);
                }
                self.upstream.tally().listed(false);
                if self.tell(ListNews::Lost).await.is_err() {
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

    /// Listens on one connection; returns why it ended.
    async fn listen(&self, backoff: &mut Backoff, complaint: &mut Option<String>) -> String {
        let request = self.upstream.get("/api/v1/catalog?follow", &self.trail);
        let mut answer = match ask(request).await {
            Ok(answer) => answer,
            Err(why) => return why,
        };
        let mut read = BytesMut::new();
        let mut is_first = true;
        loop {
            let line = match next_line(&mut answer, &mut read).await {
                Ok(line) => line,
                Err(why) => return why,
            };
            match Catalog::parse(&line) {
                Ok(catalog) => {
                    backoff.reset();
                    self.upstream.tally().listed(true);
                    if std::mem::take(&mut is_first) {
                        info!("following the list of mounts at {}", self.upstream.url());
                        *complaint = None;
                    }
                    if self.tell(ListNews::Says(catalog)).await.is_err() {
                        return "nobody wants it".to_owned();
                    }
                }
                Err(why) => return format!("a line of it makes no sense: {why}"),
            }
        }
    }

    async fn tell(&self, news: ListNews) -> Result<(), ()> {
        self.news.send((self.number, news)).await.map_err(drop)
    }
}

/// The next line of the list, heartbeats included.
async fn next_line(answer: &mut Response, read: &mut BytesMut) -> Result<BytesMut, String> {
    loop {
        if let Some(end) = read.iter().position(|b| *b == b'\n') {
            return Ok(read.split_to(end + 1));
        }
        if read.len() > LINE_BYTES_MAX {
            return Err(format!("a line has more than {LINE_BYTES_MAX} bytes"));
        }
        match timeout(SILENCE_MAX, answer.chunk()).await {
            Err(_) => return Err(format!("silent for {} s", SILENCE_MAX.as_secs())),
            Ok(Err(error)) => return Err(reason(&error)),
            Ok(Ok(None)) => return Err("it ended".to_owned()),
            Ok(Ok(Some(chunk))) => read.extend_from_slice(&chunk),
        }
    }
}
