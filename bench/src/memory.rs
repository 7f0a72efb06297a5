//! Resident memory of each binary of an idle site.

use serde_json::json;
use support::site::Site;

use crate::report::keep;

pub fn run() {
    let site = Site::start(&[]);
    let names = ["web", "worker", "cron"];
    let sizes = names.map(|name| (name, resident_kib(site.pid(name).expect("it runs"))));
    println!("{:<10} {:>8}", "idle", "MiB");
    for (name, kib) in sizes {
        println!("{name:<10} {:>8.1}", mib(kib));
    }
    let total: u64 = sizes.iter().map(|(_, kib)| kib).sum();
    println!("{:<10} {:>8.1}", "together", mib(total));
    let rows = sizes.map(|(name, kib)| json!({"name": name, "rss_kib": kib}));
    keep("memory", &json!({"rows": rows, "together_kib": total}));
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// `VmRSS` of a process, which Linux tells in KiB.
pub fn resident_kib(pid: u64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a live process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    size.expect("Linux tells the resident size")
}
