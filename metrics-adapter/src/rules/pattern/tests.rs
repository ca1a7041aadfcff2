use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern)
        .unwrap_or_else(|error| panic!("{pattern}: {error}"))
        .is_match(text)
}

#[test]
fn means_what_go_means() {
    for (pattern, text, expected) in [
        ("b", "abc", true),
        (r"^\w+$", "é", false),
        (r"^\s$", "\u{b}", false),
        (r"\bx", "éx", true),
        (r"\Q.+\E", "a.+", true),
        (r"^a\z", "a\n", false),
        ("(?i)K", "\u{212a}", true),
        ("^a{,2}$", "a{,2}", true),
        (r"^\101$", "A", true),
        (r"^\x{41}\x42$", "AB", true),
        (r"^\pN$", "7", true),
        (r"^\p{^Greek}$", "a", true),
        ("^[[:^alpha:]]$", "1", true),
        ("^[]a]$", "]", true),
        ("a(?i)*$", "aaa", true),
        ("(?s)a.b", "a\nb", true),
        ("^[a-z&&b]$", "&", true),
        (r"^[\x{D7FF}-\x{E000}]$", "\u{e000}", true),
        ("^(?P<n>a)(?P<n>b)$", "ab", true),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
    }
}

#[test]
fn refuses_what_go_refuses() {
    for pattern in [
        "a{1001}",
        r"a\Z",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        r"(a)\1",
        "a**",
        "*",
        "(",
        ")",
        "[",
        "[b-a]",
        r"\8",
        r"\q",
        r"\pX",
        r"\p{Alphabetic}",
        "(?x)a",
        "(?i-)",
        "(?P<a-b>c)",
        "(?P<n>",
        "(?#c)",
        "[[:foo:]]",
        r"\x{110000}",
        "(a{100}){11}",
        r"\C",
        "\\",
    ] {
        assert!(Pattern::new(pattern).is_err(), "{pattern} was accepted");
    }
}

#[test]
fn expands_as_go_does() {
    let pattern = Pattern::new("(?P<n>a)|(?P<n>b)(c)?").unwrap();
    for (template, expected) in [
        ("$n", "b"),
        ("${n}x", "bx"),
        ("$nx", ""),
        ("$3$2", "cb"),
        ("$03", ""),
        ("$$n$", "$n$"),
        ("${n", "${n"),
        ("$-", "$-"),
        ("$é", ""),
    ] {
        let found = pattern.expand("xbc", template);
        assert_eq!(found.as_deref(), Some(expected), "{template}");
    }
    assert_eq!(pattern.expand("x", "$n"), None);
    assert_eq!(pattern.last_groups("xb", ["n", "m"]), Some(["b", ""]));
}

#[test]
fn deep_expressions_that_are_allowed_compile() {
    let depth = 99;
    let groups = format!("{}a{}", "(?i:".repeat(depth), "){1,2}".repeat(depth));
    // 2^99 repetitions are too many, as in Go.
    assert!(Pattern::new(&groups).is_err());
    let optional = format!("{}a{}", "(".repeat(depth), ")?".repeat(depth));
    assert!(Pattern::new(&optional).unwrap().is_match("a"));
    let plain = format!("{}a{}", "(".repeat(190), ")".repeat(190));
    assert!(Pattern::new(&plain).unwrap().is_match("a"));
}

#[test]
fn big_expressions_are_refused_not_compiled() {
    let deep = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
    for pattern in [
        deep,
        format!("a{}", r"\Q\E*".repeat(10_000)),
        r"(\pL{100}){10}\PL{1000}".to_owned(),
    ] {
        assert!(Pattern::new(&pattern).is_err());
    }
}
