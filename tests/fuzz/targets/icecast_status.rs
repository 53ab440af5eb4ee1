//! What an Icecast says of itself to a balancer, valid or not.

#![no_main]

use balancer::icecast::{status_json, xml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = status_json::read(bytes);
    let _ = xml::stats(bytes);
    let _ = xml::load(bytes);
});
