//! A set of ends of a process: exit statuses and signals.

use nix::sys::signal::Signal;

use crate::process::Exit;

/// Exit statuses and signals, as a plan lists them: `[0, 3, "SIGTERM"]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Exits {
    /// A bit for each status that a process can exit with.
    codes: [u64; 4],
    /// A bit for each signal, of which there are 64.
    signals: u64,
}

impl Exits {
    /// None.
    pub const NONE: Self = Self { codes: [0; 4], signals: 0 };

    /// With this exit status too.
    #[must_use]
    pub const fn with_code(mut self, code: u8) -> Self {
        self.codes[(code / 64) as usize] |= 1 << (code % 64);
        self
    }

    /// With an end by this signal too.
    #[must_use]
    pub const fn with_signal(mut self, signal: Signal) -> Self {
        self.signals |= 1 << (signal as i32 - 1);
        self
    }

    /// Whether a process that ended so is meant. What the kernel never reports is not.
    #[must_use]
    pub fn contains(&self, exit: Exit) -> bool {
        match exit {
            Exit::Code(code) => u8::try_from(code)
                .is_ok_and(|code| self.codes[usize::from(code / 64)] >> (code % 64) & 1 == 1),
            Exit::Signal { signal, .. } => {
                (1..=64).contains(&signal) && self.signals >> (signal - 1) & 1 == 1
            }
            // The signal by which the kernel does it.
            Exit::OutOfMemory { .. } => self.contains(Exit::by(Signal::SIGKILL)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_meant() {
        let exits = Exits::NONE.with_code(0).with_code(255).with_signal(Signal::SIGTERM);
        for code in 0..=255 {
            assert_eq!(exits.contains(Exit::Code(code)), code == 0 || code == 255, "{code}");
        }
        for signal in 1..=64 {
            let meant = exits.contains(Exit::Signal { signal, core_dumped: false });
            assert_eq!(meant, signal == Signal::SIGTERM as i32, "{signal}");
        }
        assert!(!exits.contains(Exit::Code(256)) && !exits.contains(Exit::Code(-1)));
        assert!(!exits.contains(Exit::Signal { signal: 65, core_dumped: false }));
    }
}
