//! A fleet: a master, relays with a few places each, ours or Icecasts, and a balancer that knows
//! them all and sends nobody to the master.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Cluster, MOUNT, PLAY_MAX, Role, START_MAX, Sound, write_private};
use crate::http::{Address, get};
use crate::peers::Icecast;
use crate::wait::eventually;

/// All relays are known and listened to within this time.
const KNOWN_MAX: Duration = Duration::from_secs(40);
/// What the administrator of every Icecast here is asked for.
const ICECAST_PASSWORD: &str = "a-password-for-icecast";

/// Whose relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours, which report.
    Plenum,
    /// Debian's Icecast, asked for its statistics with a password.
    IcecastStats,
    /// Debian's Icecast, asked for what everybody may see, and for `load.xsl`.
    IcecastPublic,
}

/// One relay of a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Whose.
    pub kind: Kind,
    /// How many listeners it takes.
    pub n_places: u32,
}

/// The programs. Killed when dropped.
#[derive(Debug)]
pub struct Fleet {
    /// Source, master, our relays, balancer.
    pub cluster: Cluster,
    /// The others.
    pub icecasts: Vec<Icecast>,
}

impl Fleet {
    /// Everything configured, nothing started. `settings` stand at the top of `balancer.toml`,
    /// `more` at its end.
    ///
    /// # Errors
    /// When a program is missing or a file cannot be written.
    pub fn prepare(members: &[Member], settings: &str, more: &str) -> Result<Self> {
        let ours = members.iter().filter(|member| member.kind == Kind::Plenum);
        let ours: Vec<_> = ours.collect();
        let cluster = Cluster::prepare(ours.len(), &Sound::Tone)?;
        for (n, member) in (1..).zip(&ours) {
            let path = cluster.folder().join(format!("relay{n}.toml"));
            let text = std::fs::read_to_string(&path)?;
            let n_places = member.n_places;
            write_private(&path, &format!("{text}\n[slots]\nlisteners = {n_places}\n"))?;
        }
        let mut fleet = Self {
            cluster,
            icecasts: Vec::new(),
        };
        let mut text = fleet.balancer_settings(settings)?;
        for member in members {
            if member.kind != Kind::Plenum {
                let icecast = fleet.icecast(member.n_places)?;
                let n = fleet.icecasts.len() + 1;
                let url = &icecast.url;
                let _ = write!(
                    text,
                    "\n[[relay]]\nname = \"icecast-{n}\"\nurl = \"{url}\"\n"
                );
                let _ = writeln!(text, "[relay.icecast]");
                if member.kind == Kind::IcecastStats {
                    let _ = writeln!(text, "password = \"{ICECAST_PASSWORD}\"");
                }
                fleet.icecasts.push(icecast);
            }
        }
        text += more;
        write_private(&fleet.cluster.folder().join("balancer.toml"), &text)?;
        Ok(fleet)
    }

    /// The balancer's file as the cluster wrote it, but that the master is only compared with.
    fn balancer_settings(&self, settings: &str) -> Result<String> {
        let path = self.cluster.folder().join("balancer.toml");
        let text = std::fs::read_to_string(path)?;
        let master = self.cluster.ports().master_url();
        let overflow = format!("[master]\nurl = \"{master}\"\n");
        ensure!(text.contains(&overflow), "no {overflow} in {text}");
        let own = text.replace(&overflow, "");
        Ok(format!("{settings}\ncompare_with = \"{master}\"\n{own}"))
    }

    fn icecast(&self, n_places: u32) -> Result<Icecast> {
        let folder = self.cluster.folder();
        let folder = folder.join(format!("icecast{}", self.icecasts.len() + 1));
        std::fs::create_dir_all(&folder)?;
        open_to_all(self.cluster.folder())?;
        Icecast::limited(
            &folder,
            (
                &self.cluster.ports().master_url(),
                &self.cluster.secrets().relay,
            ),
            (MOUNT, n_places),
            ICECAST_PASSWORD,
        )
    }

    /// Starts everything, and waits until the mount plays at the master and every relay is open.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub fn start(&mut self) -> Result<()> {
        let n_ours = self.cluster.ports().relays.len();
        let ours = (1..=n_ours).map(|n| format!("relay-{n}"));
        let others = (1..=self.icecasts.len()).map(|n| format!("icecast-{n}"));
        let names: Vec<_> = ours.chain(others).collect();
        self.start_programs()?;
        self.wait_until_open(&names)
    }

    /// Starts everything, and waits until the mount plays at the master.
    ///
    /// # Errors
    /// When a program does not answer in time.
    pub fn start_programs(&mut self) -> Result<()> {
        self.cluster.start_servers()?;
        self.cluster.start_program(Role::Source)?;
        let url = self.cluster.mount_at(Role::Master);
        self.cluster.wait_until_plays(&url, PLAY_MAX)?;
        for icecast in &mut self.icecasts {
            icecast.program.start()?;
            let address = Address::parse(&icecast.url)?;
            eventually(START_MAX, "Icecast answers", || address.connect())
                .with_context(|| icecast.program.story())?;
        }
        Ok(())
    }

    /// Waits until the balancer says that all of these take listeners and have a mount on air.
    ///
    /// # Errors
    /// When that does not happen in time.
    pub fn wait_until_open<S: AsRef<str>>(&self, names: &[S]) -> Result<()> {
        eventually(KNOWN_MAX, "the relays are open", || {
            for name in names {
                let relay = self.relay(name.as_ref())?;
                ensure!(relay["state"] == "open", "{relay}");
                ensure!(relay["mounts"][0]["is_on_air"] == true, "{relay}");
            }
            Ok(())
        })
        .with_context(|| self.cluster.story())
    }

    /// What the balancer says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self) -> Result<Value> {
        let url = format!("{}/api/v1/status", self.cluster.ports().balancer_url());
        Ok(serde_json::from_slice(&get(&url)?.body)?)
    }

    /// What the balancer says of one relay.
    ///
    /// # Errors
    /// When it knows no such relay.
    pub fn relay(&self, name: &str) -> Result<Value> {
        let status = self.status()?;
        let relays = status["relays"].as_array().context("no relays")?;
        let found = relays.iter().find(|relay| relay["name"] == name);
        found.cloned().with_context(|| format!("no relay {name}"))
    }

    /// The state of one relay.
    ///
    /// # Errors
    /// As [`Fleet::relay`].
    pub fn state(&self, name: &str) -> Result<String> {
        let relay = self.relay(name)?;
        Ok(relay["state"].as_str().unwrap_or_default().to_owned())
    }
}

/// Icecast refuses to run as root and changes to another user, who must get in here.
fn open_to_all(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
