//! Field selectors, as far as objects without a body have fields: their name and namespace.

/// Conditions on name and namespace, all of which must hold. The default matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Term {
    field: Field,
    equal: bool,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Field {
    Name,
    Namespace,
}

/// Why a text is not a field selector that can be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldSelectorError {
    /// No operator.
    #[error("invalid selector: {0:?}; expected metadata.name=NAME")]
    Syntax(String),
    /// Another field than the two.
    #[error("field label not supported: {0}")]
    Field(String),
}

impl FieldSelector {
    /// Parses apimachinery's form: terms with `=`, `==` or `!=`, separated by commas.
    ///
    /// # Errors
    /// [`FieldSelectorError`] for what cannot be read, and for fields that are unknown here.
    pub fn parse(text: &str) -> Result<Self, FieldSelectorError> {
        let terms = text.split(',').filter(|term| !term.is_empty()).map(|term| {
            let (field, equal, value) =
                split(term).ok_or_else(|| FieldSelectorError::Syntax(term.to_owned()))?;
            let field = match field {
                "metadata.name" => Field::Name,
                "metadata.namespace" => Field::Namespace,
                other => return Err(FieldSelectorError::Field(other.to_owned())),
            };
            Ok(Term {
                field,
                equal,
                value: value.to_owned(),
            })
        });
        Ok(Self {
            terms: terms.collect::<Result<_, _>>()?,
        })
    }

    /// Whether an object matches; the namespace is empty for kinds without.
    pub fn matches(&self, namespace: &str, name: &str) -> bool {
        self.terms.iter().all(|term| {
            let value = match term.field {
                Field::Name => name,
                Field::Namespace => namespace,
            };
            (value == term.value) == term.equal
        })
    }

    /// Whether every condition on the name lets this one pass.
    pub fn admits_name(&self, name: &str) -> bool {
        self.terms
            .iter()
            .filter(|term| term.field == Field::Name)
            .all(|term| (name == term.value) == term.equal)
    }
}

/// The operator is the first one in the text, as in apimachinery.
fn split(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.find('=')?;
    let (field, value) = (&term[..at], &term[at + 1..]);
    if let Some(field) = field.strip_suffix('!') {
        return Some((field, false, value));
    }
    Some((field, true, value.strip_prefix('=').unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_name_and_namespace() {
        for (text, matches) in [
            ("", true),
            ("metadata.name=web", true),
            ("metadata.name==web,metadata.namespace=shop", true),
            ("metadata.name!=web", false),
            ("metadata.namespace!=shop", false),
            ("metadata.name=we", false),
            ("metadata.name=", false),
        ] {
            let selector = FieldSelector::parse(text).unwrap();
            assert_eq!(selector.matches("shop", "web"), matches, "{text}");
        }
        let selector = FieldSelector::parse("metadata.name=web,metadata.namespace=x").unwrap();
        assert!(selector.admits_name("web") && !selector.admits_name("db"));
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "status.phase=Running",
            "metadata.name",
            "metadata.name>a",
            "=a",
        ] {
            assert!(FieldSelector::parse(text).is_err(), "{text}");
        }
    }
}
