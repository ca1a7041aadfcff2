//! The role web's `/status`: every code to the byte, over a raw socket.

use std::io::Read as _;
use std::net::TcpStream;

use crate::process::{DEADLINE, Web, get, metric, raw, request, text};

/// What a Go server sends for each code: written down from `http.StatusText` and from the wire.
const TABLE: [(u16, &str); 61] = [
    (100, "Continue"),
    (101, "Switching Protocols"),
    (102, "Processing"),
    (103, "Early Hints"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (203, "Non-Authoritative Information"),
    (204, "No Content"),
    (205, "Reset Content"),
    (206, "Partial Content"),
    (207, "Multi-Status"),
    (208, "Already Reported"),
    (226, "IM Used"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (305, "Use Proxy"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Request Entity Too Large"),
    (414, "Request URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Requested Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (418, "I'm a teapot"),
    (421, "Misdirected Request"),
    (422, "Unprocessable Entity"),
    (423, "Locked"),
    (424, "Failed Dependency"),
    (426, "Upgrade Required"),
    (428, "Precondition Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (451, "Unavailable For Legal Reasons"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
    (505, "HTTP Version Not Supported"),
    (506, "Variant Also Negotiates"),
    (507, "Insufficient Storage"),
    (508, "Loop Detected"),
    (510, "Not Extended"),
    (511, "Network Authentication Required"),
];

/// As [`raw`], of a request without a body.
fn ask(server: &Web, method: &str, path: &str) -> String {
    raw(server.web, &request(method, path))
}

#[tokio::test]
async fn all_61_codes_are_on_the_wire_as_go_writes_them() {
    let server = Web::start(&[]);
    for (code, reason) in TABLE {
        let path = format!("/status/{code}");
        let set = ask(&server, "POST", &path);
        assert_eq!(set, text("202 Accepted", "Accepted\n"), "{code}");
        assert_eq!(
            ask(&server, "POST", &path),
            text("200 OK", "OK\n"),
            "{code} again"
        );
        let expected = match code {
            // The interim line before it is for those who wait for it, and not sent.
            100 | 102 | 103 => text("200 OK", &format!("{reason}\n")),
            101 | 204 | 304 => format!("HTTP/1.1 {code} {reason}\r\nconnection: close\r\n\r\n"),
            _ => text(&format!("{code} {reason}"), &format!("{reason}\n")),
        };
        assert_eq!(ask(&server, "GET", "/status"), expected);
    }
    // Measured as what was stored, and by both names.
    let (_, metrics) = get(server.admin, "/metrics");
    for (code, _) in TABLE {
        for part in [
            format!("http_response_status_code=\"{code}\",http_route=\"/status\""),
            format!("http_route=\"/status\",http_scheme=\"http\",http_status_code=\"{code}\""),
        ] {
            assert!(metrics.contains(&part), "{part} not in\n{metrics}");
        }
    }
}

#[test]
fn wrong_methods_get_the_text_and_no_allow() {
    let server = Web::start(&[]);
    for (path, right) in [
        ("/status", "GET"),
        ("/status/200", "POST"),
        ("/flaky", "POST"),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            if method != right {
                let expected = text("405 Method Not Allowed", "Method Not Allowed\n");
                assert_eq!(ask(&server, method, path), expected, "{method} {path}");
            }
        }
        let head = ask(&server, "HEAD", path);
        let expected = text("405 Method Not Allowed", "Method Not Allowed\n");
        assert_eq!(head, expected.strip_suffix("Method Not Allowed\n").unwrap());
    }
    let expected = text("404 Not Found", "404 page not found\n");
    for path in ["/status/", "/status/200/"] {
        assert_eq!(ask(&server, "POST", path), expected, "{path}");
    }
    for path in ["/status/%zz", "/status/306"] {
        let expected = text("400 Bad Request", "Bad Request\n");
        assert_eq!(ask(&server, "POST", path), expected, "{path}");
    }
}

/// The codes of the first flaky answers.
fn flaky_codes(seed: &str) -> Vec<String> {
    let server = Web::start(&[seed]);
    let accepted = text("202 Accepted", "Accepted\n");
    assert_eq!(ask(&server, "POST", "/flaky"), accepted);
    let first = |_| {
        let answer = ask(&server, "GET", "/status");
        answer.lines().next().unwrap().to_owned()
    };
    let codes: Vec<String> = (0..5).map(first).collect();
    assert_eq!(
        codes[0], "HTTP/1.1 200 OK",
        "the first answer is the old code"
    );
    assert_eq!(ask(&server, "POST", "/flaky"), accepted);
    let last = ask(&server, "GET", "/status");
    assert_eq!(ask(&server, "GET", "/status"), last, "steady again");
    codes
}

#[test]
fn the_seed_decides_what_is_random() {
    let codes = flaky_codes("--seed=7");
    assert_eq!(codes, flaky_codes("--seed=7"));
    assert_ne!(codes, flaky_codes("--seed=8"));
}

#[tokio::test]
async fn the_original_ports_and_names_are_a_matter_of_flags() {
    let server = Web::start(&["--service-name=alfaview/training", "--read-timeout-ms=1000"]);
    metric(
        server.admin,
        "target_info{service_name=\"alfaview/training\"} 1",
    )
    .await;
    // Whoever sends nothing is let go after the read timeout.
    let mut silent = TcpStream::connect(server.web).unwrap();
    silent.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}
