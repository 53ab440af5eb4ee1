//! Which connection goes where: listeners to their mount, the rest to the pages.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use jiff::Timestamp;
use stream::fanout::Fanout;
use stream::follow::trail::STREAM_PATH;
use stream::follow::{Tally, Trail};
use stream::http::answer::Answer;
use stream::http::asked::{Asked, Rules};
use stream::http::catalogs::{self, Catalogs};
use stream::http::date::http_date;
use stream::http::door::House;
use stream::http::events;
use stream::http::gate::Gate;
use stream::http::head::Head;
use stream::http::icecast::office::{self, Office};
use stream::http::listener::{self, Service};
use stream::http::login::Login;
use stream::http::overflow::Overflow;
use stream::http::shown::Shown;
use stream::http::tls::Tls;
use stream::http::{Caller, common, login, pages};
use stream::mount::{Class, MountTable, Slots};
use stream::shutdown::Shutdown;

use crate::config::Config;

/// Other relays get this much recent sound when they join: enough for the bursts of their listeners.
const RELAY_BURST: Duration = Duration::from_secs(15);
/// What is allowed, for those who ask.
pub(crate) const ALLOW: &str = "GET, HEAD, OPTIONS";

/// A running relay.
#[derive(Debug)]
pub(crate) struct Relay {
    table: Arc<MountTable>,
    service: Service,
    /// How other relays show that they are relays.
    login: Option<Login>,
    trail: Arc<Trail>,
    router: Router,
    gate: Gate,
    shutdown: Shutdown,
}

/// Whom a relay follows.
#[derive(Debug)]
pub(crate) struct Following {
    /// This relay's place below them.
    pub(crate) trail: Arc<Trail>,
    /// What has come from each.
    pub(crate) tallies: Vec<Arc<Tally>>,
}

/// How many may listen, and where the others go.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) slots: Slots,
    pub(crate) rules: Rules,
    pub(crate) overflow: Option<Arc<Overflow>>,
}

impl Relay {
    pub(crate) fn new(
        config: &Config,
        table: Arc<MountTable>,
        room: Room,
        fanout: Arc<Fanout>,
        tls: Option<&Tls>,
        following: Following,
        shutdown: Shutdown,
    ) -> Self {
        let Following { trail, tallies } = following;
        let Room {
            slots,
            rules,
            overflow,
        } = room;
        let catalogs = Catalogs {
            table: Arc::clone(&table),
            trail: Arc::clone(&trail),
            shutdown: shutdown.clone(),
        };
        let logins = config.relay.iter().cloned().collect();
        let for_relays = login::only_for(logins, login::FOR_RELAYS, catalogs::router(catalogs));
        let shown = Shown {
            program: "plenum-relay",
            table: Arc::clone(&table),
            upstreams: tallies,
            slots: slots.clone(),
            fanout: Arc::clone(&fanout),
            public_url: config.public_url.clone(),
            certificates: tls.map(|tls| Arc::clone(tls.certificates())),
            reign: None,
            started: (Instant::now(), Timestamp::now()),
        };
        let office = Office {
            shown: shown.clone(),
            serving: Arc::new(config.knobs().serving()),
            desk: None,
        };
        let router = for_relays
            .merge(office::router(office, config.admin.as_ref()))
            .merge(events::router(Arc::clone(&table), shutdown.clone()))
            .merge(common::router(shown));
        let service = Service {
            serving: config.knobs().serving(),
            relay_burst: RELAY_BURST,
            fanout,
            slots,
            rules,
            overflow,
        };
        Self {
            table,
            service,
            login: config.relay.clone(),
            trail,
            router,
            gate: config.access.clone(),
            shutdown,
        }
    }

    async fn listen(&self, head: Head, caller: Caller, mut asked: Asked) {
        let (login, shown) = (self.login.as_ref(), head.header("authorization"));
        let class = if login::is(login, shown) {
            Class::Relay
        } else if login::claims_to_be(login, shown) {
            return login::refuse(&head, caller, ALLOW).await;
        } else {
            Class::Listener
        };
        let stream_path = head.header(STREAM_PATH);
        if stream_path.is_some_and(|path| self.trail.has_met(path)) {
            let answer = Answer::new(head.version, StatusCode::LOOP_DETECTED, &http_date());
            return caller.answer(&answer.sentence(catalogs::LOOP)).await;
        }
        let Some(caller) = asked.let_in(&self.service, &head, caller, class).await else {
            return;
        };
        listener::serve(&self.service, &head, caller, &asked, class).await;
    }

    fn find(&self, head: &Head) -> Option<Asked> {
        Asked::of(&self.service, &self.table, &head.path)
    }
}

impl House for Relay {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    fn seat(&self, head: &Head, socket: TcpStream, came: Instant) -> Result<(), TcpStream> {
        match self.find(head) {
            // Who shows a password may be a relay, or has to be told that it is wrong.
            Some(asked) if self.login.is_none() || head.header("authorization").is_none() => {
                listener::seat(&self.service, head, socket, came, &asked)
            }
            _ => Err(socket),
        }
    }

    async fn welcome(self: Arc<Self>, head: Head, caller: Caller) {
        match self.find(&head) {
            Some(asked) => self.listen(head, caller, asked).await,
            None => pages::serve(caller, self.router.clone(), &self.shutdown).await,
        }
    }
}
