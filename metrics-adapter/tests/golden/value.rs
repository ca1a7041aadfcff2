//! Quantities, label selectors and durations against apimachinery and prometheus/common.

use metrics_adapter::config::PrometheusDuration;
use metrics_adapter::model::{Format, Quantity, Selector};

use crate::difference::Judge;
use crate::{read, text};

#[test]
fn quantities_are_written_as_apimachinery_writes_them() {
    let (_, cases) = read("quantity");
    let mut judge = Judge::new("quantity");
    for case in &cases {
        let input = text(case, 0);
        match case.get(2) {
            Some(_) => {
                let quantity = Quantity::from_milli(input.parse().unwrap());
                let binary = quantity.with_format(Format::BinarySi);
                judge.compare(
                    input,
                    &Ok(text(case, 1).to_owned()),
                    &Ok(quantity.to_string()),
                );
                judge.compare(
                    input,
                    &Ok(text(case, 2).to_owned()),
                    &Ok(binary.to_string()),
                );
            }
            None => {
                let quantity = Quantity::from_f64(input.parse().unwrap());
                let ours = quantity.map(|quantity| quantity.to_string());
                let ours = ours.map_err(|error| error.to_string());
                judge.compare(input, &Ok(text(case, 1).to_owned()), &ours);
            }
        }
    }
    judge.finish();
}

#[test]
fn selectors_parse_and_match_as_in_apimachinery() {
    let (sets, cases) = read("selector");
    let mut judge = Judge::new("selector");
    for case in &cases {
        let input = text(case, 0);
        let go = match case.get(1) {
            Some(_) => Ok(format!("{} {}", text(case, 1), text(case, 2))),
            None => Err(String::new()),
        };
        let ours = Selector::parse(input).map(|selector| {
            let matches: String = sets
                .as_array()
                .unwrap()
                .iter()
                .map(|set| selector.matches(|key| set.get(key).and_then(|value| value.as_str())))
                .map(|matches| if matches { '1' } else { '0' })
                .collect();
            format!("{selector} {matches}")
        });
        judge.compare(input, &go, &ours.map_err(|error| error.to_string()));
    }
    judge.finish();
}

#[test]
fn durations_parse_as_in_prometheus() {
    let (_, cases) = read("duration");
    let mut judge = Judge::new("duration");
    for case in &cases {
        let input = text(case, 0);
        let go = match case.get(1) {
            Some(_) => Ok(text(case, 1).to_owned()),
            None => Err(String::new()),
        };
        let ours = PrometheusDuration::parse(input);
        let ours = ours.map(|duration| duration.get().as_nanos().to_string());
        judge.compare(input, &go, &ours.map_err(|error| error.to_string()));
    }
    judge.finish();
}
