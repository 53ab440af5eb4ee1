//! One source's PUT or SOURCE: from its head to its last page.

mod answers;
mod claim;
mod cut;
mod end;
mod handed;
mod strays;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use http::StatusCode;
use stream::follow::Trail;
use stream::handover::{Stage, Verdict};
use stream::http::Caller;
use stream::http::guard::{Applicant, Guard, Says};
use stream::http::head::Head;
use stream::mount::{Desk, MountPath, Publisher, Refusal};
use stream::mpeg::Sniffer;
use stream::ogg::Page;
use stream::shutdown::Shutdown;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::acknowledge::Acknowledgements;
use crate::body::Body;
use crate::config::Config;
use crate::credentials::{self, Known, MayPublish, may_publish};
use crate::refuse::{NOT_PROMOTED, refuse_for_now, refuse_password};
use answers::{answer, begin, refuse, refuse_in_use, say};
pub(crate) use claim::Waiting;
use claim::claim;
use cut::Junk;
use end::End;
use strays::Strays;

/// How much is read from a source at once.
const READ_BYTES: usize = 16 * 1024;
/// Where sources come in.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) config: Arc<Config>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) trail: Arc<Trail>,
    /// Who is asked about sources whose password is not known here.
    pub(crate) guard: Arc<Guard>,
    /// Places for those who wait for a silent source.
    pub(crate) waiting: Waiting,
    pub(crate) shutdown: Shutdown,
}

impl Ingest {
    /// Serves a source from its head to its last page.
    pub(crate) async fn publish(&self, head: Head, caller: Caller, path: MountPath) {
        publish(self, head, caller, path).await;
    }

    /// As [`Self::publish`], for one whose password has been looked at.
    pub(crate) async fn take_in(&self, head: Head, caller: Caller, path: MountPath, guest: Guest) {
        take_in(self, head, caller, path, guest).await;
    }
}

async fn publish(ingest: &Ingest, head: Head, caller: Caller, path: MountPath) {
    let applicant = Applicant::of(&head, &caller);
    let who = match may_publish(&ingest.config, &head, &path) {
        MayPublish::Yes(who) => who,
        MayPublish::NotHere(user) => {
            let why = format!("user {user} may not publish {path}: see `mounts` in master.toml");
            return refuse(&head, caller, StatusCode::FORBIDDEN, &why).await;
        }
        MayPublish::Unknown => match applicant {
            Some(applicant) => match ingest.guard.knows(&applicant, &path).await {
                Says::Yes => credentials::as_shown(&applicant.shown),
                Says::No => return refuse_password(&head, caller).await,
                Says::Nothing => return refuse_for_now(&head, caller).await,
            },
            None => return refuse_password(&head, caller).await,
        },
    };
    let is_told = false;
    take_in(ingest, head, caller, path, Guest { who, is_told }).await;
}

/// Somebody whose password was right.
pub(crate) struct Guest {
    pub(crate) who: Known,
    /// He has been told to begin already.
    pub(crate) is_told: bool,
}

async fn take_in(ingest: &Ingest, head: Head, mut caller: Caller, path: MountPath, guest: Guest) {
    let Guest { who, is_told } = guest;
    if !ingest.trail.is_master() {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return refuse(&head, caller, status, NOT_PROMOTED).await;
    }
    if ingest.config.played_at(&path).is_some() || path.is_stand_in() {
        let why = "fallback files are played on mounts with such a name: publish to another";
        return refuse(&head, caller, StatusCode::FORBIDDEN, why).await;
    }
    if let Some(alias) = ingest.config.alias.iter().find(|alias| alias.path == path) {
        let to = &alias.to;
        let why = format!("{path} is an alias: who asks for it hears {to}; publish that");
        return refuse(&head, caller, StatusCode::FORBIDDEN, &why).await;
    }
    let body = match Body::of(&head) {
        Ok(body) => body,
        Err(why) => return refuse(&head, caller, StatusCode::BAD_REQUEST, why).await,
    };
    if matches!(body, Body::Length(0)) {
        // A client that only wants to know whether the password is right (libshout does).
        return refuse(&head, caller, StatusCode::OK, "the password is right").await;
    }
    let publisher = match claim(ingest, &head, &caller.socket, &path, &who).await {
        Ok(publisher) => publisher,
        Err(Refusal::InUse | Refusal::NotYetSilent(_) | Refusal::TakingOver) => {
            return refuse_in_use(&head, caller).await;
        }
        Err(Refusal::TableFull) => {
            let why = "too many sources connected";
            return refuse(&head, caller, StatusCode::FORBIDDEN, why).await;
        }
    };
    let Known { user, login } = who;
    let mut has_answered = is_told;
    if !is_told && let Err(error) = begin(&head, &mut caller, &publisher, &mut has_answered).await {
        warn!("source {user} went before it could begin {path}: {error}");
        return;
    }
    info!("source {user} began {path}{}", over(uplink_of(&head)));
    if let Some(doubt) = path.doubt() {
        warn!("mount {path}: {doubt}");
    }
    let read = caller.beyond(&head);
    let upload = Upload {
        strays: Strays::new(publisher.counts().n_stray, Instant::now()),
        publisher,
        framer: Sniffer::new().called(head.header("content-type")),
        acknowledgements: Acknowledgements::new(serial_of(&head).filter(|_| !has_answered)),
        n_pages: 0,
        last: None,
        junk: Junk::default(),
    };
    let session = Session {
        serial: serial_of(&head),
        uplink: uplink_of(&head),
        head,
        path,
        user,
        login,
        has_answered,
        began: Instant::now(),
    };
    carry(ingest, session, caller, read.into(), body, upload).await;
}

/// A source from its first answer to its last.
struct Session {
    head: Head,
    path: MountPath,
    user: String,
    login: u64,
    serial: Option<u32>,
    uplink: u32,
    has_answered: bool,
    began: Instant,
}

/// Takes all that a source sends, and says good-bye.
async fn carry(
    ingest: &Ingest,
    session: Session,
    mut caller: Caller,
    read: BytesMut,
    body: Body,
    mut upload: Upload,
) {
    let end = receive(ingest, &session, &mut caller, read, body, &mut upload).await;
    if matches!(end, End::HandedOver) {
        return;
    }
    upload.finish();
    if matches!(end, End::Finished) {
        upload.end_frames();
    }
    let Session {
        head, path, user, ..
    } = session;
    let counts = upload.publisher.counts();
    info!(
        n_pages = upload.n_pages,
        n_doubled = counts.n_doubled,
        n_missing = counts.n_missing,
        n_stray = counts.n_stray,
        n_junk_bytes = upload.junk.n_bytes,
        "source {user} ended {path}{} after {} s: {end}",
        over(session.uplink),
        session.began.elapsed().as_secs()
    );
    drop(upload);
    if session.has_answered {
        return;
    }
    match end {
        // One that hung up is told so, too: our own source sends what a killed one left, whose
        // stream has no end.
        End::Finished | End::Unended | End::HungUp => {
            answer(&head, caller, StatusCode::OK, "received to the end").await;
        }
        End::Refused(status, why) => refuse(&head, caller, status, &why).await,
        End::TakenOver | End::Ended => {
            answer(&head, caller, StatusCode::CONFLICT, &end.to_string()).await;
        }
        End::Silent => answer(&head, caller, StatusCode::REQUEST_TIMEOUT, &end.to_string()).await,
        End::Stopping | End::HandedOver | End::Broken(_) => {}
    }
}

/// The serial number of the logical stream that our own source goes on with.
fn serial_of(head: &Head) -> Option<u32> {
    head.header("stream-serial")?.parse().ok()
}

/// Which of its source's uplinks this is; who does not say so has one.
fn uplink_of(head: &Head) -> u32 {
    let number = head.header("stream-uplink");
    number.and_then(|number| number.parse().ok()).unwrap_or(1)
}

/// How an uplink beside the first is called in the log.
fn over(uplink: u32) -> String {
    match uplink {
        1 => String::new(),
        number => format!(" over uplink {number}"),
    }
}

struct Upload {
    publisher: Publisher,
    framer: Sniffer,
    acknowledgements: Acknowledgements,
    n_pages: u64,
    /// The newest of them.
    last: Option<Page>,
    junk: Junk,
    strays: Strays,
}

/// Reads the body to its end, whichever way it comes.
async fn receive(
    ingest: &Ingest,
    session: &Session,
    caller: &mut Caller,
    mut read: BytesMut,
    mut body: Body,
    upload: &mut Upload,
) -> End {
    stream::fanout::socket::prepare(&caller.socket);
    let silence_max = ingest
        .config
        .source_timeout(upload.publisher.mount().path());
    let dismissed = upload.publisher.dismissed().clone();
    let mut member = ingest.shutdown.freeze().join(Stage::Writers);
    loop {
        match upload.take(&mut read, &mut body) {
            Ok(true) => return End::Finished,
            Ok(false) => {}
            Err((status, why)) => return End::Refused(status, why),
        }
        if upload.is_stray() {
            warn!(
                "source {} sends {} without the headers of its stream, and nobody can hear it: \
                 restart the encoder, or have it begin a new stream when it reconnects",
                session.user, session.path
            );
        }
        read.reserve(READ_BYTES);
        if let Some(text) = upload.acknowledgement(Instant::now())
            && !say(caller, &text).await
        {
            return End::Broken("it does not read what is acknowledged to it".to_owned());
        }
        let next = tokio::select! {
            () = upload.acknowledgements.due() => continue,
            next = timeout(silence_max, caller.socket.read_buf(&mut read)) => next,
            () = dismissed.cancelled() => return upload.dismissed(),
            () = member.asked() => {
                upload.publisher.settle(Instant::now(), || fastrand::u32(..));
                let part = session.part(caller, &body, upload);
                match member.arrive(part).await {
                    Verdict::GoOn => continue,
                    // Its keys are in this program.
                    Verdict::Leave if caller.socket.is_tls() => return End::Stopping,
                    Verdict::Leave => return End::HandedOver,
                }
            }
            () = ingest.shutdown.requested() => return End::Stopping,
        };
        match next {
            // After a stop of this very process its bytes may lie there all the same.
            Err(_) => match timeout(Duration::ZERO, caller.socket.read_buf(&mut read)).await {
                Ok(Ok(n_bytes)) if n_bytes > 0 => {}
                _ => return End::Silent,
            },
            Ok(Ok(0)) if body.has_no_end() => return End::of_hang_up(upload.last.as_ref()),
            Ok(Ok(0)) => return End::Broken("it hung up in the middle".to_owned()),
            Ok(Err(error)) => return End::Broken(error.to_string()),
            Ok(Ok(_)) => upload.publisher.heard(Instant::now()),
        }
    }
}

impl Upload {
    fn dismissed(&self) -> End {
        if self.publisher.is_ended() {
            End::Ended
        } else {
            End::TakenOver
        }
    }

    fn acknowledgement(&mut self, now: Instant) -> Option<String> {
        self.acknowledgements.next(&self.publisher, now)
    }

    /// `true`, once: nothing of what it sends can be heard.
    fn is_stray(&mut self) -> bool {
        let publisher = &self.publisher;
        let n_stray = || publisher.counts().n_stray;
        self.strays.are_all(self.n_pages, n_stray, Instant::now())
    }

    /// Takes what was read. `true`: the body has ended.
    fn take(&mut self, read: &mut BytesMut, body: &mut Body) -> Result<bool, (StatusCode, String)> {
        let mut input: &[u8] = read;
        let mut has_ended = false;
        while !input.is_empty() && !has_ended {
            let piece = match body {
                Body::Endless => std::mem::take(&mut input),
                Body::Length(n_left) => {
                    let n = usize::try_from(*n_left)
                        .unwrap_or(usize::MAX)
                        .min(input.len());
                    let (piece, rest) = input.split_at(n);
                    input = rest;
                    *n_left -= n as u64;
                    has_ended = *n_left == 0;
                    piece
                }
                Body::Chunked(chunked) => {
                    let piece = chunked.next(&mut input).map_err(|_| {
                        (
                            StatusCode::BAD_REQUEST,
                            "the body's chunks are malformed".to_owned(),
                        )
                    })?;
                    has_ended = chunked.has_ended();
                    piece
                }
            };
            self.take_bytes(piece)?;
        }
        read.advance(read.len());
        Ok(has_ended)
    }
}
