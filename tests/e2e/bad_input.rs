//! Nonsense at every port: a clear answer to whoever sends it, nothing for anybody else.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, MOUNT, Role, Sound};
use tests::configs::SOURCE_USER;
use tests::ear::Ear;
use tests::figures::note;
use tests::http::{Address, Connection, Head, Request, get};
use tests::soak::GAP_MAX;
use tests::speech;

const SERVERS: [Role; 3] = [Role::Master, Role::Relay(0), Role::Balancer];
/// Longer than any server waits for the rest of a head.
const PATIENCE: Duration = Duration::from_secs(20);
const MEGABYTE: usize = 1024 * 1024;

/// Runs a test beside listeners at the master and a relay, who must not notice.
fn unnoticed(test: impl FnOnce(&Cluster) -> Result<()>) -> Result<()> {
    static CHAIN: OnceLock<Mutex<Option<&'static Cluster>>> = OnceLock::new();
    let cluster = {
        let chain = CHAIN.get_or_init(Mutex::default);
        let mut chain = chain.lock().unwrap_or_else(PoisonError::into_inner);
        if chain.is_none() {
            // Never dropped: the programs end with this process.
            *chain = Some(Box::leak(Box::new(Cluster::start(1, &Sound::Tone)?)));
        }
        chain.context("just started")?
    };
    let ears = [Role::Master, Role::Relay(0)].map(|role| Ear::listen(&cluster.mount_at(role)));
    let ears: Vec<_> = ears.into_iter().collect::<Result<_>>()?;
    for ear in &ears {
        ear.wait_for_samples(48_000, PATIENCE)?;
    }
    test(cluster).with_context(|| cluster.story())?;
    for ear in ears {
        let n_samples = ear.heard().n_samples();
        ear.wait_for_samples(n_samples + 24_000, PATIENCE)?;
        let gap = ear.longest_gap();
        ensure!(gap < GAP_MAX, "{gap:?} without a page at {}", ear.url());
        let heard = ear.stop();
        ensure!(!heard.has_ended || heard.n_samples() > 0);
        heard.check_order()?;
    }
    Ok(())
}

fn connect(cluster: &Cluster, role: Role) -> Result<Connection> {
    let url = cluster.url(role).context("listens")?;
    Ok(Connection::new(Address::parse(&url)?.connect()?))
}

/// Sends `bytes` and reads the head of the answer, if the server says anything.
fn answer_to(cluster: &Cluster, role: Role, bytes: &[u8]) -> Result<Option<Head>> {
    let mut connection = connect(cluster, role)?;
    // The server may close before it has read everything.
    let sent = connection.send(bytes);
    match connection.head() {
        Ok(head) => Ok(Some(head)),
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(!text.contains("in time"), "{role:?} hangs: {text}");
            drop(sent);
            Ok(None)
        }
    }
}

fn is_refusal(head: &Head) -> bool {
    (400..500).contains(&head.status)
}

#[test]
fn garbage_is_answered_with_400_or_hung_up_on() -> Result<()> {
    unnoticed(|cluster| {
        let garbage = noise(MEGABYTE);
        for role in SERVERS {
            for bytes in [
                &b"\0\x01\x02\x03\r\n\r\n"[..],
                b"OggS\0\x02\r\n\r\n",
                &garbage,
            ] {
                let head = answer_to(cluster, role, bytes)?;
                ensure!(head.as_ref().is_none_or(is_refusal), "{role:?}: {head:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn half_a_head_is_not_waited_for_for_ever() -> Result<()> {
    unnoticed(|cluster| {
        std::thread::scope(|scope| {
            let halves = SERVERS.map(|role| {
                scope.spawn(move || {
                    let start = Instant::now();
                    let half = format!("GET {MOUNT} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-");
                    let head = answer_to(cluster, role, half.as_bytes())?;
                    ensure!(head.as_ref().is_none_or(is_refusal), "{role:?}: {head:?}");
                    note(&format!(
                        "{role:?}: half a head is given up after {:?}",
                        start.elapsed()
                    ));
                    Ok(())
                })
            });
            for half in halves {
                half.join().map_err(|_| anyhow::anyhow!("panicked"))??;
            }
            Ok(())
        })
    })
}

#[test]
fn a_head_of_a_megabyte_is_refused() -> Result<()> {
    unnoticed(|cluster| {
        let long = "x".repeat(MEGABYTE);
        let many = "X-Many: 1\r\n".repeat(MEGABYTE / 11);
        for role in SERVERS {
            for request in [
                format!("GET {MOUNT} HTTP/1.1\r\nHost: h\r\nX-Long: {long}\r\n\r\n"),
                format!("GET {MOUNT} HTTP/1.1\r\nHost: h\r\n{many}\r\n"),
                format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"),
            ] {
                let head = answer_to(cluster, role, request.as_bytes())?;
                ensure!(head.as_ref().is_none_or(is_refusal), "{role:?}: {head:?}");
            }
        }
        Ok(())
    })
}

#[test]
fn an_unknown_mount_is_answered_with_404_and_a_sentence() -> Result<()> {
    unnoticed(|cluster| {
        for role in SERVERS {
            let url = cluster.url(role).context("listens")?;
            let answer = get(&format!("{url}/nobody-speaks-here.ogg"))?;
            ensure!(answer.head.status == 404, "{role:?}: {:?}", answer.head);
            ensure!(!answer.text().trim().is_empty(), "{role:?}: no words");
        }
        Ok(())
    })
}

#[test]
fn an_unknown_method_is_refused() -> Result<()> {
    unnoticed(|cluster| {
        for role in SERVERS {
            let answer = Request::new("DELETE", &cluster.mount_at(role))?.send()?;
            ensure!(answer.head.status == 405, "{role:?}: {:?}", answer.head);
            ensure!(answer.head.header("allow").is_some(), "{role:?}: no Allow");
        }
        Ok(())
    })
}

#[test]
fn a_wrong_password_is_answered_with_401_whatever_it_opens() -> Result<()> {
    unnoticed(|cluster| {
        let master = cluster.ports().master_url();
        for (method, url) in [
            ("PUT", cluster.mount_at(Role::Master)),
            ("SOURCE", cluster.mount_at(Role::Master)),
            ("GET", format!("{master}/admin/streamlist.txt")),
            ("GET", format!("{master}/api/v1/catalog?follow")),
        ] {
            let request = Request::new(method, &url)?;
            let none = request.clone().send()?;
            ensure!(none.head.status == 401, "{method} {url}: {:?}", none.head);
            let wrong = request.credentials(SOURCE_USER, "wrong-password").send()?;
            ensure!(wrong.head.status == 401, "{method} {url}: {:?}", wrong.head);
            ensure!(
                wrong.head.header("www-authenticate").is_some(),
                "{method} {url}"
            );
        }
        let url = format!("{}/api/v1/report", cluster.ports().balancer_url());
        let wrong = Request::new("POST", &url)?
            .header("Authorization", "Bearer wrong-token-of-some-length")
            .header("Content-Type", "application/json")
            .body("{}")
            .send()?;
        ensure!(wrong.head.status == 401, "{:?}", wrong.head);
        Ok(())
    })
}

#[test]
fn an_upload_that_is_no_ogg_is_refused_in_words_and_one_that_goes_on_without_pages() -> Result<()> {
    unnoticed(|cluster| {
        let url = format!("{}/noise.ogg", cluster.ports().master_url());
        let mut upload = connect(cluster, Role::Master)?;
        let request = put(cluster, &url)?.header("Expect", "100-continue");
        upload.send(&request.head())?;
        ensure!(upload.head()?.status == 100);
        // The answer may come before all of it has been sent.
        let sent = upload.send(&noise(9000));
        let head = upload.head().with_context(|| format!("{sent:?}"))?;
        ensure!(is_refusal(&head), "{head:?}");
        ensure!(head.number("content-length")? > 0, "no words: {head:?}");
        let status = get(&url)?.head.status;
        ensure!(status == 404, "a listener gets {status}");
        let mut upload = connect(cluster, Role::Master)?;
        upload.send(&request.head())?;
        ensure!(upload.head()?.status == 100);
        let talk = std::fs::read(speech::sitting_ogg()?)?;
        let sent = upload.send(&[&talk[..60_000], &noise(400_000)].concat());
        let head = upload.head().with_context(|| format!("{sent:?}"))?;
        ensure!(head.status == 415, "{head:?}");
        Ok(())
    })
}

#[test]
fn an_upload_that_turns_into_noise_is_ended_and_its_noise_reaches_nobody() -> Result<()> {
    unnoticed(|cluster| {
        let url = format!("{}/broken.ogg", cluster.ports().master_url());
        let talk = std::fs::read(speech::sitting_ogg()?)?;
        let mut upload = connect(cluster, Role::Master)?;
        upload.send(&put(cluster, &url)?.head())?;
        ensure!(upload.head()?.status == 200);
        upload.send(&[&talk[..58], &noise(200_000)].concat())?;
        // Where nothing is on air yet there is nobody to reach.
        let ear = Ear::listen(&url).ok();
        let end = upload.head().map_err(|error| format!("{error:#}"));
        ensure!(
            end.as_ref().is_err_and(|text| !text.contains("in time")),
            "{end:?}"
        );
        if let Some(ear) = ear {
            ear.stop().check_order()?;
        }
        Ok(())
    })
}

#[test]
fn an_old_clients_upload_that_is_no_ogg_is_hung_up_on() -> Result<()> {
    unnoticed(|cluster| {
        let url = format!("{}/broken.ogg", cluster.ports().master_url());
        let mut upload = connect(cluster, Role::Master)?;
        upload.send(&put(cluster, &url)?.head())?;
        // Who does not wait for 100 wants to hear 200 before it sends.
        ensure!(upload.head()?.status == 200);
        let sent = upload.send(&noise(9000));
        let end = upload.head().map_err(|error| format!("{error:#}"));
        let is_over = end
            .as_ref()
            .err()
            .is_some_and(|text| !text.contains("in time"));
        ensure!(is_over, "{end:?} {sent:?}");
        Ok(())
    })
}

fn noise(n_bytes: usize) -> Vec<u8> {
    (0..n_bytes).map(|n| (n * 7919 % 251) as u8).collect()
}

/// An endless upload, with the right password.
fn put(cluster: &Cluster, url: &str) -> Result<Request> {
    Ok(Request::new("PUT", url)?
        .credentials(SOURCE_USER, &cluster.secrets().source)
        .header("Content-Type", "application/ogg")
        .header("Content-Length", "9223372036854775807"))
}

#[test]
fn damage_in_an_upload_costs_only_the_damaged_pages() -> Result<()> {
    unnoticed(|cluster| {
        let url = format!("{}/damaged.ogg", cluster.ports().master_url());
        let mut bytes = std::fs::read(speech::sitting_ogg()?)?;
        bytes.truncate(400_000);
        for at in (60_000..bytes.len()).step_by(40_000) {
            bytes[at] ^= 0x55;
        }
        let mut upload = connect(cluster, Role::Master)?;
        let (early, late) = bytes.split_at(50_000);
        // Much is lost at once, and not for good: twice.
        let parts = [&late[..50_000], &late[50_000..100_000], &late[100_000..]];
        let late = parts.join(&noise(200_000)[..]);
        upload.send(&put(cluster, &url)?.head())?;
        upload.send(early)?;
        let ear = tests::wait::eventually(PATIENCE, "it is on air", || Ear::listen(&url))?;
        upload.send(&late)?;
        tests::wait::until(PATIENCE, "the last part is heard", || {
            ear.heard().body.len() > 180_000
        })?;
        let heard = ear.stop();
        ensure!(
            heard.n_junk == 0,
            "{} bytes of junk passed on",
            heard.n_junk
        );
        heard.check_order()
    })
}

#[test]
fn a_source_that_dies_in_the_middle_of_a_page_takes_nobody_with_it() -> Result<()> {
    unnoticed(|cluster| {
        let url = format!("{}/cut.ogg", cluster.ports().master_url());
        let bytes = std::fs::read(speech::sitting_ogg()?)?;
        for n_bytes in [3, 30, 58, 4_500, 60_001] {
            let mut upload = connect(cluster, Role::Master)?;
            upload.send(&put(cluster, &url)?.head())?;
            upload.send(&bytes[..n_bytes])?;
            drop(upload);
            let listener = Request::new("GET", &cluster.mount_at(Role::Master))?;
            let (head, _) = listener.open()?;
            ensure!(head.status == 200, "{head:?}");
        }
        Ok(())
    })
}
