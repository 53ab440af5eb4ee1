//! Where listeners are while the source of their mount is away; and that the operator's word on
//! each mount is the one of the settings that hold now.

use std::sync::Arc;
use std::time::Instant;

use stream::current::Current;
use stream::handover::Stage;
use stream::mount::course::TURN_EVERY;
use stream::shutdown::Shutdown;
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use crate::house::Master;
use crate::is_time;

/// Looks where everybody has to be, again and again.
pub(crate) async fn watch(master: Arc<Current<Master>>, shutdown: Shutdown) {
    let mut clock = interval(TURN_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut member = shutdown.freeze().join(Stage::Writers);
    while is_time(&mut clock, &mut member, &shutdown).await {
        review(&master.now(), Instant::now());
    }
}

/// Looks where everybody has to be now.
pub(crate) fn review(master: &Master, now: Instant) {
    let (table, config, courses) = (master.table(), master.config(), master.courses());
    if master.trail().is_master() {
        let marked = table.all().into_iter().filter(|mount| {
            let terms = config.terms(mount.path());
            mount.set_terms(courses.ordered(mount.path(), terms))
        });
        if marked.count() > 0 {
            table.touch();
        }
        for mount in config
            .mount
            .iter()
            .filter(|mount| mount.terms().fallback.is_some())
        {
            let fallback = courses.ordered(&mount.path, mount.terms()).fallback;
            courses.set(&mount.path, fallback, table);
        }
    }
    for turn in master.courses().review(table, now) {
        info!("{turn}");
    }
}
