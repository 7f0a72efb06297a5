//! Figures: percentiles, and the JSON that is kept.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// The value below which `share` of sorted `times` lie, in milliseconds.
pub fn percentile(times: &[Duration], share: f64) -> f64 {
    let last = times.len().saturating_sub(1);
    let index = (share * last as f64).round() as usize;
    times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// Keeps a result as `bench/results/<name>.json`.
pub fn keep(name: &str, result: &Value) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let path = dir.join(format!("{name}.json"));
    let text = format!("{result:#}\n");
    let kept = std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&path, text));
    match kept {
        Ok(()) => println!("kept in bench/results/{name}.json"),
        Err(error) => eprintln!("the result could not be kept in {}: {error}", path.display()),
    }
}
