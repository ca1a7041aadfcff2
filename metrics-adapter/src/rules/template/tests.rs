use super::*;

const FIELDS: &[&str] = &["Series", "GroupBySlice", "LabelValuesByName"];

fn render(source: &str) -> Result<String, TemplateError> {
    let mut scope = Scope::new();
    scope.insert("Series", "up".to_owned().into());
    scope.insert(
        "GroupBySlice",
        Value::List(vec!["pod".to_owned(), "node".to_owned()]),
    );
    scope.insert(
        "LabelValuesByName",
        Value::Map([("pod".to_owned(), "a|b".to_owned())].into_iter().collect()),
    );
    Template::parse(source, FIELDS)?.render(&scope)
}

#[test]
fn renders_as_go_does() {
    for (source, expected) in [
        ("sum(<<.Series>>)", "sum(up)"),
        ("<< .Series >>", "up"),
        ("a <<- .Series ->> b", "aupb"),
        ("<<index .LabelValuesByName \"pod\">>", "a|b"),
        ("x<<index .LabelValuesByName `none`>>", "x"),
        ("<<.LabelValuesByName.pod>>", "a|b"),
        ("<<.LabelValuesByName.none>>", "<no value>"),
        ("<<.GroupBySlice>>", "[pod node]"),
        ("<<index .GroupBySlice 1>>", "node"),
        ("<<.LabelValuesByName>>", "map[pod:a|b]"),
        ("a<</* comment */>>b", "ab"),
        ("a <<- /* comment */ ->> b", "ab"),
        ("a >> b", "a >> b"),
    ] {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn refuses_what_it_does_not_know_with_its_position() {
    for (source, position) in [
        ("ab<<.Nope>>", 3),
        ("<<.Series", 1),
        ("é<<range .GroupBySlice>>", 2),
        ("<<printf \"%s\" .Series>>", 1),
        ("<<.Series | len>>", 1),
        ("<<index .Series>>", 1),
        ("<<>>", 1),
        ("<<.>>", 1),
        ("<<nil>>", 1),
        ("<<.LabelValuesByName.>>", 1),
        ("<<.LabelValuesByName.a.b>>", 1),
        ("<<index .LabelValuesByName \"a\\n\">>", 1),
    ] {
        match Template::parse(source, FIELDS) {
            Err(TemplateError::Parse {
                position: found, ..
            }) => {
                assert_eq!(found, position, "{source}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[test]
fn says_what_only_a_request_can_tell() {
    assert!(matches!(
        render("<<index .GroupBySlice 9>>"),
        Err(TemplateError::Render(_))
    ));
    assert!(matches!(
        render("<<index .Series \"x\">>"),
        Err(TemplateError::Render(_))
    ));
    assert_eq!(
        render("<<index .LabelValuesByName \"none\">>"),
        Err(TemplateError::Empty)
    );
}
