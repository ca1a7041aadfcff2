//! The signature of a request, `EXO2-HMAC-SHA256` (read in exoscale/egoscale v3).
//!
//! Law: what is signed is what is sent: the path as it is escaped in the URL, the body's bytes,
//! the values of the query in the order of their names.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::credential::Credentials;

/// The parts of a request that are signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// Escaped, with the API's prefix, without the query.
    pub(super) path: &'a str,
    /// Names and values, not escaped; each name once.
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    /// When the signature ends, in seconds since the epoch.
    pub(super) expires: i64,
}

impl Signed<'_> {
    /// The value of the `Authorization` header.
    pub(super) fn authorization(&self, credentials: &Credentials) -> String {
        let mut query = self.query.to_vec();
        query.sort_unstable();
        let names: Vec<&str> = query.iter().map(|(name, _)| *name).collect();
        let arguments = if names.is_empty() {
            String::new()
        } else {
            format!(",signed-query-args={}", names.join(";"))
        };
        let signature = STANDARD.encode(self.hmac(&query, credentials));
        format!(
            "EXO2-HMAC-SHA256 credential={}{arguments},expires={},signature={signature}",
            credentials.key.expose(),
            self.expires,
        )
    }

    /// Over five parts, one per line, the last one without a line's end. The fourth would be
    /// signed headers, which the API does not use.
    fn hmac(&self, query: &[(&str, &str)], credentials: &Credentials) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, credentials.secret.expose().as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{} {}\n", self.method, self.path).as_bytes());
        context.update(self.body);
        context.update(b"\n");
        for (_, value) in query {
            context.update(value.as_bytes());
        }
        context.update(format!("\n\n{}", self.expires).as_bytes());
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Secret;

    fn mk_credentials() -> Credentials {
        Credentials {
            key: Secret::new("EXOxxxxxxxxxxxxxxxxxxxxxxxx").unwrap(),
            secret: Secret::new(&"X".repeat(43)).unwrap(),
        }
    }

    fn authorization(query: &[(&str, &str)]) -> String {
        let signed = Signed {
            method: "GET",
            path: "/v2/zone",
            query,
            body: b"",
            expires: 3_376_684_800,
        };
        signed.authorization(&mk_credentials())
    }

    #[test]
    fn the_vector_without_a_query() {
        assert_eq!(
            authorization(&[]),
            "EXO2-HMAC-SHA256 credential=EXOxxxxxxxxxxxxxxxxxxxxxxxx,expires=3376684800,\
             signature=Ntbq/p0HVmA3Zg1HHY+Lq1vjFGi7HeMrrgXDS5jRNlY="
        );
    }

    #[test]
    fn the_vector_with_a_query_in_any_order() {
        let expected = "EXO2-HMAC-SHA256 credential=EXOxxxxxxxxxxxxxxxxxxxxxxxx,\
             signed-query-args=k1;k2,expires=3376684800,\
             signature=iqOBz13+44L5j0uJclE8hmUhQQcvtCSoPEOXYK6liqY=";
        assert_eq!(authorization(&[("k1", "v1"), ("k2", "v2")]), expected);
        assert_eq!(authorization(&[("k2", "v2"), ("k1", "v1")]), expected);
    }
}
