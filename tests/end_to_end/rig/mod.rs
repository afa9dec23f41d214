//! What the tests stand on.

mod callbacks;
mod called;
mod client;
mod fixture;
mod hearer;
mod home;
pub(crate) mod http;
mod java;
mod led;
mod node;
mod ports;
mod process;
mod python;
mod replug;
mod sample;
mod sdk;
mod status;
mod tool;

pub(crate) use callbacks::serve_callbacks;
pub(crate) use called::Called;
pub(crate) use client::Application;
pub(crate) use fixture::{
    go_echo, go_folders, go_memory, mailbox, misbehave, notebook, post, run, text,
};
pub(crate) use hearer::Hearer;
pub(crate) use home::Home;
pub(crate) use led::Led;
pub(crate) use ports::Ports;
pub(crate) use process::Process;
pub(crate) use replug::{BINARY, Replug, Run};
pub(crate) use sample::{Sample, python_sample};
pub(crate) use sdk::Sdk;
pub(crate) use status::Status;
pub(crate) use tool::require_tool;

use std::time::Duration;

/// How long anything may take that should take an instant. It only bounds how long a broken test
/// hangs; nothing waits this long where all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The repository.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
