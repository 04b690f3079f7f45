//! What the choices of the run-book mean, in words.

use idp::cloud::Cloud;
use idp::federate::{Action, Choices, Flavor, MfaBehavior, PromptLogin};

use crate::pages::{Need, Setting, SettingChoice};

const NOTHING: &str = "changes nothing";
const CHANGES: &str = "changes the domain";

/// An action's name, what it does, and what it changes.
pub fn action(action: Action) -> (&'static str, &'static str, &'static str) {
    match action {
        Action::Check => (
            "Check",
            "Looks whether the domain can be federated, how it stands, and which users could not sign in.",
            NOTHING,
        ),
        Action::Enable => (
            "Enable",
            "Creates or updates the configuration, then makes the domain Federated: its people sign in here.",
            CHANGES,
        ),
        Action::Show => (
            "Show",
            "Prints what Microsoft has stored about the domain.",
            NOTHING,
        ),
        Action::Users => (
            "Users",
            "Gives users at Microsoft who have no ImmutableID the one they have here. Before the domain is federated.",
            "changes users",
        ),
        Action::Rotate => (
            "Rotate",
            "Gives Microsoft the next certificate beside the one that signs. Nobody’s sign-in changes.",
            CHANGES,
        ),
        Action::Promote => (
            "Promote",
            "Makes the certificate that signs now Microsoft’s first one, after it was promoted here.",
            CHANGES,
        ),
        Action::Disable => (
            "Disable",
            "Makes the domain Managed: its people sign in at Microsoft, and whoever has no password there needs one.",
            CHANGES,
        ),
        Action::Restore => (
            "Restore",
            "Puts back what another script has saved before it changed anything.",
            CHANGES,
        ),
    }
}

/// A flavor's name, and what it is written in.
pub fn flavor(flavor: Flavor) -> (&'static str, &'static str, &'static str) {
    match flavor {
        Flavor::Graph => (
            "PowerShell",
            "Windows PowerShell 5.1 or PowerShell 7, with the cmdlets of Microsoft.Graph.",
            "",
        ),
        Flavor::Rest => (
            "PowerShell, REST",
            "The same by Invoke-MgGraphRequest alone, whatever the cmdlets of the day do.",
            "",
        ),
        Flavor::Curl => (
            "bash",
            "bash with curl, jq and a token, as in Azure Cloud Shell.",
            "",
        ),
        Flavor::Manual => (
            "By hand",
            "The values and requests one by one, for Graph Explorer; the classic cmdlets as history.",
            "",
        ),
    }
}

/// What one has to have at hand.
pub fn needs(choices: Choices) -> Vec<Need> {
    let tools = match (choices.flavor, choices.action.concerns_users()) {
        (Flavor::Graph, false) => {
            "Install-Module Microsoft.Graph.Authentication, Microsoft.Graph.Identity.DirectoryManagement"
        }
        (Flavor::Graph, true) => {
            "Install-Module Microsoft.Graph.Authentication, Microsoft.Graph.Identity.DirectoryManagement, Microsoft.Graph.Users"
        }
        (Flavor::Rest, _) => "Install-Module Microsoft.Graph.Authentication",
        (Flavor::Curl, _) => "bash, curl, jq; az login, or a token in GRAPH_TOKEN",
        (Flavor::Manual, _) => "https://aka.ms/ge",
    };
    let roles = match choices.action {
        Action::Check | Action::Show => {
            "Global Reader, or any of the roles that may change the domain."
        }
        Action::Users => {
            "User Administrator; for users who are administrators themselves, Global Administrator."
        }
        _ => {
            "Domain Name Administrator, External Identity Provider Administrator, Hybrid Identity Administrator or Security Administrator, of an account outside the domain."
        }
    };
    vec![
        Need {
            name: "Tools",
            text: "",
            code: tools.to_owned(),
        },
        Need {
            name: "Scopes",
            text: "What the script asks consent for.",
            code: choices.action.scopes().join(" "),
        },
        Need {
            name: "Roles",
            text: roles,
            code: String::new(),
        },
    ]
}

/// What the domain is in, and what that means.
pub fn cloud(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Worldwide => {
            "the worldwide cloud of Microsoft, GCC included. Scripts connect to graph.microsoft.com."
        }
        Cloud::China => {
            "Microsoft 365 operated by 21Vianet. Scripts connect to the Graph of that cloud (-Environment China)."
        }
        Cloud::UsGov => {
            "GCC High or DoD. Scripts connect to the Graph of that cloud (-Environment USGov)."
        }
    }
}

/// The two settings of the configuration that are chosen with the script.
pub fn settings(choices: Choices) -> Vec<Setting> {
    let mfa = MfaBehavior::ALL.iter().map(|one| SettingChoice {
        word: one.as_str(),
        in_graph: one.in_graph(),
        about: match one {
            MfaBehavior::Accept => {
                "Microsoft takes a second factor from here if the token says that there was one, and else asks for its own. Nobody is locked out by it."
            }
            MfaBehavior::Enforce => {
                "Microsoft asks for none of its own, and sends people back here. This server proves one factor: whoever needs a second one goes round in circles and cannot sign in."
            }
            MfaBehavior::Reject => "Microsoft always asks for its own, whatever the token says.",
        },
        checked: *one == choices.mfa,
    });
    let prompt = PromptLogin::ALL.iter().map(|one| SettingChoice {
        word: one.as_str(),
        in_graph: one.in_graph(),
        about: match one {
            PromptLogin::Native => {
                "Microsoft passes the wish on as it is (prompt=login), and people enter their password here again."
            }
            PromptLogin::Translate => {
                "Microsoft sends wfresh=0 and asks for a password by name. The same page here, in the words of old AD FS."
            }
            PromptLogin::Disabled => {
                "Microsoft sends wfresh=0 alone. People sign in again here, by whatever way they have."
            }
        },
        checked: *one == choices.prompt,
    });
    vec![
        Setting {
            name: "mfa",
            title: "When Microsoft wants a second factor",
            choices: mfa.collect(),
        },
        Setting {
            name: "prompt",
            title: "When an app wants a fresh sign-in",
            choices: prompt.collect(),
        },
    ]
}
