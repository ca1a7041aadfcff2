//! The ConfigMap's data.

use super::*;

fn error(change: impl FnOnce(&mut BTreeMap<String, String>)) -> String {
    let mut data = mk_data(&Ca::new("front proxy"), &Ca::new("cluster"));
    change(&mut data);
    Trust::parse(&data).unwrap_err().to_string()
}

#[test]
fn errors_name_the_key() {
    let set = |key: &'static str, value: &'static str| {
        move |data: &mut BTreeMap<String, String>| {
            data.insert(key.to_owned(), value.to_owned());
        }
    };
    for (key, value, expected) in [
        (
            "client-ca-file",
            "x",
            "client-ca-file: no PEM certificate in it",
        ),
        (
            "requestheader-client-ca-file",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "requestheader-client-ca-file: malformed PEM bundle: ",
        ),
        (
            "requestheader-allowed-names",
            "front-proxy-client",
            "requestheader-allowed-names: not a JSON array of strings: ",
        ),
        (
            "requestheader-group-headers",
            r#"["a b"]"#,
            "requestheader-group-headers: \"a b\" is not a header name",
        ),
        (
            "requestheader-extra-headers-prefix",
            r#"[""]"#,
            "requestheader-extra-headers-prefix: \"\" is not a header name",
        ),
        (
            "requestheader-username-headers",
            "[]",
            "requestheader-username-headers: empty, but requestheader-client-ca-file is set",
        ),
    ] {
        let text = error(set(key, value));
        assert!(text.starts_with(expected), "{text}");
    }
    assert_eq!(
        error(BTreeMap::clear),
        "neither requestheader-client-ca-file nor client-ca-file is set",
    );
}

#[test]
fn either_authority_may_be_missing() {
    let mut data = mk_data(&Ca::new("front proxy"), &Ca::new("cluster"));
    data.remove("client-ca-file");
    let trust = Trust::parse(&data).unwrap();
    assert!(trust.client.is_none() && trust.request_header.is_some());

    let data = BTreeMap::from([("client-ca-file".to_owned(), Ca::new("cluster").pem())]);
    let trust = Trust::parse(&data).unwrap();
    assert!(trust.client.is_some() && trust.request_header.is_none());
}
