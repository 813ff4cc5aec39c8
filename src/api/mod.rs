//! LeaderWorkerSet types, their defaults and validation, label and annotation keys, hashes and quantities.
//!
//! Owns the wire format of LWS as upstream commit 060ab4d (v0.10.0 + 11 commits) has it. Never decides anything:
//! what to do about a set is the business of `controller`.

pub mod accelerators;
pub mod defaults;
pub mod hash;
pub mod keys;
pub mod lws;
pub mod manifest;
pub mod merge;
pub mod names;
mod object_meta;
pub mod quantity;
mod uid;
pub mod validation;
pub mod wire;

pub use uid::Uid;
