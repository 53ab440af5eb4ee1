//! What an operator sees and orders beyond what Icecast's pages say: `STATS`, fallbacks, hidden
//! mounts, and who ended a source.

use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::cluster::{Cluster, MOUNT, Role, Sound};
use tests::configs::ADMIN_USER;
use tests::ear::Ear;
use tests::http::{Address, Answer, Request, get};
use tests::tone::OTHER;
use tests::wait::{eventually, until};

use crate::fallback::{serials, tone};
use crate::reload::reread;

const PATIENCE: Duration = Duration::from_secs(15);
const HIDDEN: &str = "/other.ogg";

/// A connection that follows the statistics.
struct Follower {
    socket: std::net::TcpStream,
    text: String,
}

impl Follower {
    fn begin(url: &str, password: &str) -> Result<Self> {
        let request = Request::new("STATS", url)?.in_version_1_0();
        let request = request.credentials(ADMIN_USER, password);
        let mut socket = Address::parse(url)?.connect()?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(&request.head())?;
        let text = String::new();
        Ok(Self { socket, text })
    }

    /// Reads until this has been said.
    fn wait_for(&mut self, words: &str) -> Result<()> {
        let mut bytes = [0; 4096];
        while !self.text.contains(words) {
            let n_bytes = self.socket.read(&mut bytes);
            let n_bytes = n_bytes.with_context(|| format!("{words} in {}", self.text))?;
            ensure!(n_bytes > 0, "it ends without {words}: {}", self.text);
            self.text
                .push_str(&String::from_utf8_lossy(&bytes[..n_bytes]));
        }
        Ok(())
    }
}

fn ask(url: &str, password: &str, method: &str, what: &str) -> Result<Answer> {
    let request = Request::new(method, &format!("{url}/admin/{what}"))?;
    request.credentials(ADMIN_USER, password).send()
}

/// Hidden mounts stand in the operator's lists and in no others.
fn check_lists(master: &str, password: &str) -> Result<()> {
    let list = ask(master, password, "GET", "listmounts")?.text();
    ensure!(list.contains(HIDDEN), "{list}");
    let stats = ask(master, password, "GET", "stats")?.text();
    ensure!(stats.contains(HIDDEN), "{stats}");
    let public = get(&format!("{master}/status-json.xsl"))?.text();
    ensure!(!public.contains(HIDDEN), "{public}");
    let playlist = get(&format!("{master}{HIDDEN}.m3u"))?;
    ensure!(playlist.head.status == 200 && playlist.text().contains(&format!("{master}{HIDDEN}")));
    Ok(())
}

/// At the master, the first, and at a relay.
fn follow(servers: [(&str, &str); 2]) -> Result<()> {
    let (master, password) = servers[0];
    ensure!(Request::new("STATS", master)?.send()?.head.status == 401);
    let followers = servers.map(|(url, password)| Follower::begin(url, password));
    let mut followers = followers.into_iter().collect::<Result<Vec<_>>>()?;
    for follower in &mut followers {
        follower.wait_for("EVENT global server_id Plenum")?;
        follower.wait_for(&format!("EVENT {MOUNT} listenurl http"))?;
        follower.wait_for("INFO full list end\n")?;
    }
    let title = format!("metadata?mode=updinfo&mount={MOUNT}&song=Somebody%20-%20Something");
    ask(master, password, "POST", &title)?;
    for follower in &mut followers {
        follower.wait_for(&format!("EVENT {MOUNT} title Somebody - Something\n"))?;
    }
    Ok(())
}

fn order_fallback(master: &str, password: &str) -> Result<()> {
    let order = format!("fallbacks?mount={MOUNT}&fallback={HIDDEN}");
    ensure!(ask(master, password, "GET", &order)?.head.status == 405);
    let done = ask(master, password, "POST", &order)?;
    ensure!(
        done.text().contains("<p>Fallback configured</p>"),
        "{}",
        done.text()
    );
    until(PATIENCE, "the list names the fallback", || {
        let list = ask(master, password, "GET", "listmounts");
        list.is_ok_and(|list| list.text().contains(&format!("<fallback>{HIDDEN}<")))
    })?;
    Ok(())
}

/// The order outlives settings that are read again, until they say something else about it.
fn check_reloads(cluster: &mut Cluster, master: &str, password: &str) -> Result<()> {
    let file = "master.toml";
    let before = std::fs::read_to_string(cluster.folder().join(file))?;
    let own = |say: &str| format!("{before}\n[[mount]]\npath = \"{MOUNT}\"\n{say}\n");
    let ordered = |to: &str| {
        let list = ask(master, password, "GET", "listmounts")?.text();
        ensure!(list.contains(&format!("<fallback>{to}<")), "{to}: {list}");
        anyhow::Ok(())
    };
    reread(cluster, Role::Master, file, &own("burst_seconds = 3.0"))?;
    ordered(HIDDEN)?;
    reread(
        cluster,
        Role::Master,
        file,
        &own("fallback = \"/third.ogg\""),
    )?;
    ordered("/third.ogg")?;
    order_fallback(master, password)?;
    reread(
        cluster,
        Role::Master,
        file,
        &(own("fallback = \"/third.ogg\"") + "hidden = false\n"),
    )?;
    ordered(HIDDEN)
}

/// A relay obeys no page of another site, and its own by whatever name it was reached.
fn check_sites(relay: &str, password: &str) -> Result<()> {
    let by_another_name = relay.replace("127.0.0.1", "0.0.0.0");
    let order = format!("{by_another_name}/admin/killclient?mount=/nowhere.ogg&id=1");
    for (origin, status) in [("https://evil.example", 403), (relay, 400)] {
        let request = Request::new("POST", &order)?.header("Origin", origin);
        let answer = request.credentials(ADMIN_USER, password).body("").send()?;
        ensure!(answer.head.status == status, "{origin}: {:?}", answer.head);
    }
    Ok(())
}

/// Everything that the document of the interface names answers as it says, to who shows nothing.
fn check_document(url: &str) -> Result<()> {
    let document = get(&format!("{url}/api/v1/openapi.json"))?;
    let document: Value = serde_json::from_slice(&document.body)?;
    let paths = document["paths"].as_object().context("paths")?;
    for (path, methods) in paths {
        let place = path
            .replace("{mount}", "live.ogg")
            .replace("{path}", "live.ogg");
        for (method, about) in methods.as_object().context("methods")? {
            let request = Request::new(&method.to_uppercase(), &format!("{url}{place}"))?;
            let status = request.open()?.0.status.to_string();
            let said = &about["responses"];
            ensure!(
                said.get(&status).is_some(),
                "{method} {path}: {status} is not in {said}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_operator_follows_the_statistics_and_sees_hidden_mounts_and_orders_fallbacks() -> Result<()> {
    let admin = "a password of this relay's operator";
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?.with_variable(
        Role::Relay(0),
        "PLENUM_RELAY__ADMIN__PASSWORD",
        admin,
    );
    let file = cluster.folder().join("master.toml");
    let hidden = format!("\n[[mount]]\npath = \"{HIDDEN}\"\nhidden = true\n");
    std::fs::write(&file, std::fs::read_to_string(&file)? + &hidden)?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    cluster.wait_until_playing(PATIENCE)?;
    let folder = tempfile::tempdir()?;
    let mut other = tone(&cluster, "other", HIDDEN, OTHER, folder.path());
    other.start()?;
    let (master, password) = (
        cluster.ports().master_url(),
        cluster.secrets().admin.clone(),
    );
    let relay = cluster.ports().relay_urls().remove(0);
    let hidden = format!("{master}{HIDDEN}");
    eventually(PATIENCE, "the hidden mount", || Ear::listen(&hidden))?.stop();

    check_document(&master)?;
    check_lists(&master, &password)?;
    check_sites(&relay, admin)?;
    follow([(&master, &password), (&relay, admin)])?;
    order_fallback(&master, &password)?;
    check_reloads(&mut cluster, &master, &password)?;
    let ears = [Role::Master, Role::Relay(0)].map(|role| Ear::listen(&cluster.mount_at(role)));
    let ears = ears.into_iter().collect::<Result<Vec<_>>>()?;
    for ear in &ears {
        ear.wait_for_samples(24_000, PATIENCE)?;
    }
    cluster.program(Role::Source).kill()?;
    for ear in ears {
        until(PATIENCE, "listeners are at the fallback", || {
            serials(&ear.heard()).len() == 2
        })
        .with_context(|| cluster.story())?;
        ear.stop().check_order()?;
    }

    ask(
        &master,
        &password,
        "POST",
        &format!("killsource?mount={HIDDEN}"),
    )?;
    until(PATIENCE, "the log says why it ended", || {
        let log = cluster.program(Role::Master).log();
        log.contains("s: it was ended by an order")
    })?;
    Ok(())
}
