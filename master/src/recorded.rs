//! What a standby copies: the log of a mount, each page behind its record, for as long as it likes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use jiff::Timestamp;
use stream::follow::upstream::RECORDED;
use stream::log::recorded::{encode, encode_prefix};
use stream::log::resume::{Answer, Wish};
use stream::log::{Cursor, Log, Wake};
use stream::mount::{Audience, Class, MountPath, MountTable, Slot, Slots};
use stream::shutdown::Shutdown;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Portions that wait for a standby to take them; then this waits, for this standby only.
const PORTIONS_QUEUED_MAX: usize = 4;
/// A portion has about so many bytes.
const PORTION_BYTES: usize = 64 * 1024;
/// One that takes nothing for so long is let go.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether anybody is still there when no page comes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The logs, for standbys.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    pub(crate) table: Arc<MountTable>,
    pub(crate) slots: Slots,
    /// As much recent sound as a relay gets.
    pub(crate) burst: Duration,
    pub(crate) shutdown: Shutdown,
}

impl Logs {
    /// `/api/v1/log/<mount>`, answered as a mount is: 200, 206 or 416.
    pub(crate) fn answer(self, uri: &Uri, headers: &HeaderMap) -> Response {
        let path = uri.path().strip_prefix(RECORDED).unwrap_or_default();
        let mount = MountPath::parse(path).ok();
        let Some(mount) = mount.and_then(|path| self.table.find(&path)) else {
            return (StatusCode::NOT_FOUND, "there is no such mount\n").into_response();
        };
        let header = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
        let log = mount.log();
        let wish = Wish::parse(header(header::RANGE), header(header::IF_RANGE));
        let wish = match wish {
            // One who wants the rest of a page has another log by this name: he begins anew.
            Wish::Resume { first, .. } if is_within_page(&log, first) => Wish::Join,
            wish => wish,
        };
        let Some((answer, cursor, prefix)) = log.open(wish, self.burst) else {
            return (StatusCode::NOT_FOUND, "this mount has not begun yet\n").into_response();
        };
        let status = match answer {
            Answer::Join => StatusCode::OK,
            Answer::Exact { .. } => StatusCode::PARTIAL_CONTENT,
            Answer::Ahead { head } => {
                let range = [(header::CONTENT_RANGE, format!("bytes */{head}"))];
                let sentence = "these bytes have not come yet\n";
                return (StatusCode::RANGE_NOT_SATISFIABLE, range, sentence).into_response();
            }
        };
        let Some(slot) = self.slots.take(Class::Relay) else {
            let sentence = "all slots are taken\n";
            return (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
        };
        let about = [
            ("content-type", "application/octet-stream".to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("etag", format!("\"{}\"", log.epoch())),
            ("stream-offset", cursor.offset().to_string()),
            ("stream-prefix", prefix.len().to_string()),
        ];
        let (sender, portions) = Channel::new(PORTIONS_QUEUED_MAX);
        let telling = Telling {
            cursor,
            sender,
            shutdown: self.shutdown.clone(),
            _holds: (slot, mount.admit(Class::Relay)),
        };
        self.shutdown.spawn("log", async move {
            // However it ends: who wants more asks again.
            let _ = telling.run(&prefix).await;
        });
        let mut response = Body::new(portions).into_response();
        *response.status_mut() = status;
        for (name, value) in about {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

fn is_within_page(log: &Log, offset: u64) -> bool {
    let kept = log.kept(offset, 1).unwrap_or_default();
    kept.first().is_some_and(|first| first.offset < offset)
}

/// One log, told to one standby.
struct Telling {
    cursor: Cursor,
    sender: Sender<Bytes, std::convert::Infallible>,
    shutdown: Shutdown,
    _holds: (Slot, Audience),
}

/// Rings at every page.
#[derive(Debug, Default)]
struct Bell(Notify);

impl Wake for Bell {
    fn wake(&self) {
        self.0.notify_one();
    }
}

impl Telling {
    /// `None`: nobody listens any more, or has to ask again.
    async fn run(mut self, prefix: &Bytes) -> Option<()> {
        let log: Arc<Log> = Arc::clone(self.cursor.log());
        let bell = Arc::new(Bell::default());
        log.wake_on_append(&bell);
        self.send(encode_prefix(prefix)).await?;
        let mut offset = self.cursor.offset();
        loop {
            if self.shutdown.freeze().has_left() {
                // The program after this one goes on.
                return None;
            }
            let kept = log.kept(offset, PORTION_BYTES).ok()?;
            let Some(last) = kept.last() else {
                if log.has_ended() {
                    return None;
                }
                let rung = timeout(LOOK_EVERY, bell.0.notified());
                if self.shutdown.unless_requested(rung).await?.is_err() {
                    // Nothing is sent by it, but it fails when the other side is gone.
                    self.send(Bytes::new()).await?;
                }
                continue;
            };
            let next = last.offset + last.page.len() as u64;
            if kept.first()?.offset != offset {
                return None;
            }
            let now_ms = Timestamp::now().as_millisecond();
            self.send(encode(&kept, Instant::now(), now_ms)).await?;
            offset = next;
        }
    }

    async fn send(&mut self, portion: Bytes) -> Option<()> {
        let sent = timeout(SEND_MAX, self.sender.send_data(portion));
        self.shutdown.unless_requested(sent).await?.ok()?.ok()
    }
}
