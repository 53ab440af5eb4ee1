//! The list of recordings and the recordings themselves, over HTTP.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use serde::{Deserialize, Serialize};
use stream::mount::MountPath;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use super::layout::Layout;
use super::list::{Line, timestamp};
use super::range::{Part, part};
use super::reader::Reader;
use super::session::Name;
use super::{Archive, STALL_MAX};

/// Portions that wait for somebody who downloads; then the disk waits, for him only.
const PORTIONS_QUEUED_MAX: usize = 2;
/// Seconds after which somebody may come again for whom there was no room.
const RETRY_AFTER_SECONDS: &str = "10";

/// The pages.
pub(crate) fn router(archive: Arc<Archive>) -> Router {
    Router::new()
        .route("/archive", get(page))
        .route("/api/v1/archive", get(all))
        .route("/api/v1/archive/{*path}", get(one))
        .with_state(archive)
}

#[derive(Serialize)]
struct List {
    sessions: Vec<Line>,
}

/// What may stand behind the address of a recording.
#[derive(Debug, Deserialize)]
struct Asked {
    /// Where in the log it ends.
    end: Option<u64>,
}

async fn all(State(archive): State<Arc<Archive>>) -> Response {
    match list(archive, None).await {
        Ok(sessions) => Json(List { sessions }).into_response(),
        Err(answer) => answer,
    }
}

async fn page(State(archive): State<Arc<Archive>>) -> Response {
    let lines = match list(archive, None).await {
        Ok(lines) => lines,
        Err(answer) => return answer,
    };
    let rows: String = lines.iter().map(row).collect();
    let hint = if lines.is_empty() {
        "<p>Nothing is recorded.</p>"
    } else {
        ""
    };
    // All that stands in it is made of plain characters.
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Recordings</title>\
         <h1>Recordings</h1>{hint}<table><tr><th>Mount<th>From (UTC)<th>To (UTC)<th>Megabytes<th>\
         {rows}</table></html>\n"
    ))
    .into_response()
}

fn row(line: &Line) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let megabytes = line.bytes as f64 / 1e6;
    let mut state = Vec::new();
    state.extend(line.is_running.then(|| "going on".to_owned()));
    state.extend(line.is_late.then(|| "came later than live".to_owned()));
    state.extend((line.holes > 0).then(|| format!("{} holes", line.holes)));
    let state = state.join(", ");
    let clock = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    format!(
        "<tr><td><a href=\"{}\">{}</a><td>{}<td>{}<td>{megabytes:.1}<td>{state}",
        line.url,
        line.mount,
        clock(line.from),
        clock(line.to)
    )
}

/// Everything below: a mount, whose recordings are listed, or one of them.
async fn one(
    State(archive): State<Arc<Archive>>,
    Path(path): Path<String>,
    Query(asked): Query<Asked>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let named = path.rsplit_once('/').and_then(|(mount, file)| {
        let name: Name = file.strip_suffix(".ogg")?.parse().ok()?;
        Some((MountPath::parse(&format!("/{mount}")).ok()?, name))
    });
    if let Some((mount, name)) = named {
        return recording(archive, mount, name, asked.end, &method, &headers).await;
    }
    match MountPath::parse(&format!("/{path}")) {
        Ok(mount) if archive.folder(&mount).is_some() => match list(archive, Some(mount)).await {
            Ok(sessions) => Json(List { sessions }).into_response(),
            Err(answer) => answer,
        },
        _ => nothing(),
    }
}

async fn list(archive: Arc<Archive>, only: Option<MountPath>) -> Result<Vec<Line>, Response> {
    let Some(permit) = archive.reader() else {
        return Err(no_room());
    };
    let work = spawn_blocking(move || {
        let _permit = permit;
        archive.list(only.as_ref())
    });
    work.await.map_err(|_| failed())
}

async fn recording(
    archive: Arc<Archive>,
    mount: MountPath,
    name: Name,
    end: Option<u64>,
    method: &Method,
    headers: &HeaderMap,
) -> Response {
    let Some(permit) = archive.reader() else {
        return no_room();
    };
    let looked = Arc::clone(&archive);
    let path = mount.clone();
    let found = spawn_blocking(move || looked.find(&path, name, end)).await;
    let (first_ms, layout) = match found {
        Ok(Ok(Some(found))) => found,
        Ok(Ok(None)) => return nothing(),
        Ok(Err(error)) => {
            warn!("a recording of {mount} cannot be read: {error}");
            return failed();
        }
        Err(_) => return failed(),
    };
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let wanted = part(
        value(header::RANGE),
        value(header::IF_RANGE),
        value(header::IF_NONE_MATCH),
        &layout.tag,
        layout.n_bytes,
    );
    let file_name = format!(
        "{} {}.ogg",
        mount
            .as_str()
            .trim_matches('/')
            .trim_end_matches(".ogg")
            .replace('/', " "),
        timestamp(first_ms).strftime("%Y-%m-%d %H-%M-%S")
    );
    let about = [
        (header::CONTENT_TYPE, "application/ogg".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::ETAG, layout.tag.clone()),
        (
            header::CONTENT_DISPOSITION,
            format!("inline; filename=\"{file_name}\""),
        ),
    ];
    let n_bytes = layout.n_bytes;
    let (status, range) = match wanted {
        Part::Nothing => return (StatusCode::NOT_MODIFIED, about).into_response(),
        Part::Impossible => {
            let there = [(header::CONTENT_RANGE, format!("bytes */{n_bytes}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, there).into_response();
        }
        Part::Whole => (StatusCode::OK, 0..n_bytes),
        Part::Some(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let mut answer = (status, about).into_response();
    describe(&mut answer, status, &range, n_bytes);
    if method == Method::GET {
        *answer.body_mut() = Body::new(archive.send(layout, range, permit));
    }
    answer
}

/// Says how long the body is, and which part of the file.
fn describe(answer: &mut Response, status: StatusCode, range: &Range<u64>, n_bytes: u64) {
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{n_bytes}", range.start, range.end - 1);
        if let Ok(text) = text.parse() {
            headers.insert(header::CONTENT_RANGE, text);
        }
    }
}

impl Archive {
    /// A body that is read from the disk as fast as it is taken and the uplink has room.
    fn send(
        self: &Arc<Self>,
        layout: Layout,
        range: Range<u64>,
        permit: OwnedSemaphorePermit,
    ) -> Channel<Bytes, io::Error> {
        let (sender, body) = Channel::new(PORTIONS_QUEUED_MAX);
        let archive = Arc::clone(self);
        let reader = Reader::new(layout, range);
        self.shutdown.spawn("download", async move {
            let shutdown = archive.shutdown.clone();
            let work = archive.carry(reader, sender);
            shutdown.unless_requested(work).await;
            drop(permit);
        });
        body
    }

    async fn carry(&self, mut reader: Reader, mut sender: Sender<Bytes, io::Error>) {
        loop {
            self.room().await;
            let read = spawn_blocking(move || {
                let read = reader.next();
                (reader, read)
            });
            let Ok((back, read)) = read.await else {
                return;
            };
            reader = back;
            match read {
                Ok(Some(bytes)) => {
                    self.fanout.uplink().spend(bytes.len());
                    let taken = timeout(STALL_MAX, sender.send_data(bytes)).await;
                    if !matches!(taken, Ok(Ok(()))) {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    warn!("a recording breaks off: {error}");
                    return sender.abort(error);
                }
            }
        }
    }
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "there is no such recording\n").into_response()
}

fn failed() -> Response {
    let sentence = "this recording cannot be read; the log of this program says why\n";
    (StatusCode::INTERNAL_SERVER_ERROR, sentence).into_response()
}

fn no_room() -> Response {
    let later = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)];
    let sentence = "too many recordings are being read; try again in a few seconds\n";
    (StatusCode::SERVICE_UNAVAILABLE, later, sentence).into_response()
}
