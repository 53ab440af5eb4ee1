//! plenum-source: to be written.

fn main() {}
