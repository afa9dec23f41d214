//! A plugin that serves two component types from one process: `state.notebook`, a state store that
//! keeps a journal on disk, and `hello.notebook`, a greeting.

mod batch;
mod greeting;
mod journal;
mod notebook;
mod place;
mod query;
mod record;
mod writer;

use std::process::ExitCode;

use replug_sdk::Plugin;

use greeting::GreetingType;
use notebook::NotebookType;

#[tokio::main]
async fn main() -> ExitCode {
    let plugin = Plugin::named("notebook").state(NotebookType::default()).hello(GreetingType);
    match plugin.serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("notebook: {error}");
            ExitCode::FAILURE
        }
    }
}
