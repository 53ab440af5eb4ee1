//! How a listener's socket is set up.

use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Bytes that nobody acknowledges for this long mean that the listener is gone. Who shares a
/// crowded line may get nothing for half a minute, and is still there.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(35);
/// A listener to whom nothing is being sent is asked whether he is there after this time.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// And again after this.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// The kernel takes no more while so many bytes wait to be sent for the first time. It counts
/// the listener as gone if for [`UNACKNOWLEDGED_MAX`] his window was always smaller than the piece
/// that is next, although he reads all the time: pieces have to be small for those with small
/// buffers. What the kernel has not taken waits in the log, which all of them share.
const UNSENT_BYTES: u32 = 4096;
/// A relay's socket is writable while fewer bytes than this wait to be sent for the first time:
/// while none do.
const NOTSENT_BYTES: u32 = 1;

/// Sets a socket up for a stream that may last for days: no delay for small pages, and a
/// listener who vanished without a word is noticed within seconds, not in the 15 minutes
/// that TCP would take by itself.
pub fn prepare<S: AsFd>(socket: &S) {
    let socket = SockRef::from(socket);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL);
    let _ = socket.set_tcp_keepalive(&keepalive.with_retries(3));
}

/// Sets a relay's socket up besides: the kernel takes a page only when it has sent the one
/// before, so that what waits can be seen, and a lost packet is sent again at a steady pace.
pub(super) fn prepare_relay<S: AsFd>(socket: &S) {
    let socket = SockRef::from(socket);
    let _ = socket.set_tcp_notsent_lowat(NOTSENT_BYTES);
    let _ = socket.set_tcp_thin_linear_timeouts(true);
}
