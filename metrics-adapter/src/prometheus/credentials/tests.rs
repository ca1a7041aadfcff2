use prometheus_client::registry::Registry;
use reqwest::header::HeaderName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::prometheus::{Client, Metrics, Options, QueryClient as _, Verb};
use crate::serving::tests::support::{TestServer, mk_serving_pair};

fn mk_options(url: &str, credentials: Credentials) -> Options {
    Options {
        url: url.parse().unwrap(),
        verb: Verb::Get,
        headers: Vec::new(),
        credentials,
        timeout: std::time::Duration::from_secs(5),
        concurrency: 1,
        max_body: 1 << 20,
        max_query_length: 0,
    }
}

fn mk_client(options: Options) -> Result<Client, ClientError> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::new(options, Metrics::register(&mut Registry::default()))
}

/// The head of the request that a query makes, in lower case.
async fn sent(change: impl FnOnce(&mut Options)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut options = mk_options(&url, Credentials::default());
    change(&mut options);
    let client = mk_client(options).unwrap();
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap().to_lowercase()
    };
    let (head, _no_answer) = tokio::join!(serve, client.query("up"));
    head
}

fn mk_header(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )
}

#[tokio::test]
async fn a_token_is_read_for_every_request_and_a_header_comes_before_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let token = || {
        Some(Authorization::TokenFile {
            flag: "--prometheus-token-file",
            path: file.path().to_owned(),
        })
    };
    let head = sent(|options| options.credentials.authorization = token()).await;
    assert!(
        head.contains("\r\nauthorization: bearer first\r\n"),
        "{head}"
    );

    let head = sent(|options| {
        options.credentials.authorization = token();
        options.headers = vec![mk_header("authorization", "Basic eDp5")];
    });
    let head = head.await;
    assert!(head.contains("\r\nauthorization: basic edp5\r\n"), "{head}");
    assert_eq!(head.matches("authorization:").count(), 1, "{head}");
}

#[tokio::test]
async fn a_header_may_be_given_twice() {
    let head = sent(|options| {
        options.headers = vec![mk_header("x-scope", "a"), mk_header("x-scope", "b")];
    });
    let head = head.await;
    assert!(head.contains("\r\nx-scope: a\r\nx-scope: b\r\n"), "{head}");
}

#[test]
fn what_cannot_be_used_is_told_with_its_flag() {
    let flag = "--prometheus-auth-config";
    let inline = |text: &[u8]| Material {
        flag,
        place: Place::Inline(text.to_vec()),
    };
    let authorities = Credentials {
        authorities: Some(inline(b"no PEM")),
        ..Credentials::default()
    };
    let certificate = Credentials {
        client_certificate: Some((inline(b"no PEM"), inline(b"no key"))),
        ..Credentials::default()
    };
    let token = Credentials {
        authorization: Some(Authorization::TokenFile {
            flag,
            path: "/no/token".into(),
        }),
        ..Credentials::default()
    };
    for credentials in [authorities, certificate, token] {
        let error = mk_client(mk_options("https://localhost", credentials));
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("--prometheus-auth-config "), "{error}");
    }
    let secret = inline(b"secret");
    assert!(!format!("{secret:?}").contains("secret"));
}

/// A Prometheus on loopback with a certificate of its own.
async fn mk_https() -> TestServer {
    let answer = tower::service_fn(|_: http::Request<hyper::body::Incoming>| async {
        let body = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        let body = http_body_util::Full::new(bytes::Bytes::from_static(body.as_bytes()));
        Ok::<_, std::convert::Infallible>(http::Response::new(body))
    });
    TestServer::start(answer, crate::serving::Options::default()).await
}

#[tokio::test]
async fn a_new_authority_is_picked_up_and_a_broken_one_is_not() {
    let server = mk_https().await;
    let url = format!("https://{}", server.address);
    let (other, _) = mk_serving_pair();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), other).unwrap();
    let credentials = Credentials {
        authorities: Some(Material::file(
            "--prometheus-ca-file",
            file.path().to_owned(),
        )),
        ..Credentials::default()
    };
    let client = mk_client(mk_options(&url, credentials)).unwrap();
    assert!(client.query("up").await.is_err());
    assert!(!client.refresh().await.unwrap());
    std::fs::write(file.path(), &server.pem).unwrap();
    assert!(client.refresh().await.unwrap());
    client.query("up").await.unwrap();
    std::fs::write(file.path(), "no PEM").unwrap();
    assert!(client.refresh().await.is_err());
    client.query("up").await.unwrap();
}

/// A token that is away for a moment fails nothing.
#[tokio::test]
async fn certificates_are_picked_up_without_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, token) = (directory.path().join("ca"), directory.path().join("token"));
    std::fs::write(&ca, mk_serving_pair().0).unwrap();
    std::fs::write(&token, "t").unwrap();
    let credentials = Credentials {
        authorities: Some(Material::file("--prometheus-ca-file", ca.clone())),
        authorization: Some(Authorization::TokenFile {
            flag: "--prometheus-token-file",
            path: token.clone(),
        }),
        ..Credentials::default()
    };
    let client = mk_client(mk_options("https://localhost", credentials)).unwrap();
    std::fs::remove_file(&token).unwrap();
    assert!(!client.refresh().await.unwrap());
    std::fs::write(&ca, mk_serving_pair().0).unwrap();
    assert!(client.refresh().await.unwrap());
    let error = client.query("up").await.unwrap_err().to_string();
    assert!(!error.contains("--prometheus-token-file"), "{error}");
}

#[test]
fn errors_name_the_files_that_may_be_at_fault() {
    const CA: &str = "--prometheus-ca-file";
    const CERTIFICATE: &str = "--prometheus-client-tls-cert-file";
    const KEY: &str = "--prometheus-client-tls-key-file";
    let directory = tempfile::tempdir().unwrap();
    let file = |flag, name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        Material::file(flag, path)
    };
    let (good, other) = (mk_serving_pair(), mk_serving_pair());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        // Not a word about the system's authorities: those are not the trouble.
        (
            None,
            Some((&*good.0, &*other.1)),
            vec![CERTIFICATE, KEY, "do not belong together"],
        ),
        (
            None,
            Some(("no PEM", &*good.1)),
            vec![CERTIFICATE, KEY, "certificate"],
        ),
        (
            None,
            Some((&*good.0, "no PEM")),
            vec![CERTIFICATE, KEY, "key"],
        ),
        (Some(broken), None, vec![CA]),
        (
            Some(broken),
            Some((&*good.0, &*good.1)),
            vec![CA, CERTIFICATE, KEY],
        ),
    ];
    for (authorities, identity, expected) in cases {
        let credentials = Credentials {
            authorities: authorities.map(|text| file(CA, "ca", text)),
            client_certificate: identity.map(|(certificate, key)| {
                (file(CERTIFICATE, "crt", certificate), file(KEY, "key", key))
            }),
            ..Credentials::default()
        };
        let error = mk_client(mk_options("https://localhost", credentials));
        let error = error.unwrap_err().to_string();
        for text in expected {
            assert!(error.contains(text), "{text}: {error}");
        }
        assert!(
            !error.contains("needed?") && !error.contains("builder error"),
            "{error}"
        );
    }
}
