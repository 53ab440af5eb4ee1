//! The only doors: what comes in over sockets, and how it is answered.
//!
//! `door` reads the head of every connection; those who have not said it wait in the `porch`,
//! those who begin with a handshake are met by `tls`, which shows a `certificate`. A listener's
//! socket then goes through `listener` to the fan-out (`admissions` remembers who came by whose
//! ticket, `overflow` for all balancers together); everything that is a page goes through
//! `pages` to hyper and axum; `catalogs` is the page that relays follow, `login` says who may see
//! it, and `site` whether another site's page asks. The rest are the words of HTTP (`head`, `answer`,
//! `basic`, `chunked`), and connections that look alike (`line`, `rewound`). `said` is what an operator
//! says in place of a source, `added` are headers of his own, `cors` those for other sites' scripts, `turned_away` is what he learns of those
//! who may not. `office` is what the operator orders: `icecast`, the pages for those who know an
//! Icecast, lets him do so in Icecast's words, `api` in ours. `events` tells what changes.

pub mod added;
pub mod admissions;
pub mod answer;
pub mod api;
pub mod asked;
pub mod basic;
mod caller;
pub mod catalogs;
mod certificate;
pub mod chunked;
pub mod common;
pub mod conditions;
pub mod cors;
pub mod date;
pub mod door;
pub mod events;
pub mod gate;
pub mod guard;
pub mod head;
pub mod icecast;
pub mod intro;
mod line;
pub mod listener;
pub mod login;
mod metrics;
pub mod office;
pub mod overflow;
pub mod pages;
mod porch;
pub mod proxied;
mod rewound;
mod said;
pub mod serving;
pub mod shown;
pub mod site;
pub mod tls;
pub mod turned_away;

pub use caller::Caller;
pub use certificate::{CERTIFICATE, CertificateFiles, Certificates};
pub use line::Line;
pub use rewound::Rewound;
