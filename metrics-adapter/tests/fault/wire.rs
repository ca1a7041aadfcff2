//! Bytes that something which is not Prometheus may send.

use std::sync::Arc;

use crate::proxy::{Asked, Canned};

/// The answer to every request: a status, a media type, a body.
pub(crate) fn answer(status: u16, media_type: &str, body: &str) -> Canned {
    let length = body.len();
    let bytes = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: {media_type}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    Arc::new(move |_| bytes.clone().into_bytes())
}

/// JSON with 200.
pub(crate) fn json(body: &str) -> Canned {
    answer(200, "application/json", body)
}

/// An error in Prometheus' own words.
pub(crate) fn error(status: u16, kind: &str) -> Canned {
    let body = format!(r#"{{"status":"error","errorType":"{kind}","error":"made by a test"}}"#);
    answer(status, "application/json", &body)
}

/// Series as they are, so that the list of metrics stays; these values for every query.
pub(crate) fn values(values: [&str; 4], seconds: &str) -> Canned {
    let sample = |labels: &str, value: &str| {
        format!(r#"{{"metric":{{{labels}}},"value":[{seconds},"{value}"]}}"#)
    };
    let pods = ["web-0", "web-1", "web-2"].map(|pod| format!(r#""pod":"{pod}""#));
    let [a, b, c, queue] = values;
    let rates = [
        sample(&pods[0], a),
        sample(&pods[1], b),
        sample(&pods[2], c),
    ]
    .join(",");
    let (rates, queue) = (vector(&rates), vector(&sample("", queue)));
    Arc::new(move |asked| {
        if is_series(asked) {
            return json(SERIES)(asked);
        }
        json(if asked.says("queue") { &queue } else { &rates })(asked)
    })
}

/// Series as they are; no sample for any query.
#[allow(dead_code, reason = "for those who share this file")]
pub(crate) fn nothing() -> Canned {
    let nothing = vector("");
    Arc::new(move |asked| json(if is_series(asked) { SERIES } else { &nothing })(asked))
}

fn vector(result: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#)
}

const SERIES: &str = r#"{"status":"success","data":[
    {"__name__":"rps","namespace":"shop","pod":"web-0"},{"__name__":"queue","namespace":"shop"}]}"#;

/// Well-formed to the last byte, of which there is none.
pub(crate) fn endless() -> (Canned, Canned) {
    let beginning = |asked: &Asked| {
        let data = if is_series(asked) {
            r#"{"status":"success","data":["#
        } else {
            r#"{"status":"success","data":{"resultType":"vector","result":["#
        };
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n";
        format!("{head}{data}").into_bytes()
    };
    let rest = |asked: &Asked| {
        let item = if is_series(asked) {
            r#"{"__name__":"rps","namespace":"shop","pod":"web-0"},"#
        } else {
            r#"{"metric":{"pod":"web-0"},"value":[1,"10"]},"#
        };
        item.repeat(4096).into_bytes()
    };
    (Arc::new(beginning), Arc::new(rest))
}

/// The head and the beginning of a text that is one long string.
pub(crate) fn endless_text() -> (Canned, Canned) {
    let head = "HTTP/1.1 503 X\r\nconnection: close\r\ncontent-type: text/html\r\n\r\n<html>";
    (
        Arc::new(move |_| head.as_bytes().to_vec()),
        Arc::new(|_| vec![b'x'; 64 * 1024]),
    )
}

/// Blanks without end, 158 of them in a byte: gzip's largest ratio, made of one literal and
/// matches of 258 bytes at distance 1 in a block with fixed codes (RFC 1951).
pub(crate) fn bomb() -> (Canned, Canned) {
    let literal = (0x30_u32 + u32::from(b' '), 8);
    // Length code 285, then distance code 0.
    let copy = ((0b1100_0101 << 5), 13);
    let mut bits = vec![false, true, false];
    let mut push = |(code, length): (u32, u32)| {
        bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    };
    push(literal);
    for _ in 0..4 * 8 {
        push(copy);
    }
    let bytes: Vec<u8> = bits
        .chunks_exact(8)
        .map(|bits| {
            bits.iter()
                .rev()
                .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
        })
        .collect();
    // Eight copies are 13 bytes, so from here on they repeat.
    let (start, unit) = (bytes[..13].to_vec(), bytes[13..26].to_vec());
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\
                content-encoding: gzip\r\n\r\n";
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let beginning = [head.as_bytes(), &gzip, &start].concat();
    (
        Arc::new(move |_| beginning.clone()),
        Arc::new(move |_| unit.repeat(1024)),
    )
}

fn is_series(asked: &Asked) -> bool {
    asked.path.contains("/series")
}
