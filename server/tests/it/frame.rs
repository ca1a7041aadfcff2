//! An HTTP/2 client that shows every frame: just enough of RFC 9113 to make gRPC calls.

use std::net::SocketAddr;

use prost::Message as _;
use proto::{DoRequest, DoResponse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// What a graceful GOAWAY names first: no stream is refused yet.
pub(crate) const EVERY_STREAM: u32 = 0x7fff_ffff;

/// What the server did, as far as the tests care.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// The server wants the connection to end; streams above `last` were not processed.
    GoAway { last: u32, error: u32 },
    /// A stream's message arrived.
    Answer { stream: u32, pod: String },
    /// A stream ended.
    End { stream: u32 },
    /// The connection is closed.
    Closed,
}

pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut client = Self { stream };
        client.send(SETTINGS, 0, 0, &[]).await;
        client
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Starts a call of `Operations.Do` on `stream` (odd, increasing).
    pub(crate) async fn call(&mut self, stream: u32) {
        let mut headers = Vec::new();
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/travelaudience.gserver.v1.Operations/Do"),
            (":authority", "test"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ] {
            // HPACK: a literal without indexing, both strings plain and shorter than 127.
            headers.push(0);
            for text in [name, value] {
                headers.push(u8::try_from(text.len()).unwrap());
                headers.extend(text.as_bytes());
            }
        }
        self.send(HEADERS, END_HEADERS, stream, &headers).await;
        let message = DoRequest::default().encode_to_vec();
        let mut data = vec![0];
        data.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        data.extend(message);
        self.send(DATA, END_STREAM, stream, &data).await;
    }

    /// The next event; answers pings and settings on the way.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).await.is_err() {
                return Event::Closed;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            if self.stream.read_exact(&mut payload).await.is_err() {
                return Event::Closed;
            }
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.send(PING, ACK, 0, &payload).await,
                GOAWAY => {
                    let word =
                        |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
                    return Event::GoAway {
                        last: word(0),
                        error: word(4),
                    };
                }
                DATA if payload.len() > 5 => {
                    let response = DoResponse::decode(&payload[5..]).unwrap();
                    return Event::Answer {
                        stream,
                        pod: response.pod,
                    };
                }
                HEADERS if flags & END_STREAM != 0 => return Event::End { stream },
                _ => {}
            }
        }
    }
}
