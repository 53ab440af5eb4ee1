//! A mount whose source dies: its listeners hear the fallback in the same answer, and come home.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, Role, Sound};
use tests::ear::Ear;
use tests::heard::Heard;
use tests::http::{Request, get};
use tests::programs::Program;
use tests::tone::{self, OTHER, OWN, Player};
use tests::wait::{eventually, until};

const PATIENCE: Duration = Duration::from_secs(20);
/// From the death of the source to the fallback: what the settings say, and what it takes.
const GAP_MAX: Duration = Duration::from_millis(2500);

pub(crate) fn tone(
    cluster: &Cluster,
    name: &str,
    mount: &str,
    hertz: usize,
    folder: &Path,
) -> Program {
    let to = (cluster.ports().master, cluster.secrets().source.as_str());
    tone::source(name, to, mount, hertz, folder)
}

pub(crate) fn serials(heard: &Heard) -> BTreeSet<u32> {
    heard.sound().map(|page| page.stamp.serial).collect()
}

/// A mount that is heard as the fallback of another one, and not by its name.
struct Unnamed {
    own: Program,
    _other: Program,
    ears: Vec<Ear>,
}

impl Unnamed {
    const SETTINGS: &str = "{ path = \"/c.ogg\", fallback = \"/d.ogg\", \
                            fallback_after_seconds = 0.5 }, \
                            { path = \"/d.ogg\", only_as_fallback = true }";

    fn start(cluster: &Cluster, folder: &Path) -> Result<Self> {
        let mut own = tone(cluster, "own2", "/c.ogg", OWN, folder);
        let mut other = tone(cluster, "other2", "/d.ogg", OTHER, folder);
        own.start()?;
        other.start()?;
        let mut ears = Vec::new();
        for role in [Role::Master, Role::Relay(0)] {
            let url = cluster.url(role).context("listens")?;
            let (c, d) = (format!("{url}/c.ogg"), format!("{url}/d.ogg"));
            ears.push(eventually(PATIENCE, &c, || Ear::listen(&c))?);
            // Until the relay has it, it says 404.
            eventually(PATIENCE, "it is there, and refused", || {
                let answer = get(&d)?;
                let is_refused = answer.head.status == 403;
                ensure!(
                    is_refused && answer.text().contains("mountpoint unavailable"),
                    "{d}"
                );
                let status = Request::new("HEAD", &d)?.send()?.head.status;
                ensure!(status == 403, "HEAD {status}");
                let status = get(&format!("{url}/status-json.xsl"))?.text();
                ensure!(status.contains("/d.ogg"), "{status}");
                Ok(())
            })?;
        }
        Ok(Self {
            own,
            _other: other,
            ears,
        })
    }

    fn is_heard_as_fallback(&mut self, cluster: &Cluster) -> Result<()> {
        self.own.kill()?;
        for ear in &self.ears {
            until(PATIENCE, "the fallback is heard", || {
                serials(&ear.heard()).len() == 2
            })?;
        }
        // Its relay reports what listeners can have.
        let at_balancer = |mount: &str| {
            let url = format!("{}{mount}", cluster.ports().balancer_url());
            Ok::<_, anyhow::Error>(Request::new("HEAD", &url)?.send()?.head.status)
        };
        ensure!(at_balancer("/b.ogg")? == 302 && at_balancer("/d.ogg")? == 404);
        Ok(())
    }
}

#[test]
fn listeners_hear_the_fallback_while_their_source_is_away_and_only_they_come_home() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let hook = folder.path().join("hook");
    let mounts = format!(
        "[{{ path = \"/a.ogg\", fallback = \"/b.ogg\", fallback_after_seconds = 1.0, \
             on_connect = [\"{0}\", \"+\"], on_disconnect = [\"{0}\", \"-\"] }}, \
          {{ path = \"/b.ogg\", hidden = true }}, {1}]",
        hook.display(),
        Unnamed::SETTINGS,
    );
    std::fs::write(&hook, "#!/bin/sh\necho \"$1$2\" >> \"$0.said\"\n")?;
    std::fs::set_permissions(&hook, Permissions::from_mode(0o755))?;
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?.with_variable(
        Role::Master,
        "PLENUM_MASTER__MOUNT",
        &mounts,
    );
    cluster.start_servers()?;
    let mut own = tone(&cluster, "own", "/a.ogg", OWN, folder.path());
    let mut other = tone(&cluster, "other", "/b.ogg", OTHER, folder.path());
    own.start()?;
    other.start()?;
    let mut unnamed = Unnamed::start(&cluster, folder.path())?;
    let at = |role, mount| {
        Ok::<_, anyhow::Error>(format!("{}{mount}", cluster.url(role).context("listens")?))
    };
    let (master, relay) = (at(Role::Master, "/a.ogg")?, at(Role::Relay(0), "/a.ogg")?);
    let listen = |url: &str| eventually(PATIENCE, url, || Ear::listen(url));
    let ears = [listen(&master)?, listen(&relay)?];
    let beside = listen(&at(Role::Master, "/b.ogg")?)?;
    listen(&at(Role::Relay(0), "/b.ogg")?)?.stop();

    let status = get(&at(Role::Relay(0), "/status-json.xsl")?)?.text();
    ensure!(
        status.contains("/a.ogg") && !status.contains("/b.ogg"),
        "{status}"
    );
    let player = Player::start(&master, folder.path())?;
    let hears = |tones: &[usize]| {
        let heard = player.hears(tones, PATIENCE);
        heard.with_context(|| cluster.story())
    };
    hears(&[OWN])?;
    own.kill()?;
    unnamed.is_heard_as_fallback(&cluster)?;
    hears(&[OWN, OTHER])?;
    let late = listen(&master)?;
    ensure!(late.heard().head.status == 200);
    own.start()?;
    hears(&[OWN, OTHER, OWN])?;
    let said = player.stop()?;
    ensure!(
        !said.to_lowercase().contains("error") && !said.contains("nvalid"),
        "{said}"
    );
    for ear in ears {
        until(PATIENCE, "three links", || serials(&ear.heard()).len() >= 3).with_context(|| {
            let heard = ear.heard();
            let mut serials: Vec<_> = heard.pages.iter().map(|page| page.stamp.serial).collect();
            serials.dedup();
            format!("{} has heard {serials:?} {}", ear.url(), cluster.story())
        })?;
        let gap = ear.longest_gap();
        ensure!(gap < GAP_MAX, "{gap:?} without a page at {}", ear.url());
        ear.stop().check_order()?;
    }
    until(PATIENCE, "who came late is home", || {
        serials(&late.heard()).len() == 2
    })?;
    let said = std::fs::read_to_string(folder.path().join("hook.said"))?;
    ensure!(said == "+/a.ogg\n-/a.ogg\n+/a.ogg\n", "the hooks: {said}");
    let n_samples = beside.heard().n_samples();
    beside.wait_for_samples(n_samples + 24_000, PATIENCE)?;
    let beside = beside.stop();
    ensure!(
        serials(&beside).len() == 1,
        "who asked for the fallback was led away from it"
    );
    beside.check_order()
}
