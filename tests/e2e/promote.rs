//! A second master that stands by: the first dies, the second is promoted, and who listens at a
//! relay under it notices nothing.

mod picture;
mod stage;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use stream::ogg::{Found, Framer, Page};
use tests::cluster::{MOUNT, PLAY_MAX, Role, START_MAX, STOP_MAX, write_private};
use tests::ear::Ear;
use tests::figures::note;
use tests::heard::same_bytes;
use tests::http::{Request, get};
use tests::ports;
use tests::soak::{hear_the_end, listen_from_the_start};
use tests::wait::{eventually, until};

use stage::{BACK_MAX, SECOND, Stage, figure, n_streams, promote};

/// After a promotion the source may come so late before filler stands in for it.
const FILLER_MAX: Duration = Duration::from_secs(15);

/// A page of digital silence, of the source or of filler, has no longer body.
const SILENCE_BYTES: usize = 64;

#[test]
fn the_first_master_dies_the_second_is_promoted_and_no_sample_is_missing() -> Result<()> {
    let mut stage = Stage::new()?;
    let at_relay = stage.begin()?;
    let at_standby = listen_from_the_start(&stage.cluster, Role::Master)?;
    let status = stage.standby("/api/v1/status")?;
    ensure!(
        status.contains("\"reign\":0,\"is_standby\":true"),
        "{status}"
    );
    // While it stands by it takes no source, and is not promoted by mistake.
    let answer = Request::new("SOURCE", &stage.cluster.mount_at(Role::Master))?
        .credentials("source", &stage.cluster.secrets().source)
        .send()?;
    ensure!(answer.head.status == 503, "{:?}", answer.head);
    ensure!(answer.text().contains("not promoted"), "{}", answer.text());
    let refused = stage.promote(&[]).err().context("promoted")?;
    ensure!(format!("{refused:#}").contains("is there"), "{refused:#}");

    stage.first.kill()?;
    let said = eventually(START_MAX, "it is promoted", || stage.promote(&[]))?;
    ensure!(said.contains("\"reign\":1"), "{said}");
    stage.lead_source_to_standby();
    stage.hear_on(&at_relay, 8)?;
    let gap = at_relay.longest_gap();
    note(&format!(
        "longest time without a page at the relay: {gap:?}"
    ));
    ensure!(!at_relay.heard().has_ended, "the listener was sent away");
    let status = stage.standby("/api/v1/status")?;
    ensure!(
        status.contains("\"reign\":1,\"is_standby\":false"),
        "{status}"
    );

    stage.source.stop(STOP_MAX)?;
    let heard = hear_the_end(at_relay).with_context(|| stage.story())?;
    let direct = hear_the_end(at_standby).with_context(|| stage.story())?;
    same_bytes(direct.log()?, heard.log()?)?;
    stage.judge(&heard)
}

/// The bodies of all pages with sound. A page of silence looks like any other.
fn sounds(mut bytes: &[u8]) -> Vec<(i64, Bytes)> {
    let mut framer = Framer::new();
    let found = std::iter::from_fn(|| framer.next(&mut bytes));
    let pages = found.filter_map(|found| match found {
        Found::Page(page) if page.stamp().granule > 0 && page.body().len() > SILENCE_BYTES => {
            Some(page)
        }
        _ => None,
    });
    let sound = |page: Page| (page.stamp().granule, Bytes::copy_from_slice(page.body()));
    pages.map(sound).collect()
}

/// How many seconds of the record were not heard; none may be heard twice or out of order.
fn missing(record: &[u8], heard: &[u8]) -> Result<f64> {
    let record = sounds(record);
    let (mut next, mut n_samples) = (0, 0);
    for (_, body) in sounds(heard) {
        let later = record[next..].iter().position(|(_, sound)| *sound == body);
        let Some(n_left_out) = later else {
            // Filler is not in the record at all.
            let is_doubled = record[..next].iter().any(|(_, sound)| *sound == body);
            ensure!(
                !is_doubled,
                "a page is heard twice, the second time behind {next}"
            );
            continue;
        };
        let end = |n: usize| n.checked_sub(1).map_or(0, |before| record[before].0);
        n_samples += end(next + n_left_out) - end(next);
        next += n_left_out + 1;
    }
    Ok(n_samples as f64 / SECOND as f64)
}

#[test]
fn a_source_that_comes_late_to_the_promoted_master_is_silence_in_one_response() -> Result<()> {
    let mut stage = Stage::new()?;
    let at_relay = stage.begin()?;
    stage.line.lead_to(ports::free()?);
    stage.first.kill()?;
    eventually(START_MAX, "it is promoted", || stage.promote(&[]))?;
    until(FILLER_MAX, "filler stands in", || {
        stage
            .standby("/api/v1/status")
            .is_ok_and(|status| status.contains("filler_since"))
    })
    .with_context(|| stage.story())?;
    stage.lead_source_to_standby();
    until(BACK_MAX, "the source is back", || {
        stage
            .standby("/api/v1/status")
            .is_ok_and(|status| !status.contains("filler_since"))
    })
    .with_context(|| stage.story())?;
    stage.hear_on(&at_relay, 5)?;
    stage.source.stop(STOP_MAX)?;
    let heard = hear_the_end(at_relay).with_context(|| stage.story())?;
    heard.check_order().with_context(|| stage.story())?;
    ensure!(n_streams(&heard) == 1, "more than one logical stream");
    let filler = figure(&stage.standby("/metrics")?, "plenum_filler_seconds_total")?;
    let missing = missing(&stage.record()?, &heard.body)?;
    note(&format!(
        "{filler:.1} s of filler, {missing:.1} s of sound left out for it"
    ));
    ensure!(filler < FILLER_MAX.as_secs_f64(), "{filler} s of filler");
    ensure!(missing <= filler + 0.5, "{missing} s of sound are missing");
    Ok(())
}

#[test]
fn what_was_promoted_stays_so_and_the_first_comes_back_as_its_standby() -> Result<()> {
    let mut stage = Stage::new()?;
    let at_relay = stage.begin()?;
    // A standby that is killed goes on from its own disk.
    stage.cluster.program(Role::Master).kill()?;
    stage.cluster.start_program(Role::Master)?;
    stage.hear_on(&at_relay, 4)?;
    stage.first.kill()?;
    eventually(START_MAX, "it is promoted", || stage.promote(&[]))?;
    stage.lead_source_to_standby();
    stage.hear_on(&at_relay, 4)?;
    // So does one that was promoted; and it rules.
    stage.cluster.program(Role::Master).kill()?;
    stage.cluster.start_program(Role::Master)?;
    stage.hear_on(&at_relay, 4)?;
    stage.start_first_as_standby()?;
    let first_url = format!("http://127.0.0.1:{}", stage.first_port);
    let at_first = eventually(PLAY_MAX, "the first copies the second", || {
        Ear::listen(&format!("{first_url}{MOUNT}"))
    })?;
    at_first
        .wait_for_samples(4 * SECOND, BACK_MAX)
        .with_context(|| stage.story())?;
    let status = get(&format!("{first_url}/api/v1/status"))?.text();
    ensure!(
        status.contains("\"reign\":1,\"is_standby\":true"),
        "{status}"
    );

    // And back again: the second is stopped, and stands by when it comes back.
    stage.cluster.program(Role::Master).stop(STOP_MAX)?;
    let password = stage.folder.path().join("password");
    write_private(&password, &stage.cluster.secrets().admin)?;
    let which = [
        "--url",
        &first_url,
        "--password-file",
        &password.display().to_string(),
    ];
    let said = eventually(START_MAX, "it is promoted", || {
        promote(&which, &[], &stage.cluster)
    })?;
    ensure!(said.contains("\"reign\":2"), "{said}");
    stage.line.lead_to(stage.first_port);
    stage.cluster.start_program(Role::Master)?;
    stage.hear_on(&at_relay, 4)?;
    let status = stage.standby("/api/v1/status")?;
    ensure!(
        status.contains("\"reign\":2,\"is_standby\":true"),
        "{status}"
    );
    stage.source.stop(STOP_MAX)?;
    let heard = hear_the_end(at_relay).with_context(|| stage.story())?;
    stage.judge(&heard)
}

#[test]
fn relay_and_source_know_both_masters_go_over_and_leave_the_first_alone_when_it_is_back()
-> Result<()> {
    let mut stage = Stage::new()?;
    let first_url = format!("http://127.0.0.1:{}", stage.first_port);
    let password = stage.cluster.secrets().relay.clone();
    let relay = stage.cluster.program(Role::Relay(0));
    relay.set_variable("PLENUM_RELAY__UPSTREAM__0__URL", &first_url);
    relay.set_variable("PLENUM_RELAY__UPSTREAM__0__PASSWORD", &password);
    stage.tell_source_of_both();
    let at_relay = stage.begin()?;
    stage.first.kill()?;
    eventually(START_MAX, "it is promoted", || stage.promote(&[]))?;
    stage.hear_on(&at_relay, 8)?;
    let gap = at_relay.longest_gap();
    note(&format!(
        "longest time without a page at the relay: {gap:?}"
    ));
    // The first is back with what it had, and believes that it rules.
    stage.first.start()?;
    stage.wait_for_first()?;
    let first = get(&format!("{first_url}/api/v1/status"))?.text();
    ensure!(
        first.contains("\"reign\":0,\"is_standby\":false"),
        "{first}"
    );
    stage.hear_on(&at_relay, 8)?;
    let log = stage.cluster.program(Role::Relay(0)).log();
    ensure!(log.contains("another master has taken over"), "{log}");
    let first = get(&format!("{first_url}/api/v1/status"))?.text();
    ensure!(first.contains("\"is_on_air\":false"), "{first}");
    stage.source.stop(STOP_MAX)?;
    let heard = hear_the_end(at_relay).with_context(|| stage.story())?;
    stage.judge(&heard)
}

#[test]
fn a_standby_is_upgraded_before_and_after_its_promotion_and_stays_what_it_is() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.tell_source_of_both();
    let at_relay = stage.begin()?;
    stage.cluster.program(Role::Master).upgrade()?;
    let status = stage.standby("/api/v1/status")?;
    ensure!(status.contains("\"is_standby\":true"), "{status}");
    stage.hear_on(&at_relay, 3)?;
    // It still knows behind every page what its master knew.
    stage.first.kill()?;
    eventually(START_MAX, "it is promoted", || stage.promote(&[]))?;
    stage.hear_on(&at_relay, 4)?;
    stage.cluster.program(Role::Master).upgrade()?;
    let status = stage.standby("/api/v1/status")?;
    ensure!(
        status.contains("\"reign\":1,\"is_standby\":false"),
        "{status}"
    );
    stage.hear_on(&at_relay, 4)?;
    stage.source.stop(STOP_MAX)?;
    let heard = hear_the_end(at_relay).with_context(|| stage.story())?;
    stage.judge(&heard)
}
