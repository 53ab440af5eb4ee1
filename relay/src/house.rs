//! Which connection goes where: listeners to their mount, the rest to the pages.

use std::net::TcpStream;
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
use stream::http::tls::Tls;
use stream::http::{Caller, pages};
use stream::mount::{Class, Mount, MountPath, MountTable, Slots};
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
        tls: Option<&Tls>,
        shutdown: Shutdown,
    ) -> Self {
        let router = common::router(Shown {
            program: "plenum-relay",
            table: Arc::clone(&table),
            slots: slots.clone(),
            fanout: Arc::clone(&fanout),
            public_url: config.public_url.clone(),
            certificates: tls.map(|tls| Arc::clone(tls.certificates())),
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

    fn find(&self, head: &Head) -> Option<Arc<Mount>> {
        let path = MountPath::parse(&head.path).ok()?;
        self.table.find(&path)
    }
}

impl House for Relay {
    fn seat(&self, head: &Head, socket: TcpStream, came: Instant) -> Result<(), TcpStream> {
        match self.find(head) {
            Some(mount) => listener::seat(&self.service, head, socket, came, mount),
            None => Err(socket),
        }
    }

    async fn welcome(self: Arc<Self>, head: Head, caller: Caller) {
        match self.find(&head) {
            Some(mount) => {
                let (service, class) = (&self.service, Class::Listener);
                listener::serve(service, &head, caller, mount, class).await;
            }
            None => pages::serve(caller, self.router.clone(), &self.shutdown).await,
        }
    }
}
