//! Wires the binary.
fn main() {}
