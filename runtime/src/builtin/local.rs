//! What is on this machine, as components: `secretstores.local.env` and `secretstores.local.file`.
//! For development, says Dapr; for a file that only its reader's user can read, no worse than most.

mod environment;
mod file;

pub(super) use self::environment::EnvironmentType;
pub(super) use self::file::FileType;
