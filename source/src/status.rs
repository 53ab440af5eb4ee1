//! What the source is doing at the moment: written by those who do it, shown by `progress`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::desk::meter::Reading;

/// How an uplink stands with the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Trying to reach the server, or asking whether it takes the stream.
    #[default]
    Connecting,
    /// The server takes the stream.
    OnAir,
    /// It failed; the next attempt comes soon.
    Waiting,
    /// It is not needed: another uplink delivers.
    StandingBy,
}

/// All uplinks, and the master they go to.
#[derive(Debug)]
struct Links {
    links: Vec<Link>,
    n_connections: Vec<u64>,
    /// The place of the master in the list of masters.
    master: usize,
}

/// Shared by all threads and tasks of the program.
#[derive(Debug)]
pub struct Status {
    links: Mutex<Links>,
    level: Mutex<Reading>,
    samples: AtomicU64,
    bytes_sent: AtomicU64,
}

impl Status {
    /// Nothing has happened yet on any of so many uplinks.
    pub fn new(n_uplinks: usize) -> Self {
        Self {
            links: Mutex::new(Links {
                links: vec![Link::default(); n_uplinks],
                n_connections: vec![0; n_uplinks],
                master: 0,
            }),
            level: Mutex::default(),
            samples: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How each uplink stands.
    pub fn links(&self) -> Vec<Link> {
        self.lock().links.clone()
    }

    /// How an uplink stands.
    pub fn link(&self, uplink: usize) -> Link {
        self.lock().links[uplink]
    }

    /// An uplink's state has changed; but see [`Self::go_on_air`].
    pub fn set_link(&self, uplink: usize, link: Link) {
        self.lock().links[uplink] = link;
    }

    /// The server takes the stream over this uplink. `false`: another one is on air at another
    /// master, and only one master may have the stream.
    pub fn go_on_air(&self, uplink: usize, master: usize) -> bool {
        let mut links = self.lock();
        let others = links.links.iter().enumerate();
        let mut others = others.filter(|(n, link)| *n != uplink && **link == Link::OnAir);
        if links.master != master && others.next().is_some() {
            return false;
        }
        links.master = master;
        links.links[uplink] = Link::OnAir;
        links.n_connections[uplink] += 1;
        true
    }

    /// Which master has the stream, or is asked to take it.
    pub fn master(&self) -> usize {
        self.lock().master
    }

    /// The master `from` does not answer: the next of `n_masters` is asked, unless another uplink
    /// has gone on already.
    pub fn move_on(&self, from: usize, n_masters: usize) {
        let mut links = self.lock();
        if links.master == from {
            links.master = (from + 1) % n_masters;
        }
    }

    /// The level since the last call.
    pub fn take_level(&self) -> Reading {
        std::mem::take(&mut *self.level.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a reading of the meter.
    pub fn add_level(&self, reading: Reading) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        *level = level.and_then(reading);
    }

    /// The length of everything encoded so far.
    pub fn encoded(&self) -> Duration {
        let micros = self.samples.load(Relaxed).saturating_mul(1_000_000);
        Duration::from_micros(micros / u64::from(crate::encoder::RATE))
    }

    /// So many more samples a channel were encoded.
    pub fn add_samples(&self, n_samples: usize) {
        self.samples.fetch_add(n_samples as u64, Relaxed);
    }

    /// Bytes of sound given to the network, over all connections.
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Relaxed)
    }

    /// So many more bytes were given to the network.
    pub fn add_bytes(&self, n_bytes: usize) {
        self.bytes_sent.fetch_add(n_bytes as u64, Relaxed);
    }

    /// How often a server took the stream over this uplink.
    pub fn n_connections(&self, uplink: usize) -> u64 {
        self.lock().n_connections[uplink]
    }
}
