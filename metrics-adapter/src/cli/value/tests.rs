use super::*;

#[test]
fn booleans_are_gos() {
    for text in ["1", "t", "T", "true", "TRUE", "True"] {
        assert_eq!(boolean(text), Ok(true), "{text}");
    }
    for text in ["0", "f", "F", "false", "FALSE", "False"] {
        assert_eq!(boolean(text), Ok(false), "{text}");
    }
    for text in ["", "yes", "2", "tRUE"] {
        assert!(boolean(text).is_err(), "{text:?}");
    }
}

#[test]
fn numbers_have_gos_bases() {
    for (text, number) in [
        ("0", 0),
        ("443", 443),
        ("+5", 5),
        ("-1", -1),
        ("0x1bb", 443),
        ("0X1BB", 443),
        ("0o17", 15),
        ("017", 15),
        ("0b11", 3),
        ("4_43", 443),
        ("0x_1bb", 443),
    ] {
        assert_eq!(int(text), Ok(number), "{text}");
    }
    for text in [
        "",
        "-",
        "x",
        "1.5",
        "08",
        "0x",
        "--1",
        "_1",
        "1__0",
        "1_",
        "0x-1",
        "9999999999999999999",
    ] {
        assert!(int(text).is_err(), "{text:?}");
    }
    assert_eq!(port("0x1bb"), Ok(443));
    for text in ["0", "-1", "65536", "https"] {
        assert!(port(text).is_err(), "{text}");
    }
    assert_eq!((level("-1"), level("+4")), (Ok(-1), Ok(4)));
    assert!(level("0x4").is_err());
    assert_eq!(float("5"), Ok(5.0));
    assert!(float("nan").is_err() && float("five").is_err());
}

#[test]
fn durations_have_a_unit_and_no_sign() {
    let ten = Duration::from_secs(600);
    for text in ["10m", "10m0s", "600s", "+10m", "0.1666666666666666666h"] {
        assert_eq!(duration(text), Ok(ten), "{text}");
    }
    for text in ["0", "-0", "-0s"] {
        assert_eq!(duration(text), Ok(Duration::ZERO), "{text}");
    }
    for text in ["", "10", "-1m", "1d", "1m 30s", "+-1m"] {
        assert!(duration(text).is_err(), "{text:?}");
    }
    assert!(duration("-1m").unwrap_err().contains("negative"));
}

#[test]
fn lists_are_csv() {
    let values = |text| list(text).map(|list| list.0);
    for (text, expected) in [
        ("", &[][..]),
        ("a", &["a"]),
        ("a,b", &["a", "b"]),
        ("a,", &["a", ""]),
        (r#""a,b",c"#, &["a,b", "c"]),
        (r#""say ""hi""""#, &[r#"say "hi""#]),
    ] {
        assert_eq!(values(text).unwrap(), expected, "{text}");
    }
    for text in [r#"""#, r#"a"b"#, r#""a"b"#] {
        assert!(values(text).is_err(), "{text}");
    }
}

#[test]
fn module_levels_are_klogs() {
    let levels = module_levels("api=4,,auth*=9,rules=0").unwrap().0;
    assert_eq!(levels, [("api".to_owned(), 4), ("auth*".to_owned(), 9)]);
    for text in ["api", "api=", "api=x", "=4", "api=-1"] {
        assert!(module_levels(text).is_err(), "{text}");
    }
}

#[test]
fn pairs_have_two_files_and_maybe_names() {
    let pair = named_pair("a.crt, a.key : *.a.test, b.test").unwrap();
    assert_eq!(pair.certificate, PathBuf::from("a.crt"));
    assert_eq!(pair.key, PathBuf::from("a.key"));
    assert_eq!(pair.names, ["*.a.test", "b.test"]);
    assert!(named_pair("a.crt,a.key").unwrap().names.is_empty());
    for text in ["a", "a,", "a,b,c", "a,b:", "a,b:x,", "a,b:10.0.0.1"] {
        assert!(named_pair(text).is_err(), "{text}");
    }
}
