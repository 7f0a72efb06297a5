//! Gives the memory of a finished image back to the system.

use std::os::unix::process::CommandExt;
use std::process::Command;

use shared::config::Env;

/// glibc raises the size from which it asks the system for a block of its own
/// each time such a block is freed: after one large image, the pixels of all
/// later ones stay in the heap (49 MB resident where 16 MB would do). Said
/// beforehand, the size stays; that can only be said at the start of a process.
const THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";
/// glibc's own first value, in bytes.
const BYTES: &str = "131072";

/// Starts this program once more in its own place with the threshold set,
/// unless it is set. When that fails, the process goes on and is larger.
pub fn keep_small(env: &mut Env) {
    if env.raw(THRESHOLD).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "worker".into());
    let _only_returns_when_it_failed =
        Command::new(program).arg0(name).args(arguments).env(THRESHOLD, BYTES).exec();
}
