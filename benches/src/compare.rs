//! Asks daprd and `replug daprd` the same, and shows where their answers differ.
//!
//! Both are started with the same resources, flags and environment, each in a home of its own with an
//! application of its own, and are led through the same calls in the same order. What has to differ
//! from run to run (ids, dates, ports, paths) is masked first.

mod app;
mod chunked;
mod comparison;
mod grpc;
mod http;
mod marks;
mod mask;
mod setup;
mod sidecar;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::Failure;
use crate::report::Report;

/// Asks daprd and `replug daprd` the same, and shows where their answers differ
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    #[command(subcommand)]
    api: Api,
}

/// Over what they are asked.
#[derive(Debug, Subcommand)]
enum Api {
    /// Requests over raw connections to the HTTP port
    Http(ApiArgs),
    /// Calls to the gRPC port, and what an application over gRPC is called with
    Grpc(ApiArgs),
}

/// What every API takes.
#[derive(Debug, Args)]
struct ApiArgs {
    /// Dapr's sidecar
    #[arg(long, value_name = "PATH")]
    daprd: PathBuf,

    /// Only the groups of calls whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// Show whole texts in the tables, where else the beginning is shown
    #[arg(long)]
    whole: bool,
}

/// Compares.
pub(crate) async fn measure(program: &Path, args: &CompareArgs) -> Result<Report, Failure> {
    match &args.api {
        Api::Http(args) => http::compare(program, args).await,
        Api::Grpc(args) => grpc::compare(program, args).await,
    }
}

// === impl ApiArgs ===

impl ApiArgs {
    /// Whether calls of that group are asked for.
    fn wants(&self, group: &str) -> bool {
        self.only.as_ref().is_none_or(|only| group.contains(only.as_str()))
    }
}
