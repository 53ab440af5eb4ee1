//! Who lives behind the door here: one mount for listeners, and the pages.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;

use crate::http::asked::Asked;
use crate::http::door::House;
use crate::http::gate::Gate;
use crate::http::head::Head;
use crate::http::listener::{self, Service};
use crate::http::{Caller, pages};
use crate::mount::{Class, MountTable};
use crate::shutdown::Shutdown;

pub(super) struct Home {
    pub(super) table: Arc<MountTable>,
    pub(super) gate: Gate,
    pub(super) service: Service,
    pub(super) router: Router,
    pub(super) shutdown: Shutdown,
}

impl House for Home {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    fn seat(&self, head: &Head, socket: TcpStream, came: Instant) -> Result<(), TcpStream> {
        match Asked::of(&self.service, &self.table, &head.path) {
            Some(asked) => listener::seat(&self.service, head, socket, came, &asked),
            None => Err(socket),
        }
    }

    async fn welcome(self: Arc<Self>, head: Head, caller: Caller) {
        let Some(asked) = Asked::of(&self.service, &self.table, &head.path) else {
            return pages::serve(caller, self.router.clone(), &self.shutdown).await;
        };
        listener::serve(&self.service, &head, caller, &asked, Class::Listener).await;
    }
}
