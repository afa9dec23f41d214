//! How a process ended, and how that is said.

use std::fmt;

use nix::sys::signal::Signal;

use super::limits::size;

/// How a plugin's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It ended by itself with this status.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number; a number, because real-time signals have no name.
        signal: i32,
        /// The kernel wrote a core file, or handed it to whoever collects them.
        core_dumped: bool,
    },
    /// The kernel killed it, or a part of it and with that the rest, because memory was short.
    OutOfMemory {
        /// The bytes that it had reached; none where the whole machine was short of memory.
        limit: Option<u64>,
    },
}

impl Exit {
    /// An end by `signal`, without a core file.
    #[must_use]
    pub const fn by(signal: Signal) -> Self {
        Self::Signal { signal: signal as i32, core_dumped: false }
    }

    /// Whether the process ended by itself and called that a success.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal { signal, core_dumped } => {
                match Signal::try_from(signal) {
                    Ok(known) => write!(f, "killed by {known}")?,
                    Err(_) => write!(f, "killed by signal {signal}")?,
                }
                if core_dumped { f.write_str(" (core dumped)") } else { Ok(()) }
            }
            Self::OutOfMemory { limit: None } => f.write_str("killed by the kernel: out of memory"),
            Self::OutOfMemory { limit: Some(limit) } => {
                write!(f, "killed by the kernel: out of memory (limit {})", size(limit))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_reads_as_an_operator_would_say_it() {
        assert_eq!(Exit::Code(3).to_string(), "exit status 3");
        assert_eq!(Exit::by(Signal::SIGKILL).to_string(), "killed by SIGKILL");
        let aborted = Exit::Signal { signal: Signal::SIGABRT as i32, core_dumped: true };
        assert_eq!(aborted.to_string(), "killed by SIGABRT (core dumped)");
        let real_time = Exit::Signal { signal: 40, core_dumped: false };
        assert_eq!(real_time.to_string(), "killed by signal 40");
        let hog = Exit::OutOfMemory { limit: Some(256 << 20) };
        assert_eq!(hog.to_string(), "killed by the kernel: out of memory (limit 256M)");
    }

    #[test]
    fn only_status_zero_is_a_success() {
        assert!(Exit::Code(0).is_success());
        assert!(!Exit::Code(1).is_success());
        assert!(!Exit::by(Signal::SIGTERM).is_success());
    }
}
