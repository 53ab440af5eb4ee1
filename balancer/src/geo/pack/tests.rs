//! Full databases made here, packed, and asked again.

use mmdb_writer::Writer;
use serde_json::{Value, json};

use super::*;

fn database(folder: &tempfile::TempDir, name: &str, records: &[(&str, Value)]) -> PathBuf {
    let mut writer = Writer::new("Test");
    for (network, record) in records {
        let network = network.parse::<ipnet::IpNet>().unwrap();
        writer.insert(network, record).unwrap();
    }
    let path = folder.path().join(name);
    std::fs::write(&path, writer.to_bytes().unwrap()).unwrap();
    path
}

fn arguments(files: Vec<PathBuf>, output: PathBuf) -> Arguments {
    Arguments {
        files,
        output,
        degrees: 5.0,
        source: "Test".to_owned(),
        url: "https://example.com".to_owned(),
        licence: "CC0".to_owned(),
    }
}

fn city(country: &str, latitude: f64, longitude: f64) -> Value {
    json!({"country_code": country, "latitude": latitude, "longitude": longitude})
}

#[test]
fn a_packed_file_knows_country_and_middle_of_each_cell() {
    let folder = tempfile::tempdir().unwrap();
    let v4 = database(
        &folder,
        "v4.mmdb",
        &[
            // One cell: three times as many addresses in the first city.
            ("192.0.2.0/25", city("DE", 52.0, 13.0)),
            ("192.0.2.128/26", city("DE", 52.0, 13.0)),
            ("192.0.2.192/26", city("DE", 54.0, 11.0)),
            // The same field, but another country.
            ("198.51.100.0/24", city("PL", 53.0, 14.5)),
            ("203.0.113.0/24", json!({"country_code": "JP"})),
        ],
    );
    let v6 = database(
        &folder,
        "v6.mmdb",
        &[
            ("2001:db8::/32", city("NL", 52.0, 5.0)),
            ("2001:db9::/96", city("DE", 53.0, 12.0)),
        ],
    );
    let output = folder.path().join("small.cells");
    run(&arguments(vec![v4, v6], output.clone())).unwrap();
    let geo = crate::geo::Geo::open(&[output]).unwrap();
    let check = |address: &str, expected: Option<(&str, f64, f64)>| {
        let spot = geo.spot(address.parse().unwrap());
        let found = spot.country.zip(spot.place);
        let found = found.map(|(c, place)| (c.to_string(), place.latitude, place.longitude));
        let expected = expected.map(|(c, north, east)| (c.to_owned(), north, east));
        assert_eq!(found, expected, "{address}");
    };
    check("192.0.2.0", Some(("DE", 52.5, 12.5)));
    check("192.0.2.255", Some(("DE", 52.5, 12.5)));
    check("::ffff:192.0.2.200", Some(("DE", 52.5, 12.5)));
    check("198.51.100.7", Some(("PL", 53.0, 14.5)));
    check("203.0.113.7", Some(("JP", 36.0, 138.0)));
    check("2001:db8:ffff::1", Some(("NL", 52.0, 5.0)));
    check("2001:db9::1", Some(("DE", 52.5, 12.5)));
    for unknown in [
        "192.0.1.255",
        "192.0.3.0",
        "127.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
    ] {
        check(unknown, None);
    }
    for unknown in ["::1", "2001:db7:ffff::", "2001:dba::", "ffff::"] {
        check(unknown, None);
    }
    let source = geo.sources().remove(0);
    assert_eq!(source.name, "small.cells");
    assert_eq!(source.origin.unwrap().source, "Test");
    assert!(source.date.unwrap().starts_with("20"));
}

#[test]
fn cells_know_how_many_addresses_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(
        &folder,
        "v4.mmdb",
        &[
            ("192.0.2.0/24", city("DE", 52.0, 13.0)),
            ("198.51.100.0/25", city("DE", 51.0, 14.0)),
            ("203.0.113.0/24", city("FR", 48.0, 2.0)),
        ],
    );
    let packed = pack(&arguments(vec![file], PathBuf::new())).unwrap();
    let cells = packed::read(&packed).unwrap();
    let mut counts: Vec<_> = cells.cells().iter().map(|cell| cell.n_addresses).collect();
    counts.sort_unstable();
    assert_eq!(counts, [256, 384]);
}

#[test]
fn of_networks_that_overlap_the_first_counts_and_neighbours_become_one() {
    let pieces = vec![
        (0, 9, 1),
        (10, 19, 1),
        (15, 25, 2),
        (16, 18, 3),
        (30, 40, 2),
    ];
    let expected = vec![
        (0, Some(1)),
        (20, Some(2)),
        (26, None),
        (30, Some(2)),
        (41, None),
    ];
    assert_eq!(rows(pieces), expected);
    assert_eq!(rows(vec![(0, u64::MAX, 4)]), [(0, Some(4))]);
    assert_eq!(rows(Vec::new()), [(0, None)]);
}

#[test]
fn what_cannot_be_packed_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.mmdb");
    let complaint = run(&arguments(vec![missing], PathBuf::new())).unwrap_err();
    assert!(complaint.contains("missing.mmdb"), "{complaint}");
    let file = database(
        &folder,
        "a.mmdb",
        &[("192.0.2.0/24", city("DE", 52.0, 13.0))],
    );
    let nowhere = folder.path().join("no/such/folder");
    let complaint = run(&arguments(vec![file], nowhere)).unwrap_err();
    assert!(complaint.contains("cannot write"), "{complaint}");
    for degrees in ["0", "x", "NaN", "91"] {
        assert!(parse_degrees(degrees).is_err(), "{degrees}");
    }
}
