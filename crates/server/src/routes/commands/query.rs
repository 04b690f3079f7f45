//! What an address of the run-book asks for.

use std::str::FromStr;

use idp::federate::Choices;
use idp::parse::Domain;
use idp::{Error, Refusal};

const KNOWN: [&str; 6] = ["action", "flavor", "mfa", "prompt", "domain", "download"];

/// What a query asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub choices: Choices,
    /// Needed when there are several.
    pub domain: Option<String>,
    /// Whether it is to be a file.
    pub download: bool,
}

impl Asked {
    /// Reads a query. What nobody knows, or is there twice, is refused by its name: a script other than the one that was
    /// meant could federate a domain that was to be looked at.
    pub fn read(query: &str) -> Result<Self, Refusal> {
        let mut asked = Self::default();
        let mut seen = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let Some(known) = KNOWN.into_iter().find(|known| *known == name) else {
                let known = KNOWN.join(", ");
                return Err(refused(format!(
                    "The parameter {} is none of {known}",
                    quoted(&name)
                )));
            };
            if seen.contains(&known) {
                return Err(refused(format!(
                    "The parameter {known} is there more than once"
                )));
            }
            seen.push(known);
            match known {
                "action" => asked.choices.action = read(known, &value)?,
                "flavor" => asked.choices.flavor = read(known, &value)?,
                "mfa" => asked.choices.mfa = read(known, &value)?,
                "prompt" => asked.choices.prompt = read(known, &value)?,
                "domain" => {
                    let domain = Domain::parse(&value).map_err(|error| {
                        refused(format!(
                            "The parameter domain is {}: {error}",
                            quoted(&value)
                        ))
                    })?;
                    asked.domain = Some(domain.as_str().to_owned());
                }
                _ if value.is_empty() => asked.download = true,
                _ => return Err(refused("The parameter download takes no value".to_owned())),
            }
        }
        Ok(asked)
    }

    /// The same as a query, without what is usual; never a file.
    pub fn query(&self) -> String {
        let (chosen, usual) = (self.choices, Choices::default());
        let mut parts = Vec::new();
        for (name, value, usual) in [
            ("action", chosen.action.as_str(), usual.action.as_str()),
            ("flavor", chosen.flavor.as_str(), usual.flavor.as_str()),
            ("mfa", chosen.mfa.as_str(), usual.mfa.as_str()),
            ("prompt", chosen.prompt.as_str(), usual.prompt.as_str()),
            ("domain", self.domain.as_deref().unwrap_or_default(), ""),
        ] {
            if value != usual {
                parts.push(format!("{name}={value}"));
            }
        }
        parts.join("&")
    }

    /// The page of an application with it.
    pub fn address(&self, app_id: &str) -> String {
        let query = self.query();
        let sign = if query.is_empty() { "" } else { "?" };
        format!("/wsfed/{app_id}/commands{sign}{query}")
    }

    /// The file of it.
    pub fn download(&self, app_id: &str) -> String {
        let address = self.address(app_id);
        let sign = if address.contains('?') { '&' } else { '?' };
        format!("{address}{sign}download")
    }
}

fn read<T: FromStr<Err = Error>>(name: &str, value: &str) -> Result<T, Refusal> {
    value.parse().map_err(|error: Error| {
        refused(format!(
            "The parameter {name} is {}, and {error}",
            quoted(value)
        ))
    })
}

fn refused(why: String) -> Refusal {
    Refusal::UnknownChoice { why }
}

/// What was sent, as much as a line has room for, with nothing hidden in it.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    format!("“{}”", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use idp::federate::{Action, Flavor, MfaBehavior, PromptLogin};

    use super::*;

    #[test]
    fn an_address_asks_for_the_choices_that_it_was_made_of() {
        for action in Action::ALL {
            for flavor in Flavor::ALL {
                for mfa in MfaBehavior::ALL {
                    for prompt in PromptLogin::ALL {
                        let choices = Choices {
                            action: *action,
                            flavor: *flavor,
                            mfa: *mfa,
                            prompt: *prompt,
                        };
                        for domain in [None, Some("contoso.com".to_owned())] {
                            let asked = Asked {
                                choices,
                                domain,
                                download: false,
                            };
                            assert_eq!(Asked::read(&asked.query()), Ok(asked.clone()));
                        }
                    }
                }
            }
        }
        assert_eq!(Asked::default().address("id"), "/wsfed/id/commands");
        let file = Asked {
            download: true,
            ..Asked::default()
        };
        assert_eq!(Asked::read("download"), Ok(file));
        assert_eq!(
            Asked::default().download("id"),
            "/wsfed/id/commands?download"
        );
    }

    #[test]
    fn what_is_unknown_doubled_or_no_value_is_named() {
        for (query, named) in [
            ("Action=check", "“Action” is none of action, flavor"),
            ("wa=wsignin1.0", "“wa”"),
            ("x%0Ay=1", "“x\\ny”"),
            ("", ""),
            (
                "action=check&action=check",
                "action is there more than once",
            ),
            (
                "mfa=accept&flavor=curl&mfa=reject",
                "mfa is there more than once",
            ),
            (
                "action=remove",
                "action is “remove”, and the action is one of check, enable",
            ),
            ("flavor=", "flavor is “”"),
            ("prompt=Native", "prompt is “Native”"),
            ("domain=%24(x)", "domain is “$(x)”"),
            ("download=yes", "download takes no value"),
        ] {
            match Asked::read(query) {
                Ok(_) => assert_eq!(query, ""),
                Err(refusal) => {
                    let why = refusal.to_string();
                    assert!(why.contains(named) && !named.is_empty(), "{query}: {why}");
                }
            }
        }
    }
}
