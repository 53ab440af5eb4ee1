//! Sources that speak SHOUTcast's first protocol: a password, an answer, lines about the stream,
//! and then the stream. They come to a port of the master or, since their programs count from there, to
//! the one above, where `hall` keeps those who have not said who they are.

mod hall;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use stream::current::Current;
use stream::descriptors;
use stream::handover::{Part, Stage, Verdict};
use stream::http::door::bind;
use stream::http::head::{HEAD_BYTES_MAX, Head};
use stream::http::{Caller, login, turned_away};
use stream::mount::MountPath;
use stream::shutdown::Shutdown;
use stream::text::guessed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::credentials::{Known, MayPublish, by_password};
use crate::house::Master;
use crate::ingest::Guest;
use hall::{Hall, Leave, Place};

/// Password and lines about the stream come within this time in all.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// The most bytes of a line with a password.
pub(crate) const PASSWORD_LINE_BYTES_MAX: usize = 256;
/// The most connections on a port above whose lines have not come yet, and at most a quarter of the
/// sockets. For a further one the oldest is closed: it has had more time than any other.
const HEADS_PENDING_MAX: usize = 1024;
/// How often the port above is tried again while somebody else has it.
const BIND_EVERY: Duration = Duration::from_millis(200);
/// After so many tries the log says so.
const BIND_TRIES: u32 = 25;
/// How long the port above rests when the system has no socket to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const READ_BYTES: usize = 4096;

const WELCOME: &[u8] = b"OK2\r\nicy-caps:11\r\n\r\n";
const WRONG: &[u8] = b"invalid password\r\n";

/// Takes a source from its password to its last page.
pub(crate) async fn meet(master: &Master, mut caller: Caller) {
    if let Ok(met) = timeout(HEAD_TIME_MAX, greet(master, &mut caller)).await {
        lead_in(master, caller, met).await;
    }
}

/// As [`meet`], on a port above: first whom its proxy brings, and he may have to make room before he
/// has said all.
async fn meet_above(master: &Master, mut caller: Caller, peer: IpAddr, place: Place, leave: Leave) {
    let gate = &master.config().access;
    let met = async {
        if !caller.is_let_in(gate, peer).await {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        greet(master, &mut caller).await
    };
    let met = tokio::select! {
        met = timeout(HEAD_TIME_MAX, met) => met,
        _ = leave => return,
    };
    drop(place);
    if let Ok(met) = met {
        lead_in(master, caller, met).await;
    }
}

/// The password and the lines of one, or what was wrong with them.
type Met = io::Result<Option<(Head, MountPath, Known)>>;

async fn lead_in(master: &Master, caller: Caller, met: Met) {
    match met {
        Ok(Some((head, path, who))) => {
            let is_told = true;
            let guest = Guest { who, is_told };
            master.ingest().take_in(head, caller, path, guest).await;
        }
        Ok(None) => {
            login::wait_for_wrong_password().await;
            caller.answer(WRONG).await;
        }
        // He went, or what came was no head.
        Err(_) => {}
    }
}

/// Password and lines. `None`: the password is wrong.
async fn greet(master: &Master, caller: &mut Caller) -> Met {
    let Some(shoutcast) = &master.config().shoutcast else {
        return Ok(None);
    };
    let line = line(caller).await?;
    let (path, password) = named(&line).unwrap_or_else(|| (shoutcast.mount.clone(), &line));
    let who = match by_password(master.config(), password, &path) {
        MayPublish::Yes(who) => who,
        MayPublish::NotHere(user) => {
            turned_away::say(&format!(
                "refused a source: user {user} may not publish {path}: see `mounts` in master.toml"
            ));
            return Ok(None);
        }
        MayPublish::Unknown => {
            turned_away::wrong_password(&format!(
                "refused a source that speaks SHOUTcast at {path}, wrong password: compare what \
                 the encoder has with [[source]]"
            ));
            return Ok(None);
        }
    };
    caller.socket.write_all(WELCOME).await?;
    caller.socket.flush().await?;
    let head = lines(caller, &path).await?;
    Ok(Some((head, path, who)))
}

/// The first line, without its end.
async fn line(caller: &mut Caller) -> io::Result<String> {
    loop {
        if let Some(at) = caller.read.iter().position(|b| *b == b'\n') {
            let line = caller.read.split_to(at + 1);
            let text = guessed(&line);
            return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        if caller.read.len() > PASSWORD_LINE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        more(caller).await?;
    }
}

/// `/mount:password`, by which several such sources share a port.
pub(crate) fn named(line: &str) -> Option<(MountPath, &str)> {
    let (path, password) = line.split_once(':')?;
    Some((MountPath::parse(path).ok()?, password))
}

/// The lines about the stream, as the head of a request: they are the same words.
async fn lines(caller: &mut Caller, path: &MountPath) -> io::Result<Head> {
    let start = format!("SOURCE {path} HTTP/1.0\r\n");
    loop {
        let whole = [start.as_bytes(), &caller.read].concat();
        match Head::parse(&whole) {
            Ok(Some(mut head)) => {
                head.n_bytes -= start.len();
                return Ok(head);
            }
            Ok(None) if caller.read.len() < HEAD_BYTES_MAX => more(caller).await?,
            Ok(None) | Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

async fn more(caller: &mut Caller) -> io::Result<()> {
    caller.read.reserve(READ_BYTES);
    match caller.socket.read_buf(&mut caller.read).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Takes sources on the port above each of the master's own, unless that one is its own, too.
pub(crate) fn start(master: &Arc<Current<Master>>, shutdown: &Shutdown) {
    let listen = master.now().config().listen.clone();
    for own in listen.all() {
        let Some(port) = own.port().checked_add(1) else {
            warn!("there is no port above {}", own.port());
            continue;
        };
        let above = SocketAddr::new(own.ip(), port);
        // Where the door itself listens, it takes them.
        if listen.and(above).as_ref() != Ok(&listen) {
            let listening = listen_above(above, Arc::clone(master), shutdown.clone());
            shutdown.spawn("shoutcast", listening);
        }
    }
}

/// Takes sources on one such port. An error of one connection never ends it.
async fn listen_above(address: SocketAddr, master: Arc<Current<Master>>, shutdown: Shutdown) {
    let Some(listener) = bound(address, &shutdown).await else {
        return;
    };
    info!("sources that speak SHOUTcast may come to {address}");
    let mut member = shutdown.freeze().join(Stage::Door);
    let hall = Hall::of(descriptors::share(HEADS_PENDING_MAX, descriptors::raise()));
    loop {
        let taken = tokio::select! {
            () = shutdown.requested() => return,
            () = member.asked() => match member.arrive(Part::Nothing).await {
                Verdict::GoOn => continue,
                // The program after this one listens here.
                Verdict::Leave => return,
            },
            taken = listener.accept() => taken,
        };
        let Ok((socket, peer)) = taken else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if !master.now().config().access.opens(peer.ip()) {
            continue;
        }
        let Ok(caller) = socket.into_std().and_then(Caller::of) else {
            continue;
        };
        let (place, leave) = hall.enter();
        let master = master.now();
        shutdown.spawn("shoutcast source", async move {
            meet_above(&master, caller, peer.ip(), place, leave).await;
        });
    }
}

/// Waits for the port while the program before this one still has it.
async fn bound(address: SocketAddr, shutdown: &Shutdown) -> Option<TcpListener> {
    for n_tries in 0u32.. {
        match bind(address) {
            Ok(listener) => return Some(listener),
            Err(error) if n_tries == BIND_TRIES => {
                warn!("for sources that speak SHOUTcast: {error}");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = shutdown.requested() => return None,
            () = sleep(BIND_EVERY) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_line_may_name_a_mount_before_the_password() {
        let (path, password) = named("/hall/a.mp3:pass:word").unwrap();
        assert_eq!((path.as_str(), password), ("/hall/a.mp3", "pass:word"));
        assert!(named("password").is_none() && named("pass:word").is_none());
    }
}
