//! The status codes that `/status` can be told to answer with: those that Go's `net/http` has a
//! text for, but for 306, 425 and 509.

use std::fmt;

use axum::http::StatusCode;
use percent_encoding::percent_decode_str;

/// One of the 61 codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    number: u16,
    text: &'static str,
}

/// Not a number, or none of the codes.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not one of the status codes that can be set")]
pub struct Invalid;

impl Code {
    /// All of them, in order, with Go's texts (`http.StatusText`), which are not always those of
    /// the RFC.
    pub const ALL: [Self; 61] = [
        Self::new(100, "Continue"),
        Self::new(101, "Switching Protocols"),
        Self::new(102, "Processing"),
        Self::new(103, "Early Hints"),
        Self::OK,
        Self::new(201, "Created"),
        Self::ACCEPTED,
        Self::new(203, "Non-Authoritative Information"),
        Self::new(204, "No Content"),
        Self::new(205, "Reset Content"),
        Self::new(206, "Partial Content"),
        Self::new(207, "Multi-Status"),
        Self::new(208, "Already Reported"),
        Self::new(226, "IM Used"),
        Self::new(300, "Multiple Choices"),
        Self::new(301, "Moved Permanently"),
        Self::new(302, "Found"),
        Self::new(303, "See Other"),
        Self::new(304, "Not Modified"),
        Self::new(305, "Use Proxy"),
        Self::new(307, "Temporary Redirect"),
        Self::new(308, "Permanent Redirect"),
        Self::BAD_REQUEST,
        Self::new(401, "Unauthorized"),
        Self::new(402, "Payment Required"),
        Self::new(403, "Forbidden"),
        Self::new(404, "Not Found"),
        Self::METHOD_NOT_ALLOWED,
        Self::new(406, "Not Acceptable"),
        Self::new(407, "Proxy Authentication Required"),
        Self::new(408, "Request Timeout"),
        Self::new(409, "Conflict"),
        Self::new(410, "Gone"),
        Self::new(411, "Length Required"),
        Self::new(412, "Precondition Failed"),
        Self::new(413, "Request Entity Too Large"),
        Self::new(414, "Request URI Too Long"),
        Self::new(415, "Unsupported Media Type"),
        Self::new(416, "Requested Range Not Satisfiable"),
        Self::new(417, "Expectation Failed"),
        Self::new(418, "I'm a teapot"),
        Self::new(421, "Misdirected Request"),
        Self::new(422, "Unprocessable Entity"),
        Self::new(423, "Locked"),
        Self::new(424, "Failed Dependency"),
        Self::new(426, "Upgrade Required"),
        Self::new(428, "Precondition Required"),
        Self::new(429, "Too Many Requests"),
        Self::new(431, "Request Header Fields Too Large"),
        Self::new(451, "Unavailable For Legal Reasons"),
        Self::new(500, "Internal Server Error"),
        Self::new(501, "Not Implemented"),
        Self::new(502, "Bad Gateway"),
        Self::new(503, "Service Unavailable"),
        Self::new(504, "Gateway Timeout"),
        Self::new(505, "HTTP Version Not Supported"),
        Self::new(506, "Variant Also Negotiates"),
        Self::new(507, "Insufficient Storage"),
        Self::new(508, "Loop Detected"),
        Self::new(510, "Not Extended"),
        Self::new(511, "Network Authentication Required"),
    ];

    /// 200.
    pub const OK: Self = Self::new(200, "OK");

    /// 202.
    pub const ACCEPTED: Self = Self::new(202, "Accepted");

    /// 400.
    pub const BAD_REQUEST: Self = Self::new(400, "Bad Request");

    /// 405.
    pub const METHOD_NOT_ALLOWED: Self = Self::new(405, "Method Not Allowed");

    const fn new(number: u16, text: &'static str) -> Self {
        Self { number, text }
    }

    /// Reads a segment of a path as Go's `PathValue` and `strconv.Atoi` do: percent-encoded, in
    /// decimal, with a sign and with leading zeros if you like.
    ///
    /// # Errors
    ///
    /// [`Invalid`], if it is no number, or not one of these codes.
    pub fn parse(segment: &str) -> Result<Self, Invalid> {
        let text = percent_decode_str(segment).decode_utf8();
        let text = text.map_err(|_| Invalid)?;
        // Rust reads an i64 exactly as Atoi does an int on 64 bits.
        let number: i64 = text.parse().map_err(|_| Invalid)?;
        let mut all = Self::ALL.into_iter();
        all.find(|code| i64::from(code.number) == number)
            .ok_or(Invalid)
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.number
    }

    /// What Go calls it.
    #[must_use]
    pub fn text(self) -> &'static str {
        self.text
    }

    /// The status of the final answer: Go sends 100, 102 and 103 as interim answers, with 200
    /// after them.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self.number {
            100 | 102 | 103 => StatusCode::OK,
            number => StatusCode::from_u16(number).unwrap_or_default(),
        }
    }

    /// Whether the answer has a body: not with 101, 204 and 304.
    #[must_use]
    pub fn has_body(self) -> bool {
        !matches!(self.number, 101 | 204 | 304)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_in_order_and_each_is_found() {
        assert!(Code::ALL.is_sorted_by(|one, next| one.number < next.number));
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.number.to_string()), Ok(code));
        }
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for text in [
            "+200",
            "0200",
            "2%300",
            "%2B200",
            "00000000000000000000000200",
            "2%30%30",
        ] {
            assert_eq!(Code::parse(text), Ok(Code::OK), "{text}");
        }
        for text in [
            "",
            "+",
            "-",
            "-200",
            "++200",
            "2_00",
            "0xc8",
            "200.0",
            "2e2",
            " 200",
            "200%20",
            "%",
            "%zz",
            "%ff",
            "2%2F00",
            "306",
            "425",
            "509",
            "99",
            "600",
            "99999999999999999999",
            "18446744073709551816",
            "٢٠٠",
        ] {
            assert_eq!(Code::parse(text), Err(Invalid), "{text}");
        }
    }

    #[test]
    fn only_interim_codes_become_200() {
        let other = Code::ALL
            .into_iter()
            .filter(|code| code.status() != code.number);
        let numbers: Vec<u16> = other.map(Code::number).collect();
        assert_eq!(numbers, [100, 102, 103]);
    }
}
