//! plenum-master: to be written.

fn main() {}
