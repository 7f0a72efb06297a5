//! Structured logs on standard error.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Env;

/// What to log, and how.
#[derive(Debug, Clone)]
pub struct Log {
    filter: Targets,
    json: bool,
}

impl Log {
    /// `LOG_LEVEL` (such as `info` or `info,web=debug`) and `LOG_FORMAT`
    /// (`text` or `json`).
    pub fn from_env(env: &mut Env) -> Self {
        let takes = "error, warn, info, debug or trace, also by target: info,web=debug";
        let filter = env.with_default("LOG_LEVEL", takes, Targets::new());
        let filter = if filter.iter().next().is_none() && filter.default_level().is_none() {
            Targets::from_str("info,async_nats=warn,tokio_cron_scheduler=warn")
                .expect("a constant filter parses")
        } else {
            filter
        };
        let format = env.with_default("LOG_FORMAT", "text or json", Format::Text);
        Self { filter, json: matches!(format, Format::Json) }
    }

    /// Sends the process's logs to standard error from now on. A second call
    /// changes nothing.
    pub fn start(&self) {
        let registry = tracing_subscriber::registry().with(self.filter.clone());
        let colour = std::io::stderr().is_terminal();
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let _second_call = if self.json {
            registry.with(lines.json().flatten_event(true)).try_init()
        } else {
            registry.with(lines.with_ansi(colour)).try_init()
        };
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Text,
    Json,
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}
