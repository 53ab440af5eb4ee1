//! What Icecast says in all its ways, and what is made of it.

use super::*;
use crate::icecast::{status_json, xml};

fn path(text: &str) -> MountPath {
    MountPath::parse(text).unwrap()
}

fn status(mounts: &[(&str, u32)]) -> Result<Vec<Seen>, String> {
    let source = |(path, n): &(&str, u32)| {
        format!(r#"{{"listenurl":"http://h{path}","listeners":{n},"server_type":"audio/ogg"}}"#)
    };
    let sources: Vec<_> = mounts.iter().map(source).collect();
    let body = format!(r#"{{"icestats":{{"source":[{}]}}}}"#, sources.join(","));
    status_json::read(body.as_bytes())
}

fn load(mounts: &[(&str, &str)]) -> Result<BTreeMap<MountPath, Free>, String> {
    let mount = |(path, free): &(&str, &str)| format!("<mount name=\"{path}\">{free}</mount>");
    let mounts: String = mounts.iter().map(mount).collect();
    xml::load(format!("<load>{mounts}</load>").as_bytes())
}

fn public(
    status: Result<Vec<Seen>, String>,
    load: Result<BTreeMap<MountPath, Free>, String>,
    slots: Option<u32>,
) -> Result<Reading, String> {
    Reading::of(Answers::Public { status, load }, slots)
}

fn takes(reading: &Reading, mount: &str) -> bool {
    reading.mounts[&path(mount)].is_on_air
}

#[test]
fn of_several_mounts_the_one_with_the_fewest_places_decides() {
    let both = [("/a.ogg", 3), ("/b.ogg", 5)];
    let limits = [("/a.ogg", "97"), ("/b.ogg", "2")];
    let reading = public(status(&both), load(&limits), None).unwrap();
    assert_eq!((reading.listeners, reading.slots), (8, 10));
}

fn missing<T>() -> Result<T, String> {
    Err("it answers 404".to_owned())
}

#[test]
fn status_and_load_together_tell_listeners_and_limits() {
    let status = status(&[("/a.ogg", 3), ("/b.ogg", 5)]);
    let load = load(&[("/a.ogg", "97"), ("/b.ogg", "-2")]);
    let reading = public(status, load, None).unwrap();
    assert_eq!((reading.listeners, reading.slots), (8, 105));
    assert!(takes(&reading, "/a.ogg") && !takes(&reading, "/b.ogg"));
    assert!(reading.without_limit.is_empty());
}

#[test]
fn load_alone_is_enough_for_an_old_icecast() {
    let load = load(&[("/a.mp3", "97"), ("/full.mp3", "-2")]);
    let reading = public(missing(), load, None).unwrap();
    assert_eq!((reading.listeners, reading.slots), (0, 97));
    assert!(takes(&reading, "/a.mp3") && !takes(&reading, "/full.mp3"));
}

#[test]
fn status_alone_needs_the_operators_word() {
    let reading = public(status(&[("/a.ogg", 3)]), missing(), Some(50)).unwrap();
    assert_eq!((reading.listeners, reading.slots), (3, 50));
    let reading = public(status(&[("/a.ogg", 3)]), missing(), None).unwrap();
    // It is on air, and full.
    assert_eq!((reading.listeners, reading.slots), (3, 3));
    assert!(takes(&reading, "/a.ogg"));
    assert_eq!(reading.without_limit, [path("/a.ogg")]);
}

#[test]
fn defect_5_a_mount_without_limit_leaves_the_others_their_places() {
    let both = [("/a.ogg", 3), ("/b.ogg", 5)];
    let limits = [("/a.ogg", "97"), ("/b.ogg", "NaN")];
    let reading = public(status(&both), load(&limits), None).unwrap();
    assert_eq!((reading.listeners, reading.slots), (8, 105));
    assert!(takes(&reading, "/a.ogg") && !takes(&reading, "/b.ogg"));
    let reading = public(status(&both), load(&limits), Some(60)).unwrap();
    assert_eq!(reading.slots, 60);
    assert!(takes(&reading, "/a.ogg") && takes(&reading, "/b.ogg"));
}

#[test]
fn defect_6_the_servers_own_limit_caps_what_mounts_promise() {
    let load = load(&[("/a.ogg", "1000"), ("/b.ogg", "1000")]);
    let reading = public(status(&[("/a.ogg", 0), ("/b.ogg", 0)]), load, Some(100)).unwrap();
    assert_eq!(reading.slots, 100);
    let stats = Stats {
        mounts: status(&[("/a.ogg", 3)]).unwrap(),
        // Others are on a mount that is none to us.
        listeners: Some(40),
    };
    let reading = Reading::of(Answers::Admin(Ok(stats)), Some(100)).unwrap();
    assert_eq!((reading.listeners, reading.slots), (40, 100));
}

#[test]
fn defect_11_no_answer_is_an_error_and_not_full() {
    let error = public(missing(), missing(), Some(10)).unwrap_err();
    assert!(error.contains("/load.xsl: it answers 404"), "{error}");
    let error = Reading::of(Answers::Admin(missing()), Some(10)).unwrap_err();
    assert!(error.contains("/admin/stats: it answers 404"), "{error}");
}

#[test]
fn a_mount_that_is_missing_takes_nobody_and_no_place() {
    let reading = public(status(&[]), load(&[("/a.ogg", "97")]), Some(10)).unwrap();
    assert!(reading.mounts.is_empty());
    assert_eq!((reading.listeners, reading.slots), (0, 0));
}
