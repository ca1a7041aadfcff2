//! What a request wants, in the words of RBAC: k8s.io/apiserver's `RequestInfoFactory`.
//!
//! Law: a path is looked at as it was sent, percent-decoded, and in no way tidied up; what is
//! authorized is never less than what is served.

use std::borrow::Cow;

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use super::fingerprint::Fingerprinter;
use super::query::{self, Explain};
use crate::model::review::AccessAttributes;

/// Subresources of a namespace, as opposed to resources in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];
/// Verbs that a path may begin with.
const SPECIAL_VERBS: [&str; 2] = ["proxy", "watch"];
/// In front of the path of a request that is to be explained.
const EXPLAIN: &str = "/explain";
/// Groups whose values can be explained.
const EXPLAINED: [&str; 2] = ["custom.metrics.k8s.io", "external.metrics.k8s.io"];
/// Segments of a path that anybody looks at: prefix, group, version, verb, `namespaces`, namespace,
/// resource, name, subresource.
const SEGMENTS: usize = 9;

/// What a request is about.
pub(super) struct Target<'a> {
    method: &'a Method,
    uri: &'a Uri,
    /// The path, percent-decoded.
    path: Cow<'a, str>,
    /// The path of an explanation, where one is asked for.
    explained: Option<String>,
}

/// How a path is read. kube-apiserver takes `%2F` for a separator, a router may take it for a
/// character of a name; both readings are asked about, so neither can be got at unasked.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// Decoded, then cut.
    Decoded,
    /// Cut, then decoded: another one only where there is an encoded slash.
    Segments,
}

/// What has to be allowed, in the request's own letters: [`AccessAttributes`] without a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access<'a> {
    Resource {
        verb: &'static str,
        group: Cow<'a, str>,
        version: Cow<'a, str>,
        namespace: Cow<'a, str>,
        resource: Cow<'a, str>,
        subresource: Cow<'a, str>,
        name: Cow<'a, str>,
    },
    NonResource {
        path: &'a str,
        verb: Cow<'static, str>,
    },
}

impl<'a> Target<'a> {
    pub(super) fn new(method: &'a Method, uri: &'a Uri) -> Self {
        let path = decode(uri.path());
        let asked = query::explain(uri.query().unwrap_or_default());
        let explained = (asked == Explain::Yes).then(|| format!("{EXPLAIN}{path}"));
        Self {
            method,
            uri,
            path,
            explained,
        }
    }

    /// Everything that has to be allowed for a request to be served: one question, or two where
    /// the path can be read in two ways. Each is made when it is wanted, so that whoever waits for
    /// an answer does not carry the next one.
    pub(super) fn accesses(&self) -> impl Iterator<Item = Access<'_>> {
        let readings = [Reading::Decoded, Reading::Segments];
        readings
            .into_iter()
            .filter_map(|reading| self.access(reading))
    }

    /// By one reading, unless the other one says the same.
    fn access(&self, reading: Reading) -> Option<Access<'_>> {
        let whole = || {
            let segments = self.path.trim_matches('/').split('/');
            self.read(segments.map(Cow::Borrowed))
        };
        match reading {
            Reading::Decoded => Some(whole()),
            Reading::Segments => {
                let raw = self.uri.path();
                let apart = || self.read(raw.trim_matches('/').split('/').map(decode));
                has_encoded_slash(raw)
                    .then(apart)
                    .filter(|apart| *apart != whole())
            }
        }
    }

    fn read<'b>(&'b self, path: impl Iterator<Item = Cow<'b, str>>) -> Access<'b> {
        let mut segments: [Cow<'_, str>; SEGMENTS] = Default::default();
        let mut count = 0;
        for (place, segment) in segments.iter_mut().zip(path) {
            *place = segment;
            count += 1;
        }
        let query = self.uri.query().unwrap_or_default();
        let non_resource = |path| Access::NonResource {
            path,
            verb: match *self.method {
                Method::GET => Cow::Borrowed("get"),
                _ => Cow::Owned(self.method.as_str().to_ascii_lowercase()),
            },
        };
        match (
            resource(self.method, query, &segments[..count]),
            &self.explained,
        ) {
            // The rules of RBAC that let somebody read values say nothing about explanations, and
            // the other way round.
            (Some(Access::Resource { group, .. }), Some(path))
                if EXPLAINED.contains(&group.as_ref()) =>
            {
                non_resource(path)
            }
            (Some(resource), _) => resource,
            (None, _) => non_resource(&self.path),
        }
    }
}

impl Access<'_> {
    /// The question to be sent.
    pub(super) fn to_attributes(&self) -> AccessAttributes {
        match self {
            Self::Resource {
                verb,
                group,
                version,
                namespace,
                resource,
                subresource,
                name,
            } => AccessAttributes::Resource {
                verb: (*verb).to_owned(),
                group: group.to_string(),
                version: version.to_string(),
                namespace: namespace.to_string(),
                resource: resource.to_string(),
                subresource: subresource.to_string(),
                name: name.to_string(),
            },
            Self::NonResource { path, verb } => AccessAttributes::NonResource {
                path: (*path).to_owned(),
                verb: verb.to_string(),
            },
        }
    }

    /// Adds every field to a key.
    pub(super) fn fingerprint(&self, key: Fingerprinter) -> Fingerprinter {
        match self {
            Self::Resource {
                verb,
                group,
                version,
                namespace,
                resource,
                subresource,
                name,
            } => [group, version, namespace, resource, subresource, name]
                .into_iter()
                .fold(key.field("resource").field(verb), |key, field| {
                    key.field(field)
                }),
            Self::NonResource { path, verb } => key.field("path").field(path).field(verb),
        }
    }
}

fn has_encoded_slash(raw: &str) -> bool {
    raw.match_indices('%').any(|(at, _)| {
        raw.get(at + 1..at + 3)
            .is_some_and(|hex| hex.eq_ignore_ascii_case("2f"))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// `None` for what is no resource request.
fn resource<'a>(method: &Method, query: &str, segments: &[Cow<'a, str>]) -> Option<Access<'a>> {
    if segments.len() < 3 {
        return None;
    }
    let (group, version, rest) = match segments {
        [prefix, version, rest @ ..] if prefix == "api" => (Cow::default(), version, rest),
        [prefix, group, version, rest @ ..] if prefix == "apis" && !rest.is_empty() => {
            (group.clone(), version, rest)
        }
        _ => return None,
    };
    let special = rest
        .first()
        .and_then(|first| SPECIAL_VERBS.into_iter().find(|verb| first == verb));
    let (mut verb, mut parts) = match special {
        // Go gives up (500) on a special verb with nothing behind it; here it stays a question
        // about no resource, which nobody is allowed by chance.
        Some(special) => (special, &rest[1..]),
        None => (verb_of(method), rest),
    };
    let mut namespace = Cow::default();
    if let [first, name, ..] = parts
        && first == "namespaces"
    {
        namespace = name.clone();
        if parts
            .get(2)
            .is_some_and(|third| !NAMESPACE_SUBRESOURCES.contains(&third.as_ref()))
        {
            parts = parts.get(2..).unwrap_or_default();
        }
    }
    let part = |index: usize| parts.get(index).cloned().unwrap_or_default();
    let mut name = part(1);
    let subresource = if verb == "proxy" {
        Cow::default()
    } else {
        part(2)
    };
    if name.is_empty() && verb == "get" {
        // Custom metrics are listed even if a watch is asked for.
        verb = if group != "custom.metrics.k8s.io" && query::is_watch(query) {
            "watch"
        } else {
            "list"
        };
        // Only this group serves objects by field selector. Elsewhere a name that nothing looks
        // at would let those in who may read that one name only.
        if group == "metrics.k8s.io" {
            name = Cow::Owned(query::selected_name(query).unwrap_or_default());
        }
    } else if name.is_empty() && verb == "delete" {
        verb = "deletecollection";
    }
    Some(Access::Resource {
        verb,
        group,
        version: version.clone(),
        namespace,
        resource: part(0),
        subresource,
        name,
    })
}

fn verb_of(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
