//! Icecast's admin pages at our master, beside those of Debian's Icecast.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tests::cluster::{Cluster, Role, Sound};
use tests::configs::{ADMIN_USER, SOURCE_USER};
use tests::http::{Answer, Request, get};
use tests::peers::Icecast;
use tests::players::{Decoder, Player};
use tests::programs::Program;
use tests::wait::{eventually, until};

const WAIT_MAX: Duration = Duration::from_secs(10);
const LIVE: &str = "/live.ogg";
const OTHER: &str = "/other.ogg";
/// What Icecast says and we do not: what players call themselves is not kept, and bit rates are
/// those that the source names.
const NOT_SAID: [&str; 4] = ["UserAgent", "user_agent", "audio_bitrate", "ice-bitrate"];

/// A server, and how its operator gets in.
struct Place {
    url: String,
    admin: String,
    source: String,
}

impl Place {
    fn ffmpeg(&self, mount: &str, folder: &Path) -> Result<Program> {
        let to = self.url.replace("http://", "");
        let to = format!("icecast://{SOURCE_USER}:{}@{to}{mount}", self.source);
        let name = format!("ffmpeg{}", mount.replace('/', "-"));
        let mut ffmpeg = Program::new(&name, "ffmpeg", folder)
            .arguments(["-nostdin", "-loglevel", "error", "-re", "-f", "lavfi"])
            .arguments([
                "-i",
                "sine",
                "-c:a",
                "libvorbis",
                "-page_duration",
                "100000",
            ])
            .arguments(["-content_type", "application/ogg", "-f", "ogg", &to]);
        ffmpeg.start()?;
        Ok(ffmpeg)
    }

    fn ask(&self, method: &str, what: &str) -> Result<Answer> {
        let url = format!("{}/admin/{what}", self.url);
        Request::new(method, &url)?
            .credentials(ADMIN_USER, &self.admin)
            .send()
    }

    /// The names of all elements of an answer.
    fn names(&self, what: &str) -> Result<BTreeSet<String>> {
        names(&self.ask("GET", what)?.text()).with_context(|| what.to_owned())
    }

    fn n_clients(&self, mount: &str) -> Result<usize> {
        Ok(self.ids(mount)?.len())
    }

    fn ids(&self, mount: &str) -> Result<Vec<u64>> {
        let answer = self.ask("GET", &format!("listclients.json?mount={mount}"))?;
        let list: Value = serde_json::from_slice(&answer.body)?;
        let listeners = list["icestats"]["source"][0]["listener"].as_array();
        let ids = listeners.into_iter().flatten();
        ids.map(|one| one["ID"].as_u64().context("an id")).collect()
    }

    fn source_status(&self, mount: &str) -> Result<Value> {
        let status: Value =
            serde_json::from_slice(&get(&format!("{}/status-json.xsl", self.url))?.body)?;
        let sources = match &status["icestats"]["source"] {
            Value::Array(sources) => sources.clone(),
            one => vec![one.clone()],
        };
        let is_it = |source: &&Value| {
            let url = source["listenurl"].as_str();
            url.is_some_and(|url| url.ends_with(mount))
        };
        let found = sources.iter().find(is_it).context("on air")?;
        Ok(found.clone())
    }
}

fn names(xml: &str) -> Result<BTreeSet<String>> {
    let document = roxmltree::Document::parse(xml)?;
    let elements = document.descendants().filter(roxmltree::Node::is_element);
    Ok(elements
        .map(|element| element.tag_name().name().to_owned())
        .collect())
}

struct Stage {
    ours: Place,
    icecast: Place,
    sources: Vec<Program>,
    _cluster: Cluster,
    _icecast: Icecast,
    folder: TempDir,
}

impl Stage {
    fn start() -> Result<Self> {
        let mut cluster = Cluster::prepare(0, &Sound::Tone)?;
        cluster.start_program(Role::Master)?;
        let folder = tempfile::tempdir()?;
        let password = "a-password-for-icecast";
        let mut icecast = Icecast::new(folder.path(), password)?;
        icecast.program.start()?;
        let ours = Place {
            url: cluster.ports().master_url(),
            admin: cluster.secrets().admin.clone(),
            source: cluster.secrets().source.clone(),
        };
        let theirs = Place {
            url: icecast.url.clone(),
            admin: password.to_owned(),
            source: password.to_owned(),
        };
        eventually(WAIT_MAX, "Icecast answers", || get(&theirs.url))?;
        let at_icecast = folder.path().join("icecast");
        let sources = vec![
            ours.ffmpeg(LIVE, folder.path())?,
            ours.ffmpeg(OTHER, folder.path())?,
            theirs.ffmpeg(LIVE, &at_icecast)?,
        ];
        for (place, mount) in [(&ours, LIVE), (&ours, OTHER), (&theirs, LIVE)] {
            eventually(WAIT_MAX, "it is on air", || place.source_status(mount))
                .with_context(|| cluster.story())?;
        }
        Ok(Self {
            ours,
            icecast: theirs,
            sources,
            _cluster: cluster,
            _icecast: icecast,
            folder,
        })
    }

    fn curl(&self, place: &Place, name: &str, path: &str) -> Result<Player> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder)?;
        Player::curl(&format!("{}{path}", place.url), &folder)
    }

    fn n_heard(&self, name: &str) -> u64 {
        let file = self.folder.path().join(name).join("curl.ogg");
        std::fs::metadata(file).map_or(0, |about| about.len())
    }
}

/// Titles come as scripts send them; they are read back as they were, and watchers hear of them.
fn titles(stage: &Stage) -> Result<()> {
    let ours = &stage.ours;
    let update = |place: &Place, rest: &str, password: Option<&str>| {
        let url = format!("{}/admin/metadata?mode=updinfo{rest}", place.url);
        let request = Request::new("GET", &url)?;
        match password {
            Some(password) => request.credentials(SOURCE_USER, password).send(),
            None => request.send(),
        }
    };
    let refused = update(ours, "&mount=%2flive.ogg&song=x", None)?;
    let challenge = refused.head.header("www-authenticate").unwrap_or_default();
    ensure!(refused.head.status == 401 && challenge.starts_with("Basic realm="));
    let wrong = update(ours, "&mount=%2flive.ogg&song=x", Some("wrong password"))?;
    ensure!(wrong.head.status == 401);
    for (sent, title) in [
        ("007", "007"),
        ("true", "true"),
        ("%22%20%5C%3Cb%3E%26amp;", "\" \\<b>&amp;"),
        ("Caf%e9", "Café"),
        ("%20-%20", "-"),
        ("A+b", "A b"),
    ] {
        let rest = format!("&mount=%2flive.ogg&song={sent}");
        let said = update(ours, &rest, Some(&ours.source))?;
        let theirs = update(&stage.icecast, &rest, Some(&stage.icecast.source))?;
        ensure!(said.head.status == 200 && said.text().contains("<return>1</return>"));
        ensure!(names(&said.text())? == names(&theirs.text())?);
        let status = ours.source_status(LIVE)?;
        ensure!(status["title"] == title, "{sent}: {status}");
        let xml = ours.ask("GET", "stats?mount=/live.ogg")?.text();
        let stats = roxmltree::Document::parse(&xml)?;
        let mut elements = stats.descendants();
        let found = elements.find(|node| node.has_tag_name("title"));
        ensure!(found.and_then(|node| node.text()) == Some(title), "{xml}");
    }
    until(WAIT_MAX, "a watcher is told", || {
        let told = std::fs::read_to_string(stage.folder.path().join("events/curl.ogg"));
        told.is_ok_and(|told| {
            told.contains("event: begin")
                && told.contains("event: title")
                && told.contains("\"A b\"")
        })
    })?;
    for what in [
        "mount=/nope.ogg&mode=updinfo&song=a",
        "mount=/live.ogg",
        "mode=updinfo",
    ] {
        let [said, theirs] = [ours, &stage.icecast].map(|place| {
            let answer = place.ask("GET", &format!("metadata?{what}"))?;
            anyhow::Ok((answer.head.status, answer.text().trim().to_owned()))
        });
        ensure!(said? == theirs?, "{what}");
    }
    Ok(())
}

/// The answers hold the elements that Icecast's hold.
fn shapes(stage: &Stage) -> Result<()> {
    for what in [
        "stats",
        "listmounts",
        "listclients?mount=/live.ogg",
        "killclient?mount=/live.ogg&id=999",
        "moveclients?mount=/live.ogg",
    ] {
        let method = if what.starts_with("killclient") {
            "POST"
        } else {
            "GET"
        };
        let theirs = names(&stage.icecast.ask("GET", what)?.text())?;
        let ours = names(&stage.ours.ask(method, what)?.text()).with_context(|| what.to_owned())?;
        let missing: Vec<_> = theirs
            .difference(&ours)
            .filter(|name| !NOT_SAID.contains(&name.as_str()))
            .collect();
        ensure!(missing.is_empty(), "{what} lacks {missing:?}");
    }
    ensure!(
        stage
            .ours
            .names("listclients?mount=/live.ogg")?
            .contains("IP")
    );
    for what in [
        "nonsense",
        "listclients",
        "moveclients?mount=/live.ogg&destination=/zz",
    ] {
        let [ours, theirs] = [&stage.ours, &stage.icecast].map(|place| place.ask("GET", what));
        let (ours, theirs) = (ours?, theirs?);
        let is_for_post = what.starts_with("moveclients");
        if is_for_post {
            ensure!(ours.head.status == 405 && ours.text().contains("legacy_get"));
            let posted = stage.ours.ask("POST", what)?;
            ensure!(posted.text().trim() == theirs.text().trim(), "{what}");
        } else {
            let both = (ours.head.status, ours.text());
            ensure!(
                both == (theirs.head.status, theirs.text()),
                "{what}: {both:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_operator_sees_and_moves_and_ends_what_he_could_at_an_icecast() -> Result<()> {
    let mut stage = Stage::start()?;
    let _events = stage.curl(&stage.ours, "events", "/api/v1/events")?;
    let _stays = stage.curl(&stage.ours, "stays", LIVE)?;
    let ours = &stage.ours;
    until(WAIT_MAX, "he is listed", || {
        ours.n_clients(LIVE).is_ok_and(|n| n == 1)
    })?;
    let mut goes = stage.curl(ours, "goes", LIVE)?;
    let _at_icecast = stage.curl(&stage.icecast, "at-icecast", LIVE)?;
    until(WAIT_MAX, "both are listed", || {
        ours.n_clients(LIVE).is_ok_and(|n| n == 2)
    })?;
    let theirs = &stage.icecast;
    until(WAIT_MAX, "Icecast lists one", || {
        let names = theirs.names("listclients?mount=/live.ogg");
        names.is_ok_and(|names| names.contains("ID"))
    })?;
    titles(&stage)?;
    shapes(&stage)?;

    let ids = ours.ids(LIVE)?;
    let last = ids.last().context("two listen")?;
    let kill = format!("killclient?mount={LIVE}&id={last}");
    ensure!(ours.ask("GET", &kill)?.head.status == 405);
    let killed = ours.ask("POST", &kill)?.text();
    ensure!(
        killed.contains(&format!("<message>Client {last} removed</message>")),
        "{killed}"
    );
    until(WAIT_MAX, "he is gone", || goes.has_ended())?;
    ensure!(ours.ids(LIVE)? == ids[..1]);

    let mut decoded = Decoder::Ffmpeg.play(&format!("{}{LIVE}", ours.url), stage.folder.path())?;
    decoded.wait_for_bytes(100_000, WAIT_MAX)?;
    let n_before = stage.n_heard("stays");
    let moved = ours.ask(
        "POST",
        &format!("moveclients?mount={LIVE}&destination={OTHER}"),
    )?;
    ensure!(
        moved
            .text()
            .contains("<message>Clients moved from /live.ogg to /other.ogg</message>")
    );
    until(WAIT_MAX, "both are there", || {
        ours.n_clients(OTHER).is_ok_and(|n| n == 2)
    })?;
    ensure!(ours.n_clients(LIVE)? == 0);
    // The first mount is silent from here on: what comes is the other's.
    stage.sources[0].kill()?;
    decoded.wait_for_bytes(500_000, WAIT_MAX)?;
    ensure!(stage.n_heard("stays") > n_before);
    let said = std::fs::read_to_string(stage.folder.path().join("ffmpeg.log"))?;
    ensure!(said.trim().is_empty(), "{said}");

    let ended = ours
        .ask("POST", &format!("killsource?mount={OTHER}"))?
        .text();
    ensure!(
        ended.contains("<message>Source Removed</message>"),
        "{ended}"
    );
    let source = &mut stage.sources[1];
    until(WAIT_MAX, "the source has ended", || source.exit().is_some())?;
    Ok(())
}
