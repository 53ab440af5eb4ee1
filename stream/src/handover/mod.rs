//! An upgrade without a drop: a running program hands its connections and logs over to the program
//! that replaces it, its heir.
//!
//! Reading order: `estate` (what is handed over), `freeze` (how everything that moves comes to a
//! stop, and goes on if the heir is of no use), `channel` (words and open sockets from one program
//! to the other), `giver` (the side that leaves), `heir` (the side that comes), `launch` (how the
//! heir is started), `feed` (for those who cannot be handed over), `life` (from the door to the end).
//!
//! The order of things: the giver starts the heir; the heir reads its settings and says that it is
//! ready; the giver freezes and sends the estate; the heir says that it has taken it; the giver
//! says go and leaves. Until that last word the heir touches nothing, and the giver can go on as if
//! nothing had been.

mod channel;
mod estate;
mod feed;
mod freeze;
mod giver;
mod heir;
mod launch;
mod life;

pub use estate::{Lock, Met, Played, Reign, Source, SourceState};
pub use feed::Feeding;
pub use freeze::{Freeze, Member, Part, Stage, Verdict};
pub use giver::{Giver, asked};
pub use heir::{Heir, Inheritance};
pub use launch::{Launch, Ready, Succession, TAKE_OVER};
pub use life::live;

pub(crate) use channel::{Channel, SOCKETS_MAX};
pub(crate) use estate::{Seat, Word};

#[cfg(test)]
mod tests;
