//! What a request wants, in the words of RBAC: k8s.io/apiserver's `RequestInfoFactory`.
//!
//! Law: a path is looked at as it was sent, percent-decoded, and in no way tidied up; what is
//! authorized is never less than what is served.

use std::borrow::Cow;

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

use super::query;
use crate::model::review::AccessAttributes;

/// Subresources of a namespace, as opposed to resources in it.
const NAMESPACE_SUBRESOURCES: [&str; 2] = ["status", "finalize"];
/// Verbs that a path may begin with.
const SPECIAL_VERBS: [&str; 2] = ["proxy", "watch"];

/// Everything that has to be allowed for a request to be served: one question, or two where the
/// path has an encoded slash. kube-apiserver takes `%2F` for a separator, a router may take it
/// for a character of a name; both readings are asked about, so neither can be got at unasked.
pub(super) fn attributes(method: &Method, uri: &Uri) -> Vec<AccessAttributes> {
    let raw = uri.path();
    let query = uri.query().unwrap_or_default();
    let decoded = decode(raw);
    let segments: Vec<Cow<'_, str>> = decoded
        .trim_matches('/')
        .split('/')
        .map(Cow::Borrowed)
        .collect();
    let first = read(method, &decoded, query, &segments);
    if !has_encoded_slash(raw) {
        return vec![first];
    }
    let segments: Vec<Cow<'_, str>> = raw.trim_matches('/').split('/').map(decode).collect();
    let second = read(method, &decoded, query, &segments);
    if first == second {
        vec![first]
    } else {
        vec![first, second]
    }
}

fn has_encoded_slash(raw: &str) -> bool {
    raw.match_indices('%').any(|(at, _)| {
        raw.get(at + 1..at + 3)
            .is_some_and(|hex| hex.eq_ignore_ascii_case("2f"))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn read(method: &Method, path: &str, query: &str, segments: &[Cow<'_, str>]) -> AccessAttributes {
    resource(method, query, segments).unwrap_or_else(|| AccessAttributes::NonResource {
        path: path.to_owned(),
        verb: method.as_str().to_ascii_lowercase(),
    })
}

/// `None` for what is no resource request.
fn resource(method: &Method, query: &str, segments: &[Cow<'_, str>]) -> Option<AccessAttributes> {
    if segments.len() < 3 {
        return None;
    }
    let (group, version, rest) = match segments {
        [prefix, version, rest @ ..] if prefix == "api" => ("", version, rest),
        [prefix, group, version, rest @ ..] if prefix == "apis" && !rest.is_empty() => {
            (group.as_ref(), version, rest)
        }
        _ => return None,
    };
    let (mut verb, mut parts) = match rest {
        // Go gives up (500) on a special verb with nothing behind it; here it stays a question
        // about no resource, which nobody is allowed by chance.
        [special, parts @ ..] if SPECIAL_VERBS.contains(&special.as_ref()) => {
            (special.as_ref(), parts)
        }
        parts => (verb_of(method), parts),
    };
    let mut namespace = "";
    if let [first, name, ..] = parts
        && first == "namespaces"
    {
        namespace = name;
        if parts
            .get(2)
            .is_some_and(|third| !NAMESPACE_SUBRESOURCES.contains(&third.as_ref()))
        {
            parts = parts.get(2..).unwrap_or_default();
        }
    }
    let part = |index: usize| parts.get(index).map_or("", AsRef::as_ref);
    let resource = part(0);
    let mut name = part(1).to_owned();
    let subresource = if verb == "proxy" { "" } else { part(2) };
    if name.is_empty() && verb == "get" {
        // Custom metrics are listed even if a watch is asked for.
        verb = if query::is_watch(query) && group != "custom.metrics.k8s.io" {
            "watch"
        } else {
            "list"
        };
        // Only this group serves objects by field selector. Elsewhere a name that nothing looks
        // at would let those in who may read that one name only.
        if group == "metrics.k8s.io" {
            name = query::selected_name(query).unwrap_or_default();
        }
    } else if name.is_empty() && verb == "delete" {
        verb = "deletecollection";
    }
    Some(AccessAttributes::Resource {
        verb: verb.to_owned(),
        group: group.to_owned(),
        version: version.to_string(),
        namespace: namespace.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
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
