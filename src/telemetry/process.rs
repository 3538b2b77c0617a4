//! What the operating system knows about this process.

/// Resident memory in bytes; none where `/proc` is not to be had.
pub fn resident_bytes() -> Option<u64> {
    // `status` tells kilobytes; `statm` would need the page size, which needs a call into libc.
    parse_resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let status = "Name:\todometer\nVmRSS:\t    5260 kB\nThreads:\t3\n";
        assert_eq!(parse_resident(status), Some(5260 * 1024));
        assert_eq!(parse_resident("Name:\todometer\n"), None);
        assert_eq!(parse_resident("VmRSS:\tmuch kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        assert!(resident_bytes().unwrap() > 100_000);
    }
}
