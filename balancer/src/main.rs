//! plenum-balancer: to be written.

fn main() {}
