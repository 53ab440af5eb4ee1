//! The way in: connect, ask, and hear what the server wants.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use stream::outward::{Duplex, cause_beside_ca_file, dressed, is_of_certificate};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::answer::{Answer, Answers};
use super::carry::Load;
use super::request;
use crate::config::{Bind, Target};

/// Finding the server's addresses may take this long, connecting to each as long again.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// So many of the server's addresses are tried; the others in the next attempt, when the
/// name server gives them in another order.
const ADDRESSES_MAX: usize = 3;

/// TLS with the server has to begin within this time.
const HANDSHAKE_MAX: Duration = Duration::from_secs(3);

/// The server may take this long to say whether it takes the stream. Some never say it:
/// after this time pages are sent anyway.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Plenum's master says which page it wants, perhaps only in its final answer, which
/// follows the interim one at once.
const FINAL_ANSWER_MAX: Duration = Duration::from_millis(300);

/// A page may take this long to be taken by the kernel.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Unacknowledged bytes are waited for this long before the kernel gives up. Clearly less than
/// Icecast's `source-timeout`, 10 s: only a connection that we give up ourselves shows that what
/// the kernel holds was not delivered.
const ACKNOWLEDGE_MAX: Duration = Duration::from_secs(7);

/// What the kernel may hold of what was sent: little, so that a server that takes nothing
/// any more is noticed after seconds and not after minutes.
pub(super) const SEND_BUFFER_BYTES: u32 = 32 * 1024;

pub(super) const HUNG_UP: &str = "the server closed the connection";

/// The addresses that servers had when last asked for. Name servers are often reached over one
/// network only: when that is away, the uplinks on the others go on.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, Vec<SocketAddr>>>);

/// Why an attempt ended.
pub(super) enum Ended {
    /// Every page was sent and there will be no more.
    Complete,
    /// The server answered that it does not take the stream.
    Refused(Answer),
    /// Nobody vouches for the server, in words: nothing was sent to it.
    Untrusted(String),
    /// Anything else, in words.
    Broken(String),
    /// Nothing came any more, in words.
    Silent(String),
    /// Another uplink delivers, and this one only stands by.
    Needless,
    /// It stood still; this second one, opened beside it, does not.
    Replaced(Box<Opened>),
}

impl Ended {
    /// The master did not answer, or says that it takes no streams: another one may.
    pub(super) fn is_unanswered(&self, was_on_air: bool) -> bool {
        match self {
            Self::Silent(_) | Self::Untrusted(_) => true,
            Self::Broken(_) => !was_on_air,
            Self::Refused(answer) => matches!(answer.status, 404 | 405 | 500..600),
            Self::Complete | Self::Replaced(_) | Self::Needless => false,
        }
    }
}

/// A connection on which the server takes the stream.
pub(super) struct Opened {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) answers: Answers,
    /// What it said. `None`: nothing yet.
    pub(super) answer: Option<Answer>,
    /// How long the server's machine takes to answer.
    pub(super) round_trip: Duration,
}

/// A new connection, and how long the server's machine took to answer.
pub(super) type Connected = (Box<dyn Duplex>, Duration);

pub(super) type Reader = ReadHalf<Box<dyn Duplex>>;
pub(super) type Writer = WriteHalf<Box<dyn Duplex>>;

/// Asks the server on a new connection to take the stream.
pub(super) async fn ask(connected: Connected, load: Load<'_>) -> Result<Opened, Ended> {
    let (socket, round_trip) = connected;
    let (mut reader, mut writer) = split(socket);
    let mut answers = Answers::new();
    let head = request::head(load.target(), load.stream, load.uplink + 1);
    write(&mut writer, head.as_bytes()).await?;
    let answer = hear(&mut reader, &mut answers).await?;
    Ok(Opened {
        reader,
        writer,
        answers,
        answer,
        round_trip,
    })
}

/// Connects to the first of the server's addresses that answers.
pub(super) async fn connect(load: Load<'_>) -> Result<Connected, Ended> {
    let bind = load.way().bind.as_ref();
    let mut last = broken("its name has no address that can be reached from here");
    let found = load.known.find(load.target()).await?;
    let reachable = found.iter().filter(|address| match bind {
        Some(Bind::Address(own)) => own.is_ipv4() == address.is_ipv4(),
        _ => true,
    });
    for address in reachable.take(ADDRESSES_MAX) {
        let began = Instant::now();
        match timeout(CONNECT_MAX, connect_to(*address, bind)).await {
            Ok(Ok(socket)) => {
                let round_trip = began.elapsed();
                return Ok((shake_hands(socket, load.target()).await?, round_trip));
            }
            Ok(Err(error)) => last = broken(error.to_string()),
            Err(_) => {
                let seconds = CONNECT_MAX.as_secs();
                last = broken(format!("no connection within {seconds} s"));
            }
        }
    }
    Err(last)
}

/// The same connection; through TLS, if the address asks for it. Nothing else is tried then.
async fn shake_hands(socket: TcpStream, target: &Target) -> Result<Box<dyn Duplex>, Ended> {
    let dressing = dressed(socket, &target.host, target.tls.as_ref());
    match timeout(HANDSHAKE_MAX, dressing).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) if is_of_certificate(&error) => {
            Err(Ended::Untrusted(cause_beside_ca_file(&error)))
        }
        Ok(Err(error)) => Err(broken(cause_beside_ca_file(&error))),
        Err(_) => {
            let seconds = HANDSHAKE_MAX.as_secs();
            Err(Ended::Silent(format!(
                "TLS with it did not begin within {seconds} s"
            )))
        }
    }
}

impl Known {
    /// Asks for the addresses; without an answer they are taken to be the same as before.
    async fn find(&self, target: &Target) -> Result<Vec<SocketAddr>, Ended> {
        let place = (target.host.trim_matches(['[', ']']), target.port);
        let why = match timeout(CONNECT_MAX, lookup_host(place)).await {
            Ok(Ok(found)) => {
                let found: Vec<_> = found.collect();
                self.lock().insert(target.authority(), found.clone());
                return Ok(found);
            }
            Ok(Err(error)) => format!("its address is not found: {error}"),
            Err(_) => "the name server does not answer".to_owned(),
        };
        let before = self.lock().get(&target.authority()).cloned();
        before.ok_or_else(|| broken(why))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<SocketAddr>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect_to(address: SocketAddr, bind: Option<&Bind>) -> std::io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    set_up(&socket)?;
    let said = |error: std::io::Error, to: &str| {
        std::io::Error::new(error.kind(), format!("cannot begin at {to}: {error}"))
    };
    match bind {
        None => {}
        Some(Bind::Address(own)) => socket
            .bind((*own, 0).into())
            .map_err(|error| said(error, &own.to_string()))?,
        Some(Bind::Interface(name)) => socket
            .bind_device(Some(name.as_bytes()))
            .map_err(|error| said(error, name))?,
    }
    socket.connect(address).await
}

pub(super) fn broken(why: impl Into<String>) -> Ended {
    Ended::Broken(why.into())
}

/// A connection on which nothing came through is something else than one that was closed.
pub(super) fn failed(error: &std::io::Error) -> Ended {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            broken(error.to_string())
        }
        // Through TLS, a connection that is closed without a farewell.
        ErrorKind::UnexpectedEof => broken(HUNG_UP),
        // What only TLS says: it ends the connection.
        ErrorKind::InvalidData => broken(cause_beside_ca_file(error)),
        _ => Ended::Silent(error.to_string()),
    }
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
async fn hear(reader: &mut Reader, answers: &mut Answers) -> Result<Option<Answer>, Ended> {
    let Ok(first) = timeout(ANSWER_MAX, next_answer(reader, answers)).await else {
        return Ok(None);
    };
    let first = first?;
    if first.is_welcome() || (first.is_interim() && first.is_plenum) {
        return Ok(Some(first));
    }
    if !first.is_interim() {
        return Err(refused(first, reader, answers).await);
    }
    match timeout(FINAL_ANSWER_MAX, next_answer(reader, answers)).await {
        Ok(Ok(answer)) if answer.is_welcome() || answer.is_interim() => Ok(Some(answer)),
        Ok(Ok(answer)) => Err(refused(answer, reader, answers).await),
        Ok(Err(ended)) => Err(ended),
        Err(_) => Ok(Some(first)),
    }
}

/// A refusal, with the server's own words if they come at once.
async fn refused(mut answer: Answer, reader: &mut Reader, answers: &mut Answers) -> Ended {
    let words = async {
        while !answers.has_said(&answer) {
            let mut bytes = [0; 512];
            match reader.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(n_bytes) => answers.push(&bytes[..n_bytes]),
            }
        }
    };
    // What has come by then is told.
    drop(timeout(FINAL_ANSWER_MAX, words).await);
    answer.said = answers.said(&answer);
    Ended::Refused(answer)
}

/// The head of the server's next answer. Cancel safe: what was read stays in `answers`.
pub(super) async fn next_answer(
    reader: &mut Reader,
    answers: &mut Answers,
) -> Result<Answer, Ended> {
    loop {
        if let Some(answer) = answers.take().map_err(Ended::Broken)? {
            return Ok(answer);
        }
        let mut bytes = [0; 2048];
        match reader.read(&mut bytes).await {
            Ok(0) => return Err(broken(HUNG_UP)),
            Ok(n_bytes) => answers.push(&bytes[..n_bytes]),
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// Gives bytes to the kernel: all of them, so that what it holds is all that may be under way. TLS
/// would keep some for itself.
pub(super) async fn write(writer: &mut Writer, bytes: &[u8]) -> Result<(), Ended> {
    let work = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    match timeout(WRITE_MAX, work).await {
        Ok(outcome) => outcome.map_err(|error| failed(&error)),
        Err(_) => Err(Ended::Silent(format!(
            "the server took nothing for {} s",
            WRITE_MAX.as_secs()
        ))),
    }
}
