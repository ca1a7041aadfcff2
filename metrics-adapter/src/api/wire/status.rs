//! `Status`: an error, in any encoding.

use serde::Serialize;

use super::{Answer, Empty, proto};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Status<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    message: &'a str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
    code: u16,
}

/// Which object an error is about.
#[derive(Serialize)]
pub(in crate::api) struct Details<'a> {
    pub(in crate::api) name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(in crate::api) group: &'a str,
    pub(in crate::api) kind: &'a str,
}

/// A failure.
pub(in crate::api) fn failure<'a>(
    code: u16,
    reason: &'static str,
    message: &'a str,
    details: Option<Details<'a>>,
) -> Status<'a> {
    Status {
        kind: "Status",
        api_version: "v1",
        metadata: Empty {},
        status: "Failure",
        message,
        reason,
        details,
        code,
    }
}

impl Answer for Status<'_> {
    fn protobuf(&self) -> Vec<u8> {
        let details = |details: &Details<'_>| proto::StatusDetails {
            name: details.name.to_owned(),
            group: details.group.to_owned(),
            kind: details.kind.to_owned(),
            ..proto::StatusDetails::default()
        };
        let status = proto::Status {
            metadata: proto::ListMeta::default(),
            status: self.status.to_owned(),
            message: self.message.to_owned(),
            reason: self.reason.to_owned(),
            details: self.details.as_ref().map(details),
            code: i32::from(self.code),
        };
        proto::envelope(self.api_version, self.kind, &status)
    }
}
