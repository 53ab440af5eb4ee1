//! What the built-in geo data says of well-known addresses.

use super::*;
use crate::place::Spot;

fn spot(address: &str) -> Spot {
    let cells = cells().unwrap();
    cells.spot(address.parse().unwrap()).unwrap_or_default()
}

#[test]
fn the_built_in_data_knows_the_world() {
    for (address, country, latitude, longitude) in [
        ("193.99.144.80", "DE", 51.0, 9.0),
        ("130.59.31.80", "CH", 47.0, 8.0),
        ("133.11.0.1", "JP", 36.0, 139.0),
        ("200.160.2.3", "BR", -23.0, -46.0),
        ("::ffff:193.99.144.80", "DE", 51.0, 9.0),
        ("2a02:2e0:3fe:1001:302::", "DE", 51.0, 9.0),
    ] {
        let spot = spot(address);
        let country_found = spot.country.map(String::from);
        assert_eq!(country_found.as_deref(), Some(country), "{address}");
        let place = spot.place.unwrap();
        let is_near =
            (place.latitude - latitude).abs() < 5.0 && (place.longitude - longitude).abs() < 6.0;
        assert!(is_near, "{address}: {place:?}");
    }
}

#[test]
fn nobody_is_at_home_in_a_private_network() {
    for address in [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "::1",
        "fd00::1",
        "0.0.0.0",
    ] {
        assert!(spot(address).is_unknown(), "{address}");
    }
}

#[test]
fn it_is_as_small_as_promised() {
    assert!(BYTES.len() < 3_200_000, "{}", BYTES.len());
    let cells = cells().unwrap();
    let n_bytes = cells.v4.n_bytes() + cells.v6.n_bytes();
    assert!(n_bytes < 38_000_000, "{n_bytes}");
    let n_addresses: u64 = cells.cells().iter().map(|cell| cell.n_addresses).sum();
    assert!(n_addresses > 3_000_000_000, "{n_addresses}");
}

#[test]
fn the_version_says_whose_data_it_is() {
    let version = version();
    let expected =
        "derived from DB-IP City Lite of 2026-06-05, CC BY 4.0, modified; https://db-ip.com";
    assert!(version.contains(expected), "{version}");
}
