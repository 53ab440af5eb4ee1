//! Databases of every layout, made here; broken ones; and replacing one that is in use.

use std::path::PathBuf;

use mmdb_writer::Writer;
use serde_json::{Value, json};

use super::*;

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
    let networks = database(
        &folder,
        "asn.mmdb",
        &[("192.0.2.0/24", json!({"asn": "AS174"}))],
    );
    let complaint = Geo::open(&[networks]).unwrap_err();
    assert!(
        complaint.contains("asn.mmdb: it says of no address where it is"),
        "{complaint}"
    );
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
fn a_new_file_is_used_after_reloading_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = |country: &str| {
        database(
            &folder,
            "geo.mmdb",
            &[("192.0.2.0/24", json!({"country_code": country}))],
        )
    };
    let geo = Geo::open(&[file("DE")]).unwrap();
    file("FR");
    check(&geo, "192.0.2.1", None, Some("DE"));
    geo.reload().unwrap();
    check(&geo, "192.0.2.1", None, Some("FR"));
    std::fs::write(folder.path().join("geo.mmdb"), b"half a fi").unwrap();
    assert!(geo.reload().unwrap_err().contains("geo.mmdb"));
    check(&geo, "192.0.2.1", None, Some("FR"));
}
