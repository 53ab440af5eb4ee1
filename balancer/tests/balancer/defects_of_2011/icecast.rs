//! What an Icecast says of itself: defects 5 and 6.

use balancer::icecast::xml::{Free, load};
use balancer::icecast::{Answers, Reading};
use stream::mount::MountPath;

/// As a real Icecast's load.xsl wrote it: one mount with a limit, one without, one overfull.
const LOAD: &str = "<?xml version=\"1.0\"?>\n<load><mount name=\"/a.mp3\">97</mount>\
                    <mount name=\"/b.ogg\">NaN</mount><mount name=\"/over.ogg\">-2</mount></load>";

fn path(text: &str) -> MountPath {
    MountPath::parse(text).unwrap()
}

#[test]
fn defect_05_a_mount_without_a_limit_costs_no_other_mount_its_places() {
    let read = load(LOAD.as_bytes()).unwrap();
    assert_eq!(read[&path("/a.mp3")], Free::Places(97));
    assert_eq!(read[&path("/b.ogg")], Free::Unlimited);
    assert_eq!(read[&path("/over.ogg")], Free::Places(-2));
}

#[test]
fn defect_06_the_servers_own_limit_holds_whatever_its_mounts_say() {
    let answers = || Answers::Public {
        status: Err("hidden".to_owned()),
        load: load(LOAD.as_bytes()),
    };
    let limited = Reading::of(answers(), Some(50)).unwrap();
    assert!(limited.slots <= 50, "{limited:?}");
}
