use std::collections::BTreeMap;

use super::*;

fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    Selector::parse(selector)
        .unwrap()
        .matches(|key| labels.get(key).copied())
}

#[test]
fn reads_every_operator_and_sorts_by_key() {
    let selector = Selector::parse("z in (b,a), y notin (c),x=1,w==2,v!=3,u,!t,s>4,r<5").unwrap();
    assert_eq!(
        selector.to_string(),
        "r<5,s>4,!t,u,v!=3,w=2,x=1,y notin (c),z in (a,b)"
    );
}

#[test]
fn reads_the_odd_forms_that_apimachinery_reads() {
    for (text, canonical) in [
        ("", ""),
        ("  ", ""),
        ("a=", "a="),
        ("a=,b=", "a=,b="),
        ("a in ()", "a in ()"),
        ("a in (,)", "a in ()"),
        ("a in (b,,c)", "a in (,b,c)"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("in", "in"),
        ("a = b", "a=b"),
        ("example.com/a=b", "example.com/a=b"),
        ("\ta\n", "a"),
    ] {
        let selector = Selector::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(selector.to_string(), canonical, "{text:?}");
    }
}

#[test]
fn refuses_what_apimachinery_refuses() {
    for text in [
        ",",
        "a,",
        ",a",
        "a b",
        "a in b",
        "a in (b",
        "a in (b c)",
        "a=b=c",
        "=b",
        "!",
        "!a=b",
        "a==b!",
        "a>b",
        "a>",
        "a=b c",
        "a=@",
        "a/b/c=d",
        "A.B/c=d",
        "a in (@)",
        "-a",
        "a=-b",
        "a=b,,c=d",
        "(",
        "x>>1",
        "a=!b",
        "é=1",
    ] {
        assert!(Selector::parse(text).is_err(), "{text:?} was accepted");
    }
    let long = "a".repeat(64);
    assert!(Selector::parse(&format!("k={long}")).is_err());
    assert!(Selector::parse(&long).is_err());
}

#[test]
fn says_what_it_found() {
    let error = Selector::parse("app in web").unwrap_err().to_string();
    assert_eq!(
        error,
        "unable to parse requirement: found 'web' expected: '('"
    );
    let error = Selector::parse("app=web)").unwrap_err().to_string();
    assert_eq!(error, "found ')', expected: ',' or 'end of string'");
}

#[test]
fn matches_as_apimachinery_does() {
    let web = [("app", "web"), ("n", "5")];
    for (selector, expected) in [
        ("", true),
        ("app=web", true),
        ("app=db", false),
        ("app!=db", true),
        ("tier!=db", true),
        ("app in (web,db)", true),
        ("tier in (web)", false),
        ("app notin (web)", false),
        ("tier notin (web)", true),
        ("app", true),
        ("!app", false),
        ("!tier", true),
        ("n>4", true),
        ("n>5", false),
        ("n<6", true),
        ("app>4", false),
        ("tier>4", false),
        ("app=web,n=6", false),
    ] {
        assert_eq!(matches(selector, &web), expected, "{selector}");
    }
}

#[test]
fn the_empty_selector_is_everything() {
    assert!(Selector::EVERYTHING.is_everything());
    assert!(!Selector::parse("a").unwrap().is_everything());
}
