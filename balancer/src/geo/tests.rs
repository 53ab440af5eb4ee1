//! Databases of every layout, made here; broken ones; and replacing one that is in use.

use std::path::PathBuf;

use mmdb_writer::{IpVersion, Writer};
use serde_json::{Value, json};

use super::*;
use crate::place::Country;

/// Writes a database of networks and their records, and gives its path.
fn database(folder: &tempfile::TempDir, name: &str, records: &[(&str, Value)]) -> PathBuf {
    let mut writer = Writer::new("Test");
    for (network, record) in records {
        writer
            .insert(network.parse::<ipnet::IpNet>().unwrap(), record)
            .unwrap();
    }
    let path = folder.path().join(name);
    std::fs::write(&path, writer.to_bytes().unwrap()).unwrap();
    path
}

fn check(geo: &Geo, address: &str, place: Option<(f64, f64)>, country: Option<&str>) {
    let spot = geo.spot(address.parse().unwrap());
    let found = spot.place.map(|place| (place.latitude, place.longitude));
    assert_eq!(found, place, "{address}");
    assert_eq!(
        spot.country.map(String::from).as_deref(),
        country,
        "{address}"
    );
}

#[test]
fn every_layout_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(
        &folder,
        "all.mmdb",
        &[
            (
                "192.0.2.0/28",
                json!({"city": {"names": {"en": "Berlin"}}, "country": {"iso_code": "DE", "geoname_id": 1},
                       "location": {"latitude": 52.5, "longitude": 13.25, "time_zone": "Europe/Berlin"}}),
            ),
            ("192.0.2.16/28", json!({"country": {"iso_code": "AT"}})),
            (
                "192.0.2.32/28",
                json!({"country_code": "FR", "city": "Paris", "latitude": "48.75", "longitude": 2.25}),
            ),
            (
                "192.0.2.48/28",
                json!({"country": "Japan", "country_code": "JP", "asn": "AS174"}),
            ),
            (
                "192.0.2.64/28",
                json!({"country": "US", "lat": "40.5", "lng": "-74"}),
            ),
            ("192.0.2.80/28", json!({"asn": "AS174"})),
            (
                "192.0.2.96/28",
                json!({"country_code": "Germany", "latitude": "north", "longitude": 999.0}),
            ),
            (
                "2001:db8::/32",
                json!({"country_code": "NL", "latitude": 52.25, "longitude": 5.0}),
            ),
        ],
    );
    let geo = Geo::open(&[file]).unwrap();
    check(&geo, "192.0.2.1", Some((52.5, 13.25)), Some("DE"));
    check(&geo, "::ffff:192.0.2.1", Some((52.5, 13.25)), Some("DE"));
    check(&geo, "192.0.2.17", None, Some("AT"));
    check(&geo, "192.0.2.33", Some((48.75, 2.25)), Some("FR"));
    check(&geo, "192.0.2.49", None, Some("JP"));
    check(&geo, "192.0.2.65", Some((40.5, -74.0)), Some("US"));
    check(&geo, "192.0.2.81", None, None);
    check(&geo, "192.0.2.97", None, None);
    check(&geo, "2001:db8::1", Some((52.25, 5.0)), Some("NL"));
    check(&geo, "198.51.100.1", None, None);
}

#[test]
fn of_several_files_the_first_that_knows_counts() {
    let folder = tempfile::tempdir().unwrap();
    let country = database(
        &folder,
        "country.mmdb",
        &[("192.0.2.0/24", json!({"country_code": "DE"}))],
    );
    let city = database(
        &folder,
        "city.mmdb",
        &[(
            "192.0.2.0/25",
            json!({"country_code": "PL", "latitude": 52.5, "longitude": 13.5}),
        )],
    );
    let geo = Geo::open(&[country, city]).unwrap();
    check(&geo, "192.0.2.1", Some((52.5, 13.5)), Some("DE"));
    check(&geo, "192.0.2.200", None, Some("DE"));
}

#[test]
fn without_files_nobody_is_anywhere() {
    let geo = Geo::open(&[]).unwrap();
    check(&geo, "192.0.2.1", None, None);
}

#[test]
fn a_missing_or_broken_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = database(
        &folder,
        "good.mmdb",
        &[("192.0.2.0/24", json!({"country_code": "DE"}))],
    );
    let bytes = std::fs::read(&good).unwrap();
    let broken = folder.path().join("broken.mmdb");
    for content in [b"".as_slice(), b"not a database", &bytes[..bytes.len() / 2]] {
        std::fs::write(&broken, content).unwrap();
        let complaint = Geo::open(&[good.clone(), broken.clone()]).unwrap_err();
        assert!(complaint.contains("broken.mmdb"), "{complaint}");
    }
    let complaint = Geo::open(&[folder.path().join("missing.mmdb")]).unwrap_err();
    assert!(complaint.contains("missing.mmdb"), "{complaint}");
}

#[test]
fn a_database_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let speeds = database(
        &folder,
        "speeds.mmdb",
        &[("192.0.2.0/24", json!({"connection_type": "Cable/DSL"}))],
    );
    let complaint = Geo::open(&[speeds]).unwrap_err();
    assert!(
        complaint.contains("speeds.mmdb: it says of no address where it is or whose"),
        "{complaint}"
    );
}

#[test]
fn networks_stand_beside_cities() {
    let folder = tempfile::tempdir().unwrap();
    let cities = database(
        &folder,
        "city.mmdb",
        &[(
            "192.0.2.0/24",
            json!({"country_code": "DE", "latitude": 52.5, "longitude": 13.5}),
        )],
    );
    let networks = database(
        &folder,
        "asn.mmdb",
        &[
            (
                "192.0.2.0/26",
                json!({"autonomous_system_number": 64_500, "autonomous_system_organization": "A"}),
            ),
            ("192.0.2.64/26", json!({"asn": "AS64501", "as_name": "B"})),
            ("192.0.2.128/26", json!({"asn": 64_502})),
            ("192.0.2.192/26", json!({"asn": "none"})),
            ("198.51.100.0/24", json!({"autonomous_system_number": 0})),
        ],
    );
    let geo = Geo::open(&[cities, networks]).unwrap();
    let spot = |address: &str| geo.spot(address.parse().unwrap());
    for (address, asn) in [
        ("192.0.2.1", Some(64_500)),
        ("192.0.2.65", Some(64_501)),
        ("192.0.2.129", Some(64_502)),
        ("192.0.2.193", None),
    ] {
        assert_eq!(spot(address).asn, asn, "{address}");
        assert_eq!(spot(address).prefix.is_some(), asn.is_some(), "{address}");
        assert_eq!(spot(address).country, Country::parse("DE"), "{address}");
    }
    assert_eq!(spot("192.0.2.1").prefix, spot("192.0.2.63").prefix);
    assert_ne!(spot("192.0.2.1").prefix, spot("192.0.2.65").prefix);
    assert!(spot("198.51.100.1").is_unknown());
}

#[test]
fn a_file_for_one_family_does_not_mind_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::builder("Test").ip_version(IpVersion::V4).build();
    let network: ipnet::IpNet = "192.0.2.0/24".parse().unwrap();
    writer
        .insert(network, &json!({"country_code": "DE"}))
        .unwrap();
    let path = folder.path().join("v4.mmdb");
    std::fs::write(&path, writer.to_bytes().unwrap()).unwrap();
    let geo = Geo::open(&[path]).unwrap();
    check(&geo, "192.0.2.1", None, Some("DE"));
    check(&geo, "::ffff:192.0.2.1", None, Some("DE"));
    check(&geo, "2001:db8::1", None, None);
    check(&geo, "::192.0.2.1", None, None);
}

#[test]
fn the_built_in_data_completes_the_files_but_never_contradicts_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(
        &folder,
        "country.mmdb",
        &[
            ("193.99.144.0/24", json!({"country_code": "DE"})),
            ("130.59.31.0/24", json!({"country_code": "US"})),
            (
                "133.11.1.0/24",
                json!({"latitude": 48.75, "longitude": 2.25}),
            ),
        ],
    );
    let geo = Geo::open(&[file]).unwrap().with_builtin();
    let spot = |address: &str| geo.spot(address.parse().unwrap());
    let completed = spot("193.99.144.80");
    assert!(completed.place.is_some() && completed.country == Country::parse("DE"));
    let contradicted = spot("130.59.31.80");
    assert!(contradicted.place.is_none() && contradicted.country == Country::parse("US"));
    assert_eq!(spot("133.11.0.1").country, Country::parse("JP"));
    let placed = spot("133.11.1.1");
    assert!(placed.place.is_some() && placed.country.is_none());
}

#[test]
fn no_damage_to_a_file_can_stop_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let record =
        json!({"country": {"iso_code": "DE"}, "location": {"latitude": 52.5, "longitude": 13.5}});
    let good = database(&folder, "good.mmdb", &[("192.0.2.0/24", record)]);
    let bytes = std::fs::read(&good).unwrap();
    let path = folder.path().join("damaged.mmdb");
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..300 {
        let mut damaged = bytes.clone();
        for _ in 0..random.usize(1..8) {
            let at = random.usize(..damaged.len());
            damaged[at] = random.u8(..);
        }
        std::fs::write(&path, &damaged).unwrap();
        if let Ok(geo) = Geo::open(std::slice::from_ref(&path)) {
            geo.spot("192.0.2.1".parse().unwrap());
            geo.spot("2001:db8::1".parse().unwrap());
        }
    }
}

#[test]
fn a_file_that_changes_is_read_again_and_a_broken_one_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = |country: &str| {
        let record = [("192.0.2.0/24", json!({"country_code": country}))];
        let path = database(&folder, "next.mmdb", &record);
        std::fs::rename(path, folder.path().join("geo.mmdb")).unwrap();
    };
    let path = folder.path().join("geo.mmdb");
    file("DE");
    let geo = Geo::open(std::slice::from_ref(&path)).unwrap();
    assert_eq!(geo.refresh(Refresh::Changed), []);
    file("FR");
    check(&geo, "192.0.2.1", None, Some("DE"));
    assert_eq!(geo.refresh(Refresh::Changed), [News::Fresh(path.clone())]);
    check(&geo, "192.0.2.1", None, Some("FR"));
    assert_eq!(geo.refresh(Refresh::Changed), []);
    assert_eq!(geo.refresh(Refresh::All), [News::Fresh(path.clone())]);

    for broken in ["half a fi", "half a file"] {
        std::fs::write(&path, broken).unwrap();
        geo.refresh(Refresh::Changed);
        check(&geo, "192.0.2.1", None, Some("FR"));
        assert!(!geo.sources()[0].is_good);
    }
    // The same complaint is news only to one who asks.
    assert_eq!(geo.refresh(Refresh::Changed), []);
    assert!(
        matches!(geo.refresh(Refresh::All).as_slice(), [News::Broken(why)] if why.contains("geo.mmdb"))
    );
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(
        geo.refresh(Refresh::Changed).as_slice(),
        [News::Broken(_)]
    ));
    check(&geo, "192.0.2.1", None, Some("FR"));
    file("AT");
    assert_eq!(geo.refresh(Refresh::Changed), [News::Fresh(path)]);
    check(&geo, "192.0.2.1", None, Some("AT"));
    assert!(geo.sources()[0].is_good);
}

#[test]
fn of_several_files_a_broken_one_does_not_keep_the_others_old() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, network: &str, country: &str| {
        database(
            &folder,
            name,
            &[(network, json!({"country_code": country}))],
        )
    };
    let a = file("a.mmdb", "192.0.2.0/24", "DE");
    let b = file("b.mmdb", "198.51.100.0/24", "DE");
    let geo = Geo::open(&[a.clone(), b]).unwrap();
    std::fs::write(&a, "broken").unwrap();
    file("b.mmdb", "198.51.100.0/23", "FR");
    assert_eq!(geo.refresh(Refresh::All).len(), 2);
    check(&geo, "192.0.2.1", None, Some("DE"));
    check(&geo, "198.51.100.1", None, Some("FR"));
}

#[test]
fn data_knows_its_age() {
    let source = |date: Option<&str>| GeoSource {
        name: String::new(),
        date: date.map(str::to_owned),
        is_good: true,
        origin: None,
    };
    let today = jiff::civil::date(2026, 11, 29);
    assert_eq!(source(Some("2026-06-05")).age_days(today), Some(177));
    assert_eq!(source(Some("yesterday")).age_days(today), None);
    assert_eq!(source(None).age_days(today), None);
}
