//! Answers that relays could give, and what each comes to.

use stream::ogg::Stamp;

use super::super::truth::Place;
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const EPOCH: &str = "\"00112233445566778899aabbccddeeff\"";

fn page(serial: u32, sequence: u32, body: &[u8]) -> Page {
    let stamp = Stamp {
        serial,
        sequence,
        granule: i64::from(sequence.saturating_sub(1)) * 9600,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &[u8::try_from(body.len()).unwrap()], body)
}

fn sound(serial: u32, sequence: u32) -> Page {
    page(
        serial,
        sequence,
        format!("sound {serial} {sequence}").as_bytes(),
    )
}

/// A master that sends a page a second: two of headers, then 60 of sound.
struct Stage {
    truth: Truth,
    start: Instant,
}

const N_PAGES: u32 = 60;

impl Stage {
    fn new() -> Self {
        let (mut truth, start) = (Truth::default(), Instant::now());
        let headers = [page(1, 0, b"head"), page(1, 1, b"more")];
        truth.begin(
            Some(Place {
                epoch: EPOCH.into(),
                offset: 1000,
            }),
            headers.iter().map(|page| page.len() as u64).sum(),
        );
        for header in headers {
            truth.take(header, start);
        }
        for n in 2..N_PAGES {
            truth.take(sound(1, n), start + n * SECOND);
        }
        Self { truth, start }
    }

    fn now(&self) -> Instant {
        self.start + N_PAGES * SECOND
    }

    fn judge(&self, came: &Came) -> Judgement {
        self.judge_with(came, |_| {})
    }

    fn judge_with(&self, came: &Came, change: impl Fn(&mut Known)) -> Judgement {
        let mut known = Known {
            truth: Some(&self.truth),
            is_full: false,
            before: None,
            read_at: self.now(),
            now: self.now(),
        };
        change(&mut known);
        judge(&asked(), came, known)
    }

    /// The offset at which a page of sound stands.
    fn offset(&self, sequence: u32) -> u64 {
        let before = (2..sequence).map(|n| sound(1, n).len() as u64);
        1000 + before.sum::<u64>()
    }
}

fn asked() -> Asked {
    Asked {
        mount: MountPath::parse("/live.ogg").unwrap(),
        address: "192.0.2.1:8000".parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn answer(pages: Vec<Page>) -> Heard {
    Heard {
        status: 200,
        content_type: "application/ogg".to_owned(),
        n_bytes: pages.iter().map(Page::len).sum(),
        pages,
        ..Heard::default()
    }
}

fn hard(judgement: &Judgement) -> &Evidence {
    match &judgement.finding {
        Finding::Hard(evidence) => evidence,
        other => panic!("not hard: {other:?}"),
    }
}

fn soft(judgement: &Judgement) -> &Evidence {
    match &judgement.finding {
        Finding::Soft(evidence) => evidence,
        other => panic!("not soft: {other:?}"),
    }
}

#[test]
fn the_masters_own_pages_in_time_are_good() {
    let stage = Stage::new();
    let heard = answer(vec![page(1, 0, b"head"), sound(1, 55), sound(1, 56)]);
    let judgement = stage.judge(&Came::Answer(heard));
    assert_eq!(judgement.finding, Finding::Good { is_compared: true });
    assert!(!judgement.is_early);
}

#[test]
fn one_other_byte_is_hard_and_shown_with_its_place() {
    let stage = Stage::new();
    let forged = page(1, 56, b"sound 1 5X");
    let mut heard = answer(vec![page(1, 0, b"head"), sound(1, 55), forged]);
    heard.epoch = Some(EPOCH.to_owned());
    heard.n_prefix = heard.pages[0].len() as u64;
    heard.offset = Some(stage.offset(55));
    let judgement = stage.judge(&Came::Answer(heard));
    let evidence = hard(&judgement);
    assert_eq!(evidence.fault, Fault::WrongBytes);
    let difference = evidence.difference.as_ref().unwrap();
    assert_eq!(
        (difference.serial, difference.sequence),
        (Some(1), Some(56))
    );
    assert_eq!(difference.offset, Some(stage.offset(56)));
    // The checksum is the first that differs.
    assert_eq!(difference.byte, 22);
    assert_ne!(difference.relay, difference.master);
    let sentence = evidence.sentence();
    assert!(
        sentence.contains("/live.ogg at 192.0.2.1:8000"),
        "{sentence}"
    );
    assert!(
        sentence.contains("page 56 of stream 00000001"),
        "{sentence}"
    );
}

#[test]
fn right_pages_under_a_wrong_offset_are_hard_and_under_another_epoch_are_not_compared() {
    let stage = Stage::new();
    let mut heard = answer(vec![sound(1, 55), sound(1, 56)]);
    heard.epoch = Some(EPOCH.to_owned());
    heard.offset = Some(stage.offset(55));
    let good = Finding::Good { is_compared: true };
    assert_eq!(stage.judge(&Came::Answer(heard.clone())).finding, good);
    heard.offset = Some(stage.offset(55) + 1);
    let judgement = stage.judge(&Came::Answer(heard.clone()));
    assert!(hard(&judgement).what.contains("offset"), "{judgement:?}");
    heard.epoch = Some("\"another\"".to_owned());
    assert_eq!(stage.judge(&Came::Answer(heard)).finding, good);
}

#[test]
fn another_stream_is_hard_but_only_at_the_second_look() {
    let stage = Stage::new();
    let heard = answer(vec![sound(2, 55), sound(2, 56)]);
    let judgement = stage.judge(&Came::Answer(heard));
    assert_eq!(hard(&judgement).fault, Fault::WrongBytes);
    assert!(judgement.is_early, "the master may just have begun it");
}

#[test]
fn old_sound_is_soft_while_it_may_be_a_slow_way_and_hard_when_it_is_very_old() {
    let mut stage = Stage::new();
    let late = answer(vec![sound(1, 20), sound(1, 21)]);
    let judgement = stage.judge(&Came::Answer(late));
    assert_eq!(soft(&judgement).fault, Fault::Old);
    assert!(soft(&judgement).what.contains("39 s ago"), "{judgement:?}");
    // Long after.
    for n in N_PAGES..N_PAGES + 200 {
        stage.truth.take(sound(1, n), stage.start + n * SECOND);
    }
    let later = stage.now() + 200 * SECOND;
    let very_old = answer(vec![sound(1, 20), sound(1, 21)]);
    let judgement = stage.judge_with(&Came::Answer(very_old), |known| {
        (known.now, known.read_at) = (later, later);
    });
    assert_eq!(hard(&judgement).fault, Fault::Old);
}

#[test]
fn one_who_is_ahead_of_us_is_looked_at_again() {
    let stage = Stage::new();
    let heard = answer(vec![sound(1, 59), sound(1, 60)]);
    assert!(stage.judge(&Came::Answer(heard)).is_early);
}

#[test]
fn while_the_master_is_silent_or_new_to_us_nobody_is_blamed() {
    let mut stage = Stage::new();
    let strange = Came::Answer(answer(vec![sound(2, 55), sound(2, 56)]));
    let heard = Finding::Good { is_compared: false };
    let silent_since = stage.now() + 10 * SECOND;
    let judgement = stage.judge_with(&strange, |known| known.now = silent_since);
    assert_eq!(judgement.finding, heard);
    let nothing = Came::Answer(answer(vec![page(1, 0, b"head")]));
    let judgement = stage.judge_with(&nothing, |known| known.now = silent_since);
    assert!(matches!(judgement.finding, Finding::Unclear(_)));
    assert_eq!(soft(&stage.judge(&nothing)).fault, Fault::Late);
    stage.truth.end();
    stage.truth.take(sound(1, 60), stage.now());
    // Of what was before the gap, nothing is known: it may be chance.
    assert_eq!(soft(&stage.judge(&strange)).fault, Fault::WrongBytes);
}

#[test]
fn a_page_for_people_or_rubbish_is_hard() {
    let stage = Stage::new();
    let mut html = answer(Vec::new());
    html.content_type = "text/html; charset=utf-8".to_owned();
    let came = Came::Answer(html);
    let alone = stage.judge_with(&came, |known| known.truth = None);
    for judgement in [alone, stage.judge(&came)] {
        assert_eq!(hard(&judgement).fault, Fault::NoStream);
    }
    let mut rubbish = answer(vec![sound(1, 55)]);
    rubbish.junk = Some((b"<html>".to_vec(), 99));
    let judgement = stage.judge(&Came::Answer(rubbish.clone()));
    assert!(hard(&judgement).what.contains("byte 99"), "{judgement:?}");
    assert!(hard(&judgement).what.contains("3c68746d6c3e"));
}

#[test]
fn a_full_relay_may_refuse_and_others_may_not() {
    let stage = Stage::new();
    for (status, is_refusal) in [
        (302, true),
        (403, true),
        (503, true),
        (404, false),
        (500, false),
    ] {
        let mut heard = answer(Vec::new());
        heard.status = status;
        let came = Came::Answer(heard);
        assert_eq!(soft(&stage.judge(&came)).fault, Fault::NoStream, "{status}");
        assert_eq!(soft(&stage.judge(&came)).status, Some(status));
        let judgement = stage.judge_with(&came, |known| known.is_full = true);
        let is_unclear = matches!(judgement.finding, Finding::Unclear(_));
        assert_eq!(is_unclear, is_refusal, "{status}: {judgement:?}");
    }
}

#[test]
fn refused_is_hard_late_is_soft_and_no_way_says_nothing() {
    let stage = Stage::new();
    assert_eq!(hard(&stage.judge(&Came::Refused)).fault, Fault::Refused);
    let late = Came::Nothing("no answer within 5 s".to_owned());
    assert_eq!(soft(&stage.judge(&late)).fault, Fault::Late);
    let no_way = Came::NoWay("Network is unreachable".to_owned());
    assert!(matches!(stage.judge(&no_way).finding, Finding::Unclear(_)));
}

#[test]
fn without_a_master_sound_must_come_and_go_on() {
    let stage = Stage::new();
    let came = Came::Answer(answer(vec![sound(7, 55), sound(7, 56)]));
    let alone = |known: &mut Known| known.truth = None;
    let good = Finding::Good { is_compared: false };
    assert_eq!(stage.judge_with(&came, alone).finding, good);
    let before = |serial, sequence| {
        let at = stage.start;
        Some(Newest {
            serial,
            sequence,
            at,
        })
    };
    for (before, is_standing) in [
        (before(7, 40), false),
        (before(7, 56), true),
        (before(7, 90), true),
        (before(8, 90), false),
    ] {
        let judgement = stage.judge_with(&came, |known| {
            (known.truth, known.before) = (None, before);
        });
        assert_eq!(judgement.finding != good, is_standing, "{before:?}");
    }
    let nothing = Came::Answer(answer(vec![page(7, 0, b"head")]));
    assert_eq!(soft(&stage.judge_with(&nothing, alone)).fault, Fault::Late);
}

#[test]
fn what_is_no_ogg_must_at_least_flow() {
    let stage = Stage::new();
    let alone = |known: &mut Known| known.truth = None;
    let mut heard = answer(Vec::new());
    heard.content_type = "audio/mpeg".to_owned();
    heard.junk = Some((vec![0xff, 0xfb], 0));
    heard.n_bytes = OTHER_BYTES_MIN;
    let good = Finding::Good { is_compared: false };
    assert_eq!(
        stage
            .judge_with(&Came::Answer(heard.clone()), alone)
            .finding,
        good
    );
    // But not where the master sends Ogg.
    let judgement = stage.judge(&Came::Answer(heard.clone()));
    assert_eq!(hard(&judgement).fault, Fault::WrongBytes);
    heard.n_bytes = 100;
    let judgement = stage.judge_with(&Came::Answer(heard), alone);
    assert_eq!(soft(&judgement).fault, Fault::Late);
}

#[test]
fn a_probe_listens_on_only_behind_what_is_old() {
    let stage = Stage::new();
    let now = stage.now();
    let enough = |pages: &[Page]| is_enough(&answer(pages.to_vec()), Some(&stage.truth), now);
    assert!(!enough(&[]) && !enough(&[page(1, 0, b"head"), sound(1, 55)]));
    assert!(enough(&[page(1, 0, b"head"), sound(1, 55), sound(1, 56)]));
    assert!(!enough(&[sound(1, 10), sound(1, 11)]), "new ones may come");
    assert!(
        enough(&[sound(2, 10), sound(2, 11)]),
        "they are no better later"
    );
    assert!(is_enough(
        &answer(vec![sound(1, 10), sound(1, 11)]),
        None,
        now
    ));
}
