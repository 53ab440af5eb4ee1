//! One connection to an upstream for one mount: bytes in, pages with offsets out.

use std::sync::Arc;

use reqwest::header::{ETAG, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode};
use tokio::sync::mpsc;

use super::reading::Reading;
use super::trail::Trail;
use super::upstream::{Upstream, ask, reason};
use crate::log::Epoch;
use crate::log::account::Step;
use crate::log::resume::{FOR_EVER, parse_etag};
use crate::mount::MountPath;
use crate::ogg::Page;

/// The most bytes of header pages that are believed.
const PREFIX_BYTES_MAX: usize = 1024 * 1024;

/// What a connection brings.
#[derive(Debug)]
pub(super) enum News {
    /// It stands; pages will follow from here.
    Start(Beginning),
    /// The next page.
    Page { offset: u64, page: Page, step: Step },
    /// Where our own page begins it has none: its bytes are others than ours.
    Misfit,
    /// It is over.
    End(String),
}

/// Where a connection begins.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    pub(super) epoch: Epoch,
    pub(super) offset: u64,
    pub(super) prefix: Vec<Page>,
}

/// Where we want to go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Have {
    pub(super) epoch: Epoch,
    /// The beginning of a page.
    pub(super) from: u64,
}

/// A connection with a number, so that news of an old one can be told from news of a new one.
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) upstream: Arc<Upstream>,
    pub(super) trail: Arc<Trail>,
    pub(super) path: MountPath,
    pub(super) have: Option<Have>,
    pub(super) news: mpsc::Sender<(u64, News)>,
}

impl Pull {
    /// Brings news until the connection ends or nobody wants any.
    pub(super) async fn run(self) {
        let end = match self.pull().await {
            Ok(()) => return,
            Err(why) => why,
        };
        let _ = self.news.send((self.number, News::End(end))).await;
    }

    /// `Ok`: nobody wants news any more.
    async fn pull(&self) -> Result<(), String> {
        let mut request = self.upstream.get_log(&self.path, &self.trail);
        if let Some(have) = self.have {
            request = request
                .header(IF_RANGE, format!("\"{}\"", have.epoch))
                .header(RANGE, format!("bytes={}-{FOR_EVER}", have.from));
        }
        let mut answer = ask(request).await?;
        let (mut beginning, mut n_prefix_left) = self.beginning(&answer)?;
        let mut reading = Reading::new(self.upstream.is_recorded());
        let mut offset = beginning.offset;
        let is_resumed = answer.status() == StatusCode::PARTIAL_CONTENT;
        let mut start = (n_prefix_left == 0).then(|| beginning.clone());
        if let Some(start) = start.take()
            && !self.tell(News::Start(start)).await
        {
            return Ok(());
        }
        while let Some(chunk) = next_chunk(&mut answer).await? {
            let mut input: &[u8] = &chunk;
            loop {
                let (page, step) = match reading.next(&mut input) {
                    Ok(Some(next)) => next,
                    Ok(None) => break,
                    Err(why) => {
                        if is_resumed && offset == beginning.offset {
                            self.tell(News::Misfit).await;
                        }
                        return Err(why);
                    }
                };
                if n_prefix_left > 0 {
                    n_prefix_left = n_prefix_left
                        .checked_sub(page.len())
                        .ok_or("its Stream-Prefix is not whole pages")?;
                    beginning.prefix.push(page);
                    if n_prefix_left == 0 && !self.tell(News::Start(beginning.clone())).await {
                        return Ok(());
                    }
                    continue;
                }
                let at = offset;
                offset += page.len() as u64;
                let news = News::Page {
                    offset: at,
                    page,
                    step,
                };
                if !self.tell(news).await {
                    return Ok(());
                }
            }
        }
        Err("it ended the stream".to_owned())
    }

    /// Where the answer begins, and how many bytes of header pages come first.
    fn beginning(&self, answer: &Response) -> Result<(Beginning, usize), String> {
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let epoch = header(ETAG.as_str())
            .and_then(parse_etag)
            .ok_or("it is no Plenum server: its answer has no ETag with an epoch")?;
        let number = |name: &str| header(name).and_then(|text| text.parse::<u64>().ok());
        let offset = number("stream-offset").ok_or("its answer has no Stream-Offset")?;
        if offset > FOR_EVER {
            return Err(format!(
                "its Stream-Offset {offset} is beyond the end of any log"
            ));
        }
        let prefix = number("stream-prefix").ok_or("its answer has no Stream-Prefix")?;
        let n_prefix = usize::try_from(prefix).unwrap_or(usize::MAX);
        if n_prefix > PREFIX_BYTES_MAX {
            return Err(format!("its Stream-Prefix is {n_prefix} bytes"));
        }
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let fits = self
                .have
                .is_some_and(|have| have.epoch == epoch && have.from == offset);
            if !fits || n_prefix > 0 {
                return Err("its 206 is not what was asked for".to_owned());
            }
        }
        Ok((
            Beginning {
                epoch,
                offset,
                prefix: Vec::new(),
            },
            n_prefix,
        ))
    }

    async fn tell(&self, news: News) -> bool {
        self.news.send((self.number, news)).await.is_ok()
    }
}

async fn next_chunk(answer: &mut Response) -> Result<Option<bytes::Bytes>, String> {
    answer.chunk().await.map_err(|error| reason(&error))
}
