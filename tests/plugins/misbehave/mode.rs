//! What the plugin does.

/// What the plugin does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Everything as it should.
    Well,
    /// Says why on stderr and exits with status 3.
    ExitAtOnce,
    /// Runs, and never makes a socket.
    NeverSocket,
    /// Listens, and accepts no connection.
    SocketNoAccept,
    /// Accepts, and answers what is not HTTP/2.
    NotHttp2,
    /// Serves state without reflection.
    NoReflection,
    /// Lists a service that nobody knows, and no other.
    UnknownService,
    /// Answers `Ping` with an error.
    PingError,
    /// Answers `Init` with an error.
    InitError,
    /// Serves, and goes on after SIGTERM.
    IgnoreSigterm,
    /// Serves, and leaves a daemon, in a session of its own, that holds the socket open.
    LeaveDaemon,
    /// Serves, and has children and grandchildren in its process group that ignore SIGTERM.
    ForkChildren,
    /// Serves, and prints 100 MB as fast as they are read.
    #[value(name = "print-100mb")]
    Print100mb,
    /// Serves, and prints what is neither text nor lines.
    PrintBinary,
    /// Serves, and answers `Get` with 64 MB.
    HugeMessage,
    /// Writes every `Set` into `misbehave.tally`, a line each, and answers `Get` from there: what
    /// processes side by side were told is all in one place.
    Tally,
    /// Prints what its components are made with, and what it is given to keep.
    Tell,
}
