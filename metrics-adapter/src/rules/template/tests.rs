use super::*;

const FIELDS: Fields = &[
    ("Series", FieldType::Text),
    ("GroupBySlice", FieldType::List),
    ("LabelValuesByName", FieldType::Map),
];

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

/// The message of a refusal at load.
fn refusal(source: &str) -> String {
    match Template::parse(source, FIELDS) {
        Err(error @ TemplateError::Parse { .. }) => error.to_string(),
        other => panic!("{source}: {other:?}"),
    }
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
        ("<<printf \"%s!\" .Series>>", "up!"),
        ("<<.Series | printf \"%q\">>", "\"up\""),
        ("<<len .GroupBySlice>>", "2"),
        (
            "<<range $i, $l := .GroupBySlice>><<if $i>>,<<end>><<$l>><<end>>",
            "pod,node",
        ),
        (
            "<<range $k, $v := .LabelValuesByName>><<$k>>=<<$v>><<end>>",
            "pod=a|b",
        ),
        ("<<with .LabelValuesByName.none>>a<<else>>b<<end>>", "b"),
        ("<<if eq .Series \"up\" `down`>>a<<else>>b<<end>>", "a"),
        ("<<$x := .Series>><<$x = print $x 1>><<$x>>", "up1"),
        ("<<and .Series (or false `y`)>>", "y"),
        ("<<range 3>><<.>><<end>>", "012"),
    ] {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn refuses_what_is_wrong_with_its_position() {
    for (source, expected) in [
        (
            "ab<<.Nope>>",
            "template, character 5: there is no field .Nope; there are .Series, .GroupBySlice, \
             .LabelValuesByName",
        ),
        ("<<.Series", "template, character 1: `<<` is never closed"),
        (
            "é\n b<<range .GroupBySlice>>",
            "template, line 2, character 3: `range` has no `end`",
        ),
        (
            "<<len .Series 1>>",
            "template, character 3: len takes 1 arguments, not 2",
        ),
        (
            "<<printf `%s`>>",
            "template, character 3: the format takes 1 arguments, not 0",
        ),
        (
            "<<$x = 1>>",
            "template, character 3: $x was never declared (`:=`)",
        ),
        ("<<nil>>", "template, character 3: nil is not a command"),
        (
            "<<.>>",
            "template, character 3: the whole data cannot be printed, only its fields",
        ),
    ] {
        assert_eq!(refusal(source), expected, "{source}");
    }
    for source in [
        "<<>>",
        "<<.LabelValuesByName.>>",
        "<<.Series.x>>",
        "<<index .Series \"x\">>",
        "<<range .Series>><<end>>",
        "<<lt .Series 1>>",
        "<<define \"x\">><<end>>",
        "<<html .Series>>",
        "<<1.5>>",
    ] {
        refusal(source);
    }
}

#[test]
fn knows_the_fields_that_it_uses() {
    let template = Template::parse("<<if false>><<.Series>><<end>>x", FIELDS).unwrap();
    assert!(template.uses("Series") && !template.uses("GroupBySlice"));
}

#[test]
fn says_what_only_a_request_can_tell() {
    let error = render("x\n<<index .GroupBySlice 9>>").unwrap_err();
    assert_eq!(
        error.to_string(),
        "template, line 2, character 3: index 9 is out of range"
    );
    assert_eq!(
        render("<<index .LabelValuesByName \"none\">>"),
        Err(TemplateError::Empty)
    );
}

#[test]
fn nesting_length_and_steps_are_bounded() {
    let parentheses = format!("<<{}.Series{}>>", "(".repeat(65), ")".repeat(65));
    let branches = format!("{}{}", "<<if .Series>>".repeat(65), "<<end>>".repeat(65));
    for source in [parentheses, branches] {
        let message = refusal(&source);
        assert!(
            message.ends_with("nested more than 64 levels deep"),
            "{message}"
        );
    }
    let growing = format!(
        "<<$x := `0123456789abcdef`>>{}<<$x>>",
        "<<$x = print $x $x>>".repeat(40)
    );
    for (source, expected) in [
        (growing.as_str(), "the text is longer than 1048576 bytes"),
        ("<<range 1000000>><<end>>", "more than 100000 steps"),
        (
            "<<range 90000>>0123456789abcdef<<end>>",
            "the result is longer than 1048576 bytes",
        ),
    ] {
        let message = render(source).unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}");
    }
}
