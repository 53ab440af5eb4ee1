//! The test harness: to be written.
