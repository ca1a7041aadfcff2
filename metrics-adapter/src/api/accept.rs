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
    /// The document itself, in JSON.
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
    const fn includes(self, form: Form) -> bool {
        match form {
            Form::Plain => true,
            Form::Aggregated(_) => matches!(self, Self::Groups),
            Form::Table(_) => matches!(self, Self::Object | Self::List),
            Form::Metadata(_) => matches!(self, Self::Object),
            Form::MetadataList(_) => matches!(self, Self::List),
        }
    }
}

/// Picks the best of the `Accept` header among what is offered; the first one among equals, as
/// k8s.io/apiserver does. No header means JSON. Media types are compared as they are written
/// (upper case and `application/*` are not acceptable upstream either).
pub(super) fn negotiate(headers: &HeaderMap, offer: Offer) -> Result<Form, ApiError> {
    let mut asked = false;
    let mut best: Option<(f32, Form)> = None;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        for clause in value
            .split(',')
            .map(str::trim)
            .filter(|clause| !clause.is_empty())
        {
            asked = true;
            let Some((quality, form)) = parse(clause) else {
                continue;
            };
            if offer.includes(form) && quality > best.map_or(0.0, |(quality, _)| quality) {
                best = Some((quality, form));
            }
        }
    }
    match best {
        Some((_, form)) => Ok(form),
        None if asked => Err(ApiError::NotAcceptable),
        None => Ok(Form::Plain),
    }
}

fn parse(clause: &str) -> Option<(f32, Form)> {
    let mut parts = clause.split(';').map(str::trim);
    let media_type = parts.next()?;
    let (mut quality, mut group, mut version, mut target) = (1.0, None, None, None);
    for part in parts {
        let (name, value) = part.split_once('=')?;
        match name {
            "q" => quality = value.parse().ok()?,
            "g" => group = Some(value),
            "v" => version = Some(value),
            "as" => target = Some(value),
            _ => {}
        }
    }
    let meta = || match version? {
        "v1" => Some(MetaVersion::V1),
        "v1beta1" => Some(MetaVersion::V1Beta1),
        _ => None,
    };
    let form = match (media_type, target, group) {
        ("application/json" | "*/*", None, _) => Form::Plain,
        ("application/json", Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io")) => {
            Form::Aggregated(match version? {
                "v2" => AggregatedVersion::V2,
                "v2beta1" => AggregatedVersion::V2Beta1,
                _ => return None,
            })
        }
        ("application/json", Some(target), Some("meta.k8s.io")) => match target {
            "Table" => Form::Table(meta()?),
            "PartialObjectMetadata" => Form::Metadata(meta()?),
            "PartialObjectMetadataList" => Form::MetadataList(meta()?),
            _ => return None,
        },
        _ => return None,
    };
    Some((quality, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &str, offer: Offer) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        negotiate(&headers, offer).ok()
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
            ("application/vnd.kubernetes.protobuf", None),
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
            ("application/json;q=0", None),
        ] {
            assert_eq!(negotiated(accept, Offer::Groups), expected, "{accept}");
        }
        let none = negotiate(&HeaderMap::new(), Offer::Groups);
        assert_eq!(none.ok(), Some(Form::Plain));
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
