//! The way in: connect, ask, and hear what the server wants.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::answer::{Answer, Answers};
use super::request::{self, Stream};
use crate::config::Target;

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

/// What the kernel may hold of what was sent: little, so that a server that takes nothing
/// any more is noticed after seconds and not after minutes.
const SEND_BUFFER_BYTES: u32 = 32 * 1024;

/// Why an attempt ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Every page was sent and there will be no more.
    Complete,
    /// The server answered that it does not take the stream.
    Refused(Answer),
    /// Anything else, in words.
    Broken(String),
    /// It stood still; this second one, opened beside it, does not.
    Replaced(Box<Opened>),
}

/// A connection on which the server takes the stream.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) reader: OwnedReadHalf,
    pub(super) writer: OwnedWriteHalf,
    pub(super) answers: Answers,
    /// What it said. `None`: nothing yet.
    pub(super) answer: Option<Answer>,
}

/// Asks the server on a new connection to take the stream.
pub(super) async fn ask(
    socket: TcpStream,
    target: &Target,
    stream: &Stream,
) -> Result<Opened, Ended> {
    let (mut reader, mut writer) = socket.into_split();
    let mut answers = Answers::new();
    write(&mut writer, request::head(target, stream).as_bytes()).await?;
    let answer = hear(&mut reader, &mut answers).await?;
    Ok(Opened {
        reader,
        writer,
        answers,
        answer,
    })
}

/// Connects to the first of the server's addresses that answers.
pub(super) async fn connect(target: &Target) -> Result<TcpStream, Ended> {
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

pub(super) fn broken(why: impl Into<String>) -> Ended {
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

/// Waits until the server takes the stream or says nothing for too long (`None`).
async fn hear(reader: &mut OwnedReadHalf, answers: &mut Answers) -> Result<Option<Answer>, Ended> {
    let Ok(first) = timeout(ANSWER_MAX, next_answer(reader, answers)).await else {
        return Ok(None);
    };
    let first = first?;
    if first.is_welcome() || (first.is_interim() && first.is_plenum) {
        return Ok(Some(first));
    }
    if !first.is_interim() {
        return Err(Ended::Refused(first));
    }
    match timeout(FINAL_ANSWER_MAX, next_answer(reader, answers)).await {
        Ok(Ok(answer)) if answer.is_welcome() || answer.is_interim() => Ok(Some(answer)),
        Ok(Ok(answer)) => Err(Ended::Refused(answer)),
        Ok(Err(ended)) => Err(ended),
        Err(_) => Ok(Some(first)),
    }
}

/// The head of the server's next answer. Cancel safe: what was read stays in `answers`.
pub(super) async fn next_answer(
    reader: &mut OwnedReadHalf,
    answers: &mut Answers,
) -> Result<Answer, Ended> {
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

/// Gives bytes to the kernel.
pub(super) async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> Result<(), Ended> {
    match timeout(WRITE_MAX, writer.write_all(bytes)).await {
        Ok(outcome) => outcome.map_err(|error| broken(error.to_string())),
        Err(_) => Err(broken(format!(
            "the server took nothing for {} s",
            WRITE_MAX.as_secs()
        ))),
    }
}
