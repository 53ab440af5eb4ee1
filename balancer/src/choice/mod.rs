//! Who is sent where, and why. Pure, and fast enough to ask for every listener anew.
//!
//! Reading order: `policy` (what counts how much), `asker` (who wants to be sent), `reason` (why
//! a relay cannot take him), `columns` (what is known of all relays, one array for each thing),
//! `scan` (the choice), `terms` (each summand of it), `verdict` (the choice explained). Beside
//! them: `pairs` (the operator's word on two countries), `continents`.

pub mod asker;
pub mod columns;
pub mod continents;
pub mod pairs;
pub mod policy;
pub mod reason;
mod scan;
pub mod terms;
pub mod verdict;

pub use asker::{Family, Listener};
pub use columns::{Carries, Columns, Load, Offers};
pub use pairs::{Pair, Pairs};
pub use policy::Policy;
pub use reason::{Excluded, Gate, Gates};
pub use scan::Scratch;
pub use terms::Terms;
pub use verdict::{Question, Verdict, in_order};

#[cfg(test)]
mod tests;
