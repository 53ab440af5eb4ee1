//! Whose logs they are when the program begins: by the settings, and by what was when it ended.

use std::time::Duration;

use stream::follow::Trail;
use stream::follow::trail::Above;
use stream::handover::Reign;
use tokio::time::timeout;
use tracing::info;

use super::StandbyConfig;
use crate::config::Config;
use crate::disk::reign::Standing;

/// One that was promoted asks the other master at its start whether it still counts; no longer
/// than this.
const ASK_MAX: Duration = Duration::from_secs(2);

/// The trail of this master. `inherited`: what the program before this one was, if it handed over.
pub(crate) async fn trail_at_start(config: &Config, inherited: Option<Reign>) -> Trail {
    let own = format!("{:032x}", fastrand::u128(..));
    let known = match inherited {
        Some(reign) => Standing {
            reign: reign.number,
            is_promoted: !reign.is_standby,
        },
        None => Standing::kept(config.state_directory()),
    };
    let reign = known.reign;
    let Some(standby) = &config.standby else {
        return Trail::new(own, Above::Nobody { reign });
    };
    if !known.is_promoted {
        return Trail::new(own, Above::CutOff { reign });
    }
    if inherited.is_some() {
        return Trail::new(own, Above::Nobody { reign });
    }
    let trail = Trail::new(own.clone(), Above::Nobody { reign });
    match higher(standby, &trail).await {
        None => {
            info!("this standby was promoted: it goes on with reign {reign}");
            trail
        }
        Some(higher) => {
            info!(
                "the master at {} has reign {higher}, this one had {reign}: it stands by now",
                standby.master
            );
            let standing = Standing {
                reign: higher,
                is_promoted: false,
            };
            standing.keep(config.state_directory());
            Trail::new(own, Above::CutOff { reign: higher })
        }
    }
}

/// The reign of the other master, if it is there and has a higher one.
async fn higher(standby: &StandbyConfig, trail: &Trail) -> Option<u64> {
    let upstream = standby.upstream();
    let catalog = timeout(ASK_MAX, upstream.catalog(trail)).await.ok()?.ok()?;
    (catalog.reign > trail.reign()).then_some(catalog.reign)
}
