//! The API's routes, and `/control/` for whoever runs the fake.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fake::Inner;
use crate::fault::{Fault, Kind};
use crate::model::{Busy, Cloud, Instance, InstanceState, Operation};
use crate::signature::{self, Refusal};

/// Largest request body.
const MAX_BODY: usize = 64 << 10;

#[derive(Deserialize)]
struct Scale {
    size: u32,
}

#[derive(Deserialize)]
struct Evict {
    instances: Vec<String>,
}

/// Answers one request.
pub(crate) async fn answer(State(inner): State<Inner>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "body too large");
    };
    if let Some(path) = parts.uri.path().strip_prefix("/control/") {
        return control(&inner, &parts.method, path, &body);
    }
    let fault = inner.faults().take(parts.method.as_str());
    match fault {
        Some(Kind::Status(code)) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
            return refusal(status, "a fault on demand");
        }
        Some(Kind::Limited(seconds)) => {
            let wait = [(header::RETRY_AFTER, seconds.to_string())];
            let answer = refusal(StatusCode::TOO_MANY_REQUESTS, "slow down");
            return (wait, answer).into_response();
        }
        Some(Kind::Garbage) => return "<html>It works!</html>".into_response(),
        Some(slow @ Kind::Slow(_)) => tokio::time::sleep(slow.delay()).await,
        Some(Kind::LostAnswer) | None => {}
    }
    let answer = match signed(&inner, &parts, &body) {
        Ok(()) => dispatch(&inner, &parts, &body),
        Err(error) => refusal(StatusCode::FORBIDDEN, &error.to_string()),
    };
    if fault == Some(Kind::LostAnswer) {
        return refusal(StatusCode::GATEWAY_TIMEOUT, "the answer is lost");
    }
    answer
}

fn signed(inner: &Inner, parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    let header = parts.headers.get(header::AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok());
    let query = query(parts).ok_or(Refusal::Query)?;
    let request = signature::Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: &query,
        body,
    };
    let now = jiff::Timestamp::now().as_second();
    signature::check(&inner.keys, header, request, now)
}

fn query(parts: &Parts) -> Option<Vec<(String, String)>> {
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    query.ok().map(|Query(pairs)| pairs)
}

fn dispatch(inner: &Inner, parts: &Parts, body: &[u8]) -> Response {
    let mut cloud = inner.cloud();
    let now = inner.now();
    cloud.tick(now);
    let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    let wanted = cloud.id.clone();
    let of_pool = |part: &str, action: &str| part.strip_suffix(action) == Some(wanted.as_str());
    match (parts.method.as_str(), path.as_slice()) {
        ("GET", ["v2", "instance-pool"]) => {
            Json(json!({ "instance-pools": [pool(&cloud)] })).into_response()
        }
        ("GET", ["v2", "instance-pool", id]) if of_pool(id, "") => {
            Json(pool(&cloud)).into_response()
        }
        ("PUT", ["v2", "instance-pool", part]) if of_pool(part, ":scale") => {
            match serde_json::from_slice::<Scale>(body) {
                Ok(Scale { size }) if size <= 200 => {
                    let ordered = cloud.scale(size, now);
                    if ordered.is_ok() {
                        inner.ordered(size);
                    }
                    operation(&cloud, ordered)
                }
                _ => refusal(StatusCode::BAD_REQUEST, "size: not a number up to 200"),
            }
        }
        ("PUT", ["v2", "instance-pool", part]) if of_pool(part, ":evict") => {
            match serde_json::from_slice::<Evict>(body) {
                Ok(Evict { instances }) => {
                    let ordered = cloud.evict(&instances, now);
                    operation(&cloud, ordered)
                }
                Err(_) => refusal(StatusCode::BAD_REQUEST, "instances: not a list of ids"),
            }
        }
        ("GET", ["v2", "instance"]) => {
            let pairs = query(parts).unwrap_or_default();
            let other = |(name, value): &(String, String)| match name.as_str() {
                "manager-id" => *value != cloud.id,
                "manager-type" => value != "instance-pool",
                _ => false,
            };
            let all = cloud.instances.iter().map(|it| instance(&cloud, it));
            let all: Vec<Value> = all.filter(|_| !pairs.iter().any(other)).collect();
            Json(json!({ "instances": all })).into_response()
        }
        (method, ["v2", "instance", id]) => {
            let Some(found) = cloud.instances.iter().find(|it| it.id == *id).cloned() else {
                return refusal(StatusCode::NOT_FOUND, "no such instance");
            };
            match method {
                "GET" => Json(instance(&cloud, &found)).into_response(),
                "DELETE" => {
                    cloud.destroy(id, now);
                    Json(json!({ "id": id, "state": "pending" })).into_response()
                }
                _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "no such method"),
            }
        }
        ("GET", ["v2", "operation", id]) => match cloud.operations.iter().find(|it| it.id == *id) {
            Some(found) => Json(shown(&cloud, found)).into_response(),
            None => refusal(StatusCode::NOT_FOUND, "no such operation"),
        },
        _ => refusal(StatusCode::NOT_FOUND, "not found"),
    }
}

fn pool(cloud: &Cloud) -> Value {
    let staying = |it: &&Instance| it.state != InstanceState::Stopping;
    let members = cloud.instances.iter().filter(staying);
    let members: Vec<Value> = members.map(|it| json!({ "id": it.id })).collect();
    json!({
        "id": cloud.id, "name": "fake", "size": cloud.size, "state": cloud.state,
        "min-available": 0, "instance-prefix": "pool", "instances": members,
    })
}

fn instance(cloud: &Cloud, it: &Instance) -> Value {
    json!({
        "id": it.id, "name": format!("pool-{}", &it.id[30..]), "state": it.state,
        "public-ip": it.ip, "manager": { "id": cloud.id, "type": "instance-pool" },
    })
}

fn operation(cloud: &Cloud, ordered: Result<Operation, Busy>) -> Response {
    match ordered {
        Ok(operation) => Json(shown(cloud, &operation)).into_response(),
        Err(Busy) => refusal(StatusCode::CONFLICT, "the instance pool is busy"),
    }
}

fn shown(cloud: &Cloud, operation: &Operation) -> Value {
    let state = if operation.done { "success" } else { "pending" };
    json!({
        "id": operation.id, "state": state,
        "reference": { "id": cloud.id, "command": "get-instance-pool" },
    })
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

/// `GET state`, `PUT size` for other ways to scale than the API, `POST faults`, `DELETE faults`,
/// `DELETE instances`.
fn control(inner: &Inner, method: &Method, path: &str, body: &[u8]) -> Response {
    match (method.as_str(), path) {
        ("GET", "state") => Json(state(inner)).into_response(),
        ("PUT", "size") => match serde_json::from_slice::<Scale>(body) {
            Ok(Scale { size }) if size <= 200 => {
                let ordered = inner.cloud().scale(size, inner.now());
                if ordered.is_err() {
                    return refusal(StatusCode::CONFLICT, "the pool is busy");
                }
                inner.ordered(size);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => refusal(StatusCode::BAD_REQUEST, "size: not a number up to 200"),
        },
        ("POST", "faults") => match serde_json::from_slice::<Fault>(body) {
            Ok(fault) => {
                inner.faults().add(fault);
                StatusCode::NO_CONTENT.into_response()
            }
            Err(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        ("DELETE", "faults") => {
            inner.faults().clear();
            StatusCode::NO_CONTENT.into_response()
        }
        ("DELETE", "instances") => {
            inner.destroy_all();
            StatusCode::NO_CONTENT.into_response()
        }
        _ => (StatusCode::NOT_FOUND, Body::empty()).into_response(),
    }
}

fn state(inner: &Inner) -> Value {
    let healthy = inner.members.healthy();
    let cloud = inner.cloud();
    let instances = cloud.instances.iter().map(|it| {
        json!({
            "id": it.id, "ip": it.ip, "state": it.state, "healthy": healthy.contains(&it.ip),
        })
    });
    let instances: Vec<Value> = instances.collect();
    json!({
        "size": cloud.size, "state": cloud.state, "instances": instances,
        "orders": *inner.orders(),
    })
}
