//! One link, any player: balancer to relay to master, all the same bytes.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Cluster, MOUNT, Role, Sound};
use tests::ear::Ear;
use tests::heard::same_bytes;
use tests::http::{Request, get};
use tests::players::{Decoder, Player, mpv_plays};
use tests::speech;

/// Two seconds of sound: mono, 16 bits, 48 kHz.
const TWO_SECONDS_BYTES: u64 = 2 * 48_000 * 2;
/// Players fill their buffers first.
const PLAYER_MAX: Duration = Duration::from_secs(25);
const EAR_MAX: Duration = Duration::from_secs(15);

/// One chain for all tests here: none of them does it any harm.
fn with_chain(test: impl FnOnce(&Cluster) -> Result<()>) -> Result<()> {
    static CHAIN: OnceLock<Mutex<Option<&'static Cluster>>> = OnceLock::new();
    let chain = CHAIN.get_or_init(Mutex::default);
    let cluster = {
        let mut chain = chain.lock().unwrap_or_else(PoisonError::into_inner);
        match *chain {
            Some(cluster) => cluster,
            None => {
                let sound = Sound::File(speech::sitting()?);
                // Never dropped: the programs end with this process.
                let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(2, &sound)?));
                *chain = Some(cluster);
                cluster
            }
        }
    };
    test(cluster).with_context(|| cluster.story())
}

#[test]
fn the_balancers_link_leads_to_a_relay_that_plays() -> Result<()> {
    with_chain(|chain| {
        for method in ["GET", "HEAD"] {
            let answer = Request::new(method, &chain.link())?.send()?;
            ensure!(answer.head.status == 302, "{method}: {:?}", answer.head);
            let target = answer.head.header("location").context("no Location")?;
            let target = target.split('?').next().unwrap_or_default();
            let relays = [Role::Relay(0), Role::Relay(1)].map(|relay| chain.mount_at(relay));
            ensure!(relays.iter().any(|relay| relay == target), "{target}");
            let cache = answer.head.header("cache-control").unwrap_or_default();
            ensure!(cache.contains("no-store"), "Cache-Control: {cache}");
        }
        let ear = Ear::listen(&chain.link())?;
        ear.wait_for_samples(2 * 48_000, EAR_MAX)?;
        let heard = ear.stop();
        heard.check_order()?;
        let media = heard.head.header("content-type");
        ensure!(
            matches!(media, Some("application/ogg" | "audio/ogg")),
            "{media:?}"
        );
        Ok(())
    })
}

#[test]
fn ffmpeg_mpv_and_ogg123_play_the_link() -> Result<()> {
    with_chain(|chain| {
        let folder = tempfile::tempdir()?;
        let players: Vec<_> = Decoder::ALL
            .iter()
            .map(|decoder| decoder.play(&chain.link(), folder.path()))
            .collect::<Result<_>>()?;
        for mut player in players {
            player.wait_for_bytes(TWO_SECONDS_BYTES, PLAYER_MAX)?;
        }
        mpv_plays(&chain.link(), Duration::from_secs(3))
    })
}

#[test]
fn curl_takes_the_bytes_of_the_link() -> Result<()> {
    with_chain(|chain| {
        let folder = tempfile::tempdir()?;
        let mut curl = Player::curl(&chain.link(), folder.path())?;
        curl.wait_for_bytes(20_000, PLAYER_MAX)?;
        ensure!(curl.stop()?.starts_with(b"OggS"));
        Ok(())
    })
}

#[test]
fn mpv_and_ogg123_play_the_playlist() -> Result<()> {
    with_chain(|chain| {
        for url in [
            format!("{}.m3u", chain.link()),
            format!("{}/live.m3u", chain.ports().balancer_url()),
        ] {
            let playlist = get(&url)?;
            ensure!(playlist.head.status == 200, "{url}: {:?}", playlist.head);
            ensure!(
                playlist.text().contains(&chain.link()),
                "{url}: {}",
                playlist.text()
            );
            mpv_plays(&url, Duration::from_secs(2))?;
        }
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("live.m3u");
        std::fs::write(&file, get(&format!("{}.m3u", chain.link()))?.body)?;
        Player::ogg123_with_playlist(&file, folder.path())?
            .wait_for_bytes(TWO_SECONDS_BYTES, PLAYER_MAX)
    })
}

#[test]
fn listeners_at_both_relays_and_the_master_get_the_same_bytes() -> Result<()> {
    with_chain(|chain| {
        let ears: Vec<_> = [Role::Master, Role::Relay(0), Role::Relay(1)]
            .map(|role| Ear::listen(&chain.mount_at(role)))
            .into_iter()
            .collect::<Result<_>>()?;
        for ear in &ears {
            ear.wait_for_samples(6 * 48_000, EAR_MAX)?;
        }
        let heard: Vec<_> = ears.into_iter().map(Ear::stop).collect();
        let tag = |n: usize| heard[n].head.header("etag").map(str::to_owned);
        for n in 0..heard.len() {
            heard[n].check_order()?;
            ensure!(tag(n).is_some() && tag(n) == tag(0), "{:?}", tag(n));
            let n_same = same_bytes(heard[0].log()?, heard[n].log()?)?;
            ensure!(n_same > 20_000, "only {n_same} bytes in common");
        }
        Ok(())
    })
}

#[test]
fn a_listener_goes_on_at_the_exact_byte_at_another_relay() -> Result<()> {
    with_chain(|chain| {
        let ear = Ear::listen(&chain.mount_at(Role::Relay(0)))?;
        ear.wait_for_samples(4 * 48_000, EAR_MAX)?;
        let (offset, tag, n_bytes) = {
            let heard = ear.heard();
            let tag = heard.head.header("etag").context("no ETag")?.to_owned();
            let (offset, bytes) = heard.log()?;
            (offset, tag, bytes.len())
        };
        // In the middle of a page, as a broken connection leaves it.
        let at = offset + n_bytes as u64 / 2 + 13;
        let resumed = Ear::listen_with(&chain.mount_at(Role::Relay(1)), |request| {
            request
                .header("If-Range", &tag)
                .header("Range", &format!("bytes={at}-9223372036854775807"))
        })?;
        resumed.wait_for_samples(3 * 48_000, EAR_MAX)?;
        ear.wait_for_samples(8 * 48_000, EAR_MAX)?;
        let (resumed, heard) = (resumed.stop(), ear.stop());
        ensure!(resumed.head.status == 206, "{:?}", resumed.head);
        let range = resumed.head.header("content-range").unwrap_or_default();
        ensure!(
            range.starts_with(&format!("bytes {at}-")),
            "Content-Range: {range}"
        );
        let n_same = same_bytes((at, &resumed.body), heard.log()?)?;
        ensure!(n_same > 10_000, "only {n_same} bytes in common");
        Ok(())
    })
}

#[test]
fn an_answer_is_in_the_version_of_the_request_and_never_in_chunks() -> Result<()> {
    with_chain(|chain| {
        for role in [Role::Master, Role::Relay(0)] {
            let old = Ear::listen_in_version_1_0(&chain.mount_at(role))?;
            let new = Ear::listen(&chain.mount_at(role))?;
            for (ear, minor_version) in [(old, 0), (new, 1)] {
                ear.wait_for_samples(48_000, EAR_MAX)?;
                let heard = ear.stop();
                ensure!(
                    heard.head.minor_version == minor_version,
                    "{:?}",
                    heard.head
                );
                ensure!(heard.head.header("transfer-encoding").is_none());
                ensure!(heard.body.starts_with(b"OggS"));
            }
        }
        Ok(())
    })
}

#[test]
fn a_head_request_answers_at_once_with_the_streams_headers() -> Result<()> {
    with_chain(|chain| {
        for role in [Role::Master, Role::Relay(0), Role::Relay(1)] {
            let answer = Request::new("HEAD", &chain.mount_at(role))?.send()?;
            ensure!(answer.head.status == 200, "{role:?}: {:?}", answer.head);
            ensure!(answer.head.header("etag").is_some(), "{role:?}: no ETag");
        }
        Ok(())
    })
}

#[test]
fn the_status_pages_name_the_mount() -> Result<()> {
    with_chain(|chain| {
        let mut urls = vec![format!("{}/status-json.xsl", chain.ports().master_url())];
        for role in [Role::Master, Role::Relay(0), Role::Balancer] {
            let url = chain.url(role).context("listens")?;
            urls.push(format!("{url}/api/v1/status"));
        }
        for url in urls {
            let answer = get(&url)?;
            ensure!(answer.head.status == 200, "{url}: {:?}", answer.head);
            ensure!(answer.text().contains(MOUNT), "{url}: {}", answer.text());
        }
        Ok(())
    })
}
