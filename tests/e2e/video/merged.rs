//! Theora as encoders may put it into pages, though Debian's do not: key frames begin anywhere in
//! them. The master cuts them there.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use stream::ogg::theora::begins_with_key_frame;
use stream::ogg::{Page, Stamp};
use tests::configs::SOURCE_USER;
use tests::http::Request;
use tests::tools::run;

use super::{check_key_frames, is_theora, pages};

/// Puts two pages of the picture into one, but for those with headers.
fn merge(all: &[Page]) -> Result<Vec<Page>> {
    let (mut merged, mut before, mut sequence): (Vec<Page>, Option<&Page>, u32) =
        Default::default();
    for page in all {
        if !is_theora(page, all) || page.stamp().granule <= 0 {
            merged.push(page.clone());
            if is_theora(page, all) {
                sequence = page.stamp().sequence + 1;
            }
            continue;
        }
        let Some(first) = before.take() else {
            before = Some(page);
            continue;
        };
        let lacing = [first.lacing(), page.lacing()].concat();
        ensure!(lacing.len() <= 255, "{} segments", lacing.len());
        let stamp = Stamp {
            sequence,
            is_continued: first.stamp().is_continued,
            ..page.stamp()
        };
        sequence += 1;
        merged.push(Page::build(
            stamp,
            &lacing,
            &[first.body(), page.body()].concat(),
        ));
    }
    Ok(merged)
}

/// How many key frames begin behind others on their page.
fn n_hidden(all: &[Page]) -> usize {
    let hidden = |page: &Page| {
        let packets = page.packets().skip(1);
        packets
            .filter(|(packet, _)| packet.first().is_some_and(|flags| flags & 0xc0 == 0))
            .count()
    };
    let pictures = all
        .iter()
        .filter(|page| is_theora(page, all) && page.stamp().granule > 0);
    pictures.map(hidden).sum()
}

/// Whoever asks for all of it can begin at each key frame.
pub(super) fn check(master: &str, password: &str, folder: &Path) -> Result<()> {
    let file = folder.join("merged.ogv");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]);
    ffmpeg.arg(folder.join("film.mkv"));
    ffmpeg.args("-t 12 -c:v libtheora -b:v 500k -g 7 -c:a libvorbis -b:a 96k".split(' '));
    ffmpeg.args(["-page_duration", "200000", "-f", "ogg"]);
    run(ffmpeg.arg(&file))?;
    let sent = merge(&pages(&std::fs::read(&file)?)?)?;
    ensure!(n_hidden(&sent) > 3, "{} are hidden", n_hidden(&sent));
    let url = format!("{master}/merged.ogv");
    let bytes: Vec<u8> = sent.iter().flat_map(|page| page.bytes().to_vec()).collect();
    let answer = Request::new("PUT", &url)?
        .credentials(SOURCE_USER, password)
        .header("Content-Type", "video/ogg")
        .body(bytes)
        .send()?;
    ensure!(answer.head.status == 200, "{answer:?}");
    let heard = Request::new("GET", &format!("{url}?burst=30"))?.send()?;
    let all = pages(&heard.body)?;
    let first = all.iter().find(|page| page.stamp().granule > 0);
    let first = first.context("nothing but headers")?;
    ensure!(
        begins_with_key_frame(first) && n_hidden(&all) == 0,
        "{first:?}"
    );
    check_key_frames(&all)
}
