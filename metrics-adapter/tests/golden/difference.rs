//! Where we differ from Go on purpose, in one table.

use std::collections::BTreeMap;

/// What one side makes of a case; an error carries its text (Go's is left out of the vectors).
pub(crate) type Outcome = Result<String, String>;

/// A kind of difference.
pub(crate) struct Difference {
    /// The file of vectors.
    area: &'static str,
    /// Why it is meant.
    reason: &'static str,
    /// Whether a case is of this kind: its input, Go's outcome, ours.
    covers: fn(input: &str, go: &Outcome, ours: &Outcome) -> bool,
}

fn we_refuse(go: &Outcome, ours: &Outcome, causes: &[&str]) -> bool {
    match (go, ours) {
        (Ok(_), Err(message)) => causes.iter().any(|cause| message.contains(cause)),
        _ => false,
    }
}

/// All of them. A row that covers no case any more fails the test.
const TABLE: &[Difference] = &[
    Difference {
        area: "template",
        reason: "floats and complex numbers: no query needs them from a template",
        covers: |_, go, ours| we_refuse(go, ours, &["is not an integer", "unexpected +2i"]),
    },
    Difference {
        area: "template",
        reason: "templates inside templates: a rule is one text",
        covers: |_, go, ours| {
            let causes = ["`define` is not", "`template` is not", "`block` is not"];
            we_refuse(go, ours, &causes)
        },
    },
    Difference {
        area: "template",
        reason: "functions that escape for the web",
        covers: |_, go, ours| {
            we_refuse(
                go,
                ours,
                &["function html", "function js", "function urlquery"],
            )
        },
    },
    Difference {
        area: "template",
        reason: "printf: other verbs, flags and argument indexes than queries need",
        covers: |_, go, ours| {
            let causes = ["is not supported in a format", "the format ends inside"];
            we_refuse(go, ours, &causes)
        },
    },
    Difference {
        area: "template",
        reason: "printf: Go writes %!d(string=x), %!s(MISSING) or %!(EXTRA ...) into the query",
        covers: |_, go, ours| we_refuse(go, ours, &["does not print", "the format takes"]),
    },
    Difference {
        area: "template",
        reason: "printf: a width beyond 1000",
        covers: |_, go, ours| we_refuse(go, ours, &["a width or precision of"]),
    },
    Difference {
        area: "template",
        reason: "the whole data printed as a Go struct",
        covers: |_, go, ours| we_refuse(go, ours, &["the whole data cannot be printed"]),
    },
    Difference {
        area: "template",
        reason: "text that is not UTF-8",
        covers: |_, go, ours| {
            we_refuse(
                go,
                ours,
                &["is not valid UTF-8", "would cut a character in two"],
            )
        },
    },
    Difference {
        area: "template",
        reason: "a mistake in a branch that the data does not reach: Go notices it only when it \
                 gets there, we refuse it at load",
        covers: |input, go, ours| {
            let branches = ["if ", "with ", "range ", "and ", "or "];
            let causes = [
                "there is no field",
                "has no field",
                "cannot be compared",
                "len of ",
                "index of ",
                "as index of slice",
                "slice of ",
                " as index, not ",
                "takes at least",
                "range over ",
                "nil is not a command",
            ];
            branches.iter().any(|branch| input.contains(branch)) && we_refuse(go, ours, &causes)
        },
    },
    Difference {
        area: "pattern",
        reason: "Unicode classes: short names of scripts (Grek), an `is` prefix, and names with \
                 an underscore, which only some versions of Go know, are accepted",
        covers: |input, go, ours| {
            let class = input.contains(r"\p{") || input.contains(r"\P{");
            class && go.is_err() && ours.is_ok()
        },
    },
    Difference {
        area: "selector",
        reason: "`==` is told back as `=`",
        covers: |_, go, ours| match (go, ours) {
            (Ok(go), Ok(ours)) => go.replace("==", "=") == *ours,
            _ => false,
        },
    },
    Difference {
        area: "selector",
        reason: "a NUL ends a selector in Go; we refuse it",
        covers: |input, _, ours| input.contains('\0') && ours.is_err(),
    },
    Difference {
        area: "config",
        reason: "YAML 1.2 accepts more: tabs as separation, `\\/` and surrogate pairs of JSON, \
                 keys on several lines, `{a:, b:}`, `!!null x`, `<<: null`; we do as well",
        covers: |input, go, ours| {
            let signs = [
                "\t",
                "\\/",
                "\\ud83d",
                "\"\n:",
                "{matches:,",
                "!!null x",
                "<<: null",
            ];
            we_accept(go, ours) && signs.iter().any(|sign| input.contains(sign))
        },
    },
    Difference {
        area: "config",
        reason: "a rule may have fields of our own",
        covers: |input, go, ours| {
            let ours_alone = ["- maxAge:", "- window:"];
            we_accept(go, ours) && ours_alone.iter().any(|field| input.contains(field))
        },
    },
    Difference {
        area: "config",
        reason: "a lone `...` is an empty file",
        covers: |input, go, ours| we_accept(go, ours) && input == "...\n",
    },
    Difference {
        area: "config",
        reason: "an explicit override wins over a merged one; Go calls it a duplicate",
        covers: |input, go, ours| we_accept(go, ours) && input.contains("overrides: {<<: *o"),
    },
    Difference {
        area: "config",
        reason: "a merge key behind a key that it sets: in Go the merge key wins, in YAML it \
                 does not; refused, because the two do not mean the same",
        covers: |_, go, ours| we_refuse(go, ours, &["`<<` stands behind"]),
    },
    Difference {
        area: "config",
        reason: "a map given again beside a merge key: Go keeps the keys of the merged one, YAML \
                 does not; refused, because the two do not mean the same",
        covers: |_, go, ours| we_refuse(go, ours, &["replaces a merged map"]),
    },
    Difference {
        area: "config",
        reason: "U+0085, U+2028 and U+FEFF are characters, not line breaks or nothing",
        covers: |input, _, _| input.contains(['\u{85}', '\u{2028}', '\u{feff}']),
    },
    Difference {
        area: "config",
        reason: "booleans in odd case (`tRue`) or with an unknown tag are accepted",
        covers: |input, go, ours| {
            let odd = ["tRue", "yEs", "!custom true"];
            we_accept(go, ours) && odd.iter().any(|text| input.contains(text))
        },
    },
    Difference {
        area: "config",
        reason: "what stands behind the first document is refused unless `---` or `...` is \
                 before it; Go leaves it unread, also when it was meant",
        covers: |_, go, ours| {
            let causes = [
                "did not find expected <document start>",
                "missing explicit document end marker",
            ];
            we_refuse(go, ours, &causes)
        },
    },
    Difference {
        area: "config",
        reason: "a tag that contradicts its node, or that makes a string something else",
        covers: |input, go, ours| {
            let causes = ["unsupported tag", "cannot deserialize tagged scalar"];
            input.contains("!!") && we_refuse(go, ours, &causes)
        },
    },
    Difference {
        area: "config",
        reason: "a comment needs white space before it",
        covers: |_, go, ours| we_refuse(go, ours, &["comments must be separated"]),
    },
    Difference {
        area: "config",
        reason: "the lines of a quoted text must be indented more than its key, as YAML says; \
                 the parser insists",
        covers: |_, go, ours| {
            we_refuse(
                go,
                ours,
                &["invalid indentation in multiline quoted scalar"],
            )
        },
    },
    Difference {
        area: "adapter-list",
        reason: "a metric without a name (of the series `_total`, `^(.*)_total$` leaves nothing)",
        covers: |input, go, ours| input.contains("/ ") && go.is_ok() && ours.is_err(),
    },
    Difference {
        area: "adapter-query",
        reason: "a metric without a name",
        covers: |input, go, ours| {
            !input.contains("\"metric\":") && we_refuse(go, ours, &["MetricNotFound"])
        },
    },
    Difference {
        area: "adapter-query",
        reason: "objects of a kind without namespaces, selected in a namespace: 404 (upstream \
                 comes to the query only if it could list them, which ends in 500)",
        covers: |input, go, ours| {
            let kinds = ["storageclasses", "dairies"];
            input.contains("\"namespace\":\"shop\"")
                && kinds.iter().any(|kind| input.contains(kind))
                && we_refuse(go, ours, &["MetricNotFound"])
        },
    },
    Difference {
        area: "adapter-query",
        reason: "a metric selector on what cannot be a Prometheus label: Prometheus would refuse \
                 the query, we refuse the request (400)",
        covers: |_, go, ours| we_refuse(go, ours, &["is not a Prometheus label name"]),
    },
    Difference {
        area: "adapter-query",
        reason: "object names in a regular expression are escaped",
        covers: |_, go, ours| match (go, ours) {
            (Ok(go), Ok(ours)) => without_escapes(go) == without_escapes(ours),
            _ => false,
        },
    },
    Difference {
        area: "adapter-query",
        reason: "a block text that ends the file without a line end has one all the same",
        covers: |_, go, ours| match (go, ours) {
            (Ok(go), Ok(ours)) => {
                ours.strip_suffix('\n').map(without_escapes) == Some(without_escapes(go))
            }
            _ => false,
        },
    },
    Difference {
        area: "adapter-query",
        reason: "no comma for an empty containerLabel",
        covers: |input, go, ours| match (go, ours) {
            (Ok(go), Ok(ours)) => {
                let go = go.replacen("by (k_pod,)", "by (k_pod)", 1);
                input.contains("usage") && without_escapes(&go) == without_escapes(ours)
            }
            _ => false,
        },
    },
];

/// Without what escapes a character of a regular expression, in quotes or not.
fn without_escapes(query: &str) -> String {
    query.replace(['\\', '[', ']'], "")
}

fn we_accept(go: &Outcome, ours: &Outcome) -> bool {
    go.is_err() && ours.is_ok()
}

/// Collects the cases of one area and judges them at the end.
pub(crate) struct Judge {
    area: &'static str,
    cases: usize,
    unexpected: Vec<String>,
    covered: BTreeMap<&'static str, usize>,
}

impl Judge {
    pub(crate) fn new(area: &'static str) -> Self {
        Self {
            area,
            cases: 0,
            unexpected: Vec::new(),
            covered: BTreeMap::new(),
        }
    }

    /// Two refusals are equal, whatever they say.
    pub(crate) fn compare(&mut self, input: &str, go: &Outcome, ours: &Outcome) {
        self.cases += 1;
        match (go, ours) {
            (Ok(go), Ok(ours)) if go == ours => return,
            (Err(_), Err(_)) => return,
            _ => {}
        }
        let row = TABLE
            .iter()
            .find(|row| row.area == self.area && (row.covers)(input, go, ours));
        match row {
            Some(row) => *self.covered.entry(row.reason).or_default() += 1,
            None => self
                .unexpected
                .push(format!("{input:?}\n    Go:   {go:?}\n    ours: {ours:?}")),
        }
    }

    /// Fails when a case differs without being in the table, or a row of the table is not needed.
    pub(crate) fn finish(self) {
        let stale: Vec<&str> = TABLE
            .iter()
            .filter(|row| row.area == self.area && !self.covered.contains_key(row.reason))
            .map(|row| row.reason)
            .collect();
        assert!(
            self.unexpected.is_empty() && stale.is_empty(),
            "{}: {} of {} cases differ, {} of them for a known reason: {:#?}\nnot needed any \
             more: {stale:#?}\n{}",
            self.area,
            self.unexpected.len() + self.covered.values().sum::<usize>(),
            self.cases,
            self.covered.values().sum::<usize>(),
            self.covered,
            self.unexpected.join("\n"),
        );
    }
}
