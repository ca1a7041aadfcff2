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

/// What the caller wants of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Plain JSON.
    Json,
    /// `APIGroupDiscoveryList`.
    Aggregated(AggregatedVersion),
}

/// Picks the best of the `Accept` header; the first one among equals, as k8s.io/apiserver does.
/// No header means JSON. Media types are compared as they are written (upper case and
/// `application/*` are not acceptable upstream either).
pub(super) fn negotiate(headers: &HeaderMap) -> Result<Accepted, ApiError> {
    let mut clauses: Vec<(f32, Accepted)> = Vec::new();
    let mut asked = false;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        for clause in value
            .split(',')
            .map(str::trim)
            .filter(|clause| !clause.is_empty())
        {
            asked = true;
            clauses.extend(parse(clause));
        }
    }
    if !asked {
        return Ok(Accepted::Json);
    }
    let mut best: Option<(f32, Accepted)> = None;
    for (quality, accepted) in clauses {
        if quality > best.map_or(0.0, |(quality, _)| quality) {
            best = Some((quality, accepted));
        }
    }
    best.map(|(_, accepted)| accepted)
        .ok_or(ApiError::NotAcceptable)
}

fn parse(clause: &str) -> Option<(f32, Accepted)> {
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
    let accepted = match (media_type, target) {
        ("application/json" | "*/*", None) => Accepted::Json,
        ("application/json", Some("APIGroupDiscoveryList"))
            if group == Some("apidiscovery.k8s.io") =>
        {
            Accepted::Aggregated(match version? {
                "v2" => AggregatedVersion::V2,
                "v2beta1" => AggregatedVersion::V2Beta1,
                _ => return None,
            })
        }
        _ => return None,
    };
    Some((quality, accepted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &str) -> Option<Accepted> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        negotiate(&headers).ok()
    }

    #[test]
    fn picks_as_kubernetes_does() {
        let v2 = Some(Accepted::Aggregated(AggregatedVersion::V2));
        for (accept, expected) in [
            ("application/json", Some(Accepted::Json)),
            ("*/*", Some(Accepted::Json)),
            (
                "application/vnd.kubernetes.protobuf, */*",
                Some(Accepted::Json),
            ),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                Some(Accepted::Json),
            ),
            ("application/vnd.kubernetes.protobuf", None),
            ("application/*", None),
            ("APPLICATION/JSON", None),
            ("text/yaml", None),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", None),
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
                Some(Accepted::Json),
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
                Some(Accepted::Aggregated(AggregatedVersion::V2Beta1)),
            ),
            (
                "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList",
                None,
            ),
            ("application/json;q=0.1, */*;q=0", Some(Accepted::Json)),
            ("application/json;q=0", None),
        ] {
            assert_eq!(negotiated(accept), expected, "{accept}");
        }
        assert_eq!(negotiate(&HeaderMap::new()).ok(), Some(Accepted::Json));
    }
}
