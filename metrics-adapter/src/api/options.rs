//! Query parameters.

use super::status::ApiError;
use crate::auth::query;
use crate::config::parse_duration;
use crate::model::{FieldSelector, Selector};

/// The parameters of a request for values, as they were sent. Unknown ones are ignored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a> {
    query: &'a str,
}

impl<'a> Parameters<'a> {
    /// Checks what every request may carry.
    pub(super) fn read(query: &'a str) -> Result<Self, ApiError> {
        let parameters = Self { query };
        if let Some(timeout) = parameters.text("timeout") {
            parse_duration(&timeout)
                .map_err(|error| ApiError::BadRequest(format!("timeout: {error}")))?;
        }
        Ok(parameters)
    }

    /// Read as authorization reads it: what was allowed is what is served.
    fn get(self, name: &str) -> Option<String> {
        query::parameter(self.query, name)
    }

    /// A parameter that means nothing when it is empty.
    pub(super) fn text(self, name: &str) -> Option<String> {
        self.get(name).filter(|text| !text.is_empty())
    }

    fn selector(self, name: &'static str) -> Result<Selector, ApiError> {
        let text = self.get(name).unwrap_or_default();
        Selector::parse(&text).map_err(|error| ApiError::BadRequest(format!("{name}: {error}")))
    }

    fn fields(self) -> Result<FieldSelector, ApiError> {
        let text = self.get("fieldSelector").unwrap_or_default();
        FieldSelector::parse(&text)
            .map_err(|error| ApiError::BadRequest(format!("fieldSelector: {error}")))
    }
}

/// The parameters of a request for custom metrics.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CustomOptions {
    /// `labelSelector`: which objects.
    pub(super) labels: Selector,
    /// `metricLabelSelector`: which series.
    pub(super) metric: Selector,
}

impl CustomOptions {
    /// `name` is the path's, `None` for all. A field selector may only repeat it.
    pub(super) fn read(parameters: Parameters<'_>, name: Option<&str>) -> Result<Self, ApiError> {
        let options = Self {
            labels: parameters.selector("labelSelector")?,
            metric: parameters.selector("metricLabelSelector")?,
        };
        if parameters.fields()?.admits_name(name.unwrap_or("*")) {
            Ok(options)
        } else {
            Err(ApiError::BadRequest(
                "fieldSelector metadata.name doesn't match requested name".to_owned(),
            ))
        }
    }
}

/// The parameters of a request for a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListOptions {
    /// `labelSelector`.
    pub(super) labels: Selector,
    /// `fieldSelector`.
    pub(super) fields: FieldSelector,
}

impl ListOptions {
    /// Nothing can be watched, and there are no versions to choose from; what is wrong about
    /// them is refused in apimachinery's words.
    pub(super) fn read(parameters: Parameters<'_>) -> Result<Self, ApiError> {
        if query::is_watch(parameters.query) {
            return Err(ApiError::WatchNotSupported);
        }
        let problem = parameters
            .text("resourceVersionMatch")
            .and_then(|matching| {
                let version = parameters.text("resourceVersion");
                match (matching.as_str(), version.as_deref()) {
                    (_, None) => Some(
                        "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is \
                         provided"
                            .to_owned(),
                    ),
                    ("Exact", Some("0")) => Some(
                        "Forbidden: resourceVersionMatch \"exact\" is forbidden for \
                         resourceVersion \"0\""
                            .to_owned(),
                    ),
                    ("Exact" | "NotOlderThan", _) => None,
                    _ => Some(format!(
                        "Unsupported value: {matching:?}: supported values: \"Exact\", \
                         \"NotOlderThan\""
                    )),
                }
            });
        if let Some(problem) = problem {
            return Err(ApiError::Invalid(format!(
                "resourceVersionMatch: {problem}"
            )));
        }
        Ok(Self {
            labels: parameters.selector("labelSelector")?,
            fields: parameters.fields()?,
        })
    }
}

/// `includeObject`: what goes along with each row of a Table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IncludeObject {
    None,
    Metadata,
    Object,
}

impl IncludeObject {
    pub(super) fn read(parameters: Parameters<'_>) -> Result<Self, ApiError> {
        match parameters.get("includeObject").as_deref() {
            None | Some("" | "Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(ApiError::BadRequest(format!(
                "Unable to convert to Table as requested: includeObject: {other:?} is \
                 not one of \"None\", \"Metadata\", \"Object\""
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(query: &str, name: &str) -> Result<CustomOptions, String> {
        Parameters::read(query)
            .and_then(|parameters| CustomOptions::read(parameters, Some(name)))
            .map_err(|error| error.to_string())
    }

    fn list(query: &str) -> Result<ListOptions, ApiError> {
        ListOptions::read(Parameters::read(query)?)
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
            let options = custom(query, "*").unwrap();
            assert_eq!(options.labels.to_string(), expected, "{query}");
        }
        let options = custom("metricLabelSelector=code%3D2xx", "*").unwrap();
        assert_eq!(options.metric.to_string(), "code=2xx");
    }

    #[test]
    fn refuses_what_cannot_be_understood() {
        for query in [
            "labelSelector=a+b",
            "metricLabelSelector=%3D",
            "timeout=1",
            "timeout=abc",
            "fieldSelector=status.phase%3DRunning",
            "fieldSelector=nonsense",
        ] {
            let error = custom(query, "*").unwrap_err();
            let field = query.split('=').next().unwrap();
            assert!(error.starts_with(field), "{query}: {error}");
        }
        assert!(custom("timeout=30s", "*").is_ok());
    }

    #[test]
    fn a_field_selector_may_only_name_the_object() {
        let check = |selector: &str, name: &str| {
            custom(&format!("fieldSelector={selector}"), name).map(|_| ())
        };
        assert_eq!(check("metadata.name%3Dweb", "web"), Ok(()));
        assert_eq!(
            check("metadata.name%3D%3Dweb,metadata.namespace%3Dx", "web"),
            Ok(())
        );
        for (selector, name) in [
            ("metadata.name%3Dweb", "*"),
            ("metadata.name!%3Dweb", "web"),
        ] {
            assert_eq!(
                check(selector, name),
                Err("fieldSelector metadata.name doesn't match requested name".to_owned())
            );
        }
    }

    #[test]
    fn lists_cannot_be_watched() {
        assert!(list("watch=0&limit=1&resourceVersion=5").is_ok());
        assert!(list("resourceVersionMatch=NotOlderThan&resourceVersion=0").is_ok());
        for query in ["watch=true", "watch"] {
            let error = list(query).unwrap_err();
            assert!(matches!(error, ApiError::WatchNotSupported), "{query}");
        }
        for query in [
            "resourceVersionMatch=Exact",
            "resourceVersionMatch=Exact&resourceVersion=0",
            "resourceVersionMatch=Newer&resourceVersion=5",
        ] {
            let error = list(query).unwrap_err();
            assert!(matches!(error, ApiError::Invalid(_)), "{query}");
        }
        let error = list("fieldSelector=spec.nodeName%3Da").unwrap_err();
        assert!(matches!(error, ApiError::BadRequest(_)), "{error}");
    }

    #[test]
    fn tables_include_what_is_asked_for() {
        let read = |query| IncludeObject::read(Parameters::read(query).unwrap()).ok();
        for (query, expected) in [
            ("", Some(IncludeObject::Metadata)),
            ("includeObject=", Some(IncludeObject::Metadata)),
            ("includeObject=Object", Some(IncludeObject::Object)),
            ("includeObject=None", Some(IncludeObject::None)),
            ("includeObject=all", None),
        ] {
            assert_eq!(read(query), expected, "{query}");
        }
    }
}
