//! One probe: listens to a mount at one address of a relay until it has heard enough.

use std::net::SocketAddr;
use std::time::Duration;

use stream::mount::MountPath;
use stream::mpeg::Sniffer;
use stream::ogg::Found;
use tokio::time::{Instant, timeout_at};

use super::judge::{Came, Heard, OTHER_BYTES_MIN};
use crate::base_url::BaseUrl;
use crate::call::{Caller, Failure, Reply};

/// A probe takes no longer than this.
pub(super) const PROBE_TIME_MAX: Duration = Duration::from_secs(5);
/// A probe reads no more than this, and what came in the same piece.
const PROBE_BYTES_MAX: usize = 64 * 1024;
/// A key frame may be large, and what comes first begins with one.
const PICTURE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of what is no page that are kept to be shown.
const JUNK_BYTES_SHOWN: usize = 16;

/// Listens until `is_enough` says so of what came, or time or bytes are used up.
pub(super) async fn listen(
    caller: &Caller,
    place: (&BaseUrl, SocketAddr),
    mount: &MountPath,
    is_enough: impl Fn(&Heard) -> bool,
) -> Came {
    let deadline = Instant::now() + PROBE_TIME_MAX;
    let asked = caller.call_at(place, mount.as_str());
    let mut reply = match timeout_at(deadline, asked).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(Failure::Refused)) => return Came::Refused,
        Ok(Err(Failure::NoWay(why))) => return Came::NoWay(why),
        Ok(Err(Failure::Other(why))) => return Came::Nothing(why),
        Err(_) => {
            let seconds = PROBE_TIME_MAX.as_secs();
            return Came::Nothing(format!("no answer within {seconds} s"));
        }
    };
    let mut hearing = Hearing::new(&reply);
    while !hearing.is_over() && !is_enough(&hearing.heard) {
        match timeout_at(deadline, reply.chunk()).await {
            Ok(Ok(Some(bytes))) => hearing.take(&bytes),
            // What has come by then is judged.
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    Came::Answer(hearing.heard)
}

/// An answer being heard.
struct Hearing {
    heard: Heard,
    sniffer: Sniffer,
    /// Bytes of whole pages so far.
    n_paged: usize,
    /// The first bytes behind them.
    behind: Vec<u8>,
}

impl Hearing {
    fn new(reply: &Reply) -> Self {
        let number = |name: &str| reply.header(name)?.parse().ok();
        let heard = Heard {
            status: reply.status(),
            content_type: reply.header("content-type").unwrap_or_default().to_owned(),
            epoch: reply.header("etag").map(str::to_owned),
            offset: number("stream-offset"),
            n_prefix: number("stream-prefix").unwrap_or(0),
            ..Heard::default()
        };
        Self {
            heard,
            sniffer: Sniffer::trusting(),
            n_paged: 0,
            behind: Vec::new(),
        }
    }

    fn is_over(&self) -> bool {
        let is_no_stream = !matches!(self.heard.status, 200 | 206);
        let is_other = self.heard.junk.is_some() && self.heard.n_bytes >= OTHER_BYTES_MIN;
        let has_picture = self.heard.content_type.starts_with("video/");
        let bytes_max = match has_picture {
            true => PICTURE_BYTES_MAX,
            false => PROBE_BYTES_MAX,
        };
        is_no_stream || is_other || self.heard.n_bytes >= bytes_max
    }

    fn take(&mut self, bytes: &[u8]) {
        self.heard.n_bytes += bytes.len();
        self.behind.extend_from_slice(bytes);
        let mut input = bytes;
        while self.heard.junk.is_none()
            && let Some(found) = self.sniffer.next(&mut input)
        {
            match found {
                Found::Page(page) => {
                    self.n_paged += page.len();
                    self.behind.drain(..page.len());
                    match page.is_frames() {
                        true => self.heard.frames.extend_from_slice(page.bytes()),
                        false => self.heard.pages.push(page),
                    }
                }
                Found::Junk { .. } => {
                    let shown = self.behind.iter().take(JUNK_BYTES_SHOWN).copied();
                    self.heard.junk = Some((shown.collect(), self.n_paged));
                }
            }
        }
    }
}
