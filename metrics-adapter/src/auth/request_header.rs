//! The front proxy's way to say whom it speaks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::authority::Authority;
use super::caller::{Caller, Callers};
use super::query::is_well_escaped;
use crate::model::review::UserInfo;

/// Headers that front proxies use unless told otherwise.
static USUAL: [HeaderName; 3] = [
    HeaderName::from_static("x-remote-user"),
    HeaderName::from_static("x-remote-uid"),
    HeaderName::from_static("x-remote-group"),
];
/// What those with extra fields begin with.
const USUAL_PREFIX: &str = "x-remote-extra-";

/// Settings of request-header authentication, as the ConfigMap tells them.
#[derive(Debug)]
pub struct RequestHeader {
    /// Who issues the front proxy's certificates.
    pub authority: Authority,
    /// Common names that a front proxy may have; any if empty.
    pub allowed_names: Vec<String>,
    /// Headers with the user's name; the first one that is there and not empty counts.
    pub username_headers: Vec<HeaderName>,
    /// Headers with the user's UID, likewise.
    pub uid_headers: Vec<HeaderName>,
    /// Headers with groups; all of them, repeated ones too.
    pub group_headers: Vec<HeaderName>,
    /// Prefixes of headers with extra fields, in lower case.
    pub extra_prefixes: Vec<String>,
    /// Whom it named lately.
    pub(super) callers: Callers,
}

/// A header that names an identity is not UTF-8. To guess would be to take one for another.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("an identity header is not UTF-8")]
pub(super) struct NotUtf8;

impl RequestHeader {
    pub(super) fn allows_name(&self, common_name: &str) -> bool {
        self.allowed_names.is_empty() || self.allowed_names.iter().any(|name| name == common_name)
    }

    /// Whom the headers name, if anybody. To be asked only about requests that came with the front
    /// proxy's certificate.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Option<Arc<Caller>>, NotUtf8> {
        let make = || Ok(self.user(headers)?.map(Caller::known));
        self.callers.get(headers, |name| self.is_naming(name), make)
    }

    /// Whether a header tells anything about the user.
    fn is_naming(&self, name: &HeaderName) -> bool {
        let is_extra = |prefix: &String| name.as_str().starts_with(prefix.as_str());
        self.username_headers.contains(name)
            || self.uid_headers.contains(name)
            || self.group_headers.contains(name)
            || self.extra_prefixes.iter().any(is_extra)
    }

    /// The user that the headers name, without added groups.
    fn user(&self, headers: &HeaderMap) -> Result<Option<UserInfo>, NotUtf8> {
        let name = first(headers, &self.username_headers)?;
        if name.is_empty() {
            return Ok(None);
        }
        let mut groups = Vec::new();
        for header in &self.group_headers {
            for value in headers.get_all(header) {
                let value = text(value)?;
                if !value.is_empty() {
                    groups.push(value.to_owned());
                }
            }
        }
        let uid = first(headers, &self.uid_headers)?.to_owned();
        Ok(Some(UserInfo {
            name: name.to_owned(),
            uid,
            groups,
            extra: self.extra(headers)?,
        }))
    }

    fn extra(&self, headers: &HeaderMap) -> Result<BTreeMap<String, Vec<String>>, NotUtf8> {
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for prefix in &self.extra_prefixes {
            for (header, value) in headers {
                // Header names are in lower case here, so keys are, as in Go.
                if let Some(key) = header.as_str().strip_prefix(prefix.as_str()) {
                    extra
                        .entry(unescape(key))
                        .or_default()
                        .push(text(value)?.to_owned());
                }
            }
        }
        Ok(extra)
    }

    /// Takes those identity headers out that [`strip_usual`] leaves: whoever sent them, nothing
    /// behind may read them.
    pub(super) fn strip(&self, headers: &mut HeaderMap) {
        for header in self
            .username_headers
            .iter()
            .chain(&self.uid_headers)
            .chain(&self.group_headers)
            .filter(|header| !USUAL.contains(header))
        {
            headers.remove(header);
        }
        for prefix in &self.extra_prefixes {
            if prefix != USUAL_PREFIX {
                strip_prefix(headers, prefix);
            }
        }
    }
}

/// Takes out the headers that front proxies use unless told otherwise, as k8s.io/apiserver's
/// `WithAuthentication` does.
pub(super) fn strip_usual(headers: &mut HeaderMap) {
    for header in &USUAL {
        headers.remove(header);
    }
    strip_prefix(headers, USUAL_PREFIX);
}

fn strip_prefix(headers: &mut HeaderMap, prefix: &str) {
    let found = headers
        .keys()
        .filter(|name| name.as_str().starts_with(prefix));
    for header in found.cloned().collect::<Vec<HeaderName>>() {
        headers.remove(header);
    }
}

fn first<'a>(headers: &'a HeaderMap, names: &[HeaderName]) -> Result<&'a str, NotUtf8> {
    for name in names {
        if let Some(value) = headers.get(name)
            && !value.is_empty()
        {
            return text(value);
        }
    }
    Ok("")
}

fn text(value: &HeaderValue) -> Result<&str, NotUtf8> {
    std::str::from_utf8(value.as_bytes()).map_err(|_not_utf8| NotUtf8)
}

/// Go's `url.PathUnescape`, and the text as it is where that fails.
fn unescape(key: &str) -> String {
    match percent_decode_str(key).decode_utf8() {
        Ok(decoded) if is_well_escaped(key) => decoded.into_owned(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_keys_are_unescaped_or_left_alone() {
        for (encoded, key) in [
            ("scopes", "scopes"),
            ("example.com%2fteam", "example.com/team"),
            ("a%zz", "a%zz"),
            ("a%2", "a%2"),
            ("a%ff", "a%ff"),
        ] {
            assert_eq!(unescape(encoded), key);
        }
    }
}
