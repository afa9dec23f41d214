//! Cgroups, version 2: a process and whatever it starts, as one group that the kernel limits,
//! counts and kills as a whole. Nobody leaves it by a new session or a new process group.

mod place;

pub use self::place::CgroupPlace;
