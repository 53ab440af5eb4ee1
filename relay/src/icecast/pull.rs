//! One connection to a mount of an Icecast, and what it brings: pages and titles.

use std::collections::HashMap;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use stream::follow::upstream::{ask, reason};
use stream::mount::Facts;
use stream::mpeg::Sniffer;
use stream::ogg::{Found, Page};
use stream::text::guessed;
use tokio::sync::mpsc;

use super::titles::{Piece, Said, Titles};

/// Bytes that are nothing before the first page: then it is something else.
const JUNK_BYTES_MAX: usize = 64 * 1024;

/// What a connection brings.
#[derive(Debug)]
pub(super) enum News {
    /// It has begun, and this is said of the stream.
    Start(Box<Facts>),
    /// What plays from here on.
    Title(Said),
    Page(Page),
    /// It has ended, and why.
    End(String),
}

/// Where a connection with a number tells what it brings.
#[derive(Debug)]
pub(super) struct Telling {
    number: u64,
    news: mpsc::Sender<(u64, News)>,
}

/// Nobody is there to be told.
#[derive(Debug)]
pub(super) struct Gone;

impl Telling {
    pub(super) fn new(number: u64, news: mpsc::Sender<(u64, News)>) -> Self {
        Self { number, news }
    }

    pub(super) async fn say(&self, news: News) -> Result<(), Gone> {
        let told = self.news.send((self.number, news)).await;
        told.map_err(|_| Gone)
    }
}

/// Why a connection ends.
enum End {
    Gone,
    Why(String),
}

impl From<Gone> for End {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// Brings pages until the connection ends; says why it did.
pub(super) async fn pull(request: reqwest::RequestBuilder, telling: &Telling) -> String {
    match carry(request, telling).await {
        End::Gone => String::new(),
        End::Why(why) => why,
    }
}

async fn carry(request: reqwest::RequestBuilder, telling: &Telling) -> End {
    let mut answer = match ask(request).await {
        Ok(answer) => answer,
        Err(why) => return End::Why(why),
    };
    let mut hearing = Hearing::of(answer.headers());
    let facts = Box::new(facts(answer.headers()));
    if telling.say(News::Start(facts)).await.is_err() {
        return End::Gone;
    }
    let why = loop {
        let chunk = match answer.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break "it ended the stream".to_owned(),
            Err(error) => break reason(&error),
        };
        if let Err(end) = hearing.take(&chunk, telling).await {
            return end;
        }
    };
    match hearing.finish(telling).await {
        Ok(()) => End::Why(why),
        Err(Gone) => End::Gone,
    }
}

/// Takes apart what comes.
struct Hearing {
    titles: Titles,
    is_ogg: bool,
    cutter: Option<Sniffer>,
    n_junk: usize,
}

impl Hearing {
    fn of(headers: &HeaderMap) -> Self {
        let interval = header(headers, "icy-metaint").and_then(|text| text.trim().parse().ok());
        let kind = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
        Self {
            titles: Titles::new(interval),
            is_ogg: kind.to_ascii_lowercase().contains("ogg"),
            cutter: None,
            n_junk: 0,
        }
    }

    async fn take(&mut self, mut input: &[u8], telling: &Telling) -> Result<(), End> {
        while let Some(piece) = self.titles.next(&mut input) {
            let mut sound = match piece {
                Piece::Sound(sound) => sound,
                Piece::Title(said) => {
                    telling.say(News::Title(said)).await?;
                    continue;
                }
            };
            // A burst of MP3 or AAC begins in the middle of a frame; Ogg may be called something else.
            let is_ogg = self.is_ogg || sound.starts_with(b"OggS");
            let cutter = self.cutter.get_or_insert_with(|| match is_ogg {
                true => Sniffer::new(),
                false => Sniffer::of_frames(),
            });
            while let Some(found) = cutter.next(&mut sound) {
                match found {
                    Found::Page(page) => {
                        self.n_junk = 0;
                        telling.say(News::Page(page)).await?;
                    }
                    Found::Junk { n_bytes, .. } => self.n_junk += n_bytes,
                }
                if self.n_junk > JUNK_BYTES_MAX {
                    return Err(End::Why("it is neither Ogg nor MP3 nor AAC".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// What is left of MP3 or AAC, whose last frame nothing follows.
    async fn finish(&mut self, telling: &Telling) -> Result<(), Gone> {
        match self.cutter.as_mut().and_then(Sniffer::finish) {
            Some(page) => telling.say(News::Page(page)).await,
            None => Ok(()),
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What it says of the stream, in whichever character set.
fn facts(headers: &HeaderMap) -> Facts {
    let names = headers.keys().map(HeaderName::as_str);
    let said = names.filter_map(|name| Some((name, guessed(headers.get(name)?.as_bytes()))));
    let said: HashMap<_, _> = said.collect();
    let others = said.iter().map(|(name, value)| (*name, value.as_ref()));
    Facts::from_headers(|name| said.get(name).map(AsRef::as_ref)).with_others(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_name_is_read_in_latin_1_and_in_utf_8() {
        for name in [b"Radio K\xf6ln".as_slice(), "Radio Köln".as_bytes()] {
            let mut headers = HeaderMap::new();
            headers.insert("icy-name", HeaderValue::from_bytes(name).unwrap());
            assert_eq!(facts(&headers).name.as_deref(), Some("Radio Köln"));
        }
    }
}
