//! Bearer tokens.

use http::{HeaderMap, header};

/// The token of a request: `Authorization: Bearer <token>`. Other schemes and an empty token
/// count as no token at all, as in k8s.io/apiserver. Bytes that are no text stay a token, for a
/// bad credential is not the same as none; what stands in for them is in no valid token.
pub(super) fn token(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(header::AUTHORIZATION)?.as_bytes());
    let mut parts = value.trim().split(' ');
    let scheme = parts.next()?;
    let token = parts.next()?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_token() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bEARER abc", Some("abc")),
            ("  Bearer abc  ", Some("abc")),
            ("Bearer abc def", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearer  abc", None),
            ("Basic abc", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(token(&headers).as_deref(), expected, "{value:?}");
        }
        assert_eq!(token(&HeaderMap::new()), None);
        let mut headers = HeaderMap::new();
        let bytes = http::HeaderValue::from_bytes(b"Bearer a\xff").unwrap();
        headers.insert(header::AUTHORIZATION, bytes);
        assert_eq!(token(&headers).as_deref(), Some("a\u{fffd}"));
    }
}
