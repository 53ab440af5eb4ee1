//! Picture and sound of which every packet is known: an encoder that keeps what it sends, and
//! whether somebody got all of it, once and in order. Packets are told apart by ffprobe.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::http::Address;
use crate::programs::Program;
use crate::tools::run;

/// Where it is sent.
pub const MOUNT: &str = "/live.webm";
/// So much comes in a second, about: each picture is longer than any page of Ogg.
pub const SECOND_BYTES: usize = 500_000;
const PICTURE: &str = "testsrc2=size=320x180:rate=8,noise=alls=80:allf=t";
const SOUND: &str = "anoisesrc=r=48000:a=0.1";
const ENCODED: &str = "-c:v libvpx -deadline realtime -cpu-used 8 -qmin 2 -qmax 20 -b:v 10M -g 8 \
                       -c:a libopus -b:a 64k -flags +global_header";
/// Times are told in thousandths of a second.
const ROUNDED_SECONDS: f64 = 0.0015;

/// An ffmpeg that sends WebM to a server, and writes the same packets to `record`.
///
/// # Errors
/// When the server's address makes no sense.
pub fn camera(server: &str, password: &str, record: &Path) -> Result<Program> {
    let folder = record.parent().context("a file in a folder")?;
    let Address { authority, .. } = Address::parse(server)?;
    let webm = "f=webm:cluster_time_limit=300";
    let url = format!("icecast://source:{password}@{authority}{MOUNT}");
    // When the server dies the record is brought to its end.
    let both = format!("[{webm}:onfail=ignore]{url}|[{webm}]{}", record.display());
    Ok(Program::new("camera", "ffmpeg", folder)
        .arguments("-nostdin -loglevel warning -re -f lavfi -i".split(' '))
        .arguments([PICTURE, "-re", "-f", "lavfi", "-i", SOUND, "-map", "0"])
        .arguments(["-map", "1"])
        .arguments(ENCODED.split_whitespace())
        .arguments(["-f", "tee", &both]))
}

/// One packet, in ffprobe's words.
#[derive(Clone, Debug, Deserialize)]
struct Packet {
    stream_index: usize,
    pts_time: String,
    data_hash: String,
}

impl Packet {
    fn seconds(&self) -> f64 {
        self.pts_time.parse().unwrap_or(f64::NAN)
    }
}

#[derive(Debug, Deserialize)]
struct Packets {
    packets: Vec<Packet>,
}

/// What was heard of one record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    /// So many packets of a stream come before what was heard.
    pub n_before: usize,
    /// How long it goes on behind what was heard.
    pub seconds_behind: f64,
}

impl Part {
    /// Whether nothing comes behind what was heard.
    pub fn is_to_its_end(&self) -> bool {
        self.seconds_behind < ROUNDED_SECONDS
    }
}

/// Follows what was heard through what was sent, one record after another: of each stream all
/// packets from some place on, in order, each of them once, and in time as they were sent.
///
/// # Errors
/// When anything is missing, comes twice or is from nowhere.
pub fn follow(records: &[PathBuf], heard: &Path) -> Result<Vec<Part>> {
    let heard = packets(heard)?;
    let n_streams = heard.iter().map(|packet| packet.stream_index + 1).max();
    ensure!(n_streams == Some(2), "not a picture and sound");
    let mut rests = [0, 1].map(|stream| of_stream(&heard, stream));
    let (mut parts, mut newest) = (Vec::new(), [f64::MIN; 2]);
    for record in records {
        let sent = packets(record)?;
        let (mut part, mut shifts) = (Part::default(), Vec::new());
        for (stream, rest) in rests.iter_mut().enumerate() {
            let sent = of_stream(&sent, stream);
            let n_heard = take(&sent, rest, &mut part, &mut shifts)
                .with_context(|| format!("stream {stream} of {}", record.display()))?;
            let (now, later) = rest.split_at(n_heard);
            let times = now.first().zip(now.last());
            let (first, last) = times.context("nothing of it was heard")?;
            ensure!(first.seconds() > newest[stream], "time goes back");
            newest[stream] = last.seconds();
            *rest = later.to_vec();
        }
        shifts.sort_by(f64::total_cmp);
        let (least, most) = shifts.first().zip(shifts.last()).context("no packets")?;
        ensure!(most - least < ROUNDED_SECONDS, "moved by {least} to {most}");
        parts.push(part);
    }
    for (stream, rest) in rests.iter().enumerate() {
        ensure!(
            rest.is_empty(),
            "stream {stream}: {} packets do not follow what was heard before, the first at {:?}",
            rest.len(),
            rest.first()
        );
    }
    Ok(parts)
}

/// How many of `heard` are those that were sent, one after another.
fn take(
    sent: &[&Packet],
    heard: &[&Packet],
    part: &mut Part,
    shifts: &mut Vec<f64>,
) -> Result<usize> {
    let first = heard.first().context("nothing was heard")?;
    let from = sent
        .iter()
        .position(|packet| packet.data_hash == first.data_hash);
    let from = from.with_context(|| format!("{first:?} is from nowhere"))?;
    let pairs = sent.iter().skip(from).zip(heard);
    let same = pairs.take_while(|(sent, heard)| sent.data_hash == heard.data_hash);
    let before = shifts.len();
    shifts.extend(same.map(|(sent, heard)| heard.seconds() - sent.seconds()));
    let n_heard = shifts.len() - before;
    part.n_before = part.n_before.max(from);
    let newest = sent.get(from + n_heard - 1).zip(sent.last());
    let behind = newest.map_or(0.0, |(newest, last)| last.seconds() - newest.seconds());
    part.seconds_behind = part.seconds_behind.max(behind);
    Ok(n_heard)
}

fn of_stream(packets: &[Packet], stream: usize) -> Vec<&Packet> {
    let packets = packets.iter();
    packets
        .filter(|packet| packet.stream_index == stream)
        .collect()
}

fn packets(file: &Path) -> Result<Vec<Packet>> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args("-v error -show_data_hash crc32 -of json".split(' '));
    ffprobe.args("-show_entries packet=stream_index,pts_time,data_hash".split(' '));
    let output = run(ffprobe.arg(file))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(complaint.is_empty(), "{}: {complaint}", file.display());
    let found: Packets = serde_json::from_slice(&output.stdout)?;
    Ok(found.packets)
}

/// ffmpeg decodes a file, or a stream for so many seconds, and has nothing to complain of.
///
/// # Errors
/// When it has.
pub fn check_clean(what: &str, seconds: u32) -> Result<()> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-xerror", "-i", what]);
    ffmpeg.args(["-t", &seconds.to_string()]);
    // Pictures are not put into a grid, which a new run of an encoder does not keep to.
    ffmpeg.args("-fps_mode passthrough -enc_time_base:v 1/1000 -f null -".split(' '));
    let said = run(&mut ffmpeg)?.stderr;
    let said = String::from_utf8_lossy(&said);
    ensure!(said.trim().is_empty(), "{what}: {said}");
    Ok(())
}
