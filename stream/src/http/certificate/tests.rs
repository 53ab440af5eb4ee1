//! Certificates that can be used, and those that cannot: the file and the remedy are named.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::http::tls::tests::identity::{Identity, write};

#[test]
fn what_cannot_be_used_is_named_with_its_remedy() {
    let (folder, good, other) = (
        tempfile::tempdir().unwrap(),
        Identity::new(365),
        Identity::new(365),
    );
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, key, words) in [
        (
            &*good.certificate,
            &*other.key,
            ["does not belong", "privkey.pem"],
        ),
        ("", &good.key, ["no certificate", "BEGIN CERTIFICATE"]),
        (&good.key, &good.key, ["no certificate", "fullchain.pem"]),
        (&good.certificate, "", ["no private key", "privkey.pem"]),
        (
            &good.certificate,
            &good.certificate,
            ["no private key", "passphrase"],
        ),
        (damaged, &good.key, ["damaged", "fullchain.pem"]),
    ] {
        let files = write(
            folder.path(),
            &Identity {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            },
        );
        let complaint = files.check().unwrap_err().to_string();
        for word in words {
            assert!(complaint.contains(word), "{word} is not in {complaint}");
        }
    }
    let mut files = write(folder.path(), &good);
    assert_eq!(files.check(), Ok(()));
    // Icecast's `<ssl-certificate>` is one file with both, in any order.
    files.key = files.certificate.clone();
    for both in [
        [&*good.certificate, &*good.key],
        [&good.key, &good.certificate],
    ] {
        fs::write(&files.certificate, both.concat()).unwrap();
        assert_eq!(files.check(), Ok(()));
    }
    files.key = folder.path().join("nowhere.pem");
    let complaint = files.check().unwrap_err().to_string();
    assert!(
        complaint.contains("`key`") && complaint.contains("nowhere.pem"),
        "{complaint}"
    );
    let error = io::ErrorKind::PermissionDenied.into();
    assert!(remedy(&error).contains("chgrp plenum"));
}

#[test]
fn a_broken_pair_leaves_the_old_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Identity::new(100), Identity::new(200));
    let certificates = Certificates::load(write(folder.path(), &old)).unwrap();
    let days = |certificates: &Certificates| {
        days_until(
            certificates.expires() + Duration::from_secs(60),
            Timestamp::now(),
        )
    };
    assert_eq!(days(&certificates), 100);
    assert!(!certificates.is_outdated());
    fs::write(&certificates.files.certificate, &new.certificate).unwrap();
    assert!(certificates.is_outdated(), "the change is seen");
    let mut complaint = None;
    certificates.follow(&mut None, &mut complaint);
    assert_eq!(days(&certificates), 100, "its key has not come yet");
    assert!(complaint.is_some_and(|why| why.to_string().contains("does not belong")));
    assert!(!certificates.renew());
    assert!(certificates.is_outdated(), "it is tried again");
    fs::write(&certificates.files.key, &new.key).unwrap();
    assert!(certificates.renew() && !certificates.renew());
    assert_eq!(days(&certificates), 200);
    assert!(!certificates.is_outdated());
}

#[test]
fn a_file_that_may_be_read_now_is_read_though_nobody_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::load(write(folder.path(), &Identity::new(100))).unwrap();
    let key = certificates.files.key.clone();
    let written = fs::metadata(&key).unwrap().modified().unwrap();
    for mode in [0o600, 0o640] {
        assert!(!certificates.is_outdated());
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(fs::metadata(&key).unwrap().modified().unwrap(), written);
        assert!(certificates.is_outdated(), "{mode:o}");
        let mut complaint = None;
        certificates.follow(&mut None, &mut complaint);
        assert_eq!(complaint, None);
    }
}

#[test]
fn the_last_days_are_told_once_each() {
    let folder = tempfile::tempdir().unwrap();
    for (days, is_told) in [(-1, true), (3, true), (20, false)] {
        let certificates = Certificates::load(write(folder.path(), &Identity::new(days))).unwrap();
        let mut told = None;
        certificates.warn_in_time(&mut told);
        assert_eq!(told.is_some(), is_told, "{days}");
    }
    let day = 24 * 60 * 60;
    let at = |second| Timestamp::from_second(second).unwrap();
    assert_eq!(days_until(at(10 * day), at(9 * day + 1)), 0);
    assert_eq!(days_until(at(10 * day), at(10 * day + 1)), -1);
}
