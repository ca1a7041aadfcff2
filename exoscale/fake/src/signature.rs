//! Whether a request is signed by the one who has the secret: `EXO2-HMAC-SHA256`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// The only key that exists.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The API key.
    pub key: String,
    /// The API secret.
    pub secret: String,
}

/// What a request looks like on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it came.
    pub path: &'a str,
    /// Names and values of the query, decoded.
    pub query: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

/// Why a request is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No header, or another scheme's.
    #[error("no signature")]
    Missing,
    /// The header's parts are not as they should be.
    #[error("malformed signature")]
    Malformed,
    /// Somebody else's key.
    #[error("unknown api key")]
    Key,
    /// Too late.
    #[error("signature expired")]
    Expired,
    /// Not everything that was sent was signed.
    #[error("query not signed")]
    Query,
    /// Signed with another secret, or something was changed on the way.
    #[error("wrong signature")]
    Wrong,
}

/// Checks the `Authorization` header of a request that came at `now`, in seconds since the epoch.
///
/// # Errors
/// The reason to refuse it.
pub fn check(
    keys: &Keys,
    authorization: Option<&str>,
    request: Request<'_>,
    now: i64,
) -> Result<(), Refusal> {
    let parts = authorization
        .and_then(|text| text.strip_prefix("EXO2-HMAC-SHA256 "))
        .ok_or(Refusal::Missing)?;
    let part = |wanted: &str| {
        let mut pairs = parts.split(',').filter_map(|part| part.split_once('='));
        let found = pairs.find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value)
    };
    let expires = part("expires").ok_or(Refusal::Malformed)?;
    let signature = part("signature").ok_or(Refusal::Malformed)?;
    if part("credential") != Some(keys.key.as_str()) {
        return Err(Refusal::Key);
    }
    if expires.parse::<i64>().map_err(|_| Refusal::Malformed)? <= now {
        return Err(Refusal::Expired);
    }
    let signed: Vec<&str> = part("signed-query-args")
        .map(|names| names.split(';').collect())
        .unwrap_or_default();
    let mut values = String::new();
    for name in &signed {
        let mut found = request.query.iter().filter(|(other, _)| other == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => values += value,
            _ => return Err(Refusal::Query),
        }
    }
    if signed.len() != request.query.len() || !signed.is_sorted() {
        return Err(Refusal::Query);
    }
    let mut mac =
        Hmac::<Sha256>::new_from_slice(keys.secret.as_bytes()).map_err(|_| Refusal::Malformed)?;
    let message = [
        format!("{} {}", request.method, request.path).as_bytes(),
        request.body,
        values.as_bytes(),
        b"",
        expires.as_bytes(),
    ]
    .join(&b'\n');
    mac.update(&message);
    let signature = STANDARD.decode(signature).map_err(|_| Refusal::Malformed)?;
    mac.verify_slice(&signature).map_err(|_| Refusal::Wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "EXO2-HMAC-SHA256 credential=EXOxxxxxxxxxxxxxxxxxxxxxxxx,\
         expires=3376684800,signature=Ntbq/p0HVmA3Zg1HHY+Lq1vjFGi7HeMrrgXDS5jRNlY=";
    const QUERY: &str = "EXO2-HMAC-SHA256 credential=EXOxxxxxxxxxxxxxxxxxxxxxxxx,\
         signed-query-args=k1;k2,expires=3376684800,\
         signature=iqOBz13+44L5j0uJclE8hmUhQQcvtCSoPEOXYK6liqY=";

    fn judged(
        authorization: Option<&str>,
        query: &[(&str, &str)],
        now: i64,
    ) -> Result<(), Refusal> {
        let keys = Keys {
            key: "EXOxxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
            secret: "X".repeat(43),
        };
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let query: Vec<_> = query.iter().map(own).collect();
        let request = Request {
            method: "GET",
            path: "/v2/zone",
            query: &query,
            body: b"",
        };
        check(&keys, authorization, request, now)
    }

    #[test]
    fn the_two_known_signatures_are_good() {
        assert_eq!(judged(Some(PLAIN), &[], 0), Ok(()));
        let query = [("k2", "v2"), ("k1", "v1")];
        assert_eq!(judged(Some(QUERY), &query, 0), Ok(()));
    }

    #[test]
    fn everything_else_is_not() {
        let query = [("k1", "v1"), ("k2", "v2")];
        assert_eq!(judged(None, &[], 0), Err(Refusal::Missing));
        assert_eq!(judged(Some("Bearer x"), &[], 0), Err(Refusal::Missing));
        assert_eq!(
            judged(Some(PLAIN), &[], 3_376_684_800),
            Err(Refusal::Expired)
        );
        assert_eq!(judged(Some(PLAIN), &query, 0), Err(Refusal::Query));
        assert_eq!(judged(Some(QUERY), &[], 0), Err(Refusal::Query));
        let changed = [("k1", "v1"), ("k2", "v3")];
        assert_eq!(judged(Some(QUERY), &changed, 0), Err(Refusal::Wrong));
        let other = PLAIN.replace("EXOx", "EXOy");
        assert_eq!(judged(Some(&other), &[], 0), Err(Refusal::Key));
        let cut = PLAIN.replace(",expires=3376684800", "");
        assert_eq!(judged(Some(&cut), &[], 0), Err(Refusal::Malformed));
    }
}
