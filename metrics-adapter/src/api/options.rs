//! Query parameters.

use percent_encoding::percent_decode_str;

use super::status::ApiError;
use crate::config::parse_duration;
use crate::model::Selector;

/// The parameters of a request for values. Unknown ones are ignored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryOptions {
    /// `labelSelector`: which objects.
    pub(super) label_selector: Selector,
    /// `metricLabelSelector`: which series.
    pub(super) metric_selector: Selector,
    /// `fieldSelector`, not parsed yet.
    field_selector: Option<String>,
}

impl QueryOptions {
    /// Parses a query string as Go does: names are case-sensitive, of repeated parameters the
    /// first counts, and pairs with `;` or broken escapes are passed over.
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        let get = |wanted: &str| {
            query.split('&').find_map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name)? == wanted && !pair.contains(';'))
                    .then(|| decode(value))
                    .flatten()
            })
        };
        let selector = |name: &'static str| {
            let text = get(name).unwrap_or_default();
            Selector::parse(&text).map_err(|error| ApiError::BadRequest(format!("{name}: {error}")))
        };
        if let Some(timeout) = get("timeout").filter(|timeout| !timeout.is_empty()) {
            parse_duration(&timeout)
                .map_err(|error| ApiError::BadRequest(format!("timeout: {error}")))?;
        }
        Ok(Self {
            label_selector: selector("labelSelector")?,
            metric_selector: selector("metricLabelSelector")?,
            field_selector: get("fieldSelector").filter(|text| !text.is_empty()),
        })
    }

    /// A field selector may only repeat the name of the object that is asked for.
    pub(super) fn check_field_selector(&self, name: &str) -> Result<(), ApiError> {
        let Some(text) = &self.field_selector else {
            return Ok(());
        };
        for term in text.split(',') {
            let (field, value) = term
                .split_once("==")
                .or_else(|| term.split_once('='))
                .filter(|(field, _)| !field.ends_with('!'))
                .ok_or_else(|| {
                    ApiError::BadRequest(format!("fieldSelector: invalid selector {term:?}"))
                })?;
            match field {
                "metadata.namespace" => {}
                "metadata.name" if value == name => {}
                "metadata.name" => {
                    return Err(ApiError::BadRequest(
                        "fieldSelector metadata.name doesn't match requested name".to_owned(),
                    ));
                }
                _ => {
                    return Err(ApiError::BadRequest(format!(
                        "fieldSelector: field label not supported: {field}"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// `None` for escapes that are not escapes.
fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    let mut rest = text.as_str();
    while let Some(at) = rest.find('%') {
        let digits = rest.get(at + 1..at + 3)?;
        u8::from_str_radix(digits, 16).ok()?;
        rest = &rest[at + 3..];
    }
    percent_decode_str(&text)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label_selector(query: &str) -> String {
        QueryOptions::parse(query)
            .unwrap()
            .label_selector
            .to_string()
    }

    #[test]
    fn reads_parameters_as_go_does() {
        for (query, expected) in [
            ("", ""),
            (
                "labelSelector=app%3Dweb%2Ctier+in+%28a%29",
                "app=web,tier in (a)",
            ),
            ("labelSelector=a&labelSelector=b", "a"),
            ("labelselector=a", ""),
            ("labelSelector=a;b", ""),
            ("labelSelector=%zz&labelSelector=b", "b"),
            ("labelSelector=%é&x", ""),
            ("limit=5&watch=true&labelSelector=c", "c"),
        ] {
            assert_eq!(label_selector(query), expected, "{query}");
        }
        let options = QueryOptions::parse("metricLabelSelector=code%3D2xx").unwrap();
        assert_eq!(options.metric_selector.to_string(), "code=2xx");
    }

    #[test]
    fn refuses_what_cannot_be_understood() {
        for query in [
            "labelSelector=a+b",
            "metricLabelSelector=%3D",
            "timeout=1",
            "timeout=abc",
        ] {
            let error = QueryOptions::parse(query).unwrap_err();
            let field = query.split('=').next().unwrap();
            assert!(error.to_string().starts_with(field), "{query}: {error}");
        }
        assert!(QueryOptions::parse("timeout=30s").is_ok());
    }

    #[test]
    fn a_field_selector_may_only_name_the_object() {
        let check = |selector: &str, name: &str| {
            QueryOptions::parse(&format!("fieldSelector={selector}"))
                .unwrap()
                .check_field_selector(name)
                .map_err(|error| error.to_string())
        };
        assert_eq!(check("metadata.name%3Dweb", "web"), Ok(()));
        assert_eq!(
            check("metadata.name%3D%3Dweb,metadata.namespace%3Dx", "web"),
            Ok(())
        );
        assert_eq!(
            check("metadata.name%3Dweb", "*"),
            Err("fieldSelector metadata.name doesn't match requested name".to_owned())
        );
        assert!(check("status.phase%3DRunning", "web").is_err());
        assert!(check("metadata.name!%3Dweb", "web").is_err());
        assert!(check("nonsense", "web").is_err());
    }
}
