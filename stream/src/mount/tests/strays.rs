//! What belongs to no stream of a mount.

use super::*;

#[test]
fn pages_that_nobody_hears_do_not_put_a_mount_on_the_air() {
    let house = house();
    let mut publisher = house.claim("source", Duration::ZERO).unwrap();
    house.play(&mut publisher, 0, 6);
    drop(publisher);
    let mount = house.table.find(&live()).unwrap();
    let head = mount.log().head();
    assert!(!mount.is_on_air());
    // Another program goes on in the middle of a stream that nobody here knows.
    let mut publisher = house.claim("source", Duration::ZERO).unwrap();
    let other = opus(9, 10);
    for page in &other[4..8] {
        publisher.take(page, house.now, || 77).unwrap();
    }
    assert_eq!(publisher.counts().n_stray, 4);
    assert_eq!(mount.log().head(), head);
    assert!(!mount.is_on_air());
    for page in &other {
        publisher.take(page, house.now, || 78).unwrap();
    }
    assert!(mount.log().head() > head && mount.is_on_air());
}
