//! Everything that only looks.

use serde_json::{Map, Value, json};

use super::access::{Need, Role};
use super::directory::{Directory, User};
use super::domains::{CONFIGURATION, DOMAIN};
use super::error::GraphError;
use super::query::Kind;
use super::request::{Request, no_such};
use super::users::USER;
use super::{Answer, Habits, in_context};

const ORGANIZATION: Kind = Kind {
    name: "organization",
    unasked: None,
};

const DIRECTORY_ROLE: Kind = Kind {
    name: "directoryRole",
    unasked: None,
};

const POLICY: Kind = Kind {
    name: "federatedTokenValidationPolicy",
    unasked: None,
};

/// A read of the directory as it is seen now.
pub struct Look<'a> {
    pub base_url: &'a str,
    pub request: &'a Request<'a>,
    pub directory: &'a Directory,
    pub habits: &'a Habits,
}

impl Look<'_> {
    pub fn answer(&self) -> Result<Answer, GraphError> {
        match self.request.segments.as_slice() {
            ["domains", below @ ..] => self.domains(below),
            ["users", below @ ..] => self.users(below),
            ["me", below @ ..] => self.caller(below),
            ["organization"] => {
                self.need(Need::ReadOrganization)?;
                let organization = organization(self.directory);
                self.list("organization", vec![organization], &ORGANIZATION)
            }
            ["policies", "federatedTokenValidationPolicy"] => {
                self.need(Need::ReadPolicies)?;
                // The only one that sign-ins here are judged by.
                let policy = json!({
                    "id": "federatedTokenValidationPolicy",
                    "deletedDateTime": null,
                    "validatingDomains": {
                        "@odata.type": "#microsoft.graph.allDomains",
                        "rootDomains": "all",
                    },
                });
                self.one("policies/federatedTokenValidationPolicy", policy, &POLICY)
            }
            [segment, "members"] => {
                let role = Role::in_segment(segment).ok_or_else(|| no_such(&[segment]))?;
                self.need(Need::ReadRoles)?;
                let role = role?;
                let members = self.directory.users.iter();
                let members = members.filter(|user| user.roles.contains(&role));
                self.list("directoryObjects", members.map(User::json).collect(), &USER)
            }
            segments => Err(no_such(segments)),
        }
    }

    fn domains(&self, below: &[&str]) -> Result<Answer, GraphError> {
        let directory = self.directory;
        match below {
            [] => {
                self.need(Need::ReadDomains)?;
                let domains = directory.domains.iter();
                let domains = domains.map(|domain| directory.domain_json(domain));
                self.list("domains", domains.collect(), &DOMAIN)
            }
            [id] => {
                self.need(Need::ReadDomains)?;
                let domain = directory.known_domain(id)?;
                self.one("domains", directory.domain_json(domain), &DOMAIN)
            }
            [id, "federationConfiguration"] => {
                self.need(Need::ReadFederation)?;
                let configuration = directory.configuration(id)?;
                if configuration.is_none() && !self.habits.lists_nothing {
                    return Err(GraphError::not_found("federationConfiguration"));
                }
                let configuration = configuration.map(|configuration| configuration.json().into());
                let of = format!("domains('{id}')/federationConfiguration");
                self.list(&of, Vec::from_iter(configuration), &CONFIGURATION)
            }
            [id, "federationConfiguration", configuration_id] => {
                self.need(Need::ReadFederation)?;
                let configuration = directory.configuration_by_id(id, configuration_id)?;
                let of = format!("domains('{id}')/federationConfiguration");
                self.one(&of, configuration.json().into(), &CONFIGURATION)
            }
            [_, "promote"] => Err(GraphError::method_not_allowed()),
            _ => Err(no_such(below)),
        }
    }

    fn users(&self, below: &[&str]) -> Result<Answer, GraphError> {
        self.need(Need::ReadUsers)?;
        match below {
            [] => {
                let users = self.directory.users.iter().map(User::json);
                let address = format!("{}/users", self.base_url);
                let query = &self.request.query;
                let page = query.page(users, &USER, &address, self.request.eventual)?;
                Ok(self.in_context("users", page))
            }
            [key] => self.one("users", self.directory.known_user(key)?.json(), &USER),
            _ => Err(no_such(below)),
        }
    }

    /// `/me` and what belongs to it.
    fn caller(&self, below: &[&str]) -> Result<Answer, GraphError> {
        match below {
            [] => {
                self.need(Need::ReadMe)?;
                let user = self.directory.known_user(self.request.caller()?)?;
                self.one("users", user.json(), &USER)
            }
            [
                "memberOf" | "transitiveMemberOf",
                "microsoft.graph.directoryRole",
            ] => {
                self.need(Need::ReadMyRoles)?;
                let user = self.directory.known_user(self.request.caller()?)?;
                let roles = user.roles.iter().map(|role| role.json());
                self.list("directoryRoles", roles.collect(), &DIRECTORY_ROLE)
            }
            _ => Err(no_such(below)),
        }
    }

    fn need(&self, need: Need) -> Result<(), GraphError> {
        self.request.access.ensure(need)
    }

    fn one(&self, of: &str, object: Value, kind: &Kind) -> Result<Answer, GraphError> {
        let object = self.request.query.only_select()?.selected(object, kind)?;
        let of = format!("{of}{}/$entity", self.request.query.context());
        Ok(Answer::Ok(in_context(self.base_url, &of, object)))
    }

    fn list(&self, of: &str, objects: Vec<Value>, kind: &Kind) -> Result<Answer, GraphError> {
        let query = self.request.query.only_select()?;
        let objects = objects
            .into_iter()
            .map(|object| query.selected(object, kind));
        let objects = objects.collect::<Result<Vec<_>, GraphError>>()?;
        let mut page = Map::new();
        page.insert("value".to_owned(), json!(objects));
        Ok(self.in_context(of, page))
    }

    fn in_context(&self, of: &str, page: Map<String, Value>) -> Answer {
        let of = format!("{of}{}", self.request.query.context());
        Answer::Ok(in_context(self.base_url, &of, page))
    }
}

fn organization(directory: &Directory) -> Value {
    let domains = directory.domains.iter().filter(|domain| domain.is_verified);
    let verified = domains.map(|domain| {
        json!({
            "capabilities": domain.supported_services.join(", "),
            "isDefault": domain.is_default,
            "isInitial": domain.is_initial,
            "name": domain.id,
            "type": directory.authentication_type(domain),
        })
    });
    json!({
        "id": directory.id,
        "displayName": directory.display_name,
        "onPremisesSyncEnabled": directory.sync_enabled.then_some(true),
        "tenantType": "AAD",
        "verifiedDomains": verified.collect::<Vec<_>>(),
    })
}
