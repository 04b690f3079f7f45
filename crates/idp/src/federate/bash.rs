//! The run-book for bash 3.2 and later with curl and jq, for one paste into any shell or for one file.

use std::fmt::Write as _;

use serde_json::json;

use super::{Action, Anchor, Federation};

/// What each action is for, and the parts that it is made of.
fn parts(action: Action) -> (&'static str, &'static [&'static str]) {
    const COMMON: &str = include_str!("bash/common.sh");
    const PEOPLE: &str = include_str!("bash/people.sh");
    match action {
        Action::Check => (
            "Looks whether the domain can be federated, and how it stands; changes nothing.",
            &[COMMON, PEOPLE, include_str!("bash/check.sh")],
        ),
        Action::Enable => (
            "Federates the domain: creates or updates its configuration, then makes it Federated.",
            &[COMMON, include_str!("bash/enable.sh")],
        ),
        Action::Show => (
            "Prints the domain's federation configuration as JSON; changes nothing.",
            &[COMMON, include_str!("bash/show.sh")],
        ),
        Action::Rotate => (
            "Gives Microsoft the next certificate, beside the one that signs.",
            &[COMMON, include_str!("bash/rotate.sh")],
        ),
        Action::Promote => (
            "Makes the certificate that signs Microsoft's first one, and drops the former.",
            &[COMMON, include_str!("bash/promote.sh")],
        ),
        Action::Disable => (
            "Makes the domain Managed: its people sign in with passwords of Microsoft.",
            &[COMMON, include_str!("bash/disable.sh")],
        ),
        Action::Restore => (
            "Puts the domain back as a saved file has it: export RESTORE_FROM=FILE first.",
            &[COMMON, include_str!("bash/restore.sh")],
        ),
        Action::Users => (
            "Sets the ImmutableIDs of users at Microsoft who have none.",
            &[COMMON, PEOPLE, include_str!("bash/users.sh")],
        ),
    }
}

/// The delegated permissions that a token must have for an action.
pub(super) fn permissions(action: Action) -> &'static str {
    match action {
        Action::Check => {
            "Domain.Read.All, Domain-InternalFederation.Read.All, User.Read.All and RoleManagement.Read.Directory"
        }
        Action::Show => "Domain.Read.All and Domain-InternalFederation.Read.All",
        Action::Users => "User.ReadWrite.All",
        Action::Enable | Action::Rotate | Action::Promote | Action::Disable | Action::Restore => {
            "Domain.ReadWrite.All and Domain-InternalFederation.ReadWrite.All"
        }
    }
}

// A shell of its own knows no alias and no option of the one that it is pasted into, closes nothing when it
// stops, is bash wherever it is pasted, and runs nothing of a paste that was cut off.
const FIRST_LINE: &str = "bash <<'COUNTERSIGN'\n";
const LAST_LINE: &str = "COUNTERSIGN\n";

/// The whole script of an action.
pub fn script(federation: &Federation, anchors: &[Anchor], action: Action) -> String {
    format!(
        "{FIRST_LINE}{}{LAST_LINE}",
        program(federation, anchors, action, quoted)
    )
}

/// What bash gets to run.
fn program(
    federation: &Federation,
    anchors: &[Anchor],
    action: Action,
    quoted: impl Fn(&str) -> String,
) -> String {
    let (what, parts) = parts(action);
    let mut program = format!(
        "# Countersign, {action}. {what}\n\
         # Paste all of it into a terminal, or keep it as a file and run that with bash. It needs curl and jq, and a token\n\
         # for Microsoft Graph: export GRAPH_TOKEN, or sign in with az. It checks first, changes second and compares last;\n\
         # whatever is not as it should be stops it with a reason. Running it again does no harm.\n\
         set -euo pipefail\n\
         umask 077\n\n"
    );
    program.push_str(&values(federation, action, quoted));
    if matches!(action, Action::Check | Action::Users) {
        program.push_str(&list(anchors));
    }
    for part in parts {
        program.push('\n');
        program.push_str(part);
    }
    program.push_str("\nmain </dev/null\n");
    program
}

/// The only lines that differ from app to app.
fn values(federation: &Federation, action: Action, quoted: impl Fn(&str) -> String) -> String {
    let next = federation.next.as_ref();
    let mut values = String::new();
    for (name, value) in [
        ("domain", federation.domain.as_str()),
        ("issuer", &federation.issuer),
        ("app", &federation.app_id),
        ("source", &federation.commands_url),
        ("graph_of_cloud", federation.cloud.graph_url()),
        ("permissions", permissions(action)),
        ("certificate", &federation.signing_certificate),
        ("thumbprint", &federation.thumbprint),
        (
            "next_certificate",
            next.map_or("", |next| &next.certificate),
        ),
        ("next_thumbprint", next.map_or("", |next| &next.thumbprint)),
    ] {
        writeln!(values, "{name}={}", quoted(value)).expect("a String takes every write");
    }
    values.push_str("\nthe_settings() {\n  jq -cn \\\n");
    for (name, value) in federation.settings() {
        match value {
            Some(value) => writeln!(values, "    --arg {name} {} \\", quoted(value)),
            // An address left over would go on receiving people's passwords.
            None => writeln!(values, "    --argjson {name} null \\"),
        }
        .expect("a String takes every write");
    }
    values.push_str("    '$ARGS.named'\n}\n");
    values
}

/// Our users as JSON, one on each line.
fn list(anchors: &[Anchor]) -> String {
    let mut list = String::from("\nanchors() {\n  cat <<'ANCHORS'\n");
    for anchor in anchors {
        list.push_str(&in_ascii(
            &json!([anchor.upn, anchor.immutable_id]).to_string(),
        ));
        list.push('\n');
    }
    list.push_str("ANCHORS\n}\n");
    list
}

/// A value as a word of bash in printable ASCII, which nothing inside the value can end.
fn quoted(value: &str) -> String {
    // An exclamation mark would be history to the shell that this is pasted into.
    if value
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'!')
    {
        return format!("'{}'", value.replace('\'', r"'\''"));
    }
    let mut escaped = String::from("$'");
    // No variable of bash can hold a NUL.
    for byte in value.replace('\0', "\u{fffd}").bytes() {
        match byte {
            b'\'' | b'\\' | b'!' => write!(escaped, r"\{byte:03o}"),
            b' '..=b'~' => write!(escaped, "{}", char::from(byte)),
            _ => write!(escaped, r"\{byte:03o}"),
        }
        .expect("a String takes every write");
    }
    escaped.push('\'');
    escaped
}

/// JSON in printable ASCII without exclamation marks; it has none outside of its strings.
pub(super) fn in_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ b' '..=b'~') if byte != b'!' => ascii.push(char::from(byte)),
            _ => write!(ascii, r"\u{unit:04x}").expect("a String takes every write"),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Output, Stdio};

    use proptest::prelude::*;

    use super::super::tests::{by_saml, contoso, federation, hostile};
    use super::*;
    use crate::cloud::Cloud;
    use crate::federate::NextCertificate;

    #[test]
    fn values_read_as_themselves_where_they_can() {
        for (value, expected) in [
            ("", "''"),
            (
                "https://id.contoso.com/a?b=c",
                "'https://id.contoso.com/a?b=c'",
            ),
            ("O'Brien & Sons", r"'O'\''Brien & Sons'"),
            (r"a\n $(x) `y`", r"'a\n $(x) `y`'"),
            ("Yes!", r"$'Yes\041'"),
            ("caf\u{e9}'\\", r"$'caf\303\251\047\134'"),
            ("a\r\n\0", r"$'a\015\012\357\277\275'"),
        ] {
            assert_eq!(quoted(value), expected);
        }
        assert_eq!(in_ascii(r#"["\n!\u{1f511}"]"#), r#"["\n\u0021\u{1f511}"]"#);
        assert_eq!(in_ascii("\u{1f511}"), r"\ud83d\udd11");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_value_leaves_its_quotes(values in prop::array::uniform10(hostile()), people in anchors()) {
            prop_assert_eq!(check(&values, &people, quoted), Ok(()));
        }
    }

    #[test]
    fn that_property_notices_values_that_are_not_quoted_well() {
        let merely_enclosed = |value: &str| format!("'{value}'");
        let in_double_quotes = |value: &str| format!("\"{value}\"");
        let labelled = |label: &str| {
            let mut values = std::array::from_fn(|_| "x".to_owned());
            label.clone_into(&mut values[0]);
            values
        };
        assert_eq!(check(&labelled("Contoso"), &[], merely_enclosed), Ok(()));
        for label in [
            "O'Brien",
            "a'; echo b #",
            "caf\u{e9}",
            "\nCOUNTERSIGN\n",
            "Yes!!",
        ] {
            assert!(
                check(&labelled(label), &[], merely_enclosed).is_err(),
                "{label}"
            );
        }
        for label in ["$(echo a)", "`echo a`", "$HOME", "\"; echo b #"] {
            assert!(
                check(&labelled(label), &[], in_double_quotes).is_err(),
                "{label}"
            );
        }
    }

    #[test]
    fn each_cloud_is_asked_at_its_own_address() {
        for (cloud, address) in [
            (Cloud::Worldwide, "https://graph.microsoft.com"),
            (Cloud::China, "https://microsoftgraph.chinacloudapi.cn"),
            (Cloud::UsGov, "https://graph.microsoft.us"),
        ] {
            let script = script(&Federation { cloud, ..contoso() }, &[], Action::Show);
            assert!(script.contains(&format!("\ngraph_of_cloud='{address}'\n")));
        }
    }

    #[test]
    fn a_domain_by_saml_has_another_protocol_and_no_addresses_of_ws_trust() {
        let settings = values(&by_saml(), Action::Enable, quoted);
        assert!(settings.contains("--arg preferredAuthenticationProtocol 'saml'"));
        assert!(settings.contains("--argjson activeSignInUri null"));
        assert!(settings.contains("--argjson metadataExchangeUri null"));
        assert!(!settings.contains("/trust/"));
    }

    #[test]
    fn shellcheck_finds_nothing() {
        if Command::new("shellcheck")
            .arg("--version")
            .output()
            .is_err()
        {
            assert!(
                std::env::var_os("COUNTERSIGN_TEST_REQUIRE_ALL").is_none(),
                "shellcheck is missing"
            );
            eprintln!("left out: shellcheck is missing");
            return;
        }
        let directory = tempfile::tempdir().expect("the system has room for temporary files");
        // What is in single quotes is for jq; not every action needs every value.
        let mut shellcheck = Command::new("shellcheck");
        shellcheck.args(["--shell=bash", "--exclude=SC2016,SC2034"]);
        for action in Action::ALL {
            let file = directory.path().join(action.as_str());
            std::fs::write(&file, program(&with_next(), &people(), *action, quoted))
                .expect("it can be written");
            shellcheck.arg(file);
        }
        let found = shellcheck.output().expect("it can be run");
        assert!(
            found.status.success(),
            "{}",
            String::from_utf8_lossy(&found.stdout)
        );
    }

    fn with_next() -> Federation {
        Federation {
            next: Some(NextCertificate {
                certificate: "MIINEXT".into(),
                thumbprint: "89ABCDEF0123456789ABCDEF0123456789ABCDEF".into(),
            }),
            ..contoso()
        }
    }

    fn people() -> Vec<Anchor> {
        vec![Anchor {
            upn: "alice@contoso.com".into(),
            immutable_id: "abc".into(),
        }]
    }

    fn anchors() -> impl Strategy<Value = Vec<Anchor>> {
        let one =
            (hostile(), hostile()).prop_map(|(upn, immutable_id)| Anchor { upn, immutable_id });
        prop::collection::vec(one, 0..4)
    }

    /// What makes scripts that their values cannot bend.
    fn check(
        values: &[String; 10],
        anchors: &[Anchor],
        quoted: impl Fn(&str) -> String + Copy,
    ) -> Result<(), String> {
        let federation = federation(values);
        for action in Action::ALL {
            let program = program(&federation, anchors, *action, quoted);
            let script = format!("{FIRST_LINE}{program}{LAST_LINE}");
            if let Some(odd) = script.chars().find(|c| !matches!(c, ' '..='~' | '\n')) {
                return Err(format!("{odd:?} stands in the script"));
            }
            if script
                .lines()
                .filter(|line| *line == LAST_LINE.trim_end())
                .count()
                != 1
            {
                return Err("a line ends it too early".into());
            }
            // Between two of them a shell that is typed into sees its history.
            let history = |rest: &str| !rest.is_empty() && !rest.starts_with([' ', '=', '\n']);
            if script.split('!').skip(1).any(history) || script.contains("\n^") {
                return Err("a shell would put its history there".into());
            }
            let parsed = run("bash", &["-n"], &program);
            if !parsed.status.success() {
                return Err(String::from_utf8_lossy(&parsed.stderr).into_owned());
            }
        }
        let told = |text: &str| text.replace('\0', "\u{fffd}");
        let [
            label,
            domain,
            issuer,
            passive,
            sign_out,
            certificate,
            thumbprint,
            source,
            metadata_exchange,
            active,
        ] = values.each_ref().map(|value| told(value));
        let mut program = self::values(&federation, Action::Users, quoted);
        program.push_str(&list(anchors));
        program.push_str(
            r#"printf '%s\0' "$domain" "$issuer" "$source" "$certificate" "$thumbprint"; the_settings; printf '\0'; anchors"#,
        );
        let output = run("bash", &["-eu"], &program);
        let stdout = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
        let parts: Vec<_> = stdout.splitn(7, '\0').collect();
        if parts[..5] != [&domain, &issuer, &source, &certificate, &thumbprint] {
            return Err(format!("bash read {:?}", &parts[..5]));
        }
        let settings: serde_json::Value =
            serde_json::from_str(parts[5]).map_err(|error| error.to_string())?;
        for (name, expected) in [
            ("displayName", label),
            ("issuerUri", issuer),
            ("passiveSignInUri", passive),
            ("signOutUri", sign_out),
            ("signingCertificate", certificate),
            ("metadataExchangeUri", metadata_exchange),
            ("activeSignInUri", active),
        ] {
            if settings[name] != expected {
                return Err(format!(
                    "{name} is {} instead of {expected:?}",
                    settings[name]
                ));
            }
        }
        let listed: Vec<(String, String)> = parts[6]
            .lines()
            .map(|line| serde_json::from_str(line).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        if !listed
            .iter()
            .map(|(upn, id)| (upn, id))
            .eq(anchors.iter().map(|one| (&one.upn, &one.immutable_id)))
        {
            return Err(format!("the list is {listed:?}"));
        }
        Ok(())
    }

    fn run(program: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let mut stdin = child.stdin.take().expect("it is piped");
        // What stops reading early has its reason to.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it is our child")
    }
}
