//! lwsim, a wind tunnel for Kubernetes LeaderWorkerSets.
//!
//! The library is layered; a module imports only from modules named after it in this list:
//! [`cli`], [`conform`], [`report`], [`experiment`], [`scenario`], [`backend`], [`controller`], [`scheduler`], [`topology`], [`api`], [`engine`].
//! `docs/architecture.md` says what each of them owns and `tests/tidy.rs` enforces the order.

pub mod api;
pub mod backend;
pub mod cli;
pub mod conform;
pub mod controller;
pub mod engine;
pub mod experiment;
pub mod report;
pub mod scenario;
pub mod scheduler;
pub mod topology;
#[cfg(test)]
mod vectors;
