//! The master: to be written.
