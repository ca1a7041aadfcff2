//! `/`: the time and the memory in use, and a burn in the background.
//!
//! Law: the answer does not depend on the burn, and is there at once. `Time` and `Mem` have the
//! shape that a Go program gave them, by `3:04PM GMT-07 on Jan 02 2006` and in MiB, which it calls
//! MB; the time is always GMT.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::Web;
use crate::usage::Usage;

/// Members in the order in which they are written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    time: String,
    mem: String,
    #[serde(rename = "RFC3339")]
    rfc3339: String,
    version: &'static str,
}

pub(super) async fn home(State(web): State<Web>) -> Response {
    web.hits.hit();
    let document = document(Timestamp::now(), Usage::now());
    // Nothing in it can fail to be written.
    let json = serde_json::to_string(&document).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, json).into_response()
}

fn document(now: Timestamp, usage: Usage) -> Document {
    let utc = now.to_zoned(TimeZone::UTC);
    let Usage {
        allocated,
        resident,
    } = usage;
    Document {
        time: utc.strftime("%-I:%M%p GMT+00 on %b %d %Y").to_string(),
        mem: format!("Alloc = {allocated} MB, Sys = {resident} MB"),
        rfc3339: utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_members_come_first_and_are_exact() {
        let usage = Usage {
            allocated: 0,
            resident: 68,
        };
        let at = |text: &str| {
            let now: Timestamp = text.parse().unwrap();
            serde_json::to_string(&document(now, usage)).unwrap()
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            at("2018-09-25T14:05:59.999Z"),
            format!(
                r#"{{"Time":"2:05PM GMT+00 on Sep 25 2018","Mem":"Alloc = 0 MB, Sys = 68 MB","RFC3339":"2018-09-25T14:05:59Z","Version":"{version}"}}"#
            )
        );
        for (now, time) in [
            ("2026-01-02T00:00:00Z", "12:00AM GMT+00 on Jan 02 2026"),
            ("2026-12-31T12:34:56Z", "12:34PM GMT+00 on Dec 31 2026"),
            ("2026-07-09T23:59:00+05:00", "6:59PM GMT+00 on Jul 09 2026"),
        ] {
            assert!(
                at(now).starts_with(&format!(r#"{{"Time":"{time}","#)),
                "{now}"
            );
        }
    }
}
