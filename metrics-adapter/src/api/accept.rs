//! Content negotiation.

use http::{HeaderMap, header};

use super::status::ApiError;

/// Version of the aggregated discovery document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AggregatedVersion {
    V2,
    V2Beta1,
}

impl AggregatedVersion {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Beta1 => "v2beta1",
        }
    }
}

/// Version of the group meta.k8s.io.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetaVersion {
    V1,
    V1Beta1,
}

impl MetaVersion {
    /// The `apiVersion` of its objects.
    pub(super) const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// A form that the caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The document itself.
    Plain,
    /// `APIGroupDiscoveryList`.
    Aggregated(AggregatedVersion),
    /// `Table`.
    Table(MetaVersion),
    /// `PartialObjectMetadata`.
    Metadata(MetaVersion),
    /// `PartialObjectMetadataList`.
    MetadataList(MetaVersion),
}

/// How it is written, in the order in which k8s.io/apiserver prefers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Yaml,
    Protobuf,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    /// The media type.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }
}

/// What was agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Negotiated {
    pub(super) form: Form,
    pub(super) encoding: Encoding,
}

impl Negotiated {
    /// For whoever does not care.
    const DEFAULT: Self = Self {
        form: Form::Plain,
        encoding: Encoding::Json,
    };
}

/// The forms that there are of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Nothing but itself.
    Plain,
    /// The list of groups.
    Groups,
    /// One object.
    Object,
    /// A list of objects.
    List,
}

impl Offer {
    /// The form that a clause asks for, if there is one in this encoding.
    fn form(self, clause: &Clause<'_>, encoding: Encoding) -> Option<Form> {
        let objects = matches!(self, Self::Object | Self::List);
        // Upstream has no streams of YAML.
        let stream =
            clause.stream.is_empty() || (clause.stream == "watch" && encoding != Encoding::Yaml);
        let server_version =
            clause.server_version.is_empty() || (objects && clause.server_version == "v1");
        if !stream || !server_version {
            return None;
        }
        let Some(target) = &clause.target else {
            return Some(Form::Plain);
        };
        match (target.group, target.version) {
            ("apidiscovery.k8s.io", version) => {
                let version = match version {
                    "v2" => AggregatedVersion::V2,
                    "v2beta1" => AggregatedVersion::V2Beta1,
                    _ => return None,
                };
                let there = self == Self::Groups && target.kind == "APIGroupDiscoveryList";
                there.then_some(Form::Aggregated(version))
            }
            ("meta.k8s.io", version) => {
                let version = match version {
                    "v1" => MetaVersion::V1,
                    "v1beta1" => MetaVersion::V1Beta1,
                    _ => return None,
                };
                match target.kind {
                    // A table's cells can be anything: it has no message.
                    "Table" if objects && encoding != Encoding::Protobuf => {
                        Some(Form::Table(version))
                    }
                    "PartialObjectMetadata" if self == Self::Object => {
                        Some(Form::Metadata(version))
                    }
                    "PartialObjectMetadataList" if self == Self::List => {
                        Some(Form::MetadataList(version))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Picks the best of the `Accept` header among what is offered, as k8s.io/apiserver (v0.36) does
/// in two steps: its router looks for a media type that is there, or `*/*`, and its negotiation
/// takes the first clause that can be served. So `application/*` alone is refused; types in upper
/// case are never found; and a quality of 0 comes last, but is no refusal. No header means JSON.
pub(super) fn negotiate(headers: &HeaderMap, offer: Offer) -> Result<Negotiated, ApiError> {
    let Some(header) = headers
        .get(header::ACCEPT)
        .filter(|value| !value.is_empty())
    else {
        return Ok(Negotiated::DEFAULT);
    };
    let header = String::from_utf8_lossy(header.as_bytes());
    if !is_routed(&header) {
        return Err(ApiError::NotAcceptable);
    }
    let clauses = Clause::parse_all(&header);
    let mut answers = clauses.iter().flat_map(|clause| {
        let encodings = Encoding::ALL.into_iter();
        let matching = encodings.filter(|encoding| clause.matches(*encoding));
        matching.filter_map(move |encoding| {
            let form = offer.form(clause, encoding)?;
            Some(Negotiated { form, encoding })
        })
    });
    let first = answers.next();
    let is_aggregated = |answer: &Negotiated| matches!(answer.form, Form::Aggregated(_));
    // The list of groups is another document in its aggregated form, and looked for first.
    first
        .filter(is_aggregated)
        .or_else(|| answers.find(is_aggregated))
        .or(first)
        .ok_or(ApiError::NotAcceptable)
}

/// In which encoding an error is told. Errors are told to everybody.
pub(super) fn of_errors(headers: &HeaderMap) -> Encoding {
    let negotiated = negotiate(headers, Offer::Plain).unwrap_or(Negotiated::DEFAULT);
    negotiated.encoding
}

/// Whether JSON will do, where there is nothing else (k8s.io/kube-openapi's handlers).
pub(super) fn accepts_json(headers: &HeaderMap) -> bool {
    let Some(header) = headers
        .get(header::ACCEPT)
        .filter(|value| !value.is_empty())
    else {
        return true;
    };
    let header = String::from_utf8_lossy(header.as_bytes());
    let mut clauses = header.split(',').filter_map(Clause::parse);
    clauses.any(|clause| {
        matches!(clause.kind, "application" | "*") && matches!(clause.subtype, "json" | "*")
    })
}

/// go-restful's look at the header.
fn is_routed(header: &str) -> bool {
    let mut types = header.split(',').map(|clause| {
        let media_type = clause.split(';').next().unwrap_or_default();
        media_type.trim_matches(' ')
    });
    types.any(|media_type| {
        media_type == "*/*" || Encoding::ALL.iter().any(|e| e.media_type() == media_type)
    })
}

/// One clause of the header.
#[derive(Debug, Default)]
struct Clause<'a> {
    quality: f64,
    kind: &'a str,
    subtype: &'a str,
    target: Option<Conversion<'a>>,
    stream: &'a str,
    server_version: &'a str,
}

/// What the object is to be turned into.
#[derive(Debug, Default)]
struct Conversion<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

/// Nobody sends more, and the sort below is quadratic.
const MAX_CLAUSES: usize = 64;

impl<'a> Clause<'a> {
    /// The clauses of a header, the best ones first, as github.com/munnerz/goautoneg sorts them.
    /// Its comparison contradicts itself (less specific, but of better quality), so the result is
    /// that of Go's insertion sort and of no other.
    fn parse_all(header: &'a str) -> Vec<Self> {
        let clauses = header.split(',').filter_map(Self::parse);
        let mut clauses: Vec<Self> = clauses.take(MAX_CLAUSES).collect();
        for end in 1..clauses.len() {
            for at in (1..=end).rev() {
                let [.., left, right] = &clauses[..=at] else {
                    break;
                };
                if !right.goes_before(left) {
                    break;
                }
                clauses.swap(at - 1, at);
            }
        }
        clauses
    }

    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim_matches(' ');
        let (media_type, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (kind, subtype) = match media_type.trim_matches(' ').split_once('/') {
            Some((_, subtype)) if subtype.is_empty() || subtype.contains('/') => return None,
            Some((kind, subtype)) => (kind.trim_matches(' '), subtype.trim_matches(' ')),
            None if media_type.trim_matches(' ') == "*" => ("*", "*"),
            None => return None,
        };
        let mut clause = Self {
            quality: 1.0,
            kind,
            subtype,
            ..Self::default()
        };
        for parameter in parameters.split(';') {
            let Some((name, value)) = parameter.split_once('=') else {
                continue;
            };
            if value.is_empty() || value.contains('=') {
                continue;
            }
            let (name, trimmed) = (name.trim_matches(' '), value.trim_matches(' '));
            match name {
                "q" => clause.quality = value.parse().unwrap_or(0.0),
                "g" => clause.target.get_or_insert_default().group = trimmed,
                "v" => clause.target.get_or_insert_default().version = trimmed,
                "as" => clause.target.get_or_insert_default().kind = trimmed,
                "stream" => clause.stream = trimmed,
                "sv" => clause.server_version = trimmed,
                _ => {}
            }
        }
        Some(clause)
    }

    fn goes_before(&self, other: &Self) -> bool {
        self.quality > other.quality
            || (self.kind != "*" && other.kind == "*")
            || (self.subtype != "*" && other.subtype == "*")
    }

    fn matches(&self, encoding: Encoding) -> bool {
        let Some((kind, subtype)) = encoding.media_type().split_once('/') else {
            return false;
        };
        match (self.kind, self.subtype) {
            ("*", "*") => true,
            (ours, "*") => ours == kind,
            (ours, other) => ours == kind && other == subtype,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &str, offer: Offer) -> Option<Form> {
        agreed(accept, offer).map(|negotiated| negotiated.form)
    }

    fn agreed(accept: &str, offer: Offer) -> Option<Negotiated> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        negotiate(&headers, offer).ok()
    }

    /// Right: what `NegotiateOutputMediaType` of k8s.io/apiserver v0.36 answers behind go-restful.
    #[test]
    fn encodings_are_picked_as_kubernetes_does() {
        let (json, yaml) = (Some(Encoding::Json), Some(Encoding::Yaml));
        let protobuf = Some(Encoding::Protobuf);
        for (accept, expected) in [
            ("application/vnd.kubernetes.protobuf, */*", protobuf),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                protobuf,
            ),
            ("application/json,application/vnd.kubernetes.protobuf", json),
            ("*/*,application/vnd.kubernetes.protobuf", protobuf),
            (
                "application/*,application/vnd.kubernetes.protobuf",
                protobuf,
            ),
            (
                "application/vnd.kubernetes.protobuf;q=0.5,application/json",
                json,
            ),
            ("application/vnd.kubernetes.protobuf;q=0.5,*/*", json),
            ("*/*,application/yaml;q=0.5", yaml),
            ("application/yaml", yaml),
            ("application/yaml,application/json", yaml),
            ("text/html,application/xhtml+xml,*/*;q=0.8", json),
            ("*/*", json),
            ("*/*;q=0", json),
            ("application/json;q=nothing", json),
            ("application/json;stream=watch", json),
            ("application/json;stream=other", None),
            ("application/json;stream=other,application/yaml", yaml),
            ("application/json;sv=v1", None),
            ("application/json;charset=utf-8", json),
            ("application/json;v=v1", None),
            ("application/vnd.kubernetes.protobuf;type=x", protobuf),
            ("application/vnd.kubernetes.protobuf;stream=watch", protobuf),
            ("application/cbor", None),
            ("application/cbor,*/*", json),
            ("*", None),
            ("*,application/yaml", yaml),
            ("application", None),
            (",", None),
            ("", json),
        ] {
            let encoding = agreed(accept, Offer::Plain).map(|agreed| agreed.encoding);
            assert_eq!(encoding, expected, "{accept}");
        }
    }

    #[test]
    fn only_the_first_header_counts() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, "application/yaml".parse().unwrap());
        headers.append(header::ACCEPT, "application/json".parse().unwrap());
        let agreed = negotiate(&headers, Offer::Plain).unwrap();
        assert_eq!(agreed.encoding, Encoding::Yaml);
    }

    #[test]
    fn a_table_has_no_protobuf() {
        let table = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io";
        assert_eq!(agreed(table, Offer::List), None);
        let with_json = format!("{table},application/json;as=Table;v=v1;g=meta.k8s.io");
        let expected = Negotiated {
            form: Form::Table(MetaVersion::V1),
            encoding: Encoding::Json,
        };
        assert_eq!(agreed(&with_json, Offer::List), Some(expected));
        let list = table.replace("Table", "PartialObjectMetadataList");
        let expected = Negotiated {
            form: Form::MetadataList(MetaVersion::V1),
            encoding: Encoding::Protobuf,
        };
        assert_eq!(agreed(&list, Offer::List), Some(expected));
    }

    #[test]
    fn many_clauses_are_no_work() {
        let header = "*/*;q=0.1,".repeat(100_000) + "application/yaml";
        assert_eq!(Clause::parse_all(&header).len(), MAX_CLAUSES);
    }

    #[test]
    fn picks_as_kubernetes_does() {
        let v2 = Some(Form::Aggregated(AggregatedVersion::V2));
        for (accept, expected) in [
            ("application/json", Some(Form::Plain)),
            ("*/*", Some(Form::Plain)),
            (
                "application/vnd.kubernetes.protobuf, */*",
                Some(Form::Plain),
            ),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                Some(Form::Plain),
            ),
            ("application/vnd.kubernetes.protobuf", Some(Form::Plain)),
            ("application/*", None),
            ("APPLICATION/JSON", None),
            ("text/yaml", None),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", None),
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
                Some(Form::Plain),
            ),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
                v2,
            ),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                 application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                 application/json",
                v2,
            ),
            (
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
                Some(Form::Aggregated(AggregatedVersion::V2Beta1)),
            ),
            (
                "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList",
                None,
            ),
            ("application/json;q=0.1, */*;q=0", Some(Form::Plain)),
            ("application/json;q=0", Some(Form::Plain)),
            (
                "application/json, \
                 application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
                v2,
            ),
            (
                "*/*;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer",
                v2,
            ),
            ("application/json;sv=v1", None),
        ] {
            assert_eq!(negotiated(accept, Offer::Groups), expected, "{accept}");
        }
        let none = negotiate(&HeaderMap::new(), Offer::Groups);
        assert_eq!(none.ok(), Some(Negotiated::DEFAULT));
    }

    #[test]
    fn each_document_has_its_forms() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let old_table = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
        let one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
        let list = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
        let groups = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        for (accept, offer, expected) in [
            (table, Offer::Object, Some(Form::Table(MetaVersion::V1))),
            (table, Offer::List, Some(Form::Table(MetaVersion::V1))),
            (
                old_table,
                Offer::List,
                Some(Form::Table(MetaVersion::V1Beta1)),
            ),
            (table, Offer::Plain, None),
            (one, Offer::Object, Some(Form::Metadata(MetaVersion::V1))),
            (one, Offer::List, None),
            (list, Offer::List, Some(Form::MetadataList(MetaVersion::V1))),
            (list, Offer::Object, None),
            (groups, Offer::Plain, None),
            (groups, Offer::List, None),
            ("application/json;as=Table;v=v1", Offer::List, None),
            (
                "application/json;as=Table;v=v2;g=meta.k8s.io",
                Offer::List,
                None,
            ),
        ] {
            assert_eq!(negotiated(accept, offer), expected, "{accept} {offer:?}");
            // What is not there leaves the choice to the next one.
            let next = negotiated(&format!("{accept},application/json"), offer);
            assert_eq!(next, expected.or(Some(Form::Plain)), "{accept} {offer:?}");
        }
    }
}
