//! What is sent where: the flags, which are OpenTelemetry's environment variables, and the valid
//! [`Config`] made of them.
//!
//! Law: an empty value is the default, as if the variable were not set (OpenTelemetry's
//! specification of environment variables); no password gets into a [`Config`] or an error.
//!
//! Of OpenTelemetry's other variables the libraries read `OTEL_RESOURCE_ATTRIBUTES` and
//! `OTEL_EXPORTER_OTLP_HEADERS` (where credentials belong: they never stand in a command line)
//! themselves.

use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use http::Uri;

/// The defaults of OpenTelemetry.
const PROTOCOL: &str = "http/protobuf";
const SAMPLER: &str = "parentbased_always_on";
const RATIO: &str = "1";

/// The flags about traces, for `#[command(flatten)]`.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "trace")]
#[command(next_help_heading = "Traces")]
pub struct Args {
    /// Where to send traces by OTLP: http://collector:4318 (http/protobuf) or
    /// http://collector:4317 (grpc). Empty: nowhere.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "OTEL_EXPORTER_OTLP_ENDPOINT",
        default_value = "",
        value_parser = EndpointParser
    )]
    otlp_endpoint: Endpoint,

    /// What the receiver speaks: grpc or http/protobuf.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_PROTOCOL",
        value_name = "OTEL_EXPORTER_OTLP_PROTOCOL",
        default_value = PROTOCOL
    )]
    otlp_protocol: Protocol,

    /// Whether the receiver gets the log lines too: otlp or none. They are on standard error in
    /// any case.
    #[arg(
        long,
        env = "OTEL_LOGS_EXPORTER",
        value_name = "OTEL_LOGS_EXPORTER",
        default_value = "none"
    )]
    otlp_logs: Logs,

    /// The name of this service in traces, and in target_info if there is one; by default the
    /// program's.
    #[arg(
        long,
        env = "OTEL_SERVICE_NAME",
        value_name = "OTEL_SERVICE_NAME",
        default_value = ""
    )]
    service_name: String,

    /// Which traces to record: always_on, always_off, traceidratio, or one of them for requests
    /// that bring no decision with them: parentbased_always_on, parentbased_always_off,
    /// parentbased_traceidratio.
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER",
        value_name = "OTEL_TRACES_SAMPLER",
        default_value = SAMPLER
    )]
    traces_sampler: Sampler,

    /// The share of the traces that traceidratio records, 0 to 1.
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER_ARG",
        value_name = "OTEL_TRACES_SAMPLER_ARG",
        default_value = RATIO
    )]
    traces_sampler_arg: Ratio,
}

/// What a process does with its traces, valid by construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The name of this service.
    pub service: String,
    /// Where to send what was recorded.
    pub receiver: Option<Receiver>,
    /// What is recorded.
    pub sampling: Sampling,
}

/// Who gets the traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Scheme, host, port and path, without a slash at its end.
    pub endpoint: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Whether it gets the log lines too.
    pub logs: bool,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Whether the caller's decision counts, if there is one.
    pub parent_based: bool,
    /// The share of the other traces, 0 to 1.
    pub ratio: f64,
}

/// OTLP's transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `grpc`
    Grpc,
    /// `http/protobuf`
    HttpProtobuf,
}

/// A flag's value is wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not a URL to send to.
    #[error("not an http:// or https:// URL with a host, without user name, password and query")]
    Endpoint,
    /// Neither transport.
    #[error("unknown protocol {0:?}, expected grpc or http/protobuf")]
    Protocol(String),
    /// Neither `otlp` nor `none`.
    #[error("unknown exporter {0:?}, expected otlp or none")]
    Exporter(String),
    /// Not a sampler.
    #[error("unknown sampler, expected [parentbased_]always_on, always_off or traceidratio")]
    Sampler,
    /// Not a share.
    #[error("not a number from 0 to 1")]
    Ratio,
}

/// A URL, or nothing.
#[derive(Clone, Debug)]
struct Endpoint(Option<String>);

/// Says what is wrong without showing the value, which may have a password in it.
#[derive(Clone, Debug)]
struct EndpointParser;

#[derive(Clone, Copy, Debug)]
struct Logs(bool);

#[derive(Clone, Copy, Debug)]
struct Sampler {
    parent_based: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    On,
    Off,
    Ratio,
}

#[derive(Clone, Copy, Debug)]
struct Ratio(f64);

impl Args {
    /// What the program needs; `program` is the service's name unless another one was given.
    #[must_use]
    pub fn into_config(self, program: &str) -> Config {
        let named = !self.service_name.is_empty();
        let Self {
            otlp_protocol: protocol,
            otlp_logs: Logs(logs),
            ..
        } = self;
        Config {
            service: if named {
                self.service_name
            } else {
                program.to_owned()
            },
            receiver: self.otlp_endpoint.0.map(|endpoint| Receiver {
                endpoint,
                protocol,
                logs,
            }),
            sampling: Sampling {
                parent_based: self.traces_sampler.parent_based,
                ratio: match self.traces_sampler.kind {
                    Kind::On => 1.0,
                    Kind::Off => 0.0,
                    Kind::Ratio => self.traces_sampler_arg.0,
                },
            },
        }
    }
}

impl Receiver {
    /// Whether it is spoken to by TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.endpoint.starts_with("https:")
    }
}

impl Config {
    /// Nothing is sent; trace ids are made, passed on and logged.
    #[must_use]
    pub fn local(program: &str) -> Self {
        Self {
            service: program.to_owned(),
            receiver: None,
            sampling: Sampling {
                parent_based: true,
                ratio: 1.0,
            },
        }
    }
}

impl TypedValueParser for EndpointParser {
    type Value = Endpoint;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Endpoint, clap::Error> {
        let text = value.to_str().ok_or(Error::Endpoint);
        text.and_then(Endpoint::from_str).map_err(|error| {
            let flag = argument.map(ToString::to_string).unwrap_or_default();
            let message = format!("invalid value for '{flag}': {error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let uri: Uri = text.parse().map_err(|_| Error::Endpoint)?;
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().is_some_and(|host| !host.is_empty());
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let user = authority.is_some_and(|authority| authority.contains('@'));
        if !scheme || !host || user || uri.query().is_some() {
            return Err(Error::Endpoint);
        }
        Ok(Self(Some(uri.to_string().trim_end_matches('/').to_owned())))
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "grpc" => Ok(Self::Grpc),
            PROTOCOL | "" => Ok(Self::HttpProtobuf),
            other => Err(Error::Protocol(other.to_owned())),
        }
    }
}

impl FromStr for Logs {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "otlp" => Ok(Self(true)),
            "none" | "" => Ok(Self(false)),
            other => Err(Error::Exporter(other.to_owned())),
        }
    }
}

impl FromStr for Sampler {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = if text.is_empty() { SAMPLER } else { text };
        let root = text.strip_prefix("parentbased_");
        let kind = match root.unwrap_or(text) {
            "always_on" => Kind::On,
            "always_off" => Kind::Off,
            "traceidratio" => Kind::Ratio,
            _ => return Err(Error::Sampler),
        };
        Ok(Self {
            parent_based: root.is_some(),
            kind,
        })
    }
}

impl FromStr for Ratio {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = if text.is_empty() { RATIO } else { text };
        let ratio: f64 = text.parse().map_err(|_| Error::Ratio)?;
        if (0.0..=1.0).contains(&ratio) {
            Ok(Self(ratio))
        } else {
            Err(Error::Ratio)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        let command = Args::augment_args(Command::new("program").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments)?;
        Ok(Args::from_arg_matches(&matches)?.into_config("program"))
    }

    #[test]
    fn nothing_is_sent_unless_an_endpoint_is_given() {
        assert_eq!(parse(&[]).unwrap(), Config::local("program"));
    }

    #[test]
    fn empty_is_unset() {
        let empty = [
            "--otlp-endpoint=",
            "--otlp-protocol=",
            "--otlp-logs=",
            "--service-name=",
            "--traces-sampler=",
            "--traces-sampler-arg=",
        ];
        assert_eq!(parse(&empty).unwrap(), Config::local("program"));
        let endpoint = "--otlp-endpoint=http://collector";
        let config = parse(&[endpoint, "--otlp-protocol="]).unwrap();
        assert_eq!(config.receiver.unwrap().protocol, Protocol::HttpProtobuf);
    }

    #[test]
    fn a_password_is_refused_and_not_shown() {
        for url in [
            "http://user:secret@collector:4318",
            "http://secret@collector",
            "http://user:secret@",
            "http://user:secret@collector/?a=b",
        ] {
            let error = parse(&["--otlp-endpoint", url]).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(error.to_string().contains("'--otlp-endpoint <"), "{error}");
        }
        // Elsewhere in the URL it is no user's.
        assert!(parse(&["--otlp-endpoint=http://collector/a@b"]).is_ok());
    }

    #[test]
    fn flags_become_the_config() {
        let config = parse(&[
            "--otlp-endpoint=HTTP://collector:4317/",
            "--otlp-protocol=grpc",
            "--otlp-logs=otlp",
            "--service-name=web/training",
            "--traces-sampler=parentbased_traceidratio",
            "--traces-sampler-arg=0.25",
        ]);
        let expected = Config {
            service: "web/training".to_owned(),
            receiver: Some(Receiver {
                endpoint: "http://collector:4317".to_owned(),
                protocol: Protocol::Grpc,
                logs: true,
            }),
            sampling: Sampling {
                parent_based: true,
                ratio: 0.25,
            },
        };
        assert_eq!(config.unwrap(), expected);
        let config = parse(&["--traces-sampler=always_off"]).unwrap();
        let expected = Sampling {
            parent_based: false,
            ratio: 0.0,
        };
        assert_eq!(config.sampling, expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (flag, value) in [
            ("--otlp-endpoint", "collector:4317"),
            ("--otlp-endpoint", "ftp://collector"),
            ("--otlp-endpoint", "http://"),
            ("--otlp-endpoint", "http://collector/?a=b"),
            ("--otlp-protocol", "http/json"),
            ("--otlp-logs", "console"),
            ("--traces-sampler", "parentbased"),
            ("--traces-sampler", "jaeger_remote"),
            ("--traces-sampler-arg", "1.5"),
            ("--traces-sampler-arg", "NaN"),
        ] {
            let error = parse(&[&format!("{flag}={value}")]).unwrap_err();
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
