//! Many names as one regular expression: `a|b|c`, and factored (`web-7d9f-(?:a|b|c)`) when that
//! is long.
//!
//! Both match exactly the names, anchored as Prometheus anchors them. The plain form is
//! prometheus-adapter's; short lists keep it, so that queries stay equal to its queries.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Up to so many bytes the plain form stays: about a hundred pods. Backends that refuse long
/// queries begin at 16,384 bytes, and a template may have the matchers several times.
const PLAIN_LIMIT: usize = 2048;

/// What brackets cost: `(?:` and `)`.
const GROUP: usize = 4;

/// A regular expression that matches the names and nothing else.
pub(super) fn alternation(names: &[Arc<str>]) -> String {
    let plain: Vec<String> = names.iter().map(|name| escape(name)).collect();
    let plain = plain.join("|");
    if plain.len() <= PLAIN_LIMIT {
        return plain;
    }
    let factored = factored(names);
    if factored.len() < plain.len() {
        factored
    } else {
        plain
    }
}

/// Common prefixes are written once, as in a trie.
fn factored(names: &[Arc<str>]) -> String {
    let names: BTreeSet<&str> = names.iter().map(AsRef::as_ref).collect();
    let names: Vec<&str> = names.into_iter().collect();
    branches(&names)
}

/// The alternatives of sorted, distinct texts, grouped by their first character.
fn branches(texts: &[&str]) -> String {
    let first = |text: &str| text.chars().next();
    texts
        .chunk_by(|a, b| first(a) == first(b))
        .map(branch)
        .collect::<Vec<_>>()
        .join("|")
}

/// Texts that begin alike: factored where that is shorter.
fn branch(texts: &[&str]) -> String {
    let plain: Vec<String> = texts.iter().map(|text| escape(text)).collect();
    let plain = plain.join("|");
    let prefix = common_prefix(texts);
    if texts.len() < 2 || prefix.is_empty() {
        return plain;
    }
    let rests: Vec<&str> = texts.iter().map(|text| &text[prefix.len()..]).collect();
    let (prefix, rests) = (escape(prefix), branches(&rests));
    if prefix.len() + GROUP + rests.len() < plain.len() {
        format!("{prefix}(?:{rests})")
    } else {
        plain
    }
}

/// Of sorted texts the first and the last differ earliest.
fn common_prefix<'a>(texts: &[&'a str]) -> &'a str {
    let (Some(first), Some(last)) = (texts.first(), texts.last()) else {
        return "";
    };
    let end = first
        .char_indices()
        .zip(last.chars())
        .find(|((_, a), b)| a != b)
        .map_or(first.len().min(last.len()), |((at, _), _)| at);
    &first[..end]
}

/// Makes a name match literally inside a regular expression. A character class needs no
/// backslash, so the result also survives inside a string that the rule's author quoted.
pub(super) fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for character in name.chars() {
        match character {
            '.' | '+' | '*' | '?' | '(' | ')' | '|' | '{' | '}' | '$' => {
                out.push('[');
                out.push(character);
                out.push(']');
            }
            // These mean something inside a class as well.
            '[' | ']' | '^' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mk_names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn common_prefixes_are_written_once() {
        for (names, expected) in [
            (
                &["web-7d9f-a", "web-7d9f-b", "web-7d9f-c"][..],
                "web-7d9f-(?:a|b|c)",
            ),
            (
                &["db-0", "web-7d9f-x", "web-7d9f-y"],
                "db-0|web-7d9f-(?:x|y)",
            ),
            (
                &[
                    "web-7d9f-canary-a",
                    "web-7d9f-canary-b",
                    "web-7d9f",
                    "web-7d9f-b",
                ],
                "web-7d9f(?:|-(?:b|canary-(?:a|b)))",
            ),
            // Not where it gets no shorter.
            (&["a1", "a2"], "a1|a2"),
            (&["prefix.0", "prefix.1"], "prefix[.](?:0|1)"),
            (&["same-name", "same-name"], "same-name"),
            (&["éé-éé-1", "éé-éé-2", "éè"], "é(?:è|é-éé-(?:1|2))"),
        ] {
            let mut names = names.to_vec();
            names.sort_unstable();
            assert_eq!(factored(&mk_names(&names)), expected);
        }
    }

    #[test]
    fn short_lists_stay_plain_and_long_ones_get_shorter() {
        let short = mk_names(&["web-7d9f-a", "web-7d9f-b", "web-7d9f-c.d"]);
        assert_eq!(alternation(&short), "web-7d9f-a|web-7d9f-b|web-7d9f-c[.]d");
        let long: Vec<Arc<str>> = (0..1000_u32)
            .map(|n| format!("checkout-frontend-7d9f8c6b5-{:05x}", n * 997).into())
            .collect();
        let text = alternation(&long);
        let plain: usize = long.iter().map(|name| name.len() + 1).sum();
        assert!(text.len() * 4 < plain, "{} of {plain} bytes", text.len());
        let different: Vec<Arc<str>> = (0..300_u32)
            .map(|n| format!("{}{n}", char::from_u32(0x4e00 + n).unwrap()).into())
            .collect();
        assert!(!alternation(&different).contains("(?:"));
    }

    proptest! {
        #[test]
        fn exactly_the_names_match(
            names in proptest::collection::btree_set("[ab.|(-]{0,6}|web-[a-c]{1,3}", 1..40),
            others in proptest::collection::vec("[ab.|(-]{0,6}|web-[a-d]{1,4}|[ -~é☃]{0,8}", 0..60),
        ) {
            let listed: Vec<Arc<str>> = names.iter().map(|name| name.as_str().into()).collect();
            let text = factored(&listed);
            let regex = regex::Regex::new(&format!("^(?s:{text})$")).unwrap();
            for name in &names {
                prop_assert!(regex.is_match(name), "{name:?} is not matched by {text}");
            }
            for other in &others {
                prop_assert_eq!(regex.is_match(other), names.contains(other), "{} on {:?}", text, other);
            }
            // The same language as the plain form, as a second judge.
            let plain: Vec<String> = names.iter().map(|name| escape(name)).collect();
            let plain = regex::Regex::new(&format!("^(?s:{})$", plain.join("|"))).unwrap();
            for other in &others {
                prop_assert_eq!(regex.is_match(other), plain.is_match(other));
            }
        }
    }
}
