//! What replug's own process uses, under the names that Prometheus's clients agree on.

use procfs::process::{LimitValue, Process};
use procfs::{ProcResult, WithCurrentSystemInfo as _};
use prometheus::{Counter, Gauge, Registry, TextEncoder};

/// All of it in Prometheus's text form; nothing where `/proc` does not tell.
pub(super) fn text() -> String {
    let mut text = String::new();
    let told = used().map_err(|error| error.to_string()).and_then(|used| {
        let registry = Registry::new();
        used.register(&registry)
            .and_then(|()| TextEncoder::new().encode_utf8(&registry.gather(), &mut text))
            .map_err(|error| error.to_string())
    });
    if let Err(error) = told {
        tracing::debug!("what this process uses cannot be told: {error}");
    }
    text
}

/// What it uses: seconds, bytes and numbers.
#[derive(Debug)]
struct Used {
    cpu: f64,
    begun: f64,
    resident: f64,
    /// Address space; that includes what was never touched.
    reserved: f64,
    most_reserved: f64,
    open: f64,
    most_open: f64,
}

fn used() -> ProcResult<Used> {
    let process = Process::myself()?;
    let (stat, limits) = (process.stat()?, process.limits()?);
    let ticks = |ticks| number(ticks) / number(procfs::ticks_per_second());
    let limit = |value: LimitValue| match value {
        LimitValue::Value(value) => number(value),
        // As Go's client writes it: the largest number of 64 bits.
        LimitValue::Unlimited => number(u64::MAX),
    };
    Ok(Used {
        cpu: ticks(stat.utime + stat.stime),
        begun: number(procfs::boot_time_secs()?) + ticks(stat.starttime),
        resident: number(stat.rss_bytes().get()),
        reserved: number(stat.vsize),
        most_reserved: limit(limits.max_address_space.soft_limit),
        open: number(process.fd_count()?.try_into().unwrap_or(u64::MAX)),
        most_open: limit(limits.max_open_files.soft_limit),
    })
}

/// A number as metrics have it.
#[expect(clippy::cast_precision_loss, reason = "that is Prometheus's only kind of number")]
fn number(value: u64) -> f64 {
    value as f64
}

// === impl Used ===

impl Used {
    fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let cpu = Counter::new(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
        )?;
        cpu.inc_by(self.cpu);
        registry.register(Box::new(cpu))?;
        for (name, help, value) in [
            ("process_max_fds", "Maximum number of open file descriptors.", self.most_open),
            ("process_open_fds", "Number of open file descriptors.", self.open),
            ("process_resident_memory_bytes", "Resident memory size in bytes.", self.resident),
            (
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
                self.begun,
            ),
            ("process_virtual_memory_bytes", "Virtual memory size in bytes.", self.reserved),
            (
                "process_virtual_memory_max_bytes",
                "Maximum amount of virtual memory available in bytes.",
                self.most_reserved,
            ),
        ] {
            let gauge = Gauge::new(name, help)?;
            gauge.set(value);
            registry.register(Box::new(gauge))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_uses_something() {
        let used = used().unwrap();
        let mebibyte = 1024.0 * 1024.0;
        assert!(used.resident > mebibyte && used.reserved >= used.resident, "{used:?}");
        assert!(used.open >= 3.0 && used.most_open >= used.open, "{used:?}");
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert!(used.begun <= now && now - used.begun < 24.0 * 3600.0, "{used:?}");
        let text = text();
        for name in ["cpu_seconds_total", "resident_memory_bytes", "open_fds"] {
            assert!(text.contains(&format!("\nprocess_{name} ")), "{text}");
        }
    }
}
