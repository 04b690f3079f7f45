//! What was chosen of the run-book, with all that its script needs.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Action, Anchor, Federation, Flavor, MfaBehavior, PromptLogin};
use crate::Idp;
use crate::apps::AppInfo;
use crate::error::{Refusal, Result};

/// What somebody chooses: on the page, in a query, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choices {
    pub action: Action,
    pub flavor: Flavor,
    pub mfa: MfaBehavior,
    pub prompt: PromptLogin,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            action: Action::Enable,
            flavor: Flavor::Graph,
            mfa: MfaBehavior::default(),
            prompt: PromptLogin::default(),
        }
    }
}

/// One script of one app, before it is written.
#[derive(Clone, Debug)]
pub struct RunBook {
    pub federation: Federation,
    /// Empty for actions that do not look at users.
    pub anchors: Vec<Anchor>,
    pub choices: Choices,
    rescue_url: String,
}

/// How many people of a domain a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct People {
    /// Enabled, and in a group that is granted the app.
    pub granted: u64,
    /// Of the domain here, and not able to sign in.
    pub others: u64,
}

impl Action {
    /// All of them in the order of a domain's life.
    pub const IN_ORDER: [Self; 8] = [
        Self::Check,
        Self::Enable,
        Self::Show,
        Self::Users,
        Self::Rotate,
        Self::Promote,
        Self::Disable,
        Self::Restore,
    ];

    /// Whether it writes to the domain at Microsoft.
    pub fn changes_domain(self) -> bool {
        !matches!(self, Self::Check | Self::Show | Self::Users)
    }

    /// Whether it compares our users with Microsoft's.
    pub fn concerns_users(self) -> bool {
        matches!(self, Self::Check | Self::Users)
    }

    /// The delegated permissions that its scripts ask for at most.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Check => &[
                "Domain.Read.All",
                "Domain-InternalFederation.Read.All",
                "User.Read.All",
                "RoleManagement.Read.Directory",
                "Policy.Read.All",
            ],
            Self::Show => &["Domain.Read.All", "Domain-InternalFederation.Read.All"],
            Self::Users => &["User.ReadWrite.All", "Domain.Read.All"],
            Self::Enable | Self::Rotate | Self::Promote | Self::Disable | Self::Restore => &[
                "Domain.ReadWrite.All",
                "Domain-InternalFederation.ReadWrite.All",
            ],
        }
    }
}

impl RunBook {
    /// The script, whose first lines say where the rescue pack is when it changes the domain.
    pub fn script(&self) -> Result<String> {
        let Choices { action, flavor, .. } = self.choices;
        if action == Action::Rotate && self.federation.next.is_none() {
            return Err(Refusal::NoNextCertificate {
                label: self.federation.label.clone(),
                app_id: self.federation.app_id.clone(),
            }
            .into());
        }
        let script = super::script(&self.federation, &self.anchors, action, flavor);
        if !action.changes_domain() {
            return Ok(script);
        }
        // A shell that the paste goes to would look for its history behind an exclamation mark.
        let url = self.rescue_url.replace('!', "%21");
        let lines = [
            format!("The rescue pack is the way back without this server: {url}"),
            format!("or: countersign app rescue {}", self.federation.app_id),
            "Keep it where it can be read while nobody can sign in.".to_owned(),
        ];
        let comment = lines.iter().fold(String::new(), |mut comment, line| {
            let mark = if flavor == Flavor::Manual { "" } else { "# " };
            writeln!(comment, "{mark}{line}").expect("a String takes every write");
            comment
        });
        Ok(match (flavor, script.split_once('\n')) {
            // Not every shell that the first line is pasted into knows comments.
            (Flavor::Curl, Some((first, rest))) => format!("{first}\n{comment}{rest}"),
            (Flavor::Manual, _) => format!("{comment}\n{script}"),
            _ => comment + &script,
        })
    }

    /// What a file with the script is called.
    pub fn file_name(&self) -> String {
        let Choices { action, flavor, .. } = self.choices;
        let ending = flavor.file_ending();
        format!("{action}-{}-{flavor}.{ending}", self.federation.domain)
    }
}

impl Flavor {
    /// How the names of files with its scripts end.
    pub(crate) fn file_ending(self) -> &'static str {
        match self {
            Self::Graph | Self::Rest => "ps1",
            Self::Curl => "sh",
            Self::Manual => "txt",
        }
    }
}

impl Idp {
    /// What a script of the run-book needs, for a domain of a Microsoft 365 app; it has to be named only when there are
    /// several. Users are read only for actions that look at them.
    pub async fn run_book(
        &self,
        app: AppInfo,
        domain: Option<&str>,
        choices: Choices,
    ) -> Result<RunBook> {
        let federation = Federation {
            mfa_behavior: choices.mfa,
            prompt_login: choices.prompt,
            ..self.federation_of(app, domain)?
        };
        let mut anchors = Vec::new();
        if choices.action.concerns_users() {
            let mut read = self.store.read().await?;
            let people = read
                .people_of(&federation.app_id, &federation.domain)
                .await?;
            anchors = people
                .into_iter()
                .map(|(upn, immutable_id)| Anchor { upn, immutable_id })
                .collect();
        }
        Ok(RunBook {
            rescue_url: self.urls.rescue(&federation.app_id),
            federation,
            anchors,
            choices,
        })
    }

    /// How many people of a federation's domain can sign in here, and how many cannot.
    pub async fn people_of(&self, federation: &Federation) -> Result<People> {
        let mut read = self.store.read().await?;
        let (granted, all) = read
            .count_people_of(&federation.app_id, &federation.domain)
            .await?;
        Ok(People {
            granted: u64::try_from(granted).unwrap_or_default(),
            others: u64::try_from(all - granted).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::contoso;
    use super::*;
    use crate::error::Error;

    fn book(action: Action, flavor: Flavor) -> RunBook {
        RunBook {
            federation: contoso(),
            anchors: Vec::new(),
            choices: Choices {
                action,
                flavor,
                ..Choices::default()
            },
            rescue_url: "https://id.contoso.com/a!b/rescue".to_owned(),
        }
    }

    #[test]
    fn every_action_has_its_place_in_a_domains_life() {
        assert_eq!(Action::IN_ORDER.len(), Action::ALL.len());
        for action in Action::ALL {
            assert!(Action::IN_ORDER.contains(action), "{action}");
        }
    }

    #[test]
    fn whatever_changes_the_domain_says_first_where_the_rescue_pack_is() {
        for action in Action::ALL {
            for flavor in Flavor::ALL {
                if *action == Action::Rotate {
                    continue;
                }
                let script = book(*action, *flavor)
                    .script()
                    .expect("it has all it needs");
                let start: Vec<_> = script.lines().take(4).collect();
                let says = start
                    .join("\n")
                    .contains("https://id.contoso.com/a%21b/rescue");
                assert_eq!(says, action.changes_domain(), "{action} {flavor}");
                let bare = crate::federate::script(&contoso(), &[], *action, *flavor);
                let (_, rest) = bare.split_once('\n').expect("it has lines");
                assert!(script.ends_with(rest), "{action} {flavor}");
                if *flavor == Flavor::Curl {
                    assert_eq!(script.lines().next(), bare.lines().next());
                }
            }
        }
    }

    #[test]
    fn nothing_is_rotated_without_a_next_certificate() {
        for flavor in Flavor::ALL {
            let refused = book(Action::Rotate, *flavor).script();
            let Err(Error::Refused(refusal, _)) = refused else {
                panic!("{flavor}: {refused:?}");
            };
            assert_eq!(refusal.reason(), "no-next-certificate");
            assert!(
                refusal
                    .to_string()
                    .contains("countersign cert next 663a8fb979aa83c58df6081e")
            );
        }
    }

    #[test]
    fn the_scopes_are_those_that_the_scripts_ask_for() {
        for action in Action::ALL {
            let script = crate::federate::script(&contoso(), &[], *action, Flavor::Graph);
            let (_, asked) = script.split_once("Connect-Tenant @(").expect("it connects");
            let (asked, _) = asked.split_once(')').expect("the list ends");
            for scope in asked.split(", ") {
                let scope = scope.trim_matches('\'');
                // To write is to read.
                let known = [scope.to_owned(), scope.replace(".Read.", ".ReadWrite.")];
                let known = known
                    .iter()
                    .any(|scope| action.scopes().contains(&scope.as_str()));
                assert!(known, "{action}: {scope}");
            }
            let curl = crate::federate::script(&contoso(), &[], *action, Flavor::Curl);
            let line = curl.lines().find(|line| line.starts_with("permissions='"));
            let line = line.expect("the script names them").trim_end_matches('\'');
            for scope in line["permissions='".len()..].split(&[',', ' '][..]) {
                let known = ["", "and"].contains(&scope) || action.scopes().contains(&scope);
                assert!(known, "{action}: {scope}");
            }
        }
    }

    #[test]
    fn files_are_named_by_what_is_in_them() {
        assert_eq!(
            book(Action::Enable, Flavor::Graph).file_name(),
            "enable-contoso.com-graph.ps1"
        );
        assert_eq!(
            book(Action::Users, Flavor::Curl).file_name(),
            "users-contoso.com-curl.sh"
        );
    }
}
