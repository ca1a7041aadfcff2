//! The code in the path of `POST /status/{code}`, as Go reads it.

use server::flaky::Code;

use crate::{Target, seed};

pub(crate) const TARGET: Target = Target {
    name: "flaky",
    run,
    seeds,
    words: &[
        "+", "-", "0", "00000000", "1", "200", "306", "418", "511", "_", "%", "%3", "%30", "%2B",
        "%2b", "%2F", "%00", "%ff", "%20", "0x", "e", ".", " ", "٢",
    ],
    cases: 10000,
};

fn seeds() -> Vec<Vec<u8>> {
    seed::all(&[
        "200",
        "+200",
        "0200",
        "2%300",
        "%2B418",
        "-200",
        "2%2F0",
        "%zz",
        "18446744073709551816",
        "00000000000000000000000000000503",
    ])
}

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let code = Code::parse(text).ok().map(Code::number);
    assert_eq!(code, expected(text), "{text:?}");
}

/// Read byte by byte: a plus sign or none, zeros, and three digits of a code.
fn expected(segment: &str) -> Option<u16> {
    let decoded = decoded(segment.as_bytes());
    let digits = decoded.strip_prefix(b"+").unwrap_or(&decoded);
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    let [first, second, third] = digits[zeros..] else {
        return None;
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let code = 100 * digit(first)? + 10 * digit(second)? + digit(third)?;
    let listed = matches!(
        code,
        100..=103
            | 200..=208
            | 226
            | 300..=305
            | 307..=308
            | 400..=418
            | 421..=424
            | 426
            | 428..=429
            | 431
            | 451
            | 500..=508
            | 510..=511
    );
    listed.then_some(code)
}

fn decoded(mut bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    while let [first, rest @ ..] = bytes {
        let hex = |byte: &u8| {
            char::from(*byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let pair = rest.first().and_then(hex).zip(rest.get(1).and_then(hex));
        match pair {
            Some((high, low)) if *first == b'%' => {
                decoded.push(16 * high + low);
                bytes = &rest[2..];
            }
            _ => {
                decoded.push(*first);
                bytes = rest;
            }
        }
    }
    decoded
}
