//! Values in the syntax of Go's pflag, strconv and klog, which prometheus-adapter's flags have.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::config::parse_duration;
use crate::discovery::Listing;
use crate::prometheus::Verb;

/// A file or directory that a flag names; nothing if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct File(pub(super) Option<PathBuf>);

/// One occurrence of a list: comma-separated values, `"` around those that hold commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List(Vec<String>);

/// One `--vmodule`: patterns of module names and their verbosity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ModuleLevels(pub(super) Vec<(String, i32)>);

/// One `--tls-sni-cert-key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedPair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) names: Vec<String>,
}

/// Reads a value that may hold a password or token: what is told of a bad one never repeats it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secret<T>(pub(super) fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Secret<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let value = value.to_str().ok_or_else(|| "not UTF-8".to_owned());
        value.and_then(self.0).map_err(|reason| {
            let flag = arg.map(ToString::to_string).unwrap_or_default();
            let message = format!("invalid value for '{flag}': {reason}");
            command.clone().error(ErrorKind::ValueValidation, message)
        })
    }
}

/// The values of all occurrences of a list.
pub(super) fn flatten(lists: Vec<List>) -> Vec<String> {
    lists.into_iter().flat_map(|list| list.0).collect()
}

pub(super) fn file(text: &str) -> Result<File, Infallible> {
    Ok(File((!text.is_empty()).then(|| PathBuf::from(text))))
}

/// `strconv.ParseBool`.
pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false"),
    }
}

/// `strconv.ParseInt` with base 0: decimal, `0x`, `0o`, `0b`, octal by a leading zero; single
/// underscores between digits.
pub(super) fn int(text: &str) -> Result<i64, &'static str> {
    const ERROR: &str = "expected a whole number";
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    let is_separated = !lower.starts_with('_') && !lower.ends_with('_') && !lower.contains("__");
    if digits.starts_with(['+', '-']) || !is_separated {
        return Err(ERROR);
    }
    let number = i64::from_str_radix(&digits.replace('_', ""), radix).map_err(|_| ERROR)?;
    Ok(if negative { -number } else { number })
}

/// `strconv.ParseFloat`, of finite numbers.
pub(super) fn float(text: &str) -> Result<f32, &'static str> {
    match text.parse() {
        Ok(number) if f32::is_finite(number) => Ok(number),
        _ => Err("expected a number"),
    }
}

/// klog's level: no underscores, no other bases.
pub(super) fn level(text: &str) -> Result<i32, &'static str> {
    text.parse().map_err(|_| "expected a whole number")
}

pub(super) fn port(text: &str) -> Result<u16, &'static str> {
    let port = u16::try_from(int(text)?).ok().filter(|port| *port > 0);
    port.ok_or("expected 1 to 65535; HTTPS cannot be turned off")
}

/// A number of something of which there is at least one.
pub(super) fn count(text: &str) -> Result<u16, &'static str> {
    let count = u16::try_from(int(text)?).ok().filter(|count| *count > 0);
    count.ok_or("expected 1 to 65535")
}

/// A limit, 0 for its default.
pub(super) fn limit(text: &str) -> Result<u32, &'static str> {
    u32::try_from(int(text)?).map_err(|_| "expected 0 or more")
}

/// `time.ParseDuration`, without negative ones.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if let Some(Ok(length)) = text.strip_prefix('-').map(parse_duration) {
        return match length {
            Duration::ZERO => Ok(length),
            _ => Err("a negative duration makes no sense".to_owned()),
        };
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    parse_duration(unsigned).map_err(|error| error.to_string())
}

pub(super) fn ip(text: &str) -> Result<IpAddr, &'static str> {
    text.trim().parse().map_err(|_| "expected an IP address")
}

/// One line of CSV, as pflag reads its string slices.
pub(super) fn list(text: &str) -> Result<List, &'static str> {
    let mut values = Vec::new();
    let mut rest = text;
    while !text.is_empty() {
        let value;
        if let Some(quoted) = rest.strip_prefix('"') {
            (value, rest) = unquote(quoted).ok_or("a quote is not closed")?;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            value = rest[..end].to_owned();
            if value.contains('"') {
                return Err("a quote inside a value");
            }
            rest = &rest[end..];
        }
        values.push(value);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.is_empty() => break,
            None => return Err("a comma is missing after a quote"),
        }
    }
    Ok(List(values))
}

/// The value up to its closing quote (`""` is a quote in it), and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                value.push('"');
                rest = next;
            }
            None => return Some((value, rest)),
        }
    }
}

/// klog's `pattern=N,...`; a level of 0 says nothing.
pub(super) fn module_levels(text: &str) -> Result<ModuleLevels, &'static str> {
    const ERROR: &str = "expected a comma-separated list of PATTERN=LEVEL";
    let mut levels = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (pattern, number) = part.split_once('=').ok_or(ERROR)?;
        let number = level(number).map_err(|_| ERROR)?;
        if pattern.is_empty() {
            return Err(ERROR);
        }
        if number < 0 {
            return Err("a module's level cannot be negative");
        }
        if number > 0 {
            levels.push((pattern.to_owned(), number));
        }
    }
    Ok(ModuleLevels(levels))
}

/// component-base's `namedCertKey`: `CERTIFICATE,KEY[:NAME,...]`.
pub(super) fn named_pair(text: &str) -> Result<NamedPair, &'static str> {
    let (pair, names) = match text.split_once(':') {
        Some((pair, names)) => (pair, Some(names.trim())),
        None => (text, None),
    };
    let (certificate, key) = pair
        .split_once(',')
        .map(|(certificate, key)| (certificate.trim(), key.trim()))
        .filter(|(certificate, key)| {
            !certificate.is_empty() && !key.is_empty() && !key.contains(',')
        })
        .ok_or("expected CERTIFICATE,KEY or CERTIFICATE,KEY:NAME,NAME")?;
    let names: Vec<String> = names
        .map(|names| {
            names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect()
        })
        .unwrap_or_default();
    if names.iter().any(String::is_empty) {
        return Err("a name is empty");
    }
    if names.iter().any(|name| name.parse::<IpAddr>().is_ok()) {
        return Err("a certificate can be chosen by DNS name only, not by IP address");
    }
    Ok(NamedPair {
        certificate: certificate.into(),
        key: key.into(),
        names,
    })
}

pub(super) fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("expected http://HOST or https://HOST".to_owned());
    }
    Ok(url)
}

pub(super) fn listing(text: &str) -> Result<Listing, &'static str> {
    match text {
        "full" => Ok(Listing::Full),
        "compact" => Ok(Listing::Compact),
        _ => Err("expected full or compact"),
    }
}

pub(super) fn verb(text: &str) -> Result<Verb, &'static str> {
    match text {
        "GET" => Ok(Verb::Get),
        "POST" => Ok(Verb::Post),
        _ => Err("expected GET or POST"),
    }
}

/// A header without `=` has an empty value, as in prometheus-adapter. Errors repeat nothing: with
/// a colon for `=`, or a token that ends in `=`, the name has the secret in it.
pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let name = name
        .parse()
        .map_err(|_| "expected NAME=VALUE, with the name of a header before the first =")?;
    let mut value: HeaderValue = value
        .parse()
        .map_err(|_| "what stands behind the first = cannot be sent as a header's value")?;
    // Such headers carry credentials.
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests;
