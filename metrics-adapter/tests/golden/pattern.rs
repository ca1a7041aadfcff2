//! Regular expressions and their expansion against Go's regexp.

use metrics_adapter::rules::pattern::Pattern;

use crate::difference::Judge;
use crate::{read, text};

#[test]
fn patterns_match_and_expand_as_in_go() {
    let (_, cases) = read("pattern");
    let mut judge = Judge::new("pattern");
    for case in &cases {
        let source = text(case, 0);
        let compiled = Pattern::new(source);
        let Some(results) = case.get(1) else {
            let ours = compiled.map(|_| "compiled".to_owned());
            judge.compare(
                source,
                &Err(String::new()),
                &ours.map_err(|error| error.to_string()),
            );
            continue;
        };
        let pattern = match compiled {
            Ok(pattern) => pattern,
            Err(error) => {
                judge.compare(source, &Ok("compiled".to_owned()), &Err(error.to_string()));
                continue;
            }
        };
        for result in results.as_array().into_iter().flatten() {
            let (subject, template) = (text(result, 0), text(result, 1));
            let go = result[2].as_str().map(str::to_owned);
            let ours = pattern.expand(subject, template);
            assert_eq!(
                pattern.is_match(subject),
                ours.is_some(),
                "{source:?} on {subject:?}"
            );
            judge.compare(
                &format!("{source}  on {subject:?} expanding {template:?}"),
                &Ok(format!("{go:?}")),
                &Ok(format!("{ours:?}")),
            );
        }
    }
    judge.finish();
}
