//! Sends what could not be sent live for the master's recording: later, slower, and on a connection
//! of its own. What the master has on its disk then is missing no more, and the spool lets it go.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::http::basic::Credentials;
use stream::ogg::Page;
use stream::outward::{Duplex, cause_beside_ca_file, dressed};
use stream::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::backlog::Shared;
use crate::config::Target;
use crate::encoder::RATE;
use crate::spool::Spool;
use crate::spool::segment::{Content, length};
use crate::uplink::answer::{Answer, Answers};

/// How often it is looked whether something is missing.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// After a failure the master is left alone for so long …
const RETRY: Duration = Duration::from_secs(30);
/// … and if it does not record, for so long.
const NOT_RECORDED: Duration = Duration::from_secs(600);
/// The stream itself comes first: as long as more of it than this is not confirmed, nothing else is
/// sent.
const CALM: Duration = Duration::from_secs(4);
/// Every step of the connection has to be done within this time.
const STEP_MAX: Duration = Duration::from_secs(10);
/// No page is longer.
const PAGE_MAX: Duration = Duration::from_secs(1);

/// What is needed to fill holes.
#[derive(Debug)]
pub struct BackFill {
    /// Where to.
    pub target: Target,
    /// Where the pages are.
    pub spool: Arc<Spool>,
    /// The pages of this run.
    pub backlog: Arc<Shared>,
    /// How many times as fast as it was heard; 0: not at all.
    pub speed: u32,
}

/// Why it ended early.
enum Failed {
    /// The master answered this.
    Refused(Answer),
    /// Anything else, in words.
    Broken(String),
}

/// A connection on which the master takes pages.
struct Connection {
    reader: ReadHalf<Box<dyn Duplex>>,
    writer: WriteHalf<Box<dyn Duplex>>,
    answers: Answers,
    /// Of the logical stream with this number in the spool.
    link: u32,
    /// What was sent.
    sent: Vec<Range<u64>>,
}

impl BackFill {
    /// Fills holes as long as the program runs.
    pub async fn run(self, shutdown: Shutdown) {
        if self.speed == 0 {
            return;
        }
        let mut wait = LOOK_EVERY;
        let mut complaint = String::new();
        while shutdown.unless_requested(sleep(wait)).await.is_some() {
            wait = LOOK_EVERY;
            if !self.backlog.is_calm(CALM) {
                continue;
            }
            let Some((link, serial)) = self.spool.first_with_hole() else {
                continue;
            };
            let why = match shutdown.unless_requested(self.fill(link, serial)).await {
                None => return,
                Some(Ok(n_pages)) => {
                    info!(n_pages, "{n_pages} pages were sent for the recording");
                    complaint.clear();
                    continue;
                }
                Some(Err(Failed::Refused(answer))) if answer.status == 404 => {
                    wait = NOT_RECORDED;
                    "it does not record this mount".to_owned()
                }
                Some(Err(Failed::Refused(answer))) => {
                    wait = RETRY;
                    format!("it answers {} {}", answer.status, answer.reason)
                }
                Some(Err(Failed::Broken(why))) => {
                    wait = RETRY;
                    why
                }
            };
            if complaint != why {
                let n_pages = self.spool.report().n_for_archive;
                warn!(
                    n_pages,
                    "{n_pages} pages wait for the recording of {}: {why}", self.target
                );
                complaint = why;
            }
        }
    }

    /// Sends all that is missing of a logical stream. Gives how many pages that were.
    async fn fill(&self, link: u32, serial: u32) -> Result<u64, Failed> {
        let mut connection = Connection::open(&self.target, link, serial).await?;
        let (mut at, mut n_pages) = (0, 0);
        let (began, mut sound) = (Instant::now(), Duration::ZERO);
        let mut newest: Option<i64> = None;
        while let Some(missing) = self.spool.next_missing(link, at) {
            let Ok(content) = self.spool.read(link, missing.start).await else {
                // It was too much for the spool meanwhile, or cannot be read.
                at = missing.end;
                continue;
            };
            let Content { headers, pages, .. } = content;
            let headers = headers.into_iter().filter(|_| n_pages == 0);
            for header in headers {
                connection.write(&header).await?;
            }
            let is_missing = |page: &Page| u64::from(page.stamp().sequence) < missing.end;
            for page in pages.into_iter().take_while(is_missing) {
                let due = sound / self.speed;
                while began.elapsed() < due || !self.backlog.is_calm(CALM) {
                    let wait = due.saturating_sub(began.elapsed());
                    let wait = wait.clamp(Duration::from_millis(10), Duration::from_millis(250));
                    self.listen(&mut connection, wait).await?;
                }
                connection.write(&page).await?;
                connection.note(u64::from(page.stamp().sequence));
                n_pages += 1;
                let granule = page.stamp().granule;
                let lasts = newest.map_or(0, |newest| granule - newest);
                sound += length(lasts.min(i64::from(RATE))).min(PAGE_MAX);
                newest = Some(granule);
            }
            at = connection
                .sent
                .last()
                .map_or(missing.end, |sent| sent.end.max(at + 1));
        }
        self.finish(connection).await?;
        if link != self.spool.link() {
            // Nothing is added to it: what is still missing cannot be had any more.
            self.spool.forget_hole(link, &(0..u64::MAX));
        }
        Ok(n_pages)
    }

    /// Hears what the master says, for so long.
    async fn listen(&self, connection: &mut Connection, time: Duration) -> Result<(), Failed> {
        match timeout(time, connection.hear()).await {
            Err(_) => Ok(()),
            Ok(Ok(answer)) => self.note(connection, answer),
            Ok(Err(failed)) => Err(failed),
        }
    }

    fn note(&self, connection: &Connection, answer: Answer) -> Result<(), Failed> {
        match answer.wanted {
            Some(next) if answer.is_acknowledgement() => {
                self.forget(connection, u64::from(next));
                Ok(())
            }
            _ if answer.is_interim() => Ok(()),
            _ => Err(Failed::Refused(answer)),
        }
    }

    /// Says that this was all, and hears that it is on disk.
    async fn finish(&self, mut connection: Connection) -> Result<(), Failed> {
        step(connection.writer.shutdown()).await?;
        loop {
            let Ok(answer) = timeout(STEP_MAX, connection.hear()).await else {
                return Err(Failed::Broken("it does not say that it has all".to_owned()));
            };
            let answer = answer?;
            if answer.is_welcome() {
                self.forget(&connection, u64::MAX);
                return Ok(());
            }
            self.note(&connection, answer)?;
        }
    }

    /// What was sent before this page is on the master's disk.
    fn forget(&self, connection: &Connection, next: u64) {
        for sent in &connection.sent {
            let pages = sent.start..sent.end.min(next);
            if connection.link == self.spool.link() {
                self.backlog.forget_hole(&pages);
            } else {
                self.spool.forget_hole(connection.link, &pages);
            }
        }
    }
}

impl Connection {
    async fn open(target: &Target, link: u32, serial: u32) -> Result<Self, Failed> {
        let place = (target.host.trim_matches(['[', ']']), target.port);
        let socket = step(TcpStream::connect(place)).await?;
        let socket = step(dressed(socket, &target.host, target.tls.as_ref())).await?;
        let (reader, writer) = split(socket);
        let mut connection = Self {
            reader,
            writer,
            answers: Answers::new(),
            link,
            sent: Vec::new(),
        };
        let head = head(target, serial);
        connection.send(head.as_bytes()).await?;
        let Ok(answer) = timeout(STEP_MAX, connection.hear()).await else {
            return Err(Failed::Broken("it does not answer".to_owned()));
        };
        let answer = answer?;
        // Anybody else would put it on the air.
        if answer.is_interim() && answer.is_plenum {
            return Ok(connection);
        }
        Err(Failed::Refused(answer))
    }

    /// The master's next answer. Cancel safe: what was read stays in `answers`.
    async fn hear(&mut self) -> Result<Answer, Failed> {
        loop {
            if let Some(answer) = self.answers.take().map_err(Failed::Broken)? {
                return Ok(answer);
            }
            let mut bytes = [0; 2048];
            match self.reader.read(&mut bytes).await {
                Ok(0) => return Err(Failed::Broken("it closed the connection".to_owned())),
                Ok(n_bytes) => self.answers.push(&bytes[..n_bytes]),
                Err(error) => return Err(Failed::Broken(cause_beside_ca_file(&error))),
            }
        }
    }

    async fn write(&mut self, page: &Page) -> Result<(), Failed> {
        self.send(page.bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        step(self.writer.write_all(bytes)).await?;
        step(self.writer.flush()).await
    }

    /// This page was sent.
    fn note(&mut self, sequence: u64) {
        match self.sent.last_mut().filter(|sent| sent.end == sequence) {
            Some(sent) => sent.end += 1,
            None => self.sent.push(sequence..sequence + 1),
        }
    }
}

async fn step<T>(work: impl Future<Output = std::io::Result<T>>) -> Result<T, Failed> {
    match timeout(STEP_MAX, work).await {
        Ok(done) => done.map_err(|error| Failed::Broken(cause_beside_ca_file(&error))),
        Err(_) => {
            let seconds = STEP_MAX.as_secs();
            Err(Failed::Broken(format!("it took nothing for {seconds} s")))
        }
    }
}

fn head(target: &Target, serial: u32) -> String {
    format!(
        "PUT {} HTTP/1.1\r\n\
         Host: {}\r\n\
         Authorization: {}\r\n\
         User-Agent: Plenum/{}\r\n\
         Content-Type: application/ogg\r\n\
         Content-Length: {}\r\n\
         Expect: 100-continue\r\n\
         Stream-Fill: {serial}\r\n\r\n",
        target.path,
        target.authority(),
        Credentials::header(&target.user, target.password.expose()),
        env!("CARGO_PKG_VERSION"),
        i64::MAX,
    )
}
