//! Which page is sent next, and what happens when nobody takes them.

use stream::ogg::Stamp;

use super::*;

/// 200 ms.
const PAGE_SAMPLES: i64 = 9600;

fn page(sequence: u32, granule: i64) -> Page {
    let stamp = Stamp {
        serial: 1,
        sequence,
        granule,
        is_continued: false,
        is_first: sequence == 0,
        is_last: false,
    };
    Page::build(stamp, &[1], &[0])
}

/// Two header pages and so many pages of sound.
fn backlog(n_pages: u32) -> Backlog {
    let mut backlog = Backlog::default();
    backlog.push(Made::Header(page(0, 0)));
    backlog.push(Made::Header(page(1, 0)));
    for n in 0..n_pages {
        add(&mut backlog, n);
    }
    backlog
}

fn add(backlog: &mut Backlog, n: u32) {
    backlog.push(Made::Sound(page(n + 2, (i64::from(n) + 1) * PAGE_SAMPLES)));
}

fn next(backlog: &Backlog) -> Option<u32> {
    match backlog.next(0) {
        Next::Page(page) => Some(page.stamp().sequence),
        _ => None,
    }
}

fn send(backlog: &mut Backlog, n_pages: u32) {
    for _ in 0..n_pages {
        let Next::Page(page) = backlog.next(0) else {
            panic!("nothing to send");
        };
        backlog.sent(0, &page);
    }
}

#[test]
fn pages_are_sent_once_in_order_until_the_end() {
    let mut backlog = backlog(3);
    assert_eq!(backlog.headers().len(), 2);
    assert_eq!(next(&backlog), Some(2));
    send(&mut backlog, 3);
    assert_eq!(backlog.next(0), Next::Wait);
    backlog.is_ended = true;
    assert_eq!(backlog.next(0), Next::End);
}

#[test]
fn while_there_is_room_nothing_is_lost() {
    let backlog = backlog(300);
    assert_eq!((backlog.n_skipped(), next(&backlog)), (0, Some(2)));
    assert_eq!(backlog.n_waiting(), 300);
}

#[test]
fn after_a_minute_the_oldest_unsent_pages_go_and_are_counted() {
    let backlog = backlog(311);
    assert_eq!((backlog.n_skipped(), next(&backlog)), (10, Some(12)));
}

#[test]
fn sent_pages_that_become_too_old_are_not_lost() {
    let mut backlog = backlog(100);
    send(&mut backlog, 100);
    for n in 100..500 {
        add(&mut backlog, n);
        send(&mut backlog, 1);
    }
    assert_eq!((backlog.n_skipped(), backlog.next(0)), (0, Next::Wait));
}

#[test]
fn a_master_gets_exactly_the_page_it_wants() {
    let mut backlog = backlog(100);
    send(&mut backlog, 90);
    assert_eq!(backlog.go_to(0, 50), 0);
    assert_eq!(next(&backlog), Some(50));
    // Also when it has more than we thought.
    assert_eq!(backlog.go_to(0, 102), 0);
    assert_eq!(backlog.next(0), Next::Wait);
}

#[test]
fn a_master_that_has_nothing_gets_all_that_is_kept() {
    let mut backlog = backlog(10);
    send(&mut backlog, 10);
    assert_eq!(backlog.go_to(0, 0), 0);
    assert_eq!(next(&backlog), Some(2));
}

#[test]
fn a_page_that_is_no_longer_kept_leaves_a_hole_of_known_size() {
    let mut backlog = backlog(400);
    assert_eq!(next(&backlog), Some(101));
    assert_eq!(backlog.go_to(0, 51), 50);
    assert_eq!(next(&backlog), Some(101));
}

#[test]
fn a_master_that_wants_the_future_is_not_believed() {
    let mut backlog = backlog(10);
    send(&mut backlog, 4);
    assert_eq!(backlog.go_to(0, 1000), 0);
    assert_eq!(next(&backlog), Some(6));
}

#[test]
fn what_waits_is_measured_in_time() {
    let mut backlog = backlog(50);
    send(&mut backlog, 40);
    assert_eq!(backlog.waiting(), Duration::from_secs(2));
    send(&mut backlog, 10);
    assert_eq!(backlog.waiting(), Duration::ZERO);
}

/// As `backlog`, with a spool behind it that is caught up for two minutes.
fn spooled(n_pages: u32) -> Backlog {
    let mut backlog = Backlog::new(Duration::from_secs(120), true);
    backlog.push(Made::Header(page(0, 0)));
    backlog.push(Made::Header(page(1, 0)));
    for n in 0..n_pages {
        add(&mut backlog, n);
    }
    backlog
}

fn sound(n: u32) -> Page {
    page(n, (i64::from(n) - 1) * PAGE_SAMPLES)
}

#[test]
fn what_memory_has_let_go_is_asked_from_the_spool() {
    let mut backlog = spooled(400);
    assert_eq!(backlog.next(0), Next::Spooled(2));
    backlog.recall(0, (2..5).map(sound).collect());
    send(&mut backlog, 3);
    assert_eq!(backlog.next(0), Next::Spooled(5));
    backlog.recall(0, (3..120).map(sound).collect());
    assert_eq!(
        next(&backlog),
        Some(5),
        "what was sent already is passed over"
    );
    send(&mut backlog, 115);
    // From here on memory has it.
    assert_eq!(next(&backlog), Some(120));
    send(&mut backlog, 282);
    assert_eq!((backlog.next(0), backlog.n_skipped()), (Next::Wait, 0));
}

#[test]
fn what_the_spool_does_not_have_is_passed_over() {
    let mut backlog = spooled(400);
    backlog.go_past_gap(0, Some(50));
    assert_eq!(
        (backlog.next(0), backlog.n_skipped()),
        (Next::Spooled(50), 48)
    );
    backlog.go_past_gap(0, None);
    assert_eq!((next(&backlog), backlog.n_skipped()), (Some(101), 99));
}

#[test]
fn what_is_too_old_to_be_caught_up_becomes_a_hole() {
    let backlog = spooled(611);
    assert_eq!(
        (backlog.next(0), backlog.n_skipped()),
        (Next::Spooled(12), 10)
    );
}

#[test]
fn what_was_heard_as_silence_is_left_out_and_no_page_more() {
    let mut backlog = spooled(400);
    send_recalled(&mut backlog);
    assert_eq!(backlog.leave_out(0, 3, Duration::from_secs(70)), 3..353);
    assert_eq!(backlog.leave_out(0, 3, Duration::from_secs(70)), 353..353);
    assert_eq!(
        backlog.leave_out(0, 353, Duration::from_millis(1_001)),
        353..359
    );
    assert_eq!(backlog.waiting(), Duration::from_millis(8_600));
    assert_eq!(backlog.leave_out(0, 359, Duration::from_secs(9)), 359..402);
    assert_eq!(backlog.leave_out(0, 402, Duration::MAX), 402..402);
}

fn send_recalled(backlog: &mut Backlog) {
    backlog.recall(0, vec![sound(2)]);
    send(backlog, 1);
}

#[test]
fn what_a_server_was_only_believed_to_have_is_sent_to_one_that_says_what_it_has() {
    let mut backlog = backlog(40);
    send(&mut backlog, 38);
    backlog.acknowledge(0, 25);
    backlog.believe(40);
    assert_eq!(backlog.acknowledged(), 40);
    assert_eq!(
        (backlog.go_to_acknowledged(0), next(&backlog)),
        (0, Some(25))
    );
    assert_eq!(backlog.acknowledged(), 25);
}

#[test]
fn a_master_that_lost_what_had_just_begun_gets_it_again_from_its_beginning() {
    let mut backlog = backlog(40);
    send(&mut backlog, 30);
    backlog.acknowledge(0, 18);
    assert_eq!(
        (backlog.go_to_acknowledged(0), next(&backlog)),
        (0, Some(2))
    );
}

#[test]
fn one_who_has_not_answered_has_nothing_until_it_has_taken_a_minute_of_sound() {
    let mut backlog = spooled(300);
    backlog.begin(0, Word::Awaited);
    send(&mut backlog, 30);
    // While it may stand still it is sent on to, and nothing is taken for granted.
    assert_eq!(next(&backlog), Some(32));
    assert_eq!(backlog.standing(), (2, true));
    send(&mut backlog, 269);
    assert_eq!(backlog.standing(), (2, true));
    send(&mut backlog, 1);
    assert_eq!(backlog.standing(), (302, false));
}

#[test]
fn one_who_answers_late_is_believed_only_as_far_as_he_says() {
    let mut backlog = backlog(40);
    backlog.begin(0, Word::Awaited);
    send(&mut backlog, 30);
    backlog.acknowledge(0, 12);
    assert_eq!(backlog.word(), Word::Given);
    backlog.begin(0, Word::Awaited);
    send(&mut backlog, 2);
    backlog.answered();
    assert_eq!(backlog.standing(), (34, false));
}

#[test]
fn an_acknowledgement_goes_neither_back_nor_beyond_what_there_is() {
    let mut backlog = backlog(10);
    send(&mut backlog, 8);
    for (said, known) in [(6, 6), (4, 6), (13, 6), (10, 10)] {
        backlog.acknowledge(0, said);
        assert_eq!(backlog.acknowledged(), known);
    }
    assert!(backlog.is_confirmed());
    assert_eq!(backlog.unacknowledged(), Duration::from_millis(400));
}

/// A backlog that two uplinks send.
fn shared(n_pages: u32) -> Backlog {
    let mut backlog = backlog(n_pages).over(2);
    backlog.begin(0, Word::Given);
    backlog.begin(1, Word::Given);
    backlog
}

fn send_over(backlog: &mut Backlog, uplink: usize, n_pages: u32) {
    for _ in 0..n_pages {
        let Next::Page(page) = backlog.next(uplink) else {
            panic!("nothing to send");
        };
        backlog.sent(uplink, &page);
    }
}

#[test]
fn each_uplink_sends_every_page() {
    let mut backlog = shared(10);
    send_over(&mut backlog, 0, 10);
    assert_eq!(backlog.n_waiting(), 0);
    assert_eq!((backlog.place(0), backlog.place(1)), (12, 2));
    send_over(&mut backlog, 1, 10);
    assert_eq!((backlog.next(0), backlog.next(1)), (Next::Wait, Next::Wait));
}

#[test]
fn what_one_uplink_has_brought_the_other_leaves_out() {
    let mut backlog = shared(10);
    send_over(&mut backlog, 0, 8);
    backlog.acknowledge(0, 7);
    assert_eq!((backlog.place(0), backlog.place(1)), (10, 7));
    assert_eq!(backlog.n_skipped(), 0);
}

#[test]
fn an_uplink_that_comes_back_begins_where_the_master_is_or_where_the_other_began() {
    let mut backlog = shared(40);
    send_over(&mut backlog, 0, 20);
    backlog.leave(1);
    backlog.acknowledge(0, 20);
    backlog.begin(1, Word::Given);
    assert_eq!(backlog.go_to(1, 21), 0);
    assert_eq!((backlog.place(0), backlog.place(1)), (22, 21));
    // Both away, and what was bridged with silence is left out once, by the first that is back.
    backlog.leave(0);
    backlog.leave(1);
    backlog.begin(0, Word::Given);
    backlog.go_to(0, 21);
    assert_eq!(backlog.leave_out(0, 21, Duration::from_secs(1)), 21..26);
    backlog.begin(1, Word::Given);
    backlog.go_to(1, 21);
    assert_eq!(backlog.leave_out(1, 21, Duration::from_secs(2)), 26..26);
    assert_eq!((backlog.place(0), backlog.place(1)), (26, 26));
    assert_eq!(backlog.n_skipped(), 5);
}

#[test]
fn what_only_a_broken_uplink_has_sent_is_not_taken_for_sent() {
    let mut backlog = shared(300);
    send_over(&mut backlog, 0, 100);
    send_over(&mut backlog, 1, 50);
    backlog.acknowledge(1, 40);
    backlog.leave(0);
    assert_eq!(backlog.n_waiting(), 250);
    backlog.begin(0, Word::Given);
    backlog.go_to(0, 40);
    assert_eq!(backlog.place(0), 40);
}

#[test]
fn a_master_without_memory_is_not_believed_over_an_older_connection() {
    let mut backlog = shared(100);
    send_over(&mut backlog, 0, 50);
    send_over(&mut backlog, 1, 50);
    backlog.acknowledge(0, 40);
    backlog.begin(1, Word::Given);
    backlog.go_to(1, 30);
    // Said before it was killed, heard late.
    backlog.acknowledge(0, 45);
    assert_eq!((backlog.place(1), backlog.acknowledged()), (30, 30));
    backlog.acknowledge(1, 33);
    assert_eq!((backlog.place(1), backlog.acknowledged()), (33, 33));
    send_over(&mut backlog, 0, 5);
    backlog.acknowledge(0, 55);
    assert_eq!(backlog.acknowledged(), 55);
}

#[test]
fn a_master_that_lost_pages_gets_them_though_the_other_uplink_began_behind_them() {
    let mut backlog = shared(100);
    send_over(&mut backlog, 0, 50);
    backlog.acknowledge(0, 45);
    assert_eq!(backlog.place(1), 45);
    backlog.begin(0, Word::Given);
    assert_eq!((backlog.go_to(0, 30), backlog.place(0)), (0, 30));
}

#[test]
fn a_master_that_has_only_headers_yet_gets_what_the_other_uplink_is_about_to_send() {
    let mut backlog = shared(100);
    send_over(&mut backlog, 0, 50);
    backlog.acknowledge(0, 45);
    backlog.begin(0, Word::Given);
    backlog.go_to_acknowledged(0);
    backlog.begin(1, Word::Given);
    assert_eq!((backlog.go_to(1, 2), backlog.place(1)), (0, 45));
}

#[test]
fn a_server_that_says_nothing_gets_again_what_it_cannot_have_got() {
    let mut backlog = backlog(100);
    send(&mut backlog, 50);
    backlog.acknowledge(0, 52);
    backlog.go_back(0, Duration::from_millis(300), 0);
    assert_eq!((next(&backlog), backlog.acknowledged()), (Some(50), 50));
    let n_bytes = sound(40).len() * 3;
    backlog.go_back(0, Duration::ZERO, n_bytes);
    assert_eq!(next(&backlog), Some(47));
    backlog.go_back(0, Duration::from_secs(99), 0);
    assert_eq!((next(&backlog), backlog.n_skipped()), (Some(2), 0));
}
