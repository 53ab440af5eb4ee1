//! The source: to be written.
