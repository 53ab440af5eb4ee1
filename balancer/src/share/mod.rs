//! What several balancers share through Redis or Valkey: the operator's changes, and which relays are
//! in quarantine. Nobody waits for it: when it is away, each goes on with what it has.
//!
//! Reading order: `word` (what a balancer says), `others` (who lives, and what counts), `sharer` (one
//! round: say, hear, agree), `line` over `metered` (the connection), `standing` (how it stands). Of
//! two changes the later one counts: `desk/merging`. How far others are believed:
//! `registry/hearsay`. Slots are shared by leases, which need no database.

use std::sync::Arc;

use stream::backoff::Backoff;
use stream::shutdown::Shutdown;

use crate::balancer::Balancer;

mod line;
mod metered;
pub mod others;
mod sharer;
pub mod standing;
pub mod word;

use line::Line;
use sharer::Sharer;

/// Shares until the program ends, if the settings say where.
pub(crate) async fn watch(balancer: Arc<Balancer>, shutdown: Shutdown) {
    let Some(config) = balancer.config().share.clone() else {
        return;
    };
    let mut sharer = Sharer::new(balancer, &config);
    let mut backoff = Backoff::new();
    loop {
        let opening = Line::open(&config, &shutdown);
        let why = match shutdown.unless_requested(opening).await {
            None => return,
            Some(Err(why)) => why,
            Some(Ok(mut line)) => match sharer.serve(&mut line, &shutdown, &mut backoff).await {
                None => return sharer.leave(&mut line).await,
                Some(why) => why,
            },
        };
        sharer.is_cut_off(&why);
        let wait = tokio::time::sleep(backoff.next(fastrand::f64()));
        if shutdown.unless_requested(wait).await.is_none() {
            return;
        }
    }
}
