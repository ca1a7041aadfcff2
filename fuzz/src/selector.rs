//! Label and field selectors: what is read can be written and read again, and nothing is read
//! that kube-apiserver would refuse.

use std::sync::LazyLock;

use metrics_adapter::model::{FieldSelector, Operator, Selector};
use regex::Regex;

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "selector",
    run,
    seeds,
    words: WORDS,
    cases: 8000,
};

const WORDS: &[&str] = &[
    "=",
    "==",
    "!=",
    "!",
    ",",
    " ",
    "in",
    "notin",
    " in (",
    " notin (",
    "(",
    ")",
    "()",
    "<",
    ">",
    "/",
    ".",
    "-",
    "_",
    "example.com/",
    "metadata.name",
    "metadata.namespace",
    "\\",
    "\t",
    "é",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::golden("selector", "0", 7);
    seeds.extend(seed::all(&[
        "metadata.name=web,metadata.namespace!=shop",
        "metadata.name==a",
        "app=web,tier in (a,b),!canary,n>5",
    ]));
    seeds
}

/// apimachinery's `IsQualifiedName` and `IsValidLabelValue`, without their lengths.
static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$").unwrap());
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").unwrap()
});

fn is_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    name.len() <= 63
        && NAME.is_match(name)
        && prefix.is_none_or(|prefix| prefix.len() <= 253 && PREFIX.is_match(prefix))
}

fn is_value(value: &str) -> bool {
    value.is_empty() || (value.len() <= 63 && NAME.is_match(value))
}

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    labels(text);
    fields(text);
}

fn labels(text: &str) {
    let Ok(selector) = Selector::parse(text) else {
        return;
    };
    for requirement in selector.requirements() {
        assert!(is_key(&requirement.key), "{:?} is no key", requirement.key);
        let count = requirement.values.len();
        assert!(
            requirement.values.iter().all(|value| is_value(value)),
            "{requirement}"
        );
        match requirement.operator {
            Operator::Equals | Operator::NotEquals => assert_eq!(count, 1),
            Operator::GreaterThan | Operator::LessThan => {
                let number = requirement.values.first().unwrap();
                assert!(count == 1 && number.parse::<i64>().is_ok(), "{requirement}");
            }
            Operator::In | Operator::NotIn => assert!(count > 0),
            Operator::Exists | Operator::DoesNotExist => assert_eq!(count, 0),
        }
    }
    let written = selector.to_string();
    let again = Selector::parse(&written);
    assert_eq!(again.as_ref(), Ok(&selector), "{text:?} became {written:?}");
}

fn fields(text: &str) {
    let Ok(selector) = FieldSelector::parse(text) else {
        return;
    };
    for name in ["web", "", "a=b"] {
        // What the object may be called does not depend on its namespace.
        let somewhere = ["shop", "", "x"]
            .into_iter()
            .any(|place| selector.matches(place, name));
        assert!(!somewhere || selector.admits_name(name), "{text:?}");
    }
}
