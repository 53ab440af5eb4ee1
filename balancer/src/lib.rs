//! The balancer: to be written.
