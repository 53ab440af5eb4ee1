//! A way between two programs that a test can cut: a small TCP proxy. A cut is silent, as
//! when a cable is pulled somewhere: nobody hangs up, nothing arrives.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Context, Result};

/// How often a way that is cut looks whether it is healed.
const LOOK: Duration = Duration::from_millis(10);

/// A proxy on a port of its own. It ends with the process.
#[derive(Debug)]
pub struct Line {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_cut: AtomicBool,
    /// Where new connections lead.
    far_port: AtomicU16,
    /// Connections that began before the newest loss are gone.
    generation: AtomicU64,
}

impl Line {
    /// A line to a port of this machine.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for the line")?;
        let line = Self {
            port: listener.local_addr()?.port(),
            state: Arc::default(),
        };
        line.lead_to(port);
        let state = Arc::clone(&line.state);
        std::thread::spawn(move || {
            for near in listener.incoming().filter_map(Result::ok) {
                let state = Arc::clone(&state);
                std::thread::spawn(move || connect(&near, &state));
            }
        });
        Ok(line)
    }

    /// Where it begins.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whoever connects from now on comes out at another port, as when a name gets another address.
    pub fn lead_to(&self, port: u16) {
        self.state.far_port.store(port, SeqCst);
    }

    /// From now on nothing gets through, in neither direction.
    pub fn cut(&self) {
        self.state.is_cut.store(true, SeqCst);
    }

    /// Everything gets through again, also what waited.
    pub fn heal(&self) {
        self.state.is_cut.store(false, SeqCst);
    }

    /// What waits on the way is lost, with its connections.
    pub fn lose(&self) {
        self.state.generation.fetch_add(1, SeqCst);
    }
}

impl State {
    /// Waits while the line is cut. `false`: this connection is lost.
    fn pass(&self, generation: u64) -> bool {
        while self.is_cut.load(SeqCst) && self.is_there(generation) {
            std::thread::sleep(LOOK);
        }
        self.is_there(generation)
    }

    fn is_there(&self, generation: u64) -> bool {
        self.generation.load(SeqCst) == generation
    }
}

fn connect(near: &TcpStream, state: &Arc<State>) {
    let generation = state.generation.load(SeqCst);
    if !state.pass(generation) {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", state.far_port.load(SeqCst))) else {
        return;
    };
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else {
        return;
    };
    let back = Arc::clone(state);
    std::thread::spawn(move || copy(&far_too, &near_too, &back, generation));
    copy(near, &far, state, generation);
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, state: &State, generation: u64) {
    let mut bytes = [0; 4096];
    let _ = from.set_read_timeout(Some(LOOK));
    while state.is_there(generation) {
        let n_bytes = match from.read(&mut bytes) {
            Ok(n_bytes) => n_bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        if !state.pass(generation) {
            break;
        }
        if n_bytes == 0 {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        if to.write_all(&bytes[..n_bytes]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
