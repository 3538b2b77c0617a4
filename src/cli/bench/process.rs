//! What this process has used: processor time by thread, memory.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Processor time by group of threads. Threads of one kind share a group: `worker-0` and `worker-1`
/// are `worker`.
#[derive(Clone, Debug, Default)]
pub struct CpuTimes(BTreeMap<String, Duration>);

impl CpuTimes {
    /// What the threads that live now have used so far. Empty where there is no `/proc`.
    pub fn now() -> Self {
        let mut times = BTreeMap::<String, Duration>::new();
        let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Self(times) };
        for task in tasks.flatten() {
            let read = |name| fs::read_to_string(task.path().join(name)).ok();
            let (Some(name), Some(times_of)) = (read("comm"), read("schedstat")) else { continue };
            let nanos = times_of.split(' ').next().and_then(|text| text.parse().ok());
            let digits = |c: char| c.is_ascii_digit() || c == '-';
            let group = name.trim().trim_end_matches(digits).to_owned();
            *times.entry(group).or_default() += Duration::from_nanos(nanos.unwrap_or(0));
        }
        Self(times)
    }

    /// What was used since an earlier look, by group.
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, Duration> {
        let used = |(group, time): (&String, &Duration)| {
            let before = earlier.0.get(group).copied().unwrap_or_default();
            (group.clone(), time.saturating_sub(before))
        };
        self.0.iter().map(used).filter(|(_, time)| !time.is_zero()).collect()
    }
}

/// Resident memory in bytes: now, and the most there ever was. Zero where there is no `/proc`.
pub fn resident_bytes() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib * 1024)
    };
    (field("VmRSS:").unwrap_or(0), field("VmHWM:").unwrap_or(0))
}

/// Seconds that processes of the whole machine have run or waited for a device, and cores: what
/// part of the machine others used meanwhile is the difference to what this process used.
pub fn machine_busy() -> Duration {
    // The kernel counts in hundredths of a second.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u32> = stat
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .filter_map(|f| f.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal
    let busy: u32 = [0, 1, 2, 5, 6].iter().filter_map(|at| fields.get(*at)).sum();
    TICK * busy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let before = CpuTimes::now();
        let mut sum = 0_u64;
        while CpuTimes::now().since(&before).values().sum::<Duration>() < Duration::from_millis(5) {
            sum = sum.wrapping_mul(31).wrapping_add(7);
        }
        assert!(resident_bytes().1 >= resident_bytes().0 / 2, "{sum}");
        assert!(machine_busy() > Duration::ZERO);
    }
}
