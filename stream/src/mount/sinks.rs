//! Who writes the logs of a master's mounts down.

use std::fmt;
use std::sync::Arc;

use super::mount::Mount;
use crate::log::Sink;
use crate::log::account::Account;

/// Gives each log somebody who writes it down.
pub trait Sinks: Send + Sync + fmt::Debug {
    /// Somebody who writes down the log that `mount` has now, from where `account` stands. `None`:
    /// it cannot be written down.
    fn open(&self, mount: &Arc<Mount>, account: Account) -> Option<Box<dyn Sink>>;
}
