//! WebM while the first master dies and the second is promoted: one response, in which the picture
//! goes on in the same link when its encoder comes to the second.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use tests::cluster::{Role, START_MAX, STOP_MAX};
use tests::ear::Ear;
use tests::figures::note;
use tests::http::get;
use tests::picture::{MOUNT, SECOND_BYTES, camera, check_clean, follow};
use tests::wait::{eventually, until};

use super::stage::{BACK_MAX, Stage, figure};

/// What an encoder has not let go of yet when its master dies, and what it makes until it is
/// stopped.
const LOST_SECONDS_MAX: f64 = 1.5;

/// Both hear so much more.
fn hear_on(stage: &Stage, ears: &[(&str, Ear)], n_bytes: usize) -> Result<()> {
    let length = |ear: &Ear| ear.heard().body.len();
    let wanted: Vec<usize> = ears.iter().map(|(_, ear)| length(ear) + n_bytes).collect();
    until(BACK_MAX, "it goes on", || {
        let mut both = ears.iter().zip(&wanted);
        both.all(|((_, ear), n_wanted)| length(ear) >= *n_wanted)
    })
    .with_context(|| stage.story())
}

#[test]
fn a_picture_goes_on_at_the_promoted_master_in_the_same_response() -> Result<()> {
    let mut stage = Stage::new()?;
    let first_url = format!("http://127.0.0.1:{}", stage.first_port);
    let secrets = stage.cluster.secrets().clone();
    let relay = stage.cluster.program(Role::Relay(0));
    relay.set_variable("PLENUM_RELAY__UPSTREAM__0__URL", &first_url);
    relay.set_variable("PLENUM_RELAY__UPSTREAM__0__PASSWORD", &secrets.relay);
    stage.first.start()?;
    stage.wait_for_first()?;
    stage.cluster.start_servers()?;
    let second_url = stage.cluster.url(Role::Master).context("listens")?;
    let relay_url = stage.cluster.url(Role::Relay(0)).context("listens")?;
    let folder = stage.folder.path().to_owned();
    let records: Vec<PathBuf> = [1, 2]
        .map(|n| folder.join(format!("record{n}.webm")))
        .to_vec();

    let mut source = camera(&first_url, &secrets.source, &records[0])?;
    source.start()?;
    let mut ears = Vec::new();
    for (name, node) in [("standby", &second_url), ("relay", &relay_url)] {
        let url = format!("{node}{MOUNT}");
        let ear = eventually(BACK_MAX, "it plays", || Ear::listen(&url))
            .with_context(|| source.story() + &stage.story())?;
        ears.push((name, ear));
    }
    hear_on(&stage, &ears, SECOND_BYTES)?;
    stage.first.kill()?;
    source.stop(STOP_MAX)?;
    eventually(START_MAX, "it is promoted", || stage.promote(&[]))?;
    let mut source = camera(&second_url, &secrets.source, &records[1])?;
    source.start()?;
    hear_on(&stage, &ears, SECOND_BYTES)?;
    // So does who comes now.
    check_clean(&format!("{relay_url}{MOUNT}"), 1).with_context(|| stage.story())?;
    source.stop(STOP_MAX)?;

    for (name, ear) in ears {
        let file = folder.join(format!("{name}.webm"));
        let parts = eventually(BACK_MAX, "all of it is heard", || {
            std::fs::write(&file, &ear.heard().body)?;
            let parts = follow(&records, &file)?;
            ensure!(parts[1].is_to_its_end(), "{parts:?}");
            Ok(parts)
        })
        .with_context(|| format!("{name}: {}", stage.story()))?;
        note(&format!("{name}: {parts:?}"));
        ensure!(parts[0].seconds_behind < LOST_SECONDS_MAX, "{parts:?}");
        ensure!(parts[1].n_before == 0, "{parts:?}");
        check_clean(&file.display().to_string(), 60)?;
        ensure!(!ear.heard().has_ended, "a listener was sent away: {name}");
    }
    // What the first may have sent elsewhere stands at no other offset.
    let metrics = get(&format!("{relay_url}/metrics"))?.text();
    let n_skipped = figure(
        &metrics,
        &format!("plenum_skipped_bytes_total{{mount=\"{MOUNT}\"}}"),
    )?;
    note(&format!("{n_skipped} bytes skipped"));
    ensure!(n_skipped > 60.0 * 1024.0 * 1024.0, "{n_skipped}");
    Ok(())
}
