//! One source's back-fill: pages that could not be sent live, on a connection of their own, for the
//! recording only. Nobody who listens now hears them.

use std::io::{self, ErrorKind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::StatusCode;
use stream::http::Caller;
use stream::http::answer::{Answer, SERVER};
use stream::http::date::http_date;
use stream::http::head::{Head, Version};
use stream::mount::MountPath;
use stream::ogg::{Found, Framer, Page};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use super::fills::Filling;
use super::{Archive, STALL_MAX};

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// It is told so often what is safe.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// How it ended, if not well.
struct Refused(StatusCode, String);

/// Takes the back-fill of the logical stream that the source calls by this serial number.
pub(crate) async fn back_fill(archive: &Archive, head: Head, mut caller: Caller, path: MountPath) {
    let done = match archive.claim(&path) {
        Ok(_claim) => archive.take_fill(&head, &mut caller, &path).await,
        Err(refused) => Err(refused),
    };
    let (status, words) = match done {
        Ok(n_pages) => {
            info!(
                n_pages,
                "{path} was back-filled: {n_pages} pages came later than live"
            );
            (StatusCode::OK, "received to the end".to_owned())
        }
        Err(Refused(status, why)) => {
            warn!("a back-fill of {path} ended early: {why}");
            (status, why)
        }
    };
    let answer = Answer::new(head.version, status, &http_date()).sentence(&words);
    caller.answer(&answer).await;
}

/// The right to fill a mount, which one has at a time.
struct Claim<'a>(&'a Archive, MountPath);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let filling = self.0.filling.lock();
        let mut filling = filling.unwrap_or_else(PoisonError::into_inner);
        filling.remove(&self.1);
    }
}

impl Archive {
    fn claim(&self, path: &MountPath) -> Result<Claim<'_>, Refused> {
        let mut filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        if !filling.insert(path.clone()) {
            let why = "another back-fill of this mount is under way".to_owned();
            return Err(Refused(StatusCode::CONFLICT, why));
        }
        Ok(Claim(self, path.clone()))
    }

    /// Gives how many pages came.
    async fn take_fill(
        &self,
        head: &Head,
        caller: &mut Caller,
        path: &MountPath,
    ) -> Result<u64, Refused> {
        let bad = |why: &str| Refused(StatusCode::BAD_REQUEST, why.to_owned());
        let Some(folder) = self.folder(path) else {
            let why = "this mount is not recorded: see [archive] in master.toml";
            return Err(Refused(StatusCode::NOT_FOUND, why.to_owned()));
        };
        let serial = head
            .header("stream-fill")
            .and_then(|text| text.parse().ok());
        let serial = serial.ok_or_else(|| bad("Stream-Fill is no serial number"))?;
        if !head.expects_continue() || head.version != Version::Http11 {
            return Err(bad("a back-fill needs HTTP/1.1 and Expect: 100-continue"));
        }
        say(
            caller,
            &format!("HTTP/1.1 100 Continue\r\nServer: {SERVER}\r\n\r\n"),
        )
        .await?;
        stream::fanout::socket::prepare(&caller.socket);
        let mut read = BytesMut::from(&caller.beyond(head)[..]);
        let mut framer = Framer::new();
        let mut filling = Filling::new(&folder, serial);
        let (mut n_pages, mut said) = (0, Instant::now());
        loop {
            let pages = pages(&mut framer, &mut read).ok_or_else(|| bad("this is no Ogg"))?;
            n_pages += pages.len() as u64;
            let is_due = said.elapsed() >= SAY_EVERY;
            let confirmed;
            (filling, confirmed) = keep(filling, pages, is_due).await?;
            if let Some(next) = confirmed {
                said = Instant::now();
                say(caller, &acknowledgement(next)).await?;
            }
            let more = timeout(STALL_MAX, read_more(caller, &mut read));
            match self.shutdown.unless_requested(more).await {
                Some(Ok(Ok(0))) => break,
                Some(Ok(Ok(_))) => {}
                Some(Ok(Err(error))) => return Err(bad(&error.to_string())),
                Some(Err(_)) => return Err(bad("nothing came for 30 s")),
                None => return Err(bad("the master is stopping")),
            }
        }
        let (mut filling, confirmed) = keep(filling, Vec::new(), true).await?;
        let closed = spawn_blocking(move || filling.close()).await;
        closed
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| disk(&error))?;
        if let Some(next) = confirmed {
            say(caller, &acknowledgement(next)).await?;
        }
        Ok(n_pages)
    }
}

async fn read_more(caller: &mut Caller, read: &mut BytesMut) -> io::Result<usize> {
    read.reserve(READ_BYTES);
    caller.socket.read_buf(read).await
}

fn acknowledgement(next: u64) -> String {
    format!(
        "HTTP/1.1 104 Upload Resumption Supported\r\nServer: {SERVER}\r\n\
         Stream-Sequence: {next}\r\n\r\n"
    )
}

/// The whole pages in what was read. `None`: there is something else in it.
fn pages(framer: &mut Framer, read: &mut BytesMut) -> Option<Vec<Page>> {
    let bytes = read.split();
    let mut input: &[u8] = &bytes;
    let mut pages = Vec::new();
    while let Some(found) = framer.next(&mut input) {
        let Found::Page(page) = found else {
            return None;
        };
        pages.push(page);
    }
    Some(pages)
}

/// Writes pages down; gives the number behind what is safe, if that is to be known.
async fn keep(
    mut filling: Filling,
    pages: Vec<Page>,
    is_due: bool,
) -> Result<(Filling, Option<u64>), Refused> {
    let work = spawn_blocking(move || {
        for page in &pages {
            if let Err(error) = filling.take(page) {
                // What came before is whole.
                let _ = filling.close();
                return Err(error);
            }
        }
        let confirmed = if is_due { filling.confirm()? } else { None };
        Ok((filling, confirmed))
    });
    work.await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| disk(&error))
}

fn disk(error: &io::Error) -> Refused {
    match error.kind() {
        ErrorKind::InvalidData => Refused(StatusCode::BAD_REQUEST, error.to_string()),
        _ => Refused(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
    }
}

async fn say(caller: &mut Caller, text: &str) -> Result<(), Refused> {
    let work = async {
        caller.socket.write_all(text.as_bytes()).await?;
        caller.socket.flush().await
    };
    match timeout(STALL_MAX, work).await {
        Ok(Ok(())) => Ok(()),
        _ => {
            let why = "it does not read what is acknowledged to it".to_owned();
            Err(Refused(StatusCode::REQUEST_TIMEOUT, why))
        }
    }
}
