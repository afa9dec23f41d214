//! A plugin that does what it is told, good or bad: the processes that replug has to live with.
//!
//! usage: `misbehave MODE [SOCKET]`. It makes its socket in `DAPR_COMPONENTS_SOCKETS_FOLDER`, named
//! `misbehave.sock` or SOCKET (an absolute path is taken as it is), so that its component type is
//! `state.misbehave`. Well-behaved modes keep their state in memory. What is asked for `who-serves` is
//! told which of the plugin's processes answers.

mod mode;
mod noise;
mod raw;
mod reflection;
mod relay;
mod store;
mod tally;

use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use replug_proto::dapr::components::v1::state_store_server::StateStoreServer;
use replug_proto::dapr::components::v1::transactional_state_store_server::TransactionalStateStoreServer;
use tokio::net::UnixListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::mode::Mode;
use crate::store::Store;

type BoxError = Box<dyn std::error::Error>;

/// The exit status of [`Mode::ExitAtOnce`].
const EXIT_STATUS: u8 = 3;
/// More than any message limit that is the default somewhere.
const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;

#[derive(clap::Parser)]
struct Arguments {
    mode: Mode,
    /// The socket's file name, or its absolute path.
    #[arg(default_value = "misbehave.sock")]
    socket: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments = Arguments::parse();
    // Taken before there is a socket: who sees the socket may send a signal.
    let mut term = signal(SignalKind::terminate())?;
    // Ends with the plugin.
    tokio::spawn(relay::tell_on());
    let folder = std::env::var_os("DAPR_COMPONENTS_SOCKETS_FOLDER").unwrap_or_default();
    let socket = PathBuf::from(folder).join(&arguments.socket);

    match arguments.mode {
        Mode::ExitAtOnce => {
            eprintln!("misbehave: cannot go on");
            return Ok(ExitCode::from(EXIT_STATUS));
        }
        Mode::NeverSocket => {
            term.recv().await;
            return Ok(ExitCode::SUCCESS);
        }
        Mode::SocketNoAccept => {
            let _listener = std::os::unix::net::UnixListener::bind(&socket)?;
            term.recv().await;
        }
        Mode::NotHttp2 => {
            tokio::select! {
                result = raw::speak_nonsense(bind(&socket)?) => result?,
                _ = term.recv() => {}
            }
        }
        Mode::IgnoreSigterm => {
            // Serving goes on whatever `term` receives.
            drop(term);
            serve(bind(&socket)?, arguments.mode, None).await?;
        }
        Mode::LeaveDaemon => {
            let listener = bind(&socket)?;
            noise::daemon(listener.as_fd().try_clone_to_owned()?)?;
            serve(listener, arguments.mode, Some(term)).await?;
        }
        mode => {
            noise::begin(mode)?;
            serve(bind(&socket)?, mode, Some(term)).await?;
        }
    }
    std::fs::remove_file(&socket)?;
    Ok(ExitCode::SUCCESS)
}

/// A listener at `socket`, where what an earlier process left is removed.
fn bind(socket: &PathBuf) -> std::io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(socket),
    }
}

/// Serves until `term`; without one, for ever.
async fn serve(listener: UnixListener, mode: Mode, term: Option<Signal>) -> Result<(), BoxError> {
    let store = Store::new(mode);
    let state = StateStoreServer::new(store.clone())
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut routes = Routes::builder();
    routes.add_service(state).add_service(TransactionalStateStoreServer::new(store));
    if mode != Mode::NoReflection {
        routes.add_service(reflection::service(mode)?);
    }
    let stop = async {
        match term {
            Some(mut term) => drop(term.recv().await),
            None => std::future::pending().await,
        }
    };
    Server::builder()
        .add_routes(routes.routes())
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop)
        .await?;
    Ok(())
}
