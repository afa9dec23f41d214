//! What a process may use of the machine, as a value. How it is held to it is chosen when it is
//! started: by its cgroup where there is one, else by what the kernel limits of a single process.

/// What a process may use; nothing unless told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, of the process and whatever it starts together.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// The share of the processors when they are contended: from 1 to 10000, 100 is usual.
    pub cpu_weight: Option<u64>,
    /// The most of the processors' time, in percent of one processor.
    pub cpu_quota: Option<u64>,
    /// Descriptors of one process.
    pub open_files: Option<u64>,
    /// Bytes of a core file; 0: none is written.
    pub core: Option<u64>,
    /// How much others are preferred: from -20, preferred itself, to 19.
    pub nice: Option<i32>,
    /// How gladly the kernel kills it when memory is short: from -1000, never, to 1000.
    pub oom_score_adj: Option<i32>,
    /// Whether a process is not started at all where one of these cannot be had.
    pub required: bool,
}

/// What a process that runs is held to, as people read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Bounds {
    /// Each limit and by what means, such as `memory 256M (cgroup)`.
    pub limits: Vec<String>,
    /// Limits that were asked for and cannot be had here, each with the cause.
    pub missing: Vec<String>,
    /// What it runs as and what is closed to it, such as `user nobody`.
    pub confinement: Vec<String>,
}

/// Bytes as a plan writes them: `256M`.
pub(super) fn size(bytes: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let whole = units.iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    whole.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_shown_as_a_plan_writes_it() {
        let shown = [0, 1000, 1024, 256 << 20, 3 << 30].map(size);
        assert_eq!(shown, ["0", "1000", "1K", "256M", "3G"]);
    }
}
