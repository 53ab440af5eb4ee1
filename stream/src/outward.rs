//! Connections to other people's servers, in the clear or through TLS.
//!
//! What is said there is the business of who asked for one, and so is the deadline. Whose
//! certificates are believed is `trust`'s, how it is told when they are not is `words`'.

pub mod trust;
mod words;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

pub use tokio_rustls::TlsConnector;
pub use trust::{Server, connector};
pub use words::{cause, cause_beside_ca_file, is_of_certificate};

/// A name is resolved within this time or not at all.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(3);
/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 8;
/// After this time without an answer the next address is tried beside this one (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(300);

/// A connection, whatever it is made of.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Trusts the certificates that this machine trusts. They are read when they are needed for the
/// first time.
pub fn this_machine() -> &'static TlsConnector {
    static TLS: LazyLock<TlsConnector> =
        LazyLock::new(|| connector(None).expect("without a file nothing is read"));
    &TLS
}

/// A connection to a server at any of its addresses; with `tls` it is encrypted, and the server is
/// who it says.
///
/// # Errors
/// Says why there is none.
pub async fn dial(
    host: &str,
    port: u16,
    tls: Option<&TlsConnector>,
) -> Result<Box<dyn Duplex>, String> {
    let socket = reach(&addresses(host, port).await?).await;
    let socket = socket.map_err(|error| cause(&error))?;
    // What is asked in a few bytes is not to wait for more.
    let _ = socket.set_nodelay(true);
    dressed(socket, host, tls)
        .await
        .map_err(|error| cause(&error))
}

/// The same connection; with `tls` after a handshake with the server of this name.
///
/// # Errors
/// When its certificate does not vouch for the name, or the connection breaks.
pub async fn dressed(
    socket: TcpStream,
    host: &str,
    tls: Option<&TlsConnector>,
) -> io::Result<Box<dyn Duplex>> {
    let Some(tls) = tls else {
        return Ok(Box::new(socket));
    };
    let name = ServerName::try_from(bare(host).to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(tls.connect(name, socket).await?))
}

/// The addresses of a server, at most [`ADDRESSES_MAX`].
///
/// # Errors
/// When its name cannot be resolved.
pub async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let name = bare(host);
    match timeout(LOOKUP_TIME_MAX, lookup_host((name, port))).await {
        Ok(Ok(found)) => Ok(found.take(ADDRESSES_MAX).collect()),
        Ok(Err(error)) => Err(format!("the name {name} has no address: {error}")),
        Err(_) => Err(format!(
            "the name {name} is not resolved in {LOOKUP_TIME_MAX:?}"
        )),
    }
}

/// The first of these addresses that lets us in. One that says nothing holds up no other.
async fn reach(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let Some((address, others)) = addresses.split_first() else {
        return Err(io::Error::other("its name has no address"));
    };
    let mut here = pin!(TcpStream::connect(address));
    if others.is_empty() {
        return here.await;
    }
    let mut there = pin!(Box::pin(reach(others)));
    match timeout(HEAD_START, &mut here).await {
        Ok(Ok(socket)) => return Ok(socket),
        Ok(Err(_)) => return there.await,
        Err(_) => {}
    }
    tokio::select! {
        socket = &mut here => match socket {
            Ok(socket) => Ok(socket),
            Err(_) => there.await,
        },
        socket = &mut there => match socket {
            Ok(socket) => Ok(socket),
            Err(_) => here.await,
        },
    }
}

/// An address of IPv6 stands in brackets in a URL, and nowhere else.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests;
