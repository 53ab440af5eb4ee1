//! The house rules that a machine can see: each test names one.

mod alerts;
mod docs;
mod openapi;
mod packages;
mod promql;
mod sources;
mod text;

/// The folders that are packages, and the roles among them.
const PACKAGES: [&str; 6] = ["stream", "source", "master", "relay", "balancer", "tests"];
const ROLES: [&str; 4] = ["source", "master", "relay", "balancer"];
