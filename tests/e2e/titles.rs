//! Titles that get links of their own in the stream: what other people's players make of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use stream::ogg::{Found, Framer, Links, Page, Role};
use tests::cluster::{Cluster, Role as Who, Sound};
use tests::configs::SOURCE_USER;
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::{Heard, same_bytes};
use tests::http::{Connection, Request};
use tests::pcm::compare;
use tests::players::{Decoder, oggz_validate};
use tests::tools::run;
use tests::wait::{eventually, until};

const PATIENCE: Duration = Duration::from_secs(20);
/// So often a page is sent, which lasts twice as long.
const PAGE_EVERY: Duration = Duration::from_millis(100);
/// Samples of a long block of libvorbis, at half of which two of them overlap.
const BLOCK: usize = 1024;
/// What is told at once; of each only the last gets a link.
const TOLD: [&[&str]; 2] = [
    &["song=Nobody&x", "artist=%C3%9Cte&title=Zwei"],
    &["song=Ute%20-%20Drei"],
];

/// A source that sends a file page by page, and who listens at master and relay.
struct Station {
    codec: &'static str,
    mount: String,
    pages: std::vec::IntoIter<Page>,
    source: Connection,
    ears: Vec<Ear>,
}

fn encode(codec: &str, folder: &Path) -> Result<Vec<Page>> {
    let file = folder.join(format!("{codec}.ogg"));
    run(Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i"])
        .arg("anoisesrc=r=48000:a=0.2:d=14:c=pink")
        .args(["-ac", "1", "-c:a", codec, "-page_duration", "200000"])
        .args(["-metadata", "title=One", "-metadata", "album=Kept"])
        .arg(&file))?;
    pages(&std::fs::read(file)?)
}

fn pages(mut bytes: &[u8]) -> Result<Vec<Page>> {
    let mut framer = Framer::new();
    let mut pages = Vec::new();
    while let Some(found) = framer.next(&mut bytes) {
        let Found::Page(page) = found else {
            anyhow::bail!("{found:?}");
        };
        pages.push(page);
    }
    Ok(pages)
}

impl Station {
    fn new(cluster: &Cluster, codec: &'static str) -> Result<Self> {
        let pages = encode(codec, cluster.folder())?;
        let mount = format!("/{codec}.ogg");
        let url = cluster.ports().master_url() + &mount;
        let (_, source) = Request::new("PUT", &url)?
            .credentials(SOURCE_USER, &cluster.secrets().source)
            .header("Content-Type", "audio/ogg")
            .header("Expect", "100-continue")
            .open()?;
        let mut station = Self {
            codec,
            mount,
            pages: pages.into_iter(),
            source,
            ears: Vec::new(),
        };
        station.send(8)?;
        for role in [Who::Master, Who::Relay(0)] {
            let url = cluster.url(role).context("listens")? + &station.mount;
            let ear = eventually(PATIENCE, "it plays", || Ear::listen(&url))?;
            ear.wait_for_samples(1, PATIENCE)?;
            station.ears.push(ear);
        }
        Ok(station)
    }

    fn send(&mut self, n_pages: usize) -> Result<()> {
        for page in self.pages.by_ref().take(n_pages) {
            self.source.send(page.bytes())?;
        }
        Ok(())
    }

    fn n_links(&self) -> usize {
        let heard = self.ears[1].heard();
        let serials: BTreeSet<u32> = heard.pages.iter().map(|page| page.stamp.serial).collect();
        serials.len()
    }

    /// Sends on until the next link has come.
    fn tell(&mut self, cluster: &Cluster, titles: &[&str]) -> Result<()> {
        let n_links = self.n_links();
        for title in titles {
            let master = cluster.ports().master_url();
            let mount = &self.mount;
            let url = format!("{master}/admin/metadata?mode=updinfo&mount={mount}&{title}");
            let request = Request::new("GET", &url)?;
            let request = request.credentials(SOURCE_USER, &cluster.secrets().source);
            ensure!(request.send()?.head.status == 200, "{title}");
        }
        let mut n_sent = 0;
        until(PATIENCE, "a link for the title", || {
            std::thread::sleep(PAGE_EVERY);
            n_sent += 1;
            self.send(1).is_err() || self.n_links() > n_links
        })?;
        ensure!(self.n_links() == n_links + 1 && n_sent > 5);
        Ok(())
    }
}

impl Station {
    /// Sends all that is left, and gives what was heard at the master and at the relay.
    fn finish(&mut self) -> Result<Vec<Heard>> {
        self.send(usize::MAX)?;
        for ear in &self.ears {
            until(PATIENCE, "the end of the file", || {
                let heard = ear.heard();
                let last = heard.pages.last();
                last.is_some_and(|page| page.stamp.is_last && page.stamp.granule > 0)
            })?;
        }
        Ok(self.ears.drain(..).map(Ear::stop).collect())
    }

    fn check(&mut self, cluster: &Cluster) -> Result<()> {
        for titles in TOLD {
            self.tell(cluster, titles)?;
        }
        let heard = self.finish()?;
        let (master, relay) = (heard[0].log()?, heard[1].log()?);
        let n_same = same_bytes(master, relay)?;
        ensure!(n_same == relay.1.len(), "{n_same} bytes are the same");
        heard[1].check_order()?;
        let all = links(&heard[1].body)?;
        let wanted = [
            ["One", "", "Kept"],
            ["Zwei", "Üte", "Kept"],
            ["Ute - Drei", "", "Kept"],
        ];
        ensure!(all == wanted, "{all:?}");
        self.check_resumed(cluster, relay)?;
        let file = cluster.folder().join(format!("{}.heard.ogg", self.codec));
        std::fs::write(&file, &heard[1].body)?;
        let sent = cluster.folder().join(format!("{}.ogg", self.codec));
        if self.codec != "flac" {
            oggz_validate(&file)?;
            check_mpv(&file)?;
        }
        for decoder in Decoder::ALL {
            if decoder != Decoder::Reference || self.codec == "libvorbis" {
                check_sound(decoder, &sent, &file)?;
            }
        }
        Ok(())
    }

    /// Whoever was cut off in front of a link gets it, to the byte.
    fn check_resumed(&self, cluster: &Cluster, (offset, log): (u64, &[u8])) -> Result<()> {
        let at = log.len() / 4;
        let url = cluster.url(Who::Relay(0)).context("listens")? + &self.mount;
        let head = Request::new("HEAD", &url)?.send()?.head;
        let epoch = head.header("etag").context("no ETag")?.to_owned();
        let first = offset + at as u64;
        let last = offset + log.len() as u64 - 1;
        let request = Request::new("GET", &url)?.header("If-Range", &epoch);
        let answer = request
            .header("Range", &format!("bytes={first}-{last}"))
            .send()?;
        ensure!(answer.head.status == 206, "{:?}", answer.head);
        ensure!(answer.body == log[at..], "other bytes from {first} on");
        Ok(())
    }
}

/// Every sample is heard once. But ffmpeg (5.1) and mpv with it put out half a window too much where
/// a link of Vorbis begins, whoever made it: they take its first packet for a later one.
fn check_sound(decoder: Decoder, sent: &Path, heard: &Path) -> Result<()> {
    let (sent_sound, heard_sound) = (decoder.decode(sent)?, decoder.decode(heard)?);
    let found = compare(&sent_sound, &heard_sound);
    let n_extra = heard_sound.len() - sent_sound.len().min(heard_sound.len());
    note(&format!("{} with {decoder:?}: {found}", heard.display()));
    let is_ffmpegs = decoder != Decoder::Reference && heard.ends_with("libvorbis.heard.ogg");
    if is_ffmpegs {
        ensure!(
            found.n_lost == 0 && n_extra <= TOLD.len() * BLOCK,
            "{found}"
        );
    } else {
        ensure!(
            found.is_exact() && sent_sound.len() == heard_sound.len(),
            "{found}"
        );
        ensure!(sent_sound == heard_sound, "{found}");
    }
    Ok(())
}

/// mpv shows each title.
fn check_mpv(file: &Path) -> Result<()> {
    let output = run(Command::new("mpv")
        .args(["--no-config", "--no-video", "--ao=null", "--speed=4"])
        .args(["--term-status-msg=<${metadata/by-key/title}>"])
        .arg(file))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    // Of Opus ffmpeg (5.1) keeps the earlier ones before it.
    for title in ["One>", "Zwei>", "Ute - Drei>"] {
        ensure!(said.contains(title), "{title} is not in {said}");
    }
    Ok(())
}

/// Title, artist and album of each link.
fn links(body: &[u8]) -> Result<Vec<[String; 3]>> {
    let mut links = Links::new();
    let mut found = Vec::new();
    for page in pages(body)? {
        if let Role::HeadersComplete(link) =
            links.take(&page).map_err(|e| anyhow::anyhow!("{e}"))?
        {
            let tag = |name| link.tag(name).unwrap_or_default().to_owned();
            found.push(["TITLE", "ARTIST", "ALBUM"].map(tag));
        }
    }
    Ok(found)
}

#[test]
fn a_title_is_a_link_of_its_own_and_not_a_sample_is_missing() -> Result<()> {
    let mut cluster = Cluster::prepare(1, &Sound::Tone)?;
    let file = cluster.folder().join("master.toml");
    let codecs = ["libvorbis", "libopus", "flac"];
    let chained = codecs.map(|codec| {
        format!("[[mount]]\npath = \"/{codec}.ogg\"\ntitles = \"chained\"\nburst_seconds = 60.0\n")
    });
    std::fs::write(&file, std::fs::read_to_string(&file)? + &chained.concat())?;
    cluster.start_servers()?;
    std::thread::scope(|scope| {
        let cluster = &cluster;
        let check = |codec| Station::new(cluster, codec)?.check(cluster);
        let checks = codecs.map(|codec| (codec, scope.spawn(move || check(codec))));
        for (codec, check) in checks {
            let ended = check.join().ok().context("it panicked")?;
            ended.context(codec)?;
        }
        anyhow::Ok(())
    })
    .with_context(|| cluster.story())
}
