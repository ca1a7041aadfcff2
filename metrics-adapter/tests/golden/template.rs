//! `<< >>` templates against text/template.

use metrics_adapter::rules::template::{
    FieldType, Fields, Scope, Template, TemplateError, Value as Field,
};
use serde_json::Value;

use crate::difference::{Judge, Outcome};
use crate::{read, text};

const FIELDS: Fields = &[
    ("Series", FieldType::Text),
    ("LabelMatchers", FieldType::Text),
    ("LabelValuesByName", FieldType::Map),
    ("GroupBy", FieldType::Text),
    ("GroupBySlice", FieldType::List),
];

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn scope(header: &Value) -> Scope {
    let mut scope = Scope::new();
    for (name, kind) in FIELDS {
        let value = &header[*name];
        let field = match kind {
            FieldType::Text => Field::Text(string(value)),
            FieldType::List => Field::List(value.as_array().unwrap().iter().map(string).collect()),
            FieldType::Map => {
                let map = value.as_object().unwrap().iter();
                Field::Map(map.map(|(k, v)| (k.clone(), string(v))).collect())
            }
        };
        scope.insert(name, field);
    }
    scope
}

fn ours(source: &str, scope: &Scope) -> Outcome {
    let rendered = Template::parse(source, FIELDS).and_then(|template| template.render(scope));
    match rendered {
        // Whether nothing is an error, Go leaves to its caller.
        Err(TemplateError::Empty) => Ok(String::new()),
        other => other.map_err(|error| error.to_string()),
    }
}

#[test]
fn templates_render_as_in_go() {
    let (header, cases) = read("template");
    let scopes: Vec<Scope> = header.as_array().unwrap().iter().map(scope).collect();
    let mut judge = Judge::new("template");
    for case in &cases {
        let scope = &scopes[usize::try_from(case[0].as_u64().unwrap()).unwrap()];
        let source = text(case, 1);
        let go = match text(case, 2) {
            "ok" => Ok(text(case, 3).to_owned()),
            kind => Err(kind.to_owned()),
        };
        judge.compare(source, &go, &ours(source, scope));
    }
    judge.finish();
}

/// What Go's parser refuses, we refuse at load as well, not only when a request comes.
#[test]
fn what_go_cannot_parse_is_refused_at_load() {
    let (_, cases) = read("template");
    for case in cases.iter().filter(|case| text(case, 2) == "parse") {
        let source = text(case, 1);
        assert!(
            matches!(
                Template::parse(source, FIELDS),
                Err(TemplateError::Parse { .. })
            ),
            "{source:?} was loaded"
        );
    }
}
