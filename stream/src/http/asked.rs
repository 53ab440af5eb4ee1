//! What somebody asks for: a mount by one of its names, and where those who ask for it are now.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::answer::Answer;
use super::caller::Caller;
use super::conditions::{Alias, Aliases, UNAVAILABLE};
use super::date::http_date;
use super::guard::{Departures, Guard};
use super::head::Head;
use super::intro::Intros;
use super::listener::Service;
use super::serving::{MountSettings, Serving};
use crate::config::ConfigError;
use crate::mount::departure::{Departure, Visitor};
use crate::mount::{Class, Course, Courses, Mount, MountPath, MountTable};

/// What holds for those who ask, beside how they are served.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The methods there are at a mount, for those who ask.
    pub allow: &'static str,
    /// Second names of mounts.
    aliases: Aliases,
    /// Where listeners are while a source is away.
    pub courses: Arc<Courses>,
    /// Who may listen to what is not for everybody.
    pub guard: Arc<Guard>,
    /// Where those come who have gone.
    pub departures: Departures,
    /// What new listeners hear first.
    pub(super) intros: Arc<Intros>,
}

impl Rules {
    /// With these second names, and this guard.
    pub fn new(allow: &'static str, aliases: &[Alias], guard: Guard) -> Self {
        Self {
            allow,
            aliases: Aliases::new(aliases),
            courses: Arc::default(),
            guard: Arc::new(guard),
            departures: Departures::default(),
            intros: Arc::default(),
        }
    }

    /// What is kept while somebody listens who is to be told of when he goes.
    pub fn departure(&self, visitor: Visitor, since: Instant) -> Option<Arc<Departure>> {
        let url = self.guard.told_of_departures(&visitor.path)?.clone();
        Some(self.departures.of(url, visitor, since))
    }

    /// As the settings of these mounts say, with the files that they name. `public_url`: where
    /// listeners reach this program, if the settings say so.
    ///
    /// # Errors
    /// When one of the files cannot be used.
    pub fn load(
        allow: &'static str,
        aliases: &[Alias],
        mounts: &[MountSettings],
        public_url: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let intros = Arc::new(Intros::load(mounts)?);
        Ok(Self {
            intros,
            ..Self::new(allow, aliases, Guard::new(mounts, public_url)?)
        })
    }

    /// What holds other sound than in `before`, though the settings name the same files.
    pub fn renewed_files(&self, before: &Self) -> Vec<String> {
        let renewed = self.intros.renewed(&before.intros);
        let text = |path: &MountPath| format!("what is in the `intro_file` of {path}");
        renewed.iter().map(text).collect()
    }
}

/// A mount that was asked for.
#[derive(Debug)]
pub struct Asked {
    /// Its path.
    pub path: MountPath,
    /// The mount of this path, if there is one.
    own: Option<Arc<Mount>>,
    /// Where listeners are who ask for it, if something stands in for it at times.
    pub course: Option<Arc<Course>>,
    /// The mount's fallback, if it is there: for one who finds the mount full.
    fallback: Option<Arc<Mount>>,
    /// For how long he may listen, by those who were asked.
    pub limit: Option<Duration>,
    /// What tells them when he goes.
    pub(super) departure: Option<Arc<Departure>>,
}

impl Asked {
    /// What a request for `path` means. `None`: there is no such mount, and none stands in for it.
    pub fn of(service: &Service, table: &MountTable, path: &str) -> Option<Self> {
        Self::by(&service.rules, table, path)
    }

    /// As [`Self::of`], by these rules.
    pub fn by(rules: &Rules, table: &MountTable, path: &str) -> Option<Self> {
        let path = rules.aliases.meant(MountPath::parse(path).ok()?);
        let own = table.find(&path);
        let fallback = own.as_ref().and_then(|own| own.terms().fallback);
        let asked = Self {
            fallback: fallback.and_then(|fallback| table.find(&fallback.to)),
            course: rules.courses.of(&path, own.as_ref(), table),
            own,
            path,
            limit: None,
            departure: None,
        };
        asked.mount(Class::Listener).is_some().then_some(asked)
    }

    /// Looks whether somebody may listen at all. `None`: he may not, and has been told.
    pub async fn let_in(
        &mut self,
        service: &Service,
        head: &Head,
        caller: Caller,
        class: Class,
    ) -> Option<Caller> {
        let rules = &service.rules;
        if class == Class::Relay {
            return Some(caller);
        }
        if self.is_only_fallback() && head.method != "OPTIONS" {
            let answer = Answer::new(head.version, StatusCode::FORBIDDEN, &http_date());
            caller.answer(&answer.sentence(UNAVAILABLE)).await;
            return None;
        }
        match rules.guard.let_in(head, caller, &self.path).await {
            Ok((caller, admission)) => {
                self.limit = admission.limit;
                let visitor = admission.visitor;
                self.departure = visitor.and_then(|v| rules.departure(v, caller.came));
                Some(caller)
            }
            Err(refused) => {
                refused.answer(head, rules.allow).await;
                None
            }
        }
    }

    /// Whether no listener gets this mount by its name.
    pub(super) fn is_only_fallback(&self) -> bool {
        let own = self.own.as_ref();
        own.is_some_and(|own| own.is_only_fallback())
    }

    /// What somebody of this class gets. A relay gets what it asked for or nothing.
    pub fn mount(&self, class: Class) -> Option<Arc<Mount>> {
        let course = self.course.as_ref().filter(|_| class == Class::Listener);
        let there = course.and_then(|course| course.at());
        there.or_else(|| self.own.clone())
    }

    /// What somebody of this class gets, and where he is later. One who finds a mount full that wants
    /// it so gets its fallback, and stays there.
    pub(super) fn place(
        &self,
        serving: &Serving,
        class: Class,
    ) -> Option<(Arc<Mount>, Option<Arc<Course>>)> {
        let mount = self.mount(class)?;
        let settings = serving.mount(mount.path());
        let is_full = settings.is_some_and(|settings| {
            let max = settings.max_listeners.unwrap_or(usize::MAX);
            settings.fallback_when_full && mount.n_served(Class::Listener) >= max
        });
        let fallback = self.fallback.as_ref().filter(|other| {
            class == Class::Listener && is_full && other.is_moving() && !Arc::ptr_eq(other, &mount)
        });
        match fallback {
            Some(fallback) => Some((Arc::clone(fallback), None)),
            None => Some((mount, self.course.clone())),
        }
    }
}
