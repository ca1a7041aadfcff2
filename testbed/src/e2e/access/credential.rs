//! Tokens that are not for the API server, or good no more, and headers that come along.

use reqwest::Method;
use serde_json::{Value, json};

use super::{REVIEWED, account_name, accounts, request_token, token};
use crate::e2e::{
    Failure, ensure,
    wire::{Caller, Client},
    world::{World, metric_path},
};
use crate::stack::{NAMESPACE, REQUESTS_METRIC};

/// What an attacker would send along.
const FORGED: [(&str, &str); 2] = [
    ("X-Remote-User", "system:admin"),
    ("X-Remote-Group", "system:masters"),
];

/// `reader` may read the metric, `nobody` may not.
pub(super) fn check(world: &World, nobody: &str, reader: &str) -> Result<(), Failure> {
    audiences(world, reader)?;
    forged(world, nobody)?;
    deleted(world, nobody)
}

/// Only tokens for the API server are taken, also where it is one audience of several.
fn audiences(world: &World, reader: &str) -> Result<(), Failure> {
    let request = |audiences: &Value| {
        request_token(world, NAMESPACE, reader, &json!({ "audiences": audiences }))
    };
    let (_, own) = request(&json!([]))?;
    let other = request(&json!(["e2e-vault"]))?.0;
    let several = request(&json!(["e2e-vault", own[0]]))?.0;
    for client in clients(world, &other)? {
        ask(&client)?.refusal(401, "Unauthorized")?;
        client.get("/healthz")?.refusal(401, "Unauthorized")?;
    }
    for client in clients(world, &several)? {
        ask(&client)?.expect(200)?;
    }
    Ok(())
}

/// Beside a token the headers of the front proxy are air, and impersonation is refused.
fn forged(world: &World, nobody: &str) -> Result<(), Failure> {
    let token = token(world, NAMESPACE, nobody)?;
    let words = format!("User \"{}\" cannot", account_name(nobody));
    for client in clients(world, &token)? {
        let answer = client.send(Method::GET, &metric_path(REQUESTS_METRIC), &FORGED)?;
        let message = answer.refusal(403, "Forbidden")?;
        ensure!(message.contains(&words), "not {words:?}: {message}");
        let admin = [("Impersonate-User", "system:admin")];
        let answer = client.send(Method::GET, &metric_path(REQUESTS_METRIC), &admin)?;
        let message = answer.refusal(403, "Forbidden")?;
        ensure!(message.contains("cannot impersonate"), "{message}");
    }
    Ok(())
}

/// A token ends with its account, as soon as the adapter remembers it no more.
fn deleted(world: &World, account: &str) -> Result<(), Failure> {
    let token = token(world, NAMESPACE, account)?;
    let clients = clients(world, &token)?;
    for client in &clients {
        ask(client)?.refusal(403, "Forbidden")?;
    }
    world.delete(&format!("{}/{account}", accounts()))?;
    for client in &clients {
        world.wait("the token to end", REVIEWED, || {
            ask(client)?.refusal(401, "Unauthorized")
        })?;
    }
    Ok(())
}

/// Through the aggregator, and directly at the adapter.
fn clients(world: &World, token: &str) -> Result<[Client; 2], Failure> {
    let caller = Caller::token(token);
    Ok([world.apiserver(&caller)?, world.adapter(&caller)?])
}

fn ask(client: &Client) -> Result<crate::e2e::wire::Answer, Failure> {
    client.get(&metric_path(REQUESTS_METRIC))
}
