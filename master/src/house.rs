//! Which connection goes where: sources to ingest, listeners and relays to their mount, the
//! rest to the pages.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use http::StatusCode;
use stream::config::ConfigError;
use stream::follow::Trail;
use stream::handover::Inheritance;
use stream::http::answer::Answer;
use stream::http::asked::{Asked, Rules};
use stream::http::cors;
use stream::http::date::http_date;
use stream::http::door::House;
use stream::http::gate::Gate;
use stream::http::head::Head;
use stream::http::listener::{self, RELAY_BURST, Service};
use stream::http::{Caller, login, pages};
use stream::log::resume::Wish;
use stream::mount::{Class, Courses, Desk, Mirror, Mount, MountPath, MountTable, TableFull};
use tracing::warn;

use crate::archive::{Moment, back_fill, rewind};
use crate::config::Config;
use crate::credentials::MayPublish;
use crate::disk::Found;
use crate::ingest::{Ingest, Waiting};
use crate::lasting::Lasting;
use crate::refuse::{ALLOW, NOT_PROMOTED, refuse_password};
use crate::stand_in::{self, Player, Reels};
use crate::{credentials, fallback, routes, shoutcast};

/// A running master, with the settings of now.
#[derive(Debug)]
pub(crate) struct Master {
    config: Arc<Config>,
    lasting: Lasting,
    ingest: Ingest,
    service: Service,
    router: Router,
    reels: Reels,
}

/// What the files say that the settings name.
#[derive(Debug)]
pub(crate) struct Files {
    rules: Rules,
    reels: Reels,
}

impl Files {
    /// Reads them all.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(crate) fn load(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            rules: Rules::load(
                ALLOW,
                &config.alias,
                &config.mount,
                config.public_url.as_deref(),
            )?,
            reels: stand_in::load(&config.mount)?,
        })
    }

    /// As the files of `before` where they hold the same: what is played plays on. Gives what holds
    /// other sound, though the settings name the same files.
    pub(crate) fn follow(&mut self, before: &Master, config: &Config) -> Vec<String> {
        let mut renewed = self.rules.renewed_files(&before.service.rules);
        let file = |config: &Config, path: &MountPath| {
            let mut mounts = config.mount.iter();
            let mount = mounts.find(|mount| mount.path == *path);
            mount.and_then(|mount| mount.fallback_file.clone())
        };
        let is_same_file = |path: &MountPath| file(config, path) == file(&before.config, path);
        let others = stand_in::follow(&mut self.reels, &before.reels, is_same_file);
        let text = |path: &MountPath| format!("what is in the `fallback_file` of {path}");
        renewed.extend(others.iter().map(text));
        renewed
    }
}

impl Master {
    /// A master with these settings around what there is.
    pub(crate) fn new(config: Config, files: Files, lasting: Lasting) -> Self {
        let config = Arc::new(config);
        let Files { mut rules, reels } = files;
        rules.courses = Arc::clone(&lasting.courses);
        rules.departures = lasting.departures.clone();
        let router = routes::router(&config, &lasting, &rules);
        let service = Service {
            serving: config.knobs().serving(),
            relay_burst: RELAY_BURST,
            fanout: Arc::clone(&lasting.fanout),
            slots: lasting.slots.clone(),
            rules,
            overflow: None,
        };
        Self {
            ingest: Ingest {
                desk: Arc::clone(&lasting.desk),
                config: Arc::clone(&config),
                trail: Arc::clone(&lasting.trail),
                guard: Arc::clone(&service.rules.guard),
                waiting: Waiting::default(),
                shutdown: lasting.shutdown.clone(),
            },
            config,
            lasting,
            service,
            router,
            reels,
        }
    }

    /// The fallback files of all mounts.
    pub(crate) fn reels(&self) -> &Reels {
        &self.reels
    }

    /// What stays when the settings change.
    pub(crate) fn lasting(&self) -> &Lasting {
        &self.lasting
    }

    /// Where sources come in.
    pub(crate) fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.ingest.desk
    }

    /// Goes on with the logs that were found on disk, and with what the program before this one
    /// had: writes them, or copies on. Gives what is being played.
    pub(crate) fn begin(self: &Arc<Self>, found: Vec<Found>, estate: &mut Inheritance) -> Player {
        if self.trail().is_master() {
            found.into_iter().for_each(|log| self.restore(log));
            self.take_over(estate);
        } else {
            let mut mirrors = estate.mirrors(self.table());
            mirrors.extend(found.into_iter().filter_map(|log| self.copy_on(log)));
            self.lasting.standby.start(&self.config, mirrors);
        }
        let player = Player::begin(self, &estate.played, Instant::now());
        fallback::review(self, Instant::now());
        let (service, courses) = (&self.service, &self.service.rules.courses);
        estate.seat(&service.slots, &service.fanout, courses, &service.rules);
        player
    }

    /// Puts a log back that was read from disk.
    fn restore(&self, log: Found) {
        let (path, now) = (log.path, Instant::now());
        if self.desk().restore(&path, log.facts, log.restored, now) == Err(TableFull) {
            warn!("{path} is not brought back: there are too many mounts");
        }
    }

    /// Puts a copy back that was read from disk.
    fn copy_on(&self, log: Found) -> Option<Mirror> {
        let (path, copy) = (log.path, Arc::clone(log.restored.log()));
        let mount = || Mount::new(path.clone(), log.facts, copy, Instant::now());
        let mount = self.table().find_or_make(&path, mount).ok()?;
        Some(Mirror::resumed(self.table(), mount))
    }

    /// Whose logs they are.
    pub(crate) fn trail(&self) -> &Arc<Trail> {
        &self.ingest.trail
    }

    pub(crate) fn table(&self) -> &Arc<MountTable> {
        &self.lasting.table
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Goes on with what the program before this one wrote.
    fn take_over(self: &Arc<Self>, estate: &mut Inheritance) {
        let played = &mut estate.played;
        played.retain(|file| stand_in::same(self, file).is_some());
        estate.put_on(self.desk(), self.table());
        for (source, socket) in std::mem::take(&mut estate.sources) {
            let master = Arc::clone(self);
            self.lasting.shutdown.spawn("source", async move {
                master.ingest.go_on(source, socket).await;
            });
        }
    }

    /// Where listeners are while their source is away.
    pub(crate) fn courses(&self) -> &Courses {
        &self.service.rules.courses
    }

    fn find(&self, head: &Head) -> Option<Asked> {
        Asked::of(&self.service, self.table(), &head.path)
    }

    async fn listen(&self, head: Head, caller: Caller, mut asked: Asked) {
        let shown = head.header("authorization");
        let relay = self.config.relay.as_ref();
        let class = if login::is(relay, shown) {
            Class::Relay
        } else if login::claims_to_be(relay, shown) {
            return refuse_password(&head, caller).await;
        } else {
            Class::Listener
        };
        let Some(caller) = asked.let_in(&self.service, &head, caller, class).await else {
            return;
        };
        match head.query_value("from").filter(|_| is_rewind(&head, class)) {
            Some(from) => self.rewind(&from, head, caller, asked).await,
            None => listener::serve(&self.service, &head, caller, &asked, class).await,
        }
    }

    /// A source sends what it could not send live.
    async fn back_fill(&self, head: Head, caller: Caller, path: MountPath) {
        match credentials::may_publish(&self.config, &head, &path) {
            MayPublish::Yes(_) if !self.trail().is_master() => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let answer = Answer::new(head.version, status, &http_date());
                caller.answer(&answer.sentence(NOT_PROMOTED)).await;
            }
            MayPublish::Yes(_) => back_fill(&self.lasting.archive, head, caller, path).await,
            MayPublish::NotHere(_) => {
                let answer = Answer::new(head.version, StatusCode::FORBIDDEN, &http_date());
                let why = "this user may not publish here: see `mounts` in master.toml";
                caller.answer(&answer.sentence(why)).await;
            }
            MayPublish::Unknown => refuse_password(&head, caller).await,
        }
    }

    /// Somebody wants to hear what was before.
    async fn rewind(&self, from: &str, head: Head, caller: Caller, asked: Asked) {
        // What was before is the mount's own, whatever stands in for it now.
        let Some(mount) = self.table().find(&asked.path) else {
            let answer = Answer::new(head.version, StatusCode::NOT_FOUND, &http_date());
            return caller
                .answer(&answer.sentence("this mount is not there now"))
                .await;
        };
        let shown = head.header("authorization");
        if !self.config.archive.public && !login::is(self.config.operator(), shown) {
            return refuse_password(&head, caller).await;
        }
        match Moment::parse(from) {
            Ok(moment) => {
                rewind(
                    &self.lasting.archive,
                    &self.service,
                    (head, caller),
                    mount,
                    moment,
                )
                .await;
            }
            Err(why) => {
                let answer = Answer::new(head.version, StatusCode::BAD_REQUEST, &http_date());
                caller.answer(&answer.sentence(&why)).await;
            }
        }
    }
}

/// Whether he wants to go back. Who goes on where his connection broke does not.
fn is_rewind(head: &Head, class: Class) -> bool {
    let wish = Wish::parse(head.header("range"), head.header("if-range"));
    let is_asked = matches!(head.method.as_str(), "GET" | "HEAD") && wish == Wish::Join;
    is_asked && class == Class::Listener
}

impl House for Master {
    fn gate(&self) -> &Gate {
        &self.config.access
    }

    fn takes_passwords(&self) -> bool {
        self.config.shoutcast.is_some()
    }

    async fn welcome_password(self: Arc<Self>, caller: Caller) {
        shoutcast::meet(&self, caller).await;
    }

    fn seat(&self, head: &Head, socket: TcpStream, came: Instant) -> Result<(), TcpStream> {
        match self.find(head) {
            // Who shows a password may be a relay, or has to be told that it is wrong.
            // And what was before comes from the disk, which this thread must not wait for.
            Some(asked)
                if head.header("authorization").is_none() && head.query_value("from").is_none() =>
            {
                listener::seat(&self.service, head, socket, came, &asked)
            }
            _ => Err(socket),
        }
    }

    async fn welcome(self: Arc<Self>, head: Head, caller: Caller) {
        let path = MountPath::parse(&head.path);
        let path_is_mount = path.is_ok();
        match (head.method.as_str(), path) {
            ("PUT", Ok(path)) if head.header("stream-fill").is_some() => {
                self.back_fill(head, caller, path).await;
            }
            ("PUT" | "SOURCE", Ok(path)) => self.ingest.publish(head, caller, path).await,
            ("PUT" | "SOURCE", Err(why)) => {
                let status = StatusCode::BAD_REQUEST;
                let answer = Answer::new(head.version, status, &http_date()).sentence(&why);
                caller.answer(&answer).await;
            }
            ("STATS", _) => {
                let (lasting, admin) = (&self.lasting, self.config.admin.as_ref());
                let office = lasting.office(&self.config, &self.service.rules);
                let lines = &lasting.stats_lines;
                lines
                    .tell(&office, admin, (head, caller), &lasting.shutdown)
                    .await;
            }
            (method, _) => match self.find(&head) {
                Some(asked) => self.listen(head, caller, asked).await,
                None if method == "OPTIONS" && path_is_mount => {
                    let answer = cors::preflight_of_none(&head, ALLOW);
                    caller.answer(&answer).await;
                }
                None if method == "OPTIONS" => {
                    let answer = Answer::new(head.version, StatusCode::NO_CONTENT, &http_date())
                        .header("Allow", ALLOW)
                        .endless();
                    caller.answer(&answer).await;
                }
                None => pages::serve(caller, self.router.clone(), &self.lasting.shutdown).await,
            },
        }
    }
}
