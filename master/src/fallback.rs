//! Where listeners are while the source of their mount is away; and that the operator's word on
//! each mount is the one of the settings that hold now.

use std::sync::Arc;
use std::time::Instant;

use stream::current::Current;
use stream::mount::course::TURN_EVERY;
use stream::shutdown::Shutdown;
use tracing::info;

use crate::house::Master;
use crate::ticks::Ticks;

/// Looks where everybody has to be, again and again.
pub(crate) async fn watch(master: Arc<Current<Master>>, shutdown: Shutdown) {
    let mut ticks = Ticks::every(TURN_EVERY, &shutdown);
    while ticks.next().await {
        review(&master.now(), Instant::now());
    }
}

/// Looks where everybody has to be now.
pub(crate) fn review(master: &Master, now: Instant) {
    let (table, config, courses) = (master.table(), master.config(), master.courses());
    if master.trail().is_master() {
        let marked = table.all().into_iter().filter(|mount| {
            let terms = config.terms(mount.path());
            let is_said = mount.describe(|facts| config.said_of(mount.path(), facts));
            mount.set_terms(courses.ordered(mount.path(), terms)) || is_said
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
