//! A source that goes from one program to another in the middle of its body, and does not notice.

use std::os::fd::AsFd;
use std::time::Instant;

use bytes::BytesMut;
use stream::handover::{Part, Source, SourceState};
use stream::http::head::Head;
use stream::http::{Caller, Line};
use stream::log::Epoch;
use stream::mount::{Claimant, Facts};
use stream::mpeg::Sniffer;
use tracing::warn;

use super::cut::Junk;
use super::strays::Strays;
use super::{Ingest, Session, Upload, carry};
use crate::acknowledge::Acknowledgements;
use crate::body::Body;

impl Session {
    /// As it is handed over. One behind TLS cannot be: its keys are in this program.
    pub(super) fn part(&self, caller: &Caller, body: &Body, upload: &Upload) -> Part {
        let Line::Plain(socket) = &caller.socket else {
            return Part::Nothing;
        };
        let Ok(socket) = socket.as_fd().try_clone_to_owned() else {
            return Part::Nothing;
        };
        let (n_left, chunked) = match body {
            Body::Endless => (None, None),
            Body::Length(n_left) => (Some(*n_left), None),
            Body::Chunked(chunked) => (None, Some(chunked.clone())),
        };
        let state = SourceState {
            path: self.path.clone(),
            user: self.user.clone(),
            login: self.login,
            serial: self.serial,
            uplink: self.uplink,
            version: self.head.version,
            has_answered: self.has_answered,
            n_left,
            chunked,
            n_pages: upload.n_pages,
            n_junk: upload.junk.n_bytes,
            counts: upload.publisher.counts(),
            lasted: self.began.elapsed(),
        };
        let held = upload.framer.held();
        Part::Source(Box::new(Source { state, held }), socket)
    }
}

impl Ingest {
    /// Goes on with a source that the program before this one served.
    pub(crate) async fn go_on(&self, source: Source, socket: std::net::TcpStream) {
        let Source { state, held } = source;
        let (path, user) = (state.path, state.user);
        let claimant = Claimant {
            user: user.clone(),
            login: state.login,
            serial: state.serial,
            uplink: state.uplink,
        };
        let (epoch, now) = (Epoch::new(fastrand::u128(..)), Instant::now());
        let facts = self
            .desk
            .facts(&path)
            .unwrap_or_else(|| Facts::from_headers(|_| None));
        let mut publisher = match self.desk.claim(&path, &claimant, facts, epoch, now) {
            Ok(publisher) => publisher,
            Err(refusal) => return warn!("cannot go on with the source of {path}: {refusal:?}"),
        };
        publisher.count_from(state.counts);
        let line = format!("PUT {path} {}\r\n\r\n", state.version.as_str());
        let (Ok(Some(head)), Ok(caller)) = (Head::parse(line.as_bytes()), Caller::of(socket))
        else {
            return;
        };
        let body = match (state.n_left, state.chunked) {
            (Some(n_left), _) => Body::Length(n_left),
            (None, Some(chunked)) => Body::Chunked(chunked),
            (None, None) => Body::Endless,
        };
        let link = publisher.mount().log().link();
        let mut upload = Upload {
            strays: Strays::new(publisher.counts().n_stray, now),
            publisher,
            framer: match &link {
                Some(link) => Sniffer::within(Some(link)),
                // What it was called did not come along.
                None => Sniffer::new().called(None),
            },
            acknowledgements: Acknowledgements::new(state.serial.filter(|_| !state.has_answered)),
            n_pages: state.n_pages,
            last: None,
            junk: Junk::of(state.n_junk),
        };
        if upload.take_bytes(&held).is_err() {
            return;
        }
        let session = Session {
            head,
            path,
            user,
            login: state.login,
            serial: state.serial,
            uplink: state.uplink,
            has_answered: state.has_answered,
            began: now.checked_sub(state.lasted).unwrap_or(now),
        };
        carry(self, session, caller, BytesMut::new(), body, upload).await;
    }
}
