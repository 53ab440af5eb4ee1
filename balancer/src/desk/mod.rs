//! The operator's page and the same for programs: see everything, change what he may change.
//!
//! Reading order: `changes` (what he can change), `keeping` (what is kept, and where), `guard`
//! and `sessions` (who may), `routes` (who asks what), `api` (the same as JSON). Several balancers
//! that change one list: `overlay`, `stamps`, `merging`. Pages:
//! `page` (around all), `fleet`, `single`, `past` with `plot`, `why`; `words` in two
//! languages. `recent` and `regret` compare what was chosen with the best choice.

pub mod acts;
pub mod api;
pub mod asking;
pub mod changes;
pub mod facts;
pub mod fleet;
pub mod form;
pub mod guard;
pub mod history;
pub mod keeping;
pub mod merging;
pub(crate) mod minutes;
pub mod overlay;
pub mod page;
pub mod past;
pub mod plot;
pub mod recent;
pub mod regret;
pub mod relays;
pub mod routes;
pub mod sessions;
pub mod settling;
pub mod signing;
pub mod single;
pub mod stamp;
pub mod stamps;
pub mod visit;
pub mod why;
pub mod words;
