//! `<< >>` templates: they come from an administrator, and end in time and in bounds all the same.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use metrics_adapter::rules::template::{FieldType, Fields, Scope, Template, Value};
use tokio::time::Instant;

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "template",
    run,
    seeds,
    words: WORDS,
    cases: 4000,
};

const WORDS: &[&str] = &[
    "<<",
    ">>",
    "<<-",
    "->>",
    "<<end>>",
    "<<else>>",
    "<<if ",
    "<<range ",
    "<<with ",
    "<<range $i, $x := ",
    "<<break>>",
    "<<continue>>",
    "<<else if ",
    "<</* x */>>",
    "<<define \"t\">>",
    "<<template \"t\" .>>",
    "<<block \"t\" .>>",
    ".Series",
    ".LabelMatchers",
    ".LabelValuesByName",
    ".GroupBy",
    ".GroupBySlice",
    ".LabelValuesByName.pod",
    "index ",
    "printf \"%s\" ",
    "printf \"%999999999d\" ",
    "%*d",
    "%[3]v",
    "%.*s",
    "%q",
    "%x",
    "%v",
    "len ",
    "slice ",
    "html ",
    "js ",
    "urlquery ",
    "print ",
    "println ",
    "call ",
    "and ",
    "or ",
    "not ",
    "eq ",
    "lt ",
    "|",
    "(",
    ")",
    "$",
    "$x := ",
    "$x = ",
    "\"",
    "`",
    "'a'",
    "\\",
    "nil",
    "true",
    "1e9",
    "0x1p-2",
    "1_000",
    "99999999999999999999",
    "1i",
    "é",
    "\u{0}",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = seed::golden("template", "1", 23);
    let nested = "<<range .GroupBySlice>>".repeat(12) + &"<<end>>".repeat(12);
    seeds.push(nested.into_bytes());
    seeds.push("<<if .Series>>".repeat(20_000).into_bytes());
    seeds.push(format!("<<{}.Series{}>>", "(".repeat(20_000), ")".repeat(20_000)).into_bytes());
    seeds.push(format!("<<.Series{}>>", " | printf \"%s%s\" .Series".repeat(2000)).into_bytes());
    seeds
}

const FIELDS: Fields = &[
    ("Series", FieldType::Text),
    ("LabelMatchers", FieldType::Text),
    ("LabelValuesByName", FieldType::Map),
    ("GroupBy", FieldType::Text),
    ("GroupBySlice", FieldType::List),
];

static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    let text = |text: &str| Value::Text(text.to_owned());
    let list = ["pod", "container", "node", ""].map(str::to_owned).to_vec();
    let values = [("pod", "web-0|web-1"), ("é", "\""), ("empty", "")];
    let values: BTreeMap<String, String> = values
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    Scope::from([
        ("Series", text("http_requests_total")),
        (
            "LabelMatchers",
            text("namespace=\"shop\",pod=~\"web-0|web-1\""),
        ),
        ("LabelValuesByName", Value::Map(values)),
        ("GroupBy", text("pod")),
        ("GroupBySlice", Value::List(list)),
    ])
});

/// Longer than any query, and than what a debug build on a busy machine needs for it.
const LONGEST: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

fn run(input: &[u8]) {
    let Ok(source) = str::from_utf8(input) else {
        return;
    };
    let started = Instant::now();
    let rendered = Template::parse(source, FIELDS).and_then(|template| template.render(&SCOPE));
    let took = started.elapsed();
    assert!(took < PATIENCE, "{took:?}");
    match rendered {
        Ok(text) => assert!(
            !text.is_empty() && text.len() <= LONGEST,
            "{} bytes",
            text.len()
        ),
        Err(error) => {
            let error = error.to_string();
            let bound = 1000 + 8 * source.len();
            assert!(
                error.starts_with("template") && error.len() < bound,
                "{error}"
            );
        }
    }
}
