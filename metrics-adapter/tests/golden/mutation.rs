//! Damaged rules files: no panic, and every refusal tells where or what.

use metrics_adapter::config::RuleFile;
use metrics_adapter::rules;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const GOOD: &[&str] = &[
    r#"rules:
- seriesQuery: '{__name__=~"^container_.*",container!="POD",namespace!="",pod!=""}'
  seriesFilters:
  - isNot: "^container_.*_seconds_total$"
  - {is: '^container_(.*)_total$'}
  resources:
    template: "kube_<<.Group>>_<<.Resource>>"
    overrides:
      namespace: {resource: namespace}
      pod: {group: "", resource: pod}
  name:
    matches: "^container_(?P<n>.*)_total$"
    as: "${n}_per_second"
  metricsQuery: >-
    sum(rate(<<.Series>>{<<.LabelMatchers>>,container!="POD"}[2m]))
    by (<<range $i, $l := .GroupBySlice>><<if $i>>,<<end>><<$l>><<end>>)
"#,
    r#"externalRules:
- &base
  seriesQuery: 'queue_length{queue!=""}'
  resources: {namespaced: false}
  name: {matches: "", as: queue}
  metricsQuery: 'max(<<.Series>>{<<.LabelMatchers>>}) <<- /* all */ ->> '
- <<: *base
  name: {as: "other", matches: "^q(ueue)?_[[:alpha:]]{1,10}$"}
"#,
    r#"rules:
- seriesQuery: 'http_requests_total{pod!=""}'
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)
  maxAge: 2m
  window: 1m30s
  onMissing: {last: 5m}
  onNaN: {value: 1.5k}
  selectorValues:
  - label: path
    values: {checkout: "/api/v1/checkout#eu", "root": /}
    replace:
    - {from: __slash__, to: "/"}
    - from: ".."
- seriesQuery: up
  metricsQuery: up
  onMissing: zero
  onNaN: error
"#,
    r#"resourceRules:
  cpu:
    containerQuery: sum(rate(c{<<.LabelMatchers>>}[3m])) by (<<.GroupBy>>)
    nodeQuery: |
      sum(rate(c{<<.LabelMatchers>>, id='/'}[3m])) by (<<.GroupBy>>)
    resources:
      overrides: {node: {resource: node}, ns: {resource: namespace}, pod: {resource: pod}}
    containerLabel: container
  memory:
    containerQuery: sum(m{<<.LabelMatchers>>}) by (<<.GroupBy>>)
    nodeQuery: sum(m{<<.LabelMatchers>>,id='/'}) by (<<index .GroupBySlice 0>>)
    resources:
      overrides: {node: {resource: node}, ns: {resource: namespace}, pod: {resource: pod}}
    containerLabel: container
  window: 3m
"#,
];

const PIECES: &[&str] = &[
    "",
    " ",
    "\n",
    "\t",
    ":",
    "-",
    "- ",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    "&x ",
    "*x",
    "!t ",
    "|",
    ">",
    "<<",
    ">>",
    "<<end>>",
    "<<if .",
    "<<.Foo>>",
    "<<printf \"%z\">>",
    "(",
    ")",
    "(?P<",
    "*",
    "{1001}",
    "\\",
    "\\Z",
    "$",
    "..",
    "~",
    "null",
    "yes",
    "5",
    "é",
    "\u{0}",
    "\u{feff}",
    "---\n",
    "%YAML 1.2\n",
    "seriesQuery: x\n",
    "nosuch: 1\n",
    "onMissing: ",
    "onNaN: keep\n",
    "{last: ",
    "{value: 1Zi}",
    "maxAge: 0\n",
    "- label: a\n",
    "from: ",
];

/// Places are fractions, so that they fit whatever the text has become.
#[derive(Clone, Debug)]
enum Damage {
    Insert(usize, &'static str),
    Remove(usize, usize),
    Double(usize, usize),
    Swap(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = || 0..10_000_usize;
    prop_oneof![
        (place(), select(PIECES)).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        (place(), 1..20_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (place(), 1..40_usize).prop_map(|(at, length)| Damage::Double(at, length)),
        (place(), place()).prop_map(|(a, b)| Damage::Swap(a, b)),
    ]
}

fn apply(text: &str, damage: &Damage) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = |place: usize| place * characters.len() / 10_000;
    let range = |place: usize, length: usize| at(place)..(at(place) + length).min(characters.len());
    let mut out = characters.clone();
    match *damage {
        Damage::Insert(place, piece) => {
            out.splice(at(place)..at(place), piece.chars());
        }
        Damage::Remove(place, length) => {
            out.drain(range(place, length));
        }
        Damage::Double(place, length) => {
            let doubled = characters[range(place, length)].to_vec();
            out.splice(at(place)..at(place), doubled);
        }
        Damage::Swap(a, b) if !out.is_empty() => out.swap(at(a), at(b)),
        Damage::Swap(..) => {}
    }
    out.into_iter().collect()
}

/// `line 3`, or a field of a rule: `rules[0].metricsQuery: ...`.
fn tells_where(message: &str) -> bool {
    let first = message.lines().next().unwrap_or_default();
    let field = |section: &str| first.starts_with(section) && first.len() > section.len() + 3;
    first.contains("line ")
        || ["rules", "externalRules", "resourceRules"]
            .into_iter()
            .any(field)
}

#[test]
fn good_files_are_good() {
    for text in GOOD {
        let file = RuleFile::parse(text).unwrap_or_else(|error| panic!("{error}"));
        rules::compile(&file).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn damaged_files_are_refused_with_a_place_or_accepted() {
    let files = (select(GOOD), proptest::collection::vec(damage(), 1..4));
    // A fixed seed: what is red here is red everywhere.
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let mut refused = 0;
    for _ in 0..2000 {
        let (good, damages): (&str, Vec<Damage>) = files.new_tree(&mut runner).unwrap().current();
        let text = damages
            .iter()
            .fold(good.to_owned(), |text, damage| apply(&text, damage));
        let outcome = RuleFile::parse(&text)
            .and_then(|file| rules::compile(&file).map_err(|error| error.to_string()));
        if let Err(message) = outcome {
            refused += 1;
            assert!(
                tells_where(&message),
                "nobody can find this:\n{message}\n--- in\n{text}"
            );
        }
    }
    assert!(
        (500..1900).contains(&refused),
        "{refused} of 2000 refused: the damage is too small or too big to tell anything"
    );
}
