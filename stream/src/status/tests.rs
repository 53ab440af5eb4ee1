//! What programs read.

use super::*;
use crate::log::writer::Writer;
use crate::log::{Epoch, Keep};
use crate::mount::{Desk, Facts, MountPath, MountTable};
use crate::ogg::tests::opus;

/// A mount on air of which nothing else is known.
pub(crate) fn on_air(path: &str) -> MountStatus {
    let writer = Writer::new(Epoch::new(0), Keep::default());
    let (path, now) = (MountPath::parse(path).unwrap(), Instant::now());
    let facts = Facts::from_headers(|_| None);
    let mount = Mount::new(path, facts, Arc::clone(writer.log()), now);
    MountStatus {
        is_on_air: true,
        ..MountStatus::of(&mount, now)
    }
}

#[test]
fn icecast_shape_has_no_one_or_many_sources_and_titles_stay_strings() {
    let table = Arc::new(MountTable::new());
    let desk = Desk::new(Arc::clone(&table), Keep::default());
    let now = Instant::now();
    let shape = |table: &MountTable| {
        let slots = Slots::new(10, 1);
        let status = Status::of("plenum-master", Duration::ZERO, &table.all(), &slots, now);
        status.icecast("http://a:8000", Timestamp::UNIX_EPOCH)["icestats"]["source"].clone()
    };
    assert_eq!(shape(&table), Value::Null);
    let mut held = Vec::new();
    for (path, n) in [("/a.ogg", 1), ("/b.ogg", 2)] {
        let path = MountPath::parse(path).unwrap();
        let facts = Facts {
            name: Some("007".to_owned()),
            ..Facts::default()
        };
        let epoch = "0".repeat(32).parse().unwrap();
        let mut publisher = desk
            .claim(
                &path,
                &crate::mount::Claimant {
                    user: "source".to_owned(),
                    login: 0,
                    serial: None,
                    uplink: 1,
                },
                facts,
                epoch,
                now,
            )
            .unwrap();
        for page in opus(n, 3) {
            publisher.take(&page, now, || 5).unwrap();
        }
        held.push(publisher);
        if n == 1 {
            assert_eq!(shape(&table)["listenurl"], "http://a:8000/a.ogg");
            assert_eq!(shape(&table)["server_name"], "007");
        }
    }
    assert_eq!(shape(&table).as_array().unwrap().len(), 2);
    assert_eq!(shape(&table)[0]["stream_start"].as_str().unwrap().len(), 31);
    // The second one's source goes: without filler nothing is heard of it, with filler it is.
    held.pop();
    assert_eq!(shape(&table)["listenurl"], "http://a:8000/a.ogg");
    let mount = table.find(&MountPath::parse("/b.ogg").unwrap()).unwrap();
    mount.set_filled_since(Some(Timestamp::UNIX_EPOCH));
    assert_eq!(shape(&table)[1]["listenurl"], "http://a:8000/b.ogg");
}
