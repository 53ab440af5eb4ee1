//! The relay: to be written.
