//! Where connections come in: reads the head of each, then hands the connection itself to the
//! house. An error of one connection never ends the door.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::answer::Answer;
use super::caller::{Caller, NoHead};
use super::date::http_date;
use super::head::{BadHead, Head, Version};
use crate::descriptors;
use crate::shutdown::Shutdown;

/// Connections that the kernel holds for us until we take them.
const BACKLOG: u32 = 4096;
/// A head comes within this time in all, not from byte to byte.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// The most connections whose head has not come yet. For a further one the oldest is closed: it
/// has had more time than any other.
const HEADS_PENDING_MAX: usize = 4096;
/// How long the door rests when the system has no socket left to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who lives behind the door.
pub trait House: Send + Sync + 'static {
    /// Takes a connection whose head has been read, and keeps it as long as it likes.
    fn welcome(self: Arc<Self>, head: Head, caller: Caller) -> impl Future<Output = ()> + Send;
}

/// Binds an address such as `0.0.0.0:8000` or `[::]:8000` (which takes IPv4 too).
///
/// # Errors
/// When the address is taken or not ours; the text names it.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket
        .bind(address)
        .and_then(|()| socket.listen(BACKLOG))
        .map_err(|error| {
            std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })
}

/// Takes connections until the program is told to stop.
pub async fn serve<H: House>(listener: TcpListener, house: Arc<H>, shutdown: Shutdown) {
    let n_descriptors = descriptors::raise();
    let mut pending = Pending::default();
    while let Some(socket) = shutdown.unless_requested(accept(&listener)).await {
        let is_last = descriptors::is_among_last(socket.as_raw_fd(), n_descriptors);
        let evicted = pending.enter();
        let (house, connection) = (Arc::clone(&house), shutdown.clone());
        shutdown.spawn("connection", async move {
            let met = tokio::select! {
                met = meet(socket, is_last) => met,
                _ = evicted => None,
                () = connection.requested() => None,
            };
            if let Some((head, caller)) = met {
                house.welcome(head, caller).await;
            }
        });
    }
}

/// Connections whose head has not come yet, oldest first.
#[derive(Default)]
struct Pending(VecDeque<oneshot::Sender<()>>);

impl Pending {
    /// One more. The result fires when it has to make room for another.
    fn enter(&mut self) -> oneshot::Receiver<()> {
        if self.0.len() >= HEADS_PENDING_MAX {
            self.0.retain(|waiting| !waiting.is_closed());
        }
        if self.0.len() >= HEADS_PENDING_MAX
            && let Some(oldest) = self.0.pop_front()
        {
            let _ = oldest.send(());
        }
        let (waiting, evicted) = oneshot::channel();
        self.0.push_back(waiting);
        evicted
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) => {
                warn!("cannot take a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Reads the head, or says why there is none.
async fn meet(socket: TcpStream, is_last: bool) -> Option<(Head, Caller)> {
    let _ = socket.set_nodelay(true);
    let mut caller = Caller::new(socket);
    let (status, why) = match timeout(HEAD_TIME_MAX, caller.head()).await {
        Ok(Ok(_)) if is_last => (
            StatusCode::SERVICE_UNAVAILABLE,
            "this server has no connection left to give; try again in a few seconds".to_owned(),
        ),
        Ok(Ok(head)) => return Some((head, caller)),
        Ok(Err(NoHead::Gone)) => return None,
        Ok(Err(NoHead::Bad(bad))) => (status_of(bad), bad.to_string()),
        Err(_) if caller.read.is_empty() => return None,
        Err(_) => (
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the request head did not come within {} s",
                HEAD_TIME_MAX.as_secs()
            ),
        ),
    };
    debug!("turned a connection away: {why}");
    let answer = Answer::new(Version::Http11, status, &http_date()).sentence(&why);
    caller.answer(&answer).await;
    None
}

fn status_of(bad: BadHead) -> StatusCode {
    match bad {
        BadHead::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        BadHead::Malformed | BadHead::Ambiguous => StatusCode::BAD_REQUEST,
    }
}
