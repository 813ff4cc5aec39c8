//! Integration tests, one module for each topic: mostly the binary as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod bugs;
mod completions;
mod determinism;
mod documents;
mod explain;
mod failures;
mod placements;
mod project;
mod races;
mod results;
mod s01;
mod steps;
mod timed;
mod upstream;
