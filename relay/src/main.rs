//! plenum-relay: to be written.

fn main() {}
