//! What a connection costs the machine, as Linux tells it.

use std::fs;

/// What some processes take of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Memory of their own, in bytes: not their code, and what several share
    /// once.
    pub memory: u64,
    /// Milliseconds of the processor, their own and the kernel's for them.
    pub cpu_ms: f64,
}

/// What processes take now; those that are gone take nothing.
pub fn cost(pids: &[u32]) -> Cost {
    let add = |sum: Cost, pid: &u32| Cost {
        memory: sum.memory + memory(*pid).unwrap_or(0),
        cpu_ms: sum.cpu_ms + cpu_ms(*pid).unwrap_or(0.0),
    };
    pids.iter().fold(Cost::default(), add)
}

fn memory(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    Some(["Pss_Anon:", "Pss_Shmem:"].iter().filter_map(|name| kib(&text, name)).sum::<u64>() * 1024)
}

fn cpu_ms(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = words.get(11..13)?.iter().filter_map(|word| word.parse::<u64>().ok()).sum();
    Some(ticks as f64 * 1000.0 / rustix::param::clock_ticks_per_second() as f64)
}

/// Lets [`peak`] begin anew.
pub fn forget_peak(pids: &[u32]) {
    for pid in pids {
        // Who may not do this reads the peak since the start.
        let _refused = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

/// The most that processes had resident, each at its own time, in bytes.
pub fn peak(pids: &[u32]) -> u64 {
    let of = |pid: &u32| kib(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:");
    pids.iter().filter_map(of).sum::<u64>() * 1024
}

/// Memory of the kernel for sockets and all else that it keeps for processes,
/// in bytes; of the whole machine.
pub fn kernel() -> u64 {
    let slab = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib(&text, "Slab:"));
    let sockets = fs::read_to_string("/proc/net/sockstat").ok().and_then(|text| buffers(&text));
    slab.unwrap_or(0) * 1024 + sockets.unwrap_or(0)
}

/// What the buffers of all TCP sockets take.
fn buffers(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find(|line| line.starts_with("TCP:"))?;
    let pages: u64 = line.split(" mem ").nth(1)?.trim().parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn kib(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn memory_that_is_written_to_is_seen() {
        let own = [std::process::id()];
        let before = cost(&own).memory;
        // The compiler would leave out what nobody reads.
        let filled = black_box(vec![1_u8; 32 << 20]);
        let grown = cost(&own).memory.saturating_sub(before);
        assert!(grown >= 31 << 20, "{grown} of {}", black_box(&filled).len());
        assert!(peak(&own) > grown);
    }

    #[test]
    fn the_buffers_of_sockets_are_pages() {
        let text =
            "sockets: used 39\nTCP: inuse 2 orphan 0 tw 0 alloc 2 mem 96\nUDP: inuse 0 mem 0";
        assert_eq!(buffers(text), Some(96 * rustix::param::page_size() as u64));
    }
}
