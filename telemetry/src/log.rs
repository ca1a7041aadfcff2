//! Log lines on standard error, as text or JSON, with a filter that can be changed while running.
//!
//! Set up once per process, by `main`. Laws: standard output stays free for results; a line that
//! belongs to a trace says so, with `traceID` and `spanID`, in both shapes; spans themselves are
//! for traces, the filter does not concern them.

mod line;

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Identity, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

#[cfg(feature = "otel")]
use crate::trace::Pipeline;

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One human-readable line per event, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object per event: `timestamp`, `severity`, `logger`, `message`, `traceID` and
    /// `spanID` if it belongs to a trace, and the event's own fields.
    Json,
}

/// A valid filter in `tracing`'s notation: a level (`info`), or directives
/// (`info,hyper=warn,server=debug`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

/// Why logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither `text` nor `json`.
    #[error("unknown log format {0:?}, expected text or json")]
    Format(String),
    /// Not a level or a list of directives.
    #[error("invalid log level or filter {filter:?}: {reason}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else in this process already handles log events.
    #[error("logging is already set up")]
    AlreadySetUp,
    /// The subscriber that the handle belongs to is gone.
    #[error("logging is shut down")]
    Gone,
}

/// Tells and changes the filter of a running process. Clones share it.
#[derive(Clone, Debug)]
pub struct Handle {
    compiled: reload::Handle<EnvFilter, Registry>,
    /// As it was written.
    filter: Arc<RwLock<Filter>>,
}

/// Starts logging to standard error.
///
/// # Errors
///
/// [`Error::AlreadySetUp`] on a second call, [`Error::Filter`] never (a [`Filter`] is valid).
pub fn init(format: Format, filter: &Filter) -> Result<Handle, Error> {
    start(format, filter, Identity::new(), Vec::new())
}

/// Starts logging to standard error and recording traces; the pipeline gets the log lines too, if
/// it was told so.
///
/// # Errors
///
/// As [`init`]'s.
#[cfg(feature = "otel")]
pub fn init_traced(format: Format, filter: &Filter, traces: &Pipeline) -> Result<Handle, Error> {
    start(format, filter, traces.lines(), vec![traces.spans().boxed()])
}

/// `lines` gets the events that pass the filter, `others` get everything.
fn start(
    format: Format,
    filter: &Filter,
    lines: impl Layer<Registry> + Send + Sync,
    mut others: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
) -> Result<Handle, Error> {
    let (filter, handle) = reloadable(filter)?;
    let written = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let written = match format {
        Format::Text => written
            .with_ansi(io::stderr().is_terminal())
            .fmt_fields(line::Text)
            .boxed(),
        Format::Json => written.event_format(line::Json).boxed(),
    };
    // With a hint of its own the filter's counts: most events end at one comparison.
    let no_span = filter_fn(|metadata| !metadata.is_span()).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(no_span);
    others.push(written.and_then(lines).with_filter(filter).boxed());
    let subscriber = tracing_subscriber::registry().with(others);
    subscriber.try_init().map_err(|_| Error::AlreadySetUp)?;
    Ok(handle)
}

/// What applies the filter, and what changes it.
pub(crate) fn reloadable(
    filter: &Filter,
) -> Result<(reload::Layer<EnvFilter, Registry>, Handle), Error> {
    let (layer, compiled) = reload::Layer::new(filter.compile()?);
    let filter = Arc::new(RwLock::new(filter.clone()));
    Ok((layer, Handle { compiled, filter }))
}

impl Handle {
    /// The filter in force.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let filter = self.filter.read().unwrap_or_else(PoisonError::into_inner);
        filter.clone()
    }

    /// Replaces the filter, from the next event on. Says so at level info, before or after, as long
    /// as one of the two filters lets that through.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] if the subscriber no longer exists.
    pub fn set(&self, filter: &Filter) -> Result<(), Error> {
        let compiled = filter.compile()?;
        let mut current = self.filter.write().unwrap_or_else(PoisonError::into_inner);
        let tell = |before: &Filter| tracing::info!(%before, "the log filter becomes {filter}");
        let is_told = tracing::enabled!(tracing::Level::INFO);
        if is_told {
            tell(&current);
        }
        self.compiled.reload(compiled).map_err(|_| Error::Gone)?;
        let before = std::mem::replace(&mut *current, filter.clone());
        if !is_told {
            tell(&before);
        }
        Ok(())
    }
}

impl Filter {
    /// This filter, and one more directive (a constant of the program, `server::web=debug`).
    #[must_use]
    pub fn with(&self, directive: &'static str) -> Self {
        Self(format!("{},{directive}", self.0))
    }

    fn compile(&self) -> Result<EnvFilter, Error> {
        EnvFilter::try_new(&self.0).map_err(|reason| Error::Filter {
            filter: self.0.clone(),
            reason: reason.to_string(),
        })
    }
}

impl Default for Filter {
    /// `info`.
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let filter = Self(text.trim().to_owned());
        if filter.0.is_empty() {
            return Err(Error::Filter {
                filter: filter.0,
                reason: "empty".to_owned(),
            });
        }
        filter.compile().map(|_| filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(Error::Format(other.to_owned())),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked_when_parsed() {
        assert_eq!("info".parse::<Filter>().unwrap(), Filter::default());
        assert!("warn,hyper=off,server=debug".parse::<Filter>().is_ok());
        for wrong in ["", " ", "hyper=loud", "a=b=c"] {
            assert!(wrong.parse::<Filter>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn formats_round_trip() {
        for format in [Format::Text, Format::Json] {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        let message = "xml".parse::<Format>().unwrap_err().to_string();
        assert_eq!(message, "unknown log format \"xml\", expected text or json");
    }

    #[test]
    fn a_second_set_up_is_refused_and_the_filter_can_change() {
        let handle = init(Format::Json, &Filter::default()).unwrap();
        assert!(matches!(
            init(Format::Text, &Filter::default()),
            Err(Error::AlreadySetUp)
        ));
        assert!(!tracing::enabled!(tracing::Level::DEBUG));
        assert_eq!(LevelFilter::current(), LevelFilter::INFO);
        handle.set(&"debug".parse().unwrap()).unwrap();
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        assert_eq!(LevelFilter::current(), LevelFilter::DEBUG);
        assert_eq!(handle.filter().to_string(), "debug");
    }
}
