//! A relay that calls its master and its balancer through TLS, with the real programs: what it gets,
//! whom it believes, and that it comes back.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, MOUNT, PLAY_MAX, Role, START_MAX, STOP_MAX, Sound};
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::same_bytes;
use tests::http::{Request, get};
use tests::soak::{GAP_MAX, every_sample_once, hear_the_end, listen_from_the_start};
use tests::speech;
use tests::tls::Certificate;
use tests::tools::run;
use tests::wait::eventually;

const SECOND: i64 = 48_000;
/// The relay with the right settings, one that is given another CA, and one with another name.
const RIGHT: Role = Role::Relay(0);
const OTHER_CA: Role = Role::Relay(1);
const OTHER_NAME: Role = Role::Relay(2);

struct Stage {
    cluster: Cluster,
}

impl Stage {
    fn set() -> Result<Self> {
        let cluster = Cluster::prepare_recorded(3, &Sound::File(speech::sitting()?))?;
        let folder = cluster.folder().to_owned();
        let state = folder.join("state").display().to_string();
        let name = "PLENUM_MASTER__STATE_DIRECTORY";
        let certificate = Certificate::make_vouched(&folder)?;
        let (file, key) = (certificate.file(), certificate.key());
        let cluster = cluster
            .with_variable(Role::Master, name, &state)
            .with_variable(Role::Balancer, "PLENUM_BALANCER__TLS__CERTIFICATE", &file)
            .with_variable(Role::Balancer, "PLENUM_BALANCER__TLS__KEY", &key);
        let other = tempfile::tempdir_in(&folder)?.keep();
        let other = Certificate::make_vouched(&other)?;
        append(&cluster, "master.toml", &certificate.settings())?;
        for (n, (host, ca)) in [
            ("localhost", &certificate),
            ("localhost", &other),
            ("127.0.0.1", &certificate),
        ]
        .into_iter()
        .enumerate()
        {
            trust(&cluster, n, host, &ca.ca_file())?;
        }
        Ok(Self { cluster })
    }

    fn start(&mut self) -> Result<()> {
        self.cluster.start_servers()?;
        self.cluster.start_program(Role::Source)
    }

    fn story(&self) -> String {
        self.cluster.story()
    }

    fn log(&mut self, role: Role) -> String {
        self.cluster.program(role).log()
    }
}

fn append(cluster: &Cluster, file: &str, text: &str) -> Result<()> {
    let path = cluster.folder().join(file);
    let settings = std::fs::read_to_string(&path)? + text;
    Ok(std::fs::write(&path, settings)?)
}

/// The relay of this number calls master and balancer at this host through TLS, and believes this
/// CA. Its listeners are sent back to the balancer in the clear.
fn trust(cluster: &Cluster, n: usize, host: &str, ca_file: &str) -> Result<()> {
    let path = cluster.folder().join(format!("relay{}.toml", n + 1));
    let ports = cluster.ports();
    let (master, balancer) = (ports.master_url(), ports.balancer_url());
    let secure = format!("url = \"https://{host}:{}\"", ports.master);
    let settings = std::fs::read_to_string(&path)?
        .replace(
            &format!("url = \"{master}\""),
            &format!("ca_file = \"{ca_file}\"\n{secure}"),
        )
        .replace(
            &format!("url = \"{balancer}\""),
            &format!(
                "ca_file = \"{ca_file}\"\nurl = \"https://{host}:{}\"\n\
                 listener_url = \"{balancer}\"",
                ports.balancer
            ),
        );
    Ok(std::fs::write(&path, settings)?)
}

/// Whom nobody vouches for, or who has another name, is told no password, and the log says what is
/// to be done.
fn check_refusals(stage: &mut Stage) -> Result<()> {
    for (role, why) in [
        (OTHER_CA, "name its file in `ca_file` beside the address"),
        (OTHER_NAME, "is not for 127.0.0.1 but for localhost"),
    ] {
        eventually(START_MAX, "both are refused", || {
            let log = stage.log(role);
            for whom in ["the list of mounts at https", "the balancer at https"] {
                let mut lines = log.lines();
                let is_said = lines.any(|line| line.contains(whom) && line.contains(why));
                ensure!(is_said, "{log}");
            }
            Ok(())
        })?;
        let url = stage.cluster.mount_at(role);
        ensure!(get(&url)?.head.status == 404, "{role:?} has the mount");
    }
    Ok(())
}

/// Who comes to the balancer through TLS is not sent to where there is none.
fn check_balancers_door(stage: &Stage) -> Result<()> {
    let ca_file = stage.cluster.folder().join("ca.pem").display().to_string();
    let url = format!(
        "{}/api/v1/explain?mount={MOUNT}",
        stage.cluster.ports().balancer_url()
    );
    let said = get(&url)?.text();
    ensure!(!said.contains("wrong_scheme"), "{said}");
    let url = url.replace("http://127.0.0.1", "https://localhost");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "5", "--cacert", &ca_file, &url]);
    let said = String::from_utf8_lossy(&run(&mut curl)?.stdout).into_owned();
    ensure!(said.contains("wrong_scheme"), "{said}");
    Ok(())
}

fn hear_on(ear: &Ear, seconds: i64, stage: &Stage) -> Result<()> {
    let n_before = ear.heard().n_samples();
    ear.wait_for_samples(n_before + seconds * SECOND, PLAY_MAX)
        .with_context(|| stage.story())
}

#[test]
fn a_relay_copies_and_reports_through_tls_and_its_listeners_miss_nothing() -> Result<()> {
    let mut stage = Stage::set()?;
    stage.start().with_context(|| stage.story())?;
    let at_relay = listen_from_the_start(&stage.cluster, RIGHT)?;
    let direct = Ear::listen(&stage.cluster.mount_at(Role::Master))?;
    check_refusals(&mut stage)?;
    let link = stage.cluster.link();
    eventually(PLAY_MAX, "the balancer sends listeners", || {
        let to = Request::new("HEAD", &link)?.send()?.head;
        let to = to.header("location").context("no Location")?.to_owned();
        ensure!(to.starts_with(&stage.cluster.mount_at(RIGHT)), "{to}");
        Ok(())
    })
    .with_context(|| stage.story())?;
    check_balancers_door(&stage)?;
    hear_on(&at_relay, 2, &stage)?;
    let direct = direct.stop();
    let n_bytes = same_bytes(at_relay.heard().log()?, direct.log()?)?;
    ensure!(n_bytes > 20_000, "only {n_bytes} bytes to compare");

    // The old master may not wait for relays: they come back.
    stage.cluster.program(Role::Master).upgrade()?;
    hear_on(&at_relay, 1, &stage)?;
    let gap = at_relay.longest_gap();
    note(&format!(
        "{n_bytes} bytes alike; longest gap over an upgrade: {gap:?}"
    ));
    ensure!(gap < GAP_MAX, "{gap:?} without a page");

    stage.cluster.program(Role::Master).kill()?;
    stage.cluster.start_program(Role::Master)?;
    hear_on(&at_relay, 2, &stage)?;
    stage.cluster.program(Role::Source).stop(STOP_MAX)?;
    let heard = hear_the_end(at_relay).with_context(|| stage.story())?;
    every_sample_once(&stage.cluster.recording(), &heard)?;
    let relay = &stage.cluster.ports().relay_urls()[0];
    let metrics = get(&format!("{relay}/metrics"))?.text();
    let skipped = format!("plenum_skipped_bytes_total{{mount=\"{MOUNT}\"}} 0");
    ensure!(metrics.contains(&skipped), "{metrics}");
    Ok(())
}
