//! One balancer's part in what is shared: it says its word, hears the others, and agrees with them on
//! the changes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use stream::backoff::Backoff;
use stream::shutdown::Shutdown;
use tokio::time::timeout;
use tracing::{info, warn};

use super::line::{Document, Line};
use super::others::Others;
use super::word::{COMPLAINT_BYTES_MAX, Word, plain};
use crate::balancer::Balancer;
use crate::base_url::BaseUrl;
use crate::config::ShareConfig;
use crate::desk::acts;
use crate::desk::changes::{Changes, Entry, WHAT_BYTES_MAX};
use crate::desk::keeping::CHANGES_BYTES_MAX;
use crate::overflow::Part;
use crate::registry::Belief;

/// Where Linux says what the machine is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// How often it looks; when the operator changes something here, at once.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// So often one tries to write, when others write at the same moment; then in the next round.
const TRIES_MAX: usize = 5;
/// When more was changed elsewhere, the log only says how much.
const CHANGES_TOLD_MAX: usize = 10;
/// The name of a document is no longer: a digest in hexadecimal digits.
const REVISION_BYTES_MAX: usize = 64;

/// The part of one balancer.
pub(super) struct Sharer {
    balancer: Arc<Balancer>,
    /// Where it lies, for the log.
    place: String,
    /// Tells this run from all others.
    id: String,
    /// What we are called, for people.
    label: String,
    beat: u64,
    others: Others,
    /// Whose words are to be taken away: seen to be silent for long enough, over a connection that
    /// was there all the time.
    gone: Vec<String>,
    belief: Belief,
    is_connected: bool,
    agreed: Option<Agreed>,
    /// A document that is of no use.
    refused: Option<Refused>,
}

/// What all agreed on last.
struct Agreed {
    revision: Option<Vec<u8>>,
    /// Of our own changes.
    version: u64,
}

/// A document that could not be used with what was changed here.
struct Refused {
    revision: Option<Vec<u8>>,
    /// Of our own changes.
    version: u64,
    why: String,
}

/// What comes of a document that was read.
enum Weighed {
    /// It says what is changed here, too, under this version.
    Same(u64),
    /// This is to be written in its place.
    Newer { version: u64, text: String },
    /// It cannot be used.
    Refused(String),
}

/// What was taken over, if anything was.
type News = Option<Vec<Entry>>;

/// What other balancers call one: by its machine, or else by its address.
fn label(machine: &str, public_url: Option<&BaseUrl>, listen: SocketAddr) -> String {
    match (machine.trim(), public_url) {
        ("" | "localhost", Some(url)) => url.to_string(),
        ("" | "localhost", None) => listen.to_string(),
        (machine, _) => format!("{machine}:{}", listen.port()),
    }
}

impl Sharer {
    pub(super) fn new(balancer: Arc<Balancer>, config: &ShareConfig) -> Self {
        let own = balancer.config();
        // Those of one name are often reached by one `public_url`.
        let machine = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
        Self {
            label: label(&machine, own.public_url.as_ref(), own.listen),
            balancer,
            place: config.url.to_string(),
            id: format!("{:016x}", fastrand::u64(..)),
            beat: fastrand::u64(..),
            others: Others::default(),
            gone: Vec::new(),
            belief: Belief::default(),
            is_connected: false,
            agreed: None,
            refused: None,
        }
    }

    /// Shares over this connection. `Some`: why it ended; `None`: the program ends.
    pub(super) async fn serve(
        &mut self,
        line: &mut Line,
        shutdown: &Shutdown,
        backoff: &mut Backoff,
    ) -> Option<String> {
        loop {
            if let Err(why) = shutdown.unless_requested(self.round(line)).await? {
                return Some(why);
            }
            backoff.reset();
            let balancer = Arc::clone(&self.balancer);
            let news = async {
                match balancer.share() {
                    Some(share) => share.news.notified().await,
                    None => std::future::pending().await,
                }
            };
            let pause = timeout(LOOK_INTERVAL, news);
            // Either is a reason to look.
            let _ = shutdown.unless_requested(pause).await?;
        }
    }

    /// The others need not wait until our word is old.
    pub(super) async fn leave(&self, line: &mut Line) {
        line.leave(&self.id).await;
    }

    /// Redis is away, or sends what cannot be used.
    pub(super) fn is_cut_off(&mut self, why: &str) {
        self.believe();
        self.gone.clear();
        self.is_connected = false;
        let Some(share) = self.balancer.share() else {
            return;
        };
        share.cut_off(self.others.n_alive(Instant::now()));
        if share.set_trouble(Some(why.to_owned())) {
            let place = &self.place;
            warn!("nothing is shared at {place}: {why}; going on alone, trying again");
        }
    }

    async fn round(&mut self, line: &mut Line) -> Result<(), String> {
        let now = Instant::now();
        self.beat = self.beat.wrapping_add(1);
        let accusations = self.balancer.registry().accusations(now);
        let word = Word::new(&self.label, self.beat, accusations).text();
        let gone = std::mem::take(&mut self.gone);
        let said = line.exchange(&self.id, &word, &gone).await?;
        let heard = Instant::now();
        let complaint = self.others.hear(&self.id, &said.words, heard);
        self.gone = self.others.gone(heard);
        if let Some(master) = self.balancer.overflow() {
            let (before, others) = self.others.place(&self.id);
            master.set_part(Part::new(before, others));
        }
        self.believe();
        let version = self.balancer.desk().changes().version;
        let is_agreed =
            |agreed: &Agreed| agreed.revision == said.revision && agreed.version == version;
        let is_refused =
            |refused: &Refused| refused.revision == said.revision && refused.version == version;
        if !self.agreed.as_ref().is_some_and(is_agreed)
            && !self.refused.as_ref().is_some_and(is_refused)
        {
            self.agreed = None;
            self.refused = None;
            self.agree(line, version).await?;
        }
        self.tell(complaint);
        Ok(())
    }

    /// Takes over what is new there, and writes there what is new here.
    async fn agree(&mut self, line: &mut Line, version: u64) -> Result<(), String> {
        for _ in 0..TRIES_MAX {
            let (revision, document) = line.document().await?;
            match self.weigh((revision.clone(), document)).await? {
                Weighed::Same(version) => {
                    self.agreed = Some(Agreed { revision, version });
                    return Ok(());
                }
                Weighed::Newer { version, text } => {
                    let name = name_of(&text);
                    let before = revision.unwrap_or_default();
                    if line.replace(&before, &name, &text).await? {
                        let revision = Some(name.into_bytes());
                        self.agreed = Some(Agreed { revision, version });
                        return Ok(());
                    }
                }
                Weighed::Refused(why) => {
                    self.refused = Some(Refused {
                        revision,
                        version,
                        why,
                    });
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A large one takes a while: that is not done where listeners are answered.
    async fn weigh(&self, document: Document) -> Result<Weighed, String> {
        let balancer = Arc::clone(&self.balancer);
        let work = move || weigh(&balancer, document);
        let weighed = tokio::task::spawn_blocking(work).await;
        let (weighed, news) = weighed.map_err(|error| error.to_string())?;
        if let Some(news) = news {
            tell_news(&news);
            acts::keep(&self.balancer).await;
        }
        Ok(weighed)
    }

    /// Puts those away whom others accuse, as far as they are believed, and takes back the others.
    fn believe(&mut self) {
        let now = Instant::now();
        let said = self.others.accusations(now);
        let belief = self.balancer.registry().hear(&said, now);
        if belief == self.belief {
            return;
        }
        self.belief = belief;
        match belief {
            Belief::None => warn!(
                "other balancers accuse more than half of the good relays: nobody is put away on \
                 their word"
            ),
            Belief::All => info!("the word of other balancers counts again"),
        }
    }

    fn tell(&mut self, complaint: Option<String>) {
        let Some(share) = self.balancer.share() else {
            return;
        };
        let revision = self
            .agreed
            .as_ref()
            .and_then(|agreed| agreed.revision.as_ref());
        let revision = revision.map(|name| String::from_utf8_lossy(name).into_owned());
        share.connected(revision.as_deref(), self.others.n_alive(Instant::now()));
        let place = &self.place;
        if !self.is_connected {
            self.is_connected = true;
            info!("shares changes and quarantines with other balancers at {place}");
        }
        let refusal = self.refused.as_ref().map(|Refused { why, .. }| {
            format!("the changes there cannot be used: {why}; they are left alone")
        });
        let trouble = refusal.or(complaint);
        if share.set_trouble(trouble.clone())
            && let Some(what) = trouble
        {
            warn!("what is shared at {place} is not in order: {what}");
        }
    }
}

/// What comes of what is there and what is here, and what was taken over.
fn weigh(balancer: &Balancer, (revision, document): Document) -> (Weighed, News) {
    let refused = |what: &str| {
        let what = plain(what, COMPLAINT_BYTES_MAX);
        (Weighed::Refused(what), None)
    };
    if revision.as_ref().map_or(0, Vec::len) > REVISION_BYTES_MAX {
        return refused("their name is too long");
    }
    let theirs = match (&revision, &document) {
        (None, None) => Changes::default(),
        (Some(_), Some(document)) => match serde_json::from_slice(document) {
            Ok(changes) => changes,
            Err(error) => return refused(&error.to_string()),
        },
        _ => return refused("they are not whole"),
    };
    let news = match balancer.adopt(&theirs) {
        Ok(news) => news,
        Err(what) => return refused(&what),
    };
    let ours = balancer.desk().changes().clone();
    let version = ours.version;
    if ours.is_same(&theirs) {
        return (Weighed::Same(version), news);
    }
    let weighed = match serde_json::to_string(&ours) {
        Ok(text) if text.len() as u64 <= CHANGES_BYTES_MAX => Weighed::Newer { version, text },
        Ok(_) => Weighed::Refused(format!("they have more than {CHANGES_BYTES_MAX} bytes")),
        Err(error) => Weighed::Refused(error.to_string()),
    };
    (weighed, news)
}

/// Two documents with one name are the same.
fn name_of(document: &str) -> String {
    let digest = digest(&SHA256, document.as_bytes());
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn tell_news(news: &[Entry]) {
    if news.len() > CHANGES_TOLD_MAX {
        let n = news.len();
        info!(n, "took over {n} changes that were made at other balancers");
        return;
    }
    for Entry { relay, what, .. } in news {
        let relay = plain(relay, WHAT_BYTES_MAX);
        let what = plain(what, WHAT_BYTES_MAX);
        info!(
            relay,
            "the operator changed relay {relay} at another balancer: {what}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balancer_is_called_by_its_machine_for_one_address_may_lead_to_many() {
        let listen = "0.0.0.0:8010".parse().unwrap();
        let url = BaseUrl::parse("https://radio.example").unwrap();
        assert_eq!(label("b2\n", Some(&url), listen), "b2:8010");
        assert_eq!(label("b2\n", None, listen), "b2:8010");
        assert_eq!(label("", Some(&url), listen), "https://radio.example");
        assert_eq!(label("localhost\n", None, listen), "0.0.0.0:8010");
    }
}
