//! Speech from a sound card to a listener's decoder: every sample, in time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::alsa::Desk;
use tests::cluster::{Cluster, PLAY_MAX, Role, STOP_MAX, Sound};
use tests::ear::Ear;
use tests::figures::note;
use tests::likeness::likeness;
use tests::pcm::compare;
use tests::players::{Decoder, Player, ogginfo, oggz_validate};
use tests::soak::{GAP_MAX, hear_the_end, listen_from_the_start};
use tests::speech;
use tests::tools::samples;
use tests::wait::until;

/// Long enough for three voices and the two long pauses between them.
const LENGTH: Duration = Duration::from_secs(40);
const N_SAMPLES: i64 = 40 * 48_000;
/// Who plugs a card in hears it within this time.
const BACK_MAX: Duration = Duration::from_secs(3);

#[test]
fn what_is_said_at_the_desk_is_heard_to_the_sample_by_every_decoder() -> Result<()> {
    let wav = speech::sitting()?;
    let desk = Desk::playing(&wav)?;
    let mut cluster = Cluster::prepare_recorded(2, &Sound::from_desk(&desk))?;
    cluster.start_servers()?;
    cluster.start_program(Role::Source)?;
    let ear = listen_from_the_start(&cluster, Role::Relay(0))?;
    cluster.wait_until_playing(PLAY_MAX)?;
    let (folder, late_folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let players: Vec<_> = Decoder::ALL
        .into_iter()
        .map(|decoder| Ok((decoder, decoder.play(&cluster.link(), folder.path())?)))
        .collect::<Result<_>>()?;
    // Somebody who comes in the middle of it.
    ear.wait_for_samples(N_SAMPLES / 3, LENGTH)?;
    let late = Decoder::Mpv.play(&cluster.mount_at(Role::Relay(1)), late_folder.path())?;
    ear.wait_for_samples(N_SAMPLES, LENGTH + STOP_MAX)
        .with_context(|| cluster.story())?;
    let gap = ear.longest_gap();
    note(&format!(
        "longest time without a page, with 7 s of digital silence: {gap:?}"
    ));
    ensure!(gap < GAP_MAX, "{gap:?} without a page");
    let late = samples(&late.stop()?);
    let played: Vec<_> = players
        .into_iter()
        .map(|(decoder, player)| Ok((decoder, player.stop()?)))
        .collect::<Result<_>>()?;
    cluster.program(Role::Source).stop(STOP_MAX)?;
    let heard = hear_the_end(ear).with_context(|| cluster.story())?;

    let file = folder.path().join("heard.ogg");
    std::fs::write(&file, &heard.body)?;
    heard.check_order()?;
    oggz_validate(&file)?;
    ensure!(ogginfo(&file)?.is_empty(), "ogginfo: {:?}", ogginfo(&file)?);
    for (decoder, bytes) in played {
        let recording = decoder.decode(&cluster.recording())?;
        check_exact(decoder, "live", &recording, &samples(&bytes))?;
        check_exact(decoder, "file", &recording, &decoder.decode(&file)?)?;
    }
    let recording = Decoder::Mpv.decode(&cluster.recording())?;
    let from = check_exact(Decoder::Mpv, "late", &recording, &late)?;
    ensure!(
        from > 5 * 48_000,
        "a late listener heard it from sample {from}"
    );
    check_programme(&wav, &cluster.recording())
}

/// Gives the sample of the recording from which it was heard.
fn check_exact(decoder: Decoder, way: &str, recording: &[i16], heard: &[i16]) -> Result<usize> {
    let comparison = compare(recording, heard);
    note(&format!("{decoder:?}, {way}: {comparison}"));
    ensure!(
        heard.len() > 25 * 48_000,
        "{decoder:?}, {way}: {comparison}"
    );
    ensure!(comparison.is_exact(), "{decoder:?}, {way}: {comparison}");
    Ok(comparison.starts_at)
}

/// The recording, which the listeners' sound is compared with, is what was said.
fn check_programme(wav: &Path, recording: &Path) -> Result<()> {
    let said = samples(&std::fs::read(wav)?[44..]);
    let recorded = Decoder::Ffmpeg.decode(recording)?;
    let likeness = likeness(&said, &recorded);
    note(&format!(
        "likeness of what was said and what was recorded: {likeness:.3}"
    ));
    ensure!(likeness > 0.97, "likeness {likeness}");
    Ok(())
}

#[test]
fn a_sound_card_that_is_pulled_out_and_put_back_is_heard_again() -> Result<()> {
    let desk = Desk::playing(&speech::sitting()?)?;
    let mut cluster = Cluster::start(1, &Sound::from_desk(&desk))?;
    let ear = Ear::listen(&cluster.link())?;
    ear.wait_for_samples(48_000, STOP_MAX)?;
    desk.unplug()?;
    // The source goes on with silence, so that nobody's player stops.
    let n_before = ear.heard().n_samples();
    ear.wait_for_samples(n_before + 4 * 48_000, Duration::from_secs(10))
        .with_context(|| cluster.story())?;
    desk.plug_in()?;
    until(BACK_MAX, "the card is open again", || {
        cluster
            .program(Role::Source)
            .log()
            .matches("is open")
            .count()
            == 2
    })
    .with_context(|| cluster.story())?;
    let folder = tempfile::tempdir()?;
    let mut player = Decoder::Ffmpeg.play(&cluster.link(), folder.path())?;
    player.wait_for_bytes(1, STOP_MAX)?;
    until(Duration::from_secs(20), "speech is heard again", || {
        is_loud(folder.path())
    })
    .with_context(|| cluster.story())?;
    ensure!(cluster.program(Role::Source).is_running());
    let gap = ear.longest_gap();
    ensure!(gap < Duration::from_secs(2), "{gap:?} without a page");
    drop::<Player>(player);
    Ok(())
}

/// Whether the last seconds that were played hold speech.
fn is_loud(folder: &Path) -> bool {
    let bytes = std::fs::read(folder.join("Ffmpeg.raw")).unwrap_or_default();
    // The burst may still hold what was said before.
    let late = bytes.get(12 * 48_000..).unwrap_or_default();
    samples(late)
        .iter()
        .filter(|s| s.unsigned_abs() > 2000)
        .count()
        > 4800
}
