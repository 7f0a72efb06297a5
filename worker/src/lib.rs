//! Executes the jobs of Hearth.
