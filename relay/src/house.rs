//! Which connection goes where: listeners to their mount, the rest to the pages.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::http::StatusCode;
use jiff::Timestamp;
use stream::config::{ConfigError, Differences};
use stream::current::Current;
use stream::fanout::Fanout;
use stream::follow::trail::STREAM_PATH;
use stream::follow::{Tally, Trail};
use stream::http::CERTIFICATE;
use stream::http::answer::Answer;
use stream::http::asked::{Asked, Rules};
use stream::http::catalogs::{self, Catalogs};
use stream::http::cors;
use stream::http::date::http_date;
use stream::http::door::House;
use stream::http::events;
use stream::http::gate::Gate;
use stream::http::guard::Departures;
use stream::http::head::Head;
use stream::http::icecast::office;
use stream::http::icecast::stats_lines::StatsLines;
use stream::http::listener::{self, RELAY_BURST, Service};
use stream::http::login::{self, Closed};
use stream::http::office::Office;
use stream::http::overflow::Overflow;
use stream::http::shown::Shown;
use stream::http::tls::Tls;
use stream::http::{Caller, api, common, pages};
use stream::mount::{Class, Courses, MountPath, MountTable, Slots};
use stream::shutdown::Shutdown;
use tracing::warn;

use crate::config::Config;

/// What is allowed, for those who ask.
pub(crate) const ALLOW: &str = "GET, HEAD, OPTIONS";

/// A running relay, with the settings of now.
#[derive(Debug)]
pub(crate) struct Relay {
    config: Config,
    lasting: Lasting,
    service: Service,
    router: Router,
}

/// Whom a relay follows.
#[derive(Clone, Debug)]
pub(crate) struct Following {
    /// This relay's place below them.
    pub(crate) trail: Arc<Trail>,
    /// What has come from each.
    pub(crate) tallies: Vec<Arc<Tally>>,
}

/// What a relay has whatever its settings say. When they are read again, another [`Relay`] is put
/// around it.
#[derive(Clone, Debug)]
pub(crate) struct Lasting {
    pub(crate) table: Arc<MountTable>,
    pub(crate) slots: Slots,
    /// Where listeners are while a source is away.
    pub(crate) courses: Arc<Courses>,
    /// Where listeners come who have gone.
    pub(crate) departures: Departures,
    pub(crate) overflow: Option<Arc<Overflow>>,
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) following: Following,
    /// Who follows the statistics.
    pub(crate) stats_lines: StatsLines,
    pub(crate) started: (Instant, Timestamp),
    pub(crate) shutdown: Shutdown,
}

impl Lasting {
    fn shown(&self, config: &Config, rules: &Rules) -> Shown {
        Shown {
            program: "plenum-relay",
            table: Arc::clone(&self.table),
            upstreams: self.following.tallies.clone(),
            slots: self.slots.clone(),
            serving: Arc::new(config.knobs().serving()),
            fanout: Arc::clone(&self.fanout),
            rules: rules.clone(),
            public_url: config.public_url.clone(),
            tls: self.tls.clone(),
            reign: None,
            started: self.started,
        }
    }

    /// What the operator sees and orders.
    fn office(&self, config: &Config, rules: &Rules) -> Office {
        Office {
            shown: self.shown(config, rules),
            courses: None,
        }
    }
}

impl Relay {
    /// A relay with these settings around what there is.
    pub(crate) fn new(config: Config, mut rules: Rules, lasting: Lasting) -> Self {
        rules.courses = Arc::clone(&lasting.courses);
        rules.departures = lasting.departures.clone();
        let (table, trail) = (&lasting.table, &lasting.following.trail);
        let catalogs = Catalogs {
            table: Arc::clone(table),
            trail: Arc::clone(trail),
            shutdown: lasting.shutdown.clone(),
        };
        let closed = Closed {
            logins: config.relay.iter().cloned().collect(),
            what: login::FOR_RELAYS,
            public_url: config.public_url.clone(),
        };
        let for_relays = closed.pages(catalogs::router(catalogs));
        let office = lasting.office(&config, &rules);
        let router = for_relays
            .merge(api::router(office.clone(), config.admin.as_ref()))
            .merge(office::router(office, config.admin.as_ref()))
            .merge(events::router(Arc::clone(table), lasting.shutdown.clone()))
            .merge(common::router(lasting.shown(&config, &rules)));
        let service = Service {
            serving: config.knobs().serving(),
            relay_burst: RELAY_BURST,
            fanout: Arc::clone(&lasting.fanout),
            slots: lasting.slots.clone(),
            rules,
            overflow: lasting.overflow.clone(),
        };
        Self {
            config,
            service,
            router,
            lasting,
        }
    }

    /// Reads the settings again. They hold when this returns; after an error nothing has changed.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub(crate) fn reread(
        relay: &Current<Self>,
        file: Option<&Path>,
    ) -> Result<Differences, ConfigError> {
        let before = relay.now();
        let mut config = Config::load(file)?;
        let mut differences = config.put_back(&before.config);
        for remark in config.remarks() {
            warn!("{remark}");
        }
        let rules = Rules::load(
            ALLOW,
            &config.alias,
            &config.mount,
            config.public_url.as_deref(),
        )?;
        let lasting = before.lasting.clone();
        if let Some(tls) = &lasting.tls
            && tls.certificates().renew()
        {
            differences.changed.push(CERTIFICATE.to_owned());
        }
        let (slots, uplink) = (config.slots, config.knobs().uplink_bits());
        lasting.slots.resize(slots.listeners, slots.relays);
        lasting.fanout.uplink().allow(uplink);
        let renewed = rules.renewed_files(&before.service.rules);
        differences.changed.extend(renewed);
        relay.set(Self::new(config, rules, lasting));
        Ok(differences)
    }

    async fn listen(&self, head: Head, caller: Caller, mut asked: Asked) {
        let (login, shown) = (self.config.relay.as_ref(), head.header("authorization"));
        let class = if login::is(login, shown) {
            Class::Relay
        } else if login::claims_to_be(login, shown) {
            return login::refuse(&head, caller, ALLOW).await;
        } else {
            Class::Listener
        };
        let stream_path = head.header(STREAM_PATH);
        if stream_path.is_some_and(|path| self.lasting.following.trail.has_met(path)) {
            let answer = Answer::new(head.version, StatusCode::LOOP_DETECTED, &http_date());
            return caller.answer(&answer.sentence(catalogs::LOOP)).await;
        }
        let Some(caller) = asked.let_in(&self.service, &head, caller, class).await else {
            return;
        };
        listener::serve(&self.service, &head, caller, &asked, class).await;
    }

    fn find(&self, head: &Head) -> Option<Asked> {
        Asked::of(&self.service, &self.lasting.table, &head.path)
    }
}

impl House for Relay {
    fn gate(&self) -> &Gate {
        &self.config.access
    }

    fn seat(&self, head: &Head, socket: TcpStream, came: Instant) -> Result<(), TcpStream> {
        match self.find(head) {
            // Who shows a password may be a relay, or has to be told that it is wrong.
            Some(asked)
                if self.config.relay.is_none() || head.header("authorization").is_none() =>
            {
                listener::seat(&self.service, head, socket, came, &asked)
            }
            _ => Err(socket),
        }
    }

    async fn welcome(self: Arc<Self>, head: Head, caller: Caller) {
        if head.method == "STATS" {
            let (lasting, admin) = (&self.lasting, self.config.admin.as_ref());
            let office = lasting.office(&self.config, &self.service.rules);
            let lines = &lasting.stats_lines;
            return lines
                .tell(&office, admin, (head, caller), &lasting.shutdown)
                .await;
        }
        match self.find(&head) {
            Some(asked) => self.listen(head, caller, asked).await,
            None if head.method == "OPTIONS" && MountPath::parse(&head.path).is_ok() => {
                let answer = cors::preflight_of_none(&head, ALLOW);
                caller.answer(&answer).await;
            }
            None if head.method == "OPTIONS" => {
                let answer = Answer::new(head.version, StatusCode::NO_CONTENT, &http_date())
                    .header("Allow", ALLOW)
                    .endless();
                caller.answer(&answer).await;
            }
            None => pages::serve(caller, self.router.clone(), &self.lasting.shutdown).await,
        }
    }
}
