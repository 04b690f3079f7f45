//! Everything that is not a read.

use serde_json::Value;

use super::access::Need;
use super::directory::Directory;
use super::error::GraphError;
use super::request::{Request, no_such};
use super::{Answer, Habits, in_context};

/// Does what a call asks for; what is not done whole is left to be thrown away.
pub fn change(
    base_url: &str,
    request: &Request,
    directory: &mut Directory,
    habits: &Habits,
) -> Result<Answer, GraphError> {
    let answer = changed(request, directory, habits)?;
    let of = match request.segments.as_slice() {
        ["domains", _, "promote"] => "Edm.Boolean".to_owned(),
        ["domains", id, ..] => format!("domains('{id}')/federationConfiguration/$entity"),
        _ => return Ok(answer),
    };
    Ok(match answer {
        Answer::Ok(Value::Object(object)) => Answer::Ok(in_context(base_url, &of, object)),
        Answer::Created(Value::Object(object)) => {
            Answer::Created(in_context(base_url, &of, object))
        }
        other => other,
    })
}

fn changed(
    request: &Request,
    directory: &mut Directory,
    habits: &Habits,
) -> Result<Answer, GraphError> {
    let need = |need| request.access.ensure(need);
    let body = || request.body.as_ref().map_err(Clone::clone);
    match (request.method.as_str(), request.segments.as_slice()) {
        ("PATCH", ["domains", id]) => {
            let body = body()?;
            if body.contains_key("authenticationType") {
                need(Need::ChangeAuthentication)?;
            }
            if body.keys().any(|name| name != "authenticationType") {
                need(Need::WriteDomains)?;
            }
            directory.update_domain(id, body, habits)
        }
        ("POST", ["domains", id, "promote"]) => {
            need(Need::WriteDomains)?;
            directory.promote(id, habits)
        }
        ("POST", ["domains", id, "federationConfiguration"]) => {
            need(Need::WriteFederation)?;
            directory.create_configuration(id, body()?, habits)
        }
        ("PATCH", ["domains", id, "federationConfiguration", configuration_id]) => {
            need(Need::WriteFederation)?;
            directory.update_configuration(id, configuration_id, body()?, habits)
        }
        ("DELETE", ["domains", id, "federationConfiguration", configuration_id]) => {
            need(Need::DeleteFederation)?;
            directory.delete_configuration(id, configuration_id)
        }
        ("PATCH", ["users", key]) => {
            need(Need::WriteUsers)?;
            directory.update_user(key, body()?)
        }
        (
            _,
            ["domains" | "users" | "organization" | "me"]
            | ["users" | "domains", _]
            | ["domains", _, "federationConfiguration" | "promote"]
            | ["domains", _, "federationConfiguration", _]
            | ["policies", "federatedTokenValidationPolicy"],
        ) => Err(GraphError::method_not_allowed()),
        (_, segments) => Err(no_such(segments)),
    }
}
