//! What is on this machine, as components: `secretstores.local.env`,
//! `secretstores.local.file` and `bindings.localstorage`.
//! For development, says Dapr; for a file that only its reader's user can read, no worse than most.

mod environment;
mod file;
mod storage;

pub(super) use self::environment::EnvironmentType;
pub(super) use self::file::FileType;
pub(super) use self::storage::StorageType;
