//! Which connection goes where: listeners to their mount, the rest to the pages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use jiff::Timestamp;
use stream::fanout::Fanout;
use stream::http::common;
use stream::http::door::House;
use stream::http::head::Head;
use stream::http::listener::{self, Overflow, Service};
use stream::http::shown::Shown;
use stream::http::{Caller, pages};
use stream::mount::{Class, MountPath, MountTable, Slots};
use stream::shutdown::Shutdown;

use crate::config::Config;

/// A running relay.
#[derive(Debug)]
pub(crate) struct Relay {
    table: Arc<MountTable>,
    service: Service,
    router: Router,
    shutdown: Shutdown,
}

impl Relay {
    pub(crate) fn new(
        config: &Config,
        table: Arc<MountTable>,
        slots: Slots,
        fanout: Arc<Fanout>,
        shutdown: Shutdown,
    ) -> Self {
        let router = common::router(Shown {
            program: "plenum-relay",
            table: Arc::clone(&table),
            slots: slots.clone(),
            fanout: Arc::clone(&fanout),
            public_url: config.public_url.clone(),
            started: (Instant::now(), Timestamp::now()),
        });
        let service = Service {
            serving: config.knobs().serving(),
            relay_burst: Duration::ZERO,
            fanout,
            slots,
            overflow: config.balancer.as_ref().map(|balancer| Overflow {
                balancer: balancer.url.clone(),
                own_url: config.public_url.clone().unwrap_or_default(),
            }),
        };
        Self {
            table,
            service,
            router,
            shutdown,
        }
    }
}

impl House for Relay {
    async fn welcome(self: Arc<Self>, head: Head, caller: Caller) {
        let mount = MountPath::parse(&head.path)
            .ok()
            .and_then(|path| self.table.find(&path));
        match mount {
            Some(mount) => {
                let (service, class) = (&self.service, Class::Listener);
                listener::serve(service, &head, caller, mount, class).await;
            }
            None => pages::serve(caller, self.router.clone(), &self.shutdown).await,
        }
    }
}
