//! The pinned servers: reads `deploy/tools`, and `tests/tools` for what only tests use.

use std::fs;
use std::io;

use thiserror::Error;

use crate::place;

/// One pinned server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The name of its program.
    pub binary: String,
    /// The Go module it comes from.
    pub module: String,
    /// The package of the module that is its program.
    pub package: String,
    /// The version of the module.
    pub version: String,
    /// The checksum of the module (`h1:…`).
    pub sum: String,
}

/// Why the files gave no servers.
#[derive(Debug, Error)]
pub enum ToolsError {
    /// The file is not there or not readable.
    #[error("reading {file}")]
    Read {
        /// The file.
        file: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line is not `binary version sum module package`.
    #[error("{file} line {line}: {what}")]
    Line {
        /// The file.
        file: &'static str,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// No line pins this server.
    #[error("neither deploy/tools nor tests/tools has a line for {0}")]
    Missing(String),
}

/// The servers of Hearth, and those that only tests use; in the order in which they are
/// looked through.
const FILES: [&str; 2] = ["deploy/tools", "tests/tools"];

/// Reads the pinned servers of this repository.
///
/// # Errors
/// When a file is missing or a line of it is wrong.
pub fn load() -> Result<Vec<Tool>, ToolsError> {
    let mut tools = Vec::new();
    for file in FILES {
        let text = fs::read_to_string(place::root().join(file));
        let text = text.map_err(|source| ToolsError::Read { file, source })?;
        tools.extend(parse(file, &text)?);
    }
    Ok(tools)
}

/// The pinned server with this program.
///
/// # Errors
/// As [`load`], and when no line pins it.
pub fn named(binary: &str) -> Result<Tool, ToolsError> {
    let mut tools = load()?.into_iter();
    tools.find(|tool| tool.binary == binary).ok_or_else(|| ToolsError::Missing(binary.to_owned()))
}

fn parse(file: &'static str, text: &str) -> Result<Vec<Tool>, ToolsError> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(at, line)| {
            parse_line(line).map_err(|what| ToolsError::Line { file, line: at + 1, what })
        })
        .collect()
}

fn parse_line(line: &str) -> Result<Tool, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let [binary, version, sum, module, package]: [String; 5] =
        words.try_into().map_err(|words: Vec<String>| {
            format!("has {} words; it takes: binary version sum module package", words.len())
        })?;
    if !version.starts_with('v') {
        return Err(format!("version '{version}' does not begin with v"));
    }
    if !sum.starts_with("h1:") {
        return Err(format!("sum '{sum}' does not begin with h1:"));
    }
    if !package.starts_with(&module) {
        return Err(format!("package '{package}' is not in module '{module}'"));
    }
    Ok(Tool { binary, module, package, version, sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_repository_pins_the_servers_of_the_stack() {
        for name in ["nats-server", "minio", "litestream", "toxiproxy"] {
            assert_eq!(named(name).unwrap().binary, name);
        }
        let error = named("etcd").unwrap_err().to_string();
        assert_eq!(error, "neither deploy/tools nor tests/tools has a line for etcd");
    }

    #[test]
    fn a_line_gives_every_field() {
        let tools =
            parse(FILES[0], "# note\n\nls v1.2.3 h1:abc= example.com/ls example.com/ls/cmd/ls\n");
        assert_eq!(
            tools.unwrap(),
            [Tool {
                binary: "ls".into(),
                module: "example.com/ls".into(),
                package: "example.com/ls/cmd/ls".into(),
                version: "v1.2.3".into(),
                sum: "h1:abc=".into(),
            }]
        );
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(parse(FILES[0], text).unwrap_err().to_string(), message);
    }

    #[test]
    fn a_wrong_line_is_named_with_its_number() {
        refused(
            "# a\nls v1\n",
            "deploy/tools line 2: has 2 words; it takes: binary version sum module package",
        );
        refused("ls 1 h1:a m m", "deploy/tools line 1: version '1' does not begin with v");
        refused("ls v1 a m m", "deploy/tools line 1: sum 'a' does not begin with h1:");
        refused("ls v1 h1:a m x", "deploy/tools line 1: package 'x' is not in module 'm'");
    }
}
