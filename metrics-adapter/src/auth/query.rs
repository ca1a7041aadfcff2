//! Query parameters, as Go reads them.
//!
//! Law: authorization and the API read them with the same functions, so that what was authorized
//! is what is served.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The first value of a parameter, decoded. Names are case-sensitive; pairs with `;` or broken
/// escapes are passed over.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (is_name(key, name) && !pair.contains(';'))
            .then(|| decode(value).map(Cow::into_owned))
            .flatten()
    })
}

/// Whether a key says `name`, escaped or not.
fn is_name(key: &str, name: &str) -> bool {
    key == name || (is_escaped(key) && decode(key).is_some_and(|key| key == name))
}

fn is_escaped(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'+' | b'%'))
}

/// Whether each `%` has its two digits: Go decodes nothing of a text where one has not.
pub(super) fn is_well_escaped(text: &str) -> bool {
    text.match_indices('%').all(|(at, _)| {
        text.as_bytes()
            .get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// `None` for escapes that are not escapes.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !is_escaped(text) {
        return Some(text.into());
    }
    if !is_well_escaped(text) {
        return None;
    }
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().ok();
    }
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().ok()?;
    Some(decoded.into_owned().into())
}

/// Whether `watch` is asked for: anything but `0` and `false`, as apimachinery's conversion of
/// strings to booleans.
pub(crate) fn is_watch(query: &str) -> bool {
    parameter(query, "watch")
        .is_some_and(|value| !(value == "0" || value.eq_ignore_ascii_case("false")))
}

/// Whether an explanation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Explain {
    /// There is no such parameter.
    No,
    /// `explain=true`, once.
    Yes,
    /// Anything else of that name, which nobody is to take for either.
    Wrong,
}

/// Reads `explain`, in the one spelling that there is: other values, and a second one, are wrong,
/// and so are pairs that [`parameter`] passes over.
pub(crate) fn explain(query: &str) -> Explain {
    let mut asked = Explain::No;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !is_name(key, "explain") {
            continue;
        }
        let is_true = decode(value).as_deref() == Some("true");
        asked = match (asked, is_true) {
            (Explain::No, true) => Explain::Yes,
            _ => Explain::Wrong,
        };
    }
    asked
}

/// The object's name, where the field selector asks for exactly one.
pub(super) fn selected_name(query: &str) -> Option<String> {
    let selector = parameter(query, "fieldSelector")?;
    selector.split(',').find_map(|term| {
        let name = term.strip_prefix("metadata.name=")?;
        let name = name.strip_prefix('=').unwrap_or(name);
        // apimachinery's IsValidPathSegmentName.
        let valid = !name.is_empty()
            && !matches!(name, "." | "..")
            && !name.contains(['/', '%', '\\', '=']);
        valid.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watch_is_what_apimachinery_takes_for_true() {
        for (query, watch) in [
            ("", false),
            ("watch", true),
            ("watch=", true),
            ("watch=1", true),
            ("watch=TRUE", true),
            ("watch=0", false),
            ("watch=False", false),
            ("watch=0&watch=1", false),
            ("Watch=1", false),
            // No escape, although it is a number to some.
            ("watch=%+1", false),
            ("a=b&w%61tch=1", true),
        ] {
            assert_eq!(is_watch(query), watch, "{query}");
        }
    }

    #[test]
    fn an_explanation_is_asked_for_in_one_spelling() {
        for (query, asked) in [
            ("", Explain::No),
            ("labelSelector=explain%3Dtrue&Explain=true", Explain::No),
            ("explains=true&xexplain=true&explain%zz=true", Explain::No),
            ("explain=true", Explain::Yes),
            ("a=b&expl%61in=tr%75e&labelSelector=c", Explain::Yes),
            ("explain", Explain::Wrong),
            ("explain=", Explain::Wrong),
            ("explain=TRUE", Explain::Wrong),
            ("explain=1", Explain::Wrong),
            ("explain=false", Explain::Wrong),
            ("explain=true&explain=true", Explain::Wrong),
            ("explain=false&explain=true", Explain::Wrong),
            ("explain=true;", Explain::Wrong),
            ("explain=%zz", Explain::Wrong),
            ("explain=+true", Explain::Wrong),
        ] {
            assert_eq!(explain(query), asked, "{query}");
        }
    }

    #[test]
    fn the_name_of_an_exact_field_selector() {
        for (query, name) in [
            ("fieldSelector=metadata.name%3Dweb-0", Some("web-0")),
            (
                "fieldSelector=metadata.namespace=a,metadata.name==web-0",
                Some("web-0"),
            ),
            ("fieldSelector=metadata.name!=web-0", None),
            ("fieldSelector=metadata.name%3D..", None),
            ("fieldSelector=metadata.name=", None),
            ("labelSelector=metadata.name=web-0", None),
            // What the API does not read, nobody is let in for.
            ("fieldSelector=metadata.name=web-0,x;", None),
            ("fieldSelector=metadata.name=web-0,%zz", None),
            ("fieldSelector=%zz&fieldSelector=metadata.name=a", Some("a")),
            ("fieldSelector=%+1&fieldSelector=metadata.name=a", Some("a")),
        ] {
            assert_eq!(selected_name(query).as_deref(), name, "{query}");
        }
    }
}
