//! Whatever a server answers the probe: it ends in one attempt whose parts agree.

use std::time::Duration;

use loadclient::probe::attempt::{Endpoint, Outcome};
use loadclient::probe::exchange;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use crate::{Target, seed, stage};

pub(crate) const TARGET: Target = Target {
    name: "probe",
    run,
    seeds,
    words: &[
        "HTTP/1.1 ",
        "HTTP/1.0 ",
        "HTTP/2 ",
        "100 ",
        "101 ",
        "103 ",
        "200 OK\r\n",
        "204 ",
        "304 ",
        "599 ",
        "999 ",
        "\r\n",
        "\r\n\r\n",
        "content-length: 3\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: upgrade\r\nupgrade: x\r\n",
        "location: \r\n",
        "3\r\nOK\n\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "\0",
        ":",
        "\t",
    ],
    cases: 3000,
};

fn seeds() -> Vec<Vec<u8>> {
    seed::all(&[
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nOK\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nOK\n\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nContinue\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.0 500 Internal Server Error\r\n\r\nuntil the end",
        "SSH-2.0-x\r\n",
        "",
    ])
}

/// Longer than any of this takes: the server closes when it has said everything.
const LIMIT: Duration = Duration::from_secs(60);

fn run(input: &[u8]) {
    let target = "server:8080".parse().unwrap();
    let (client, mut server) = duplex(1 << 16);
    let serve = async {
        let _ = server.read(&mut [0; 1024]).await;
        let _ = server.write_all(input).await;
        drop(server);
    };
    let send = exchange::send_over(client, &target, Endpoint::Status, LIMIT);
    let (attempt, ()) = stage::block_on(async { tokio::join!(send, serve) });
    let shown = input.escape_ascii();
    assert_ne!(attempt.outcome, Outcome::Timeout, "{shown}");
    let class = attempt.code.map(|code| code.as_u16() / 100);
    match attempt.outcome {
        Outcome::Success => assert_eq!(class, Some(2), "{shown}"),
        Outcome::HttpError => assert!(class.is_some_and(|class| class != 2), "{shown}"),
        _ => {}
    }
    assert_eq!(attempt.error.is_none(), attempt.is_success(), "{shown}");
    if let Some(code) = attempt.code {
        // Somewhere the server did say so; what it said before that was interim.
        let said = format!(" {}", code.as_str());
        let mut windows = input.windows(said.len());
        assert!(windows.any(|window| window == said.as_bytes()), "{shown}");
        assert!(!matches!(code.as_u16(), 100 | 102..=199), "{shown}");
    }
}
