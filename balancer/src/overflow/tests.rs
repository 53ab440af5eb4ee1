//! Nobody is sent to a master that is full.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn said(n_free: u32, on_mount: u32) -> Option<Said> {
    let path = MountPath::parse("/a.ogg").unwrap();
    Some(Said {
        n_free,
        mounts: BTreeMap::from([(path, on_mount)]),
        ..Said::default()
    })
}

fn overflow() -> Overflow {
    let url = BaseUrl::parse("http://master.example:8000").unwrap();
    Overflow::new(url, None, 5 * SECOND)
}

fn n_taken(overflow: &Overflow, now: Instant) -> usize {
    let mount = MountPath::parse("/a.ogg").unwrap();
    let rooms = (0..50).map(|_| overflow.send(&mount, now));
    rooms.filter(|room| *room == Room::Free).count()
}

#[test]
fn never_more_are_sent_than_it_said_it_takes_until_it_must_have_counted_them() {
    let (overflow, start) = (overflow(), Instant::now());
    let take = |said, at| overflow.known().take(said, at, overflow.arrival);
    assert_eq!(n_taken(&overflow, start), 0, "nobody has asked it yet");
    take(said(7, 90), start);
    assert_eq!(n_taken(&overflow, start), 7);
    // They may not have come when it answered.
    take(said(7, 90), start + 2 * SECOND);
    assert_eq!(n_taken(&overflow, start + 2 * SECOND), 0);
    let places = overflow.places(start + 2 * SECOND);
    assert_eq!((places.free, places.reserved), (0, 7));
    take(said(3, 90), start + 6 * SECOND);
    assert_eq!(n_taken(&overflow, start + 6 * SECOND), 3);
    take(said(90, 2), start + 60 * SECOND);
    assert_eq!(n_taken(&overflow, start + 60 * SECOND), 2, "on the mount");
    take(None, start + 80 * SECOND);
    assert_eq!(n_taken(&overflow, start + 80 * SECOND), 0, "it is down");
}

/// They look at different moments, and each sends all it may at each of them.
#[test]
fn several_balancers_together_send_no_more_than_there_is_and_leave_nothing_over() {
    let start = Instant::now();
    for n in 1..=4 {
        let all: Vec<_> = (0..n).map(|_| overflow()).collect();
        let (mut n_there, mut came) = (0, Vec::new());
        for tenth in 0..300_u32 {
            let now = start + tenth * SECOND / 10;
            came.retain(|at| {
                *at > now || {
                    n_there += 1;
                    false
                }
            });
            let of = usize::try_from(tenth).unwrap() % 20;
            for (at, overflow) in all.iter().enumerate().filter(|(at, _)| 3 * at == of) {
                overflow.set_part(Part::new(at, n - 1));
                let free = 23 - n_there;
                let said = said(free, free).map(|said| Said {
                    listeners: n_there,
                    ..said
                });
                overflow.known().take(said, now, overflow.arrival);
                let n_sent = n_taken(overflow, now);
                came.extend((0..n_sent).map(|one| now + SECOND * u32::try_from(one % 5).unwrap()));
            }
            assert!(
                n_there <= 23 && came.len() <= (23 - n_there) as usize,
                "{n}"
            );
        }
        assert_eq!(n_there, 23, "{n} balancers");
    }
}

#[test]
fn places_are_kept_free_for_those_who_come_by_themselves() {
    let (overflow, start) = (overflow(), Instant::now());
    for second in 0..60 {
        let at = start + second * SECOND;
        let listeners = 5 * second;
        let said = said(20, 20).map(|said| Said { listeners, ..said });
        overflow.known().take(said, at, overflow.arrival);
    }
    assert_eq!(n_taken(&overflow, start + 60 * SECOND), 0, "30 will come");
    assert_eq!(
        overflow.room(&MountPath::parse("/a.ogg").unwrap(), start),
        Room::Full
    );
}
