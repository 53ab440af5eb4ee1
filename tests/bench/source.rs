//! A source for any server: sends the programme at the speed of time.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use stream::http::basic::Credentials;
use tests::http::{Address, Connection};

use crate::programme::Programme;

/// The name a source has by custom.
pub(crate) const USER: &str = "source";
/// The servers of the bench take no other.
pub(crate) const PASSWORD: &str = "bench-source-password";
/// A server that takes nothing for this long has died.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// A source that sends until it is dropped.
#[derive(Debug)]
pub(crate) struct Source {
    must_stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<Result<()>>>,
}

impl Source {
    /// Begins to send to a URL.
    ///
    /// # Errors
    /// When the server does not want it.
    pub(crate) fn start(url: &str, programme: &Arc<Programme>) -> Result<Self> {
        let socket = knock(url)?;
        let must_stop = Arc::new(AtomicBool::new(false));
        let (stop, programme) = (Arc::clone(&must_stop), Arc::clone(programme));
        let sender = std::thread::Builder::new()
            .name("source".to_owned())
            .spawn(move || send(socket, &programme, &stop))?;
        Ok(Self {
            must_stop,
            sender: Some(sender),
        })
    }

    /// Stops, and says whether all went well until then.
    ///
    /// # Errors
    /// When the server hung up in between.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.must_stop.store(true, Ordering::Relaxed);
        let sender = self.sender.take().context("it sends until it is stopped")?;
        sender.join().map_err(|_| anyhow!("the source failed"))?
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.must_stop.store(true, Ordering::Relaxed);
    }
}

/// As source clients did for twenty years: all servers know it.
fn knock(url: &str) -> Result<TcpStream> {
    let address = Address::parse(url)?;
    let mut connection = Connection::new(address.connect()?);
    let request = format!(
        "SOURCE {} HTTP/1.0\r\nHost: {}\r\nAuthorization: {}\r\n\
         User-Agent: plenum-bench\r\nContent-Type: application/ogg\r\n\r\n",
        address.path,
        address.authority,
        Credentials::header(USER, PASSWORD)
    );
    connection.send(request.as_bytes())?;
    let head = connection.head().context("no answer to the source")?;
    ensure!(head.status == 200, "the source got status {}", head.status);
    let (socket, _) = connection.into_parts();
    socket.set_write_timeout(Some(WRITE_MAX))?;
    Ok(socket)
}

fn send(mut socket: TcpStream, programme: &Programme, stop: &AtomicBool) -> Result<()> {
    let began = Instant::now();
    socket.write_all(&programme.headers)?;
    for due in programme.endless() {
        sleep((began + due.at).saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        socket
            .write_all(due.page.bytes())
            .context("the server hung up on the source")?;
    }
    Ok(())
}
