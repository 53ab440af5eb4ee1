//! Keeps the databases in use those that are on disk, and tells the log.

use std::sync::Arc;

use jiff::Zoned;
use stream::shutdown::Shutdown;
use tracing::{error, info, warn};

use super::{GeoSource, News, Refresh, embedded};
use crate::balancer::Balancer;

/// Reads files that changed, and all of them whenever that is asked for, until the program ends.
pub(crate) async fn watch(balancer: Arc<Balancer>, shutdown: Shutdown) {
    for source in balancer.geo().sources() {
        tell_age(&source);
    }
    loop {
        let pause = tokio::time::sleep(balancer.config().geo_look_interval());
        let next = async {
            tokio::select! {
                () = pause => Some(Refresh::Changed),
                () = balancer.reread_geo.notified() => Some(Refresh::All),
            }
        };
        let Some(Some(which)) = shutdown.unless_requested(next).await else {
            return;
        };
        let reading = Arc::clone(&balancer);
        let read = tokio::task::spawn_blocking(move || reading.geo().refresh(which)).await;
        match read {
            Ok(news) => {
                for one in &news {
                    tell(one);
                }
                if !news.is_empty() {
                    balancer.moved.notify_one();
                }
            }
            Err(error) => error!("the geo files in use stay, since reading failed: {error}"),
        }
    }
}

fn tell(news: &News) {
    match news {
        News::Fresh(file) => info!("geo file {} was read again", file.display()),
        News::Broken(complaint) => error!("what was in use before stays, since {complaint}"),
    }
}

fn tell_age(source: &GeoSource) {
    let Some(days) = source.age_days(Zoned::now().date()) else {
        return;
    };
    let (name, date) = (&source.name, source.date.as_deref().unwrap_or_default());
    if days > embedded::AGE_DAYS_MAX {
        warn!(
            "the geo data of {name} is of {date}, {days} days old, and addresses move: \
             docs/run-a-balancer.md tells how to get new data"
        );
    }
}
