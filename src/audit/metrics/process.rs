//! Metrics of this process with the names that all exporters use. They are read from `/proc` at each scrape,
//! and are absent without `/proc`.

use std::fmt;
use std::fs;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Ticks per second in `/proc/self/stat`. It is 100 on every platform with a stable Linux ABI.
const TICKS: f64 = 100.0;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

/// Values of one scrape.
struct Reading {
    cpu_seconds: f64,
    resident_bytes: u64,
    open: u64,
    most_open: u64,
}

impl Process {
    /// Starts now.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            started: now.map(|since| since.as_secs_f64()).unwrap_or_default(),
        }
    }
}

impl Reading {
    fn take() -> Option<Self> {
        let open = fs::read_dir("/proc/self/fd").ok()?.count();
        Some(Self {
            cpu_seconds: cpu_seconds(&fs::read_to_string("/proc/self/stat").ok()?)?,
            resident_bytes: resident_bytes(&fs::read_to_string("/proc/self/status").ok()?)?,
            open: u64::try_from(open).ok()?,
            most_open: most_open(&fs::read_to_string("/proc/self/limits").ok()?)?,
        })
    }
}

/// Sum of the 14th and 15th field. The second field is the name in parentheses, which may contain anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let [user, system] = [fields.next()?, fields.next()?].map(str::parse::<u32>);
    Some((f64::from(user.ok()?) + f64::from(system.ok()?)) / TICKS)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn most_open(limits: &str) -> Option<u64> {
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    // Without a limit the value is `unlimited`.
    let soft = line.split_ascii_whitespace().next()?;
    Some(soft.parse().unwrap_or(u64::MAX))
}

/// Encodes one metric.
fn put(
    to: &mut DescriptorEncoder<'_>,
    (name, unit, help): (&str, Option<&Unit>, &str),
    metric: &impl EncodeMetric,
) -> Result<(), fmt::Error> {
    let to = to.encode_descriptor(name, help, unit, metric.metric_type())?;
    metric.encode(to)
}

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        let help = "Unix time at which the process began.";
        let started = ConstGauge::new(self.started);
        put(&mut to, ("process_start_time", seconds, help), &started)?;
        let Some(reading) = Reading::take() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(reading.cpu_seconds);
        let help = "Processor time used.";
        put(&mut to, ("process_cpu", seconds, help), &cpu)?;
        let resident = ConstGauge::new(reading.resident_bytes);
        let help = "Memory in use.";
        put(&mut to, ("process_resident_memory", bytes, help), &resident)?;
        let open = ConstGauge::new(reading.open);
        let help = "Open file descriptors.";
        put(&mut to, ("process_open_fds", None, help), &open)?;
        let most = ConstGauge::new(reading.most_open);
        let help = "File descriptors that may be open.";
        put(&mut to, ("process_max_fds", None, help), &most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_process_may_hold_what_separates_fields() {
        let stat = "7 (a) 1 (b) S 1 7 7 0 -1 4194560 9 0 0 0 150 25 0 0 20 0 2 0 99";
        assert_eq!(cpu_seconds(stat), Some(1.75));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
    }

    #[test]
    fn units_and_the_absence_of_a_limit_are_read() {
        let status = "Name:\ta\nVmHWM:\t  900 kB\nVmRSS:\t    12 kB\n";
        assert_eq!(resident_bytes(status), Some(12 * 1024));
        let limits = "Max processes  1 2 processes\nMax open files  1024  4096  files\n";
        assert_eq!(most_open(limits), Some(1024));
        let limits = "Max open files  unlimited  unlimited  files\n";
        assert_eq!(most_open(limits), Some(u64::MAX));
    }
}
