//! One attempt: connect, ask, send pages until something ends it.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use stream::ogg::Page;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tracing::{info, warn};

use super::answer::{Answer, Answers};
use super::request::{self, Stream};
use crate::backlog::Shared;
use crate::config::Target;
use crate::status::{Link, Status};

/// Finding the server's addresses may take this long, connecting to each as long again.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// So many of the server's addresses are tried; the others in the next attempt, when the
/// name server gives them in another order.
const ADDRESSES_MAX: usize = 3;

/// The server may take this long to say whether it takes the stream. Some never say it:
/// after this time pages are sent anyway.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Plenum's master says which page it wants, perhaps only in its final answer, which
/// follows the interim one at once.
const FINAL_ANSWER_MAX: Duration = Duration::from_millis(300);

/// A page may take this long to be taken by the kernel.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Unacknowledged bytes are waited for this long before the kernel gives up.
const ACKNOWLEDGE_MAX: Duration = Duration::from_secs(10);

/// After the last page, the server may take this long to close.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// What the kernel may hold of what was sent: little, so that a server that takes nothing
/// any more is noticed after seconds and not after minutes.
const SEND_BUFFER_BYTES: u32 = 32 * 1024;

/// Why an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every page was sent and there will be no more.
    Complete,
    /// The server answered that it does not take the stream.
    Refused(Answer),
    /// Anything else, in words.
    Broken(String),
}

/// One attempt to get the stream to the server. Pages that were not written wholly stay
/// in the backlog.
pub(super) async fn attempt(
    target: &Target,
    stream: &Stream,
    backlog: &Shared,
    status: &Status,
) -> Ended {
    status.set_link(Link::Connecting);
    match send(target, stream, backlog, status).await {
        Ok(()) => Ended::Complete,
        Err(ended) => ended,
    }
}

async fn send(
    target: &Target,
    stream: &Stream,
    backlog: &Shared,
    status: &Status,
) -> Result<(), Ended> {
    let socket = connect(target).await?;
    let (mut reader, mut writer) = socket.into_split();
    let mut answers = Answers::new();
    write(&mut writer, request::head(target, stream).as_bytes()).await?;
    let wanted = ask(&mut reader, &mut answers).await?;
    if let Some(wanted) = wanted {
        resume(target, backlog, wanted);
    }
    status.set_link(Link::OnAir);
    info!("on air: {target} takes the stream");
    let began = backlog.lock().place();
    tokio::select! {
        outcome = send_pages(&mut writer, backlog, status) => outcome?,
        why = listen(&mut reader, &mut answers, began) => return Err(why),
    }
    close(reader, writer, answers).await
}

/// Connects to the first of the server's addresses that answers.
async fn connect(target: &Target) -> Result<TcpStream, Ended> {
    let place = (target.host.trim_matches(['[', ']']), target.port);
    let Ok(found) = timeout(CONNECT_MAX, lookup_host(place)).await else {
        return Err(broken("the name server does not answer"));
    };
    let found = found.map_err(|error| broken(format!("its address is not found: {error}")))?;
    let mut last = broken("its name has no address");
    for address in found.take(ADDRESSES_MAX) {
        match timeout(CONNECT_MAX, connect_to(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => last = broken(error.to_string()),
            Err(_) => {
                let seconds = CONNECT_MAX.as_secs();
                last = broken(format!("no connection within {seconds} s"));
            }
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    set_up(&socket)?;
    socket.connect(address).await
}

fn broken(why: impl Into<String>) -> Ended {
    Ended::Broken(why.into())
}

fn set_up(socket: &TcpSocket) -> std::io::Result<()> {
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_user_timeout(Some(ACKNOWLEDGE_MAX))?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(5))
        .with_interval(Duration::from_secs(2));
    socket.set_tcp_keepalive(&keepalive)
}

/// Waits until the server takes the stream or says nothing for too long. Returns the page
/// that it wants, if it is one that says so.
async fn ask(reader: &mut OwnedReadHalf, answers: &mut Answers) -> Result<Option<u32>, Ended> {
    let Ok(first) = timeout(ANSWER_MAX, next_answer(reader, answers)).await else {
        return Ok(None);
    };
    let first = first?;
    if first.is_welcome() || (first.is_interim() && first.is_plenum) {
        return Ok(first.wanted);
    }
    if !first.is_interim() {
        return Err(Ended::Refused(first));
    }
    match timeout(FINAL_ANSWER_MAX, next_answer(reader, answers)).await {
        Ok(Ok(answer)) if answer.is_welcome() || answer.is_interim() => Ok(answer.wanted),
        Ok(Ok(answer)) => Err(Ended::Refused(answer)),
        Ok(Err(ended)) => Err(ended),
        Err(_) => Ok(None),
    }
}

/// The head of the server's next answer. Cancel safe: what was read stays in `answers`.
async fn next_answer(reader: &mut OwnedReadHalf, answers: &mut Answers) -> Result<Answer, Ended> {
    loop {
        if let Some(answer) = answers.take().map_err(Ended::Broken)? {
            return Ok(answer);
        }
        let mut bytes = [0; 2048];
        match reader.read(&mut bytes).await {
            Ok(0) => return Err(broken("the server closed the connection")),
            Ok(n_bytes) => answers.push(&bytes[..n_bytes]),
            Err(error) => return Err(broken(error.to_string())),
        }
    }
}

/// Goes to the page that the master wants.
fn resume(target: &Target, backlog: &Shared, wanted: u32) {
    let n_missing = backlog.lock().go_to(wanted);
    if n_missing > 0 {
        warn!(
            n_missing,
            "{target} misses {n_missing} pages that are no longer kept: the stream has a hole"
        );
    }
}

/// Sends header pages and then the backlog, until it ends.
async fn send_pages(
    writer: &mut OwnedWriteHalf,
    backlog: &Shared,
    status: &Status,
) -> Result<(), Ended> {
    // The first sound, and with it the header pages, may still be to come.
    let Some(mut page) = backlog.next().await else {
        return Ok(());
    };
    let headers: Vec<Page> = backlog.lock().headers().to_vec();
    for header in &headers {
        write(writer, header.bytes()).await?;
        status.add_bytes(header.len());
    }
    loop {
        write(writer, page.bytes()).await?;
        backlog.sent(&page);
        status.add_bytes(page.len());
        match backlog.next().await {
            Some(next) => page = next,
            None => return Ok(()),
        }
    }
}

async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> Result<(), Ended> {
    match timeout(WRITE_MAX, writer.write_all(bytes)).await {
        Ok(outcome) => outcome.map_err(|error| broken(error.to_string())),
        Err(_) => Err(broken(format!(
            "the server took nothing for {} s",
            WRITE_MAX.as_secs()
        ))),
    }
}

/// Reads what the server says while pages are sent. Ends only when the connection does,
/// when the server changes its mind, or when a late answer shows that the pages began too
/// late with the one numbered `began`.
async fn listen(reader: &mut OwnedReadHalf, answers: &mut Answers, began: u64) -> Ended {
    loop {
        let answer = match next_answer(reader, answers).await {
            Ok(answer) => answer,
            Err(ended) => return ended,
        };
        if let Some(wanted) = answer.wanted.filter(|wanted| u64::from(*wanted) < began) {
            return broken(format!("its late answer wants page {wanted}, not {began}"));
        }
        if answer.is_welcome() {
            return until_closed(reader).await;
        }
        if !answer.is_interim() {
            return Ended::Refused(answer);
        }
    }
}

/// After a final answer, whatever comes is its body.
async fn until_closed(reader: &mut OwnedReadHalf) -> Ended {
    let mut bytes = [0; 2048];
    loop {
        match reader.read(&mut bytes).await {
            Ok(0) => return broken("the server closed the connection"),
            Ok(_) => {}
            Err(error) => return broken(error.to_string()),
        }
    }
}

/// Says that this was all, and lets the server read it to its end.
async fn close(
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    mut answers: Answers,
) -> Result<(), Ended> {
    let work = async {
        writer
            .shutdown()
            .await
            .map_err(|error| broken(error.to_string()))?;
        match listen(&mut reader, &mut answers, 0).await {
            Ended::Refused(answer) => Err(Ended::Refused(answer)),
            _ => Ok(()),
        }
    };
    timeout(CLOSE_MAX, work).await.unwrap_or(Ok(()))
}
