//! Prometheus' JSON, decoded straight into what is kept of it.
//!
//! Law: a body may be anything; what is kept of it is no more than a small multiple of its size.

mod about;
mod series;
mod vector;

use std::borrow::Cow;
use std::fmt::Display;

use serde::de::{Deserialize, IgnoredAny};

use super::PrometheusError;
use super::range::Series;
use crate::model::QueryValue;
pub use about::{names, targets, types};
pub use series::series;
use vector::{OwnLabels, Point, Samples};

/// Bytes of a foreign body that the log tells.
const BEGINNING: usize = 200;

#[derive(Default, serde::Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Envelope<'a, T> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(default = "Option::default")]
    data: Option<T>,
    #[serde(default, rename = "errorType")]
    error_type: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

/// Decodes the answer of `/api/v1/query`.
///
/// # Errors
/// As [`series`], and for results that are neither vector nor scalar.
pub fn query(status: u16, body: &[u8]) -> Result<QueryValue, PrometheusError> {
    let unexpected = |kind: &str| {
        Err(PrometheusError::Decode(format!(
            "the result is a {kind}, not a vector or a scalar"
        )))
    };
    match envelope(status, body)? {
        ResultData::Vector(Samples(samples)) => Ok(QueryValue::Vector(samples)),
        ResultData::Scalar(Point { value, timestamp }) => {
            Ok(QueryValue::Scalar { value, timestamp })
        }
        ResultData::Matrix(_) => unexpected("matrix"),
        ResultData::String(_) => unexpected("string"),
    }
}

/// Decodes the answer of `/api/v1/query_range`.
///
/// # Errors
/// As [`series`], and for results that are no matrix.
pub fn matrix(status: u16, body: &[u8]) -> Result<Vec<Series>, PrometheusError> {
    let RangeData::Matrix(items) = envelope(status, body)?;
    let series = |MatrixItem { metric, values }: MatrixItem| Series {
        labels: metric.0,
        points: values
            .into_iter()
            .map(|Point { value, timestamp }| (timestamp, value))
            .collect(),
    };
    Ok(items.into_iter().map(series).collect())
}

fn envelope<'a, T: Deserialize<'a>>(status: u16, body: &'a [u8]) -> Result<T, PrometheusError> {
    judge(status, serde_json::from_slice(body), body)
}

/// Of `body` only the beginning counts, which is for people.
fn judge<T>(
    status: u16,
    parsed: Result<Envelope<'_, T>, impl Display>,
    body: &[u8],
) -> Result<T, PrometheusError> {
    match parsed {
        Ok(Envelope {
            status: said,
            data: Some(data),
            ..
        }) if said == "success" && (200..300).contains(&status) => Ok(data),
        Ok(Envelope {
            error_type, error, ..
        }) if error.is_some() || error_type.is_some() => {
            let message = format!(
                "{}: {}",
                error_type.unwrap_or_default(),
                error.unwrap_or_default()
            );
            Err(PrometheusError::Api { status, message })
        }
        Ok(_) => Err(PrometheusError::Decode("the answer has no data".to_owned())),
        Err(_) if !(200..300).contains(&status) => Err(PrometheusError::Api {
            status,
            message: beginning(body),
        }),
        Err(error) => Err(PrometheusError::Decode(format!(
            "{error} in {:?}",
            beginning(body)
        ))),
    }
}

/// Enough of a foreign body to recognise a proxy's error page in the log.
fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(BEGINNING)]).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(serde::Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum ResultData {
    Vector(Samples),
    Scalar(Point),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

/// A range query has no other result.
#[derive(serde::Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum RangeData {
    Matrix(Vec<MatrixItem>),
}

#[derive(serde::Deserialize)]
struct MatrixItem {
    metric: OwnLabels,
    values: Vec<Point>,
}

/// A string that borrows from the body where JSON escapes nothing.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn vectors_and_scalars_keep_odd_values() {
        let value = query(
            200,
            br#"{"status":"success","data":{"resultType":"vector","result":[
                {"metric":{"pod":"a"},"value":[1700000000.5,"NaN"]},
                {"metric":{},"value":[1700000000,"+Inf"]}]}}"#,
        )
        .unwrap();
        let QueryValue::Vector(samples) = value else {
            panic!("{value:?}")
        };
        assert!(samples[0].value.is_nan());
        assert_eq!(samples[0].timestamp.as_millisecond(), 1_700_000_000_500);
        assert_eq!(samples[1].value, f64::INFINITY);
        let scalar = query(
            200,
            br#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
        )
        .unwrap();
        assert!(matches!(scalar, QueryValue::Scalar { value, .. } if value == 2.0));
    }

    #[test]
    fn texts_that_samples_have_in_common_are_kept_once() {
        let value = query(
            200,
            br#"{"status":"success","data":{"result":[
                {"value":[1,"1"],"metric":{"ns":"shop","pod":"a"}},
                {"metric":{"pod":"b","ns":"sho\u0070"},"value":[1,"2"],"histogram":[1,{}]},
                {"metric":{"ns":"bank","pod":"b"},"value":[1,"3"]}],"resultType":"vector"}}"#,
        )
        .unwrap();
        let QueryValue::Vector(samples) = value else {
            panic!("{value:?}")
        };
        let shown: Vec<String> = samples.iter().map(|s| format!("{:?}", s.labels)).collect();
        assert_eq!(shown[1], r#"{"ns": "shop", "pod": "b"}"#);
        let label = |sample: usize, place| samples[sample].labels.at(place).unwrap();
        for place in 0..2 {
            assert!(Arc::ptr_eq(label(0, place).0, label(1, place).0));
            assert!(Arc::ptr_eq(label(1, place).0, label(2, place).0));
        }
        assert!(Arc::ptr_eq(label(1, 1).1, label(2, 1).1));
        assert!(!Arc::ptr_eq(label(1, 0).1, label(2, 0).1));
    }

    #[test]
    fn matrices_keep_every_point() {
        let series = matrix(
            200,
            br#"{"status":"success","data":{"resultType":"matrix","result":[
                {"metric":{"pod":"a"},"values":[[1700000000,"1"],[1700000015.5,"NaN"]]}]}}"#,
        )
        .unwrap();
        assert_eq!(series[0].labels.get("pod").map(AsRef::as_ref), Some("a"));
        let [(first, one), (second, nan)] = series[0].points[..] else {
            panic!("{series:?}")
        };
        assert_eq!((first.as_second(), one), (1_700_000_000, 1.0));
        assert!(second.as_millisecond() == 1_700_000_015_500 && nan.is_nan());
        let vector = br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        assert_eq!(matrix(200, vector).unwrap_err().kind(), "decode");
    }

    #[test]
    fn what_is_not_an_answer_is_an_error() {
        for (status, body, kind, text) in [
            (200, &b"<html><body>login</body></html>"[..], "decode", "<html>"),
            (502, b"<html>bad gateway</html>", "api", "502: <html>bad gateway"),
            (400, br#"{"status":"error","errorType":"bad_data","error":"parse"}"#, "api", "bad_data: parse"),
            (200, br#"{"status":"success","data":null}"#, "decode", "no data"),
            (200, br#"{"status":"success"}"#, "decode", "no data"),
            (200, br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#, "decode", "matrix"),
            (200, br#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#, "decode", "string"),
            (200, br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}"#, "decode", "sample value"),
            (200, br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#, "decode", "`value`"),
            (200, br#"{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"1"]}]}}"#, "decode", "`metric`"),
            (200, br#"{"status":"success","data":{"resultType":"scalar","result":[1e300,"1"]}}"#, "decode", "not a time"),
            (200, b"", "decode", "EOF"),
        ] {
            let error = query(status, body).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
