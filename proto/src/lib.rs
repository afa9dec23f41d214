//! The wire contracts of replug, generated from the `.proto` files of this folder: Dapr's and
//! Layotto's packages whole, and replug's own control API.
//!
//! Field names, numbers and types are facts about other people's programs and never change here;
//! `tests/wire_facts.rs` holds every one of them against a table. `bytes` fields are
//! [`bytes::Bytes`], so that a value is passed on without a copy. This crate knows no other of the
//! workspace.

#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

pub use generated::dapr::proto as dapr;
pub use generated::spec::proto as layotto;

/// replug's own contracts.
pub mod replug {
    pub use super::generated::replug::control;
}

/// Every contract of this crate as a serialized `google.protobuf.FileDescriptorSet`, what gRPC
/// server reflection answers from.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Those contracts of [`FILE_DESCRIPTOR_SET`] that plugins serve, and what they import: a small
/// part of the whole, so that a plugin's start does not wait for the rest to be read.
pub const PLUGIN_FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/plugin_descriptors.bin"));

/// The control API alone, and what it imports.
pub const CONTROL_FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/control_descriptors.bin"));
