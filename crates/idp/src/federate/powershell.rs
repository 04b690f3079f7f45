//! The run-book in PowerShell, for one paste into Windows PowerShell 5.1 or PowerShell 7.

use std::fmt::Write as _;

use super::Federation;

/// The whole script, for one paste into Windows PowerShell 5.1 or PowerShell 7.
pub fn commands(federation: &Federation) -> String {
    script(federation, quoted)
}

/// Complete PowerShell but for the values, which take the place of one comment.
const TEMPLATE: &str = include_str!("enable.ps1");
const VALUES_GO_HERE: &str = "    # values\n";

fn script(federation: &Federation, quoted: impl Fn(&str) -> String) -> String {
    let (before, after) = TEMPLATE
        .split_once(VALUES_GO_HERE)
        .expect("the template marks where the values go");
    format!("{before}{}{after}", values(federation, quoted))
}

/// The only lines that differ from app to app.
fn values(federation: &Federation, quoted: impl Fn(&str) -> String) -> String {
    format!(
        r"    $domain = {domain}
    $environment = {environment}
    $source = {source}
    $thumbprint = {thumbprint}
    $settings = @{{
        DisplayName = {label}
        IssuerUri = {issuer}
        PassiveSignInUri = {passive_sign_in_url}
        SignOutUri = {sign_out_url}
{active}        SigningCertificate = {signing_certificate}
        PreferredAuthenticationProtocol = {protocol}
        PromptLoginBehavior = {prompt_login}
        FederatedIdpMfaBehavior = {mfa_behavior}
    }}
",
        domain = quoted(&federation.domain),
        // As Graph spells the values of the enumeration.
        protocol = quoted(federation.protocol_in_graph()),
        prompt_login = quoted(federation.prompt_login.in_graph()),
        mfa_behavior = quoted(federation.mfa_behavior.in_graph()),
        environment = quoted(federation.cloud.graph_environment()),
        source = quoted(&federation.commands_url),
        thumbprint = quoted(&federation.thumbprint),
        label = quoted(&federation.label),
        issuer = quoted(&federation.issuer),
        passive_sign_in_url = quoted(&federation.passive_sign_in_url),
        sign_out_url = quoted(&federation.sign_out_url),
        active = [
            ("MetadataExchangeUri", &federation.metadata_exchange_url),
            ("ActiveSignInUri", &federation.active_sign_in_url),
        ]
        .into_iter()
        .filter_map(|(name, url)| Some(format!("        {name} = {}\n", quoted(url.as_ref()?))))
        .collect::<String>(),
        signing_certificate = quoted(&federation.signing_certificate),
    )
}

/// A value as a PowerShell expression of printable ASCII, which nothing inside the value can end.
fn quoted(value: &str) -> String {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return format!("'{}'", value.replace('\'', "''"));
    }
    // PowerShell reads U+2018 to U+201B as quotes too, a newline ends a pasted line, and Windows
    // PowerShell guesses the encoding of a file: none of these may stand there as itself.
    let mut escaped = String::new();
    for unit in value.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'\'') => escaped.push_str("''"),
            Ok(b'\\') => escaped.push_str(r"\\"),
            Ok(byte @ b' '..=b'~') => escaped.push(char::from(byte)),
            _ => write!(escaped, r"\u{unit:04x}").expect("a String takes every write"),
        }
    }
    format!("[regex]::Unescape('{escaped}')")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tree_sitter::{Node, Parser, Tree};

    use super::*;
    use store::Protocol;

    use crate::cloud::Cloud;
    use crate::federate::{MfaBehavior, PromptLogin};

    #[test]
    fn the_whole_script_by_either_protocol() {
        insta::with_settings!({
            prepend_module_to_snapshot => false,
            snapshot_path => ".",
            omit_expression => true,
        }, {
            insta::assert_snapshot!("commands", commands(&federation(&contoso())));
            let base = "https://id.contoso.com/saml2/663a8fb979aa83c58df6081e";
            let by_saml = Federation {
                passive_sign_in_url: base.into(),
                sign_out_url: format!("{base}/slo"),
                ..by_saml(&contoso())
            };
            insta::assert_snapshot!("values-saml", values(&by_saml, quoted));
        });
    }

    #[test]
    fn each_cloud_is_connected_to_by_its_own_name() {
        for (cloud, environment) in [
            (Cloud::Worldwide, "Global"),
            (Cloud::China, "China"),
            (Cloud::UsGov, "USGov"),
        ] {
            let script = commands(&Federation {
                cloud,
                ..federation(&contoso())
            });
            let tree = parse(&script).expect("it is PowerShell");
            assert_eq!(
                value_of("$environment", &tree, &script),
                Ok(environment.into())
            );
        }
    }

    #[test]
    fn values_read_as_themselves_where_they_can() {
        for (value, expected) in [
            ("", "''"),
            (
                "https://id.contoso.com/a?b=c",
                "'https://id.contoso.com/a?b=c'",
            ),
            ("O'Brien & Sons", "'O''Brien & Sons'"),
            (r"a\u0027b $(x) `n", r"'a\u0027b $(x) `n'"),
            ("caf\u{e9}", r"[regex]::Unescape('caf\u00e9')"),
            ("\u{2019}; x \\ '", r"[regex]::Unescape('\u2019; x \\ ''')"),
            ("a\r\n\0", r"[regex]::Unescape('a\u000d\u000a\u0000')"),
            ("\u{1f511}", r"[regex]::Unescape('\ud83d\udd11')"),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }

    proptest! {
        // A case parses the whole script twice.
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_value_leaves_its_quotes(values in prop::array::uniform10(hostile())) {
            for speaking in [federation, by_saml] {
                prop_assert_eq!(check(&values, speaking, &commands(&speaking(&values))), Ok(()));
            }
        }
    }

    #[test]
    fn a_domain_by_saml_has_another_protocol_and_no_addresses_of_ws_trust() {
        let script = commands(&federation(&contoso()));
        let tree = parse(&script).expect("it is PowerShell");
        let protocol = value_of("PreferredAuthenticationProtocol", &tree, &script);
        assert_eq!(protocol, Ok("wsFed".into()));
        let expected: String = script
            .replace("'wsFed'", "'saml'")
            .split_inclusive('\n')
            .filter(|line| !line.contains("/trust/"))
            .collect();
        assert_eq!(commands(&by_saml(&contoso())), expected);
    }

    #[test]
    fn only_saml_keeps_people_from_something() {
        assert!(federation(&contoso()).limits().is_empty());
        let limits = by_saml(&contoso()).limits().join(" ");
        assert!(limits.contains("Join Windows devices") && limits.contains("password"));
    }

    #[test]
    fn that_property_notices_values_that_are_not_quoted_well() {
        let bare = |value: &str| value.to_owned();
        let merely_enclosed = |value: &str| format!("'{value}'");
        let only_doubled = |value: &str| format!("'{}'", value.replace('\'', "''"));
        let broken = |values: &Values, quoted: &dyn Fn(&str) -> String| {
            check(values, federation, &script(&federation(values), quoted)).is_err()
        };
        let labelled = |label: &str| {
            let mut values = contoso();
            values[0] = label.to_owned();
            values
        };

        assert!(broken(&contoso(), &bare));
        assert!(!broken(&labelled("Contoso"), &merely_enclosed));
        assert!(broken(&labelled("'; Remove-Item x; '"), &merely_enclosed));
        assert!(!broken(&labelled("'; Remove-Item x; '"), &only_doubled));
        assert!(broken(
            &labelled("\u{2019}; Remove-Item x; \u{2019}"),
            &only_doubled
        ));
        assert!(broken(&labelled("a\nb"), &only_doubled));
    }

    #[test]
    fn every_call_to_microsoft_stops_the_script_when_it_fails() {
        // The caller's preferences do not reach into Microsoft's modules, so each call says it.
        let calls = calls_to_microsoft(TEMPLATE);
        assert!(calls.len() >= 9, "{calls:#?}");
        for call in calls {
            assert!(call.contains(" -ErrorAction Stop"), "{call}");
        }
    }

    #[test]
    fn the_old_configuration_is_saved_before_anything_is_written() {
        let saved = TEMPLATE
            .find("$saved = Save-Federation")
            .expect("it is saved");
        for write in [
            "\n            New-Mg",
            "\n            Update-Mg",
            "\n                Invoke-MgGraphRequest ",
        ] {
            assert!(saved < TEMPLATE.find(write).expect(write), "{write}");
        }
    }

    #[test]
    fn windows_powershell_knows_every_operator() {
        for newer in ["??", "?.", "&&", "||", " ? ", "-NoWelcome", "-Parallel"] {
            assert!(!TEMPLATE.contains(newer), "{newer}");
        }
    }

    /// The values by which one app's script differs from another's, in the order of `NAMES`.
    type Values = [String; 10];

    const NAMES: [&str; 10] = [
        "DisplayName",
        "$domain",
        "IssuerUri",
        "PassiveSignInUri",
        "SignOutUri",
        "SigningCertificate",
        "$thumbprint",
        "$source",
        "MetadataExchangeUri",
        "ActiveSignInUri",
    ];

    fn contoso() -> Values {
        let base = "https://id.contoso.com/wsfed/663a8fb979aa83c58df6081e";
        [
            "Contoso".into(),
            "contoso.com".into(),
            base.into(),
            base.into(),
            format!("{base}/signout"),
            "MIIC+zCCAeOgAwIBAgIQ".into(),
            "0123456789ABCDEF0123456789ABCDEF01234567".into(),
            format!("{base}/commands"),
            format!("{base}/trust/mex"),
            format!("{base}/trust/2005/usernamemixed"),
        ]
    }

    fn federation(values: &Values) -> Federation {
        let [
            label,
            domain,
            issuer,
            passive,
            sign_out,
            certificate,
            thumbprint,
            commands,
            metadata_exchange,
            active,
        ] = values.clone();
        Federation {
            app_id: "663a8fb979aa83c58df6081e".into(),
            label,
            domain,
            issuer,
            protocol: Protocol::Wsfed,
            passive_sign_in_url: passive,
            sign_out_url: sign_out,
            metadata_exchange_url: Some(metadata_exchange),
            active_sign_in_url: Some(active),
            signing_certificate: certificate,
            thumbprint,
            next: None,
            mfa_behavior: MfaBehavior::default(),
            prompt_login: PromptLogin::default(),
            cloud: Cloud::Worldwide,
            commands_url: commands,
        }
    }

    /// The same app, whose domain is to speak SAML.
    fn by_saml(values: &Values) -> Federation {
        Federation {
            protocol: Protocol::Saml,
            metadata_exchange_url: None,
            active_sign_in_url: None,
            ..federation(values)
        }
    }

    /// Any text, and texts made of what means something to PowerShell or to the template.
    fn hostile() -> impl Strategy<Value = String> {
        let telling = "'\u{2018}\u{2019}\u{201a}\u{201b}\"\u{201c}`$()@{}<>#;|&-%\\\u{2013}\u{a0} \
                       \n\r\u{85}\u{2028}\0\u{1b}aux0027\u{e9}\u{1f511}";
        let piece = prop_oneof![
            9 => prop::sample::select(telling.chars().collect::<Vec<_>>()).prop_map(String::from),
            1 => prop::sample::select(vec![VALUES_GO_HERE, "'@\n", "\n'@", r"\u0027", "; x '"])
                .prop_map(String::from),
        ];
        let of_pieces = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
        let of_chars = prop::collection::vec(any::<char>(), 0..24)
            .prop_map(|chars| chars.into_iter().collect::<String>());
        prop_oneof![of_pieces, of_chars, "[ -~]{0,24}"]
    }

    /// What makes a script one that its values cannot bend.
    fn check(
        values: &Values,
        speaking: fn(&Values) -> Federation,
        script: &str,
    ) -> Result<(), String> {
        if let Some(odd) = script.chars().find(|c| !matches!(c, ' '..='~' | '\n')) {
            return Err(format!("{odd:?} stands in the script"));
        }
        if script.lines().any(|line| line.trim().is_empty()) {
            return Err("an empty line ends the block in a plain console".into());
        }
        let tree = parse(script)?;
        let harmless = commands(&speaking(&values.each_ref().map(|value| word_for(value))));
        if shape(&tree) != shape(&parse(&harmless)?) {
            return Err("a value changed the shape of the script".into());
        }
        let only_wsfed = ["MetadataExchangeUri", "ActiveSignInUri"];
        let by_saml = speaking(values).protocol == Protocol::Saml;
        for (name, expected) in NAMES.iter().zip(values) {
            if by_saml && only_wsfed.contains(name) {
                continue;
            }
            let found = value_of(name, &tree, script)?;
            if found != *expected {
                return Err(format!("{name} is {found:?} instead of {expected:?}"));
            }
        }
        Ok(())
    }

    /// A plain word for a plain value, and one with an accent for any other.
    fn word_for(value: &str) -> String {
        let plain = value.chars().all(|c| matches!(c, ' '..='~'));
        if plain { "word" } else { "w\u{f6}rd" }.to_owned()
    }

    fn parse(script: &str) -> Result<Tree, String> {
        let mut parser = Parser::new();
        parser
            .set_language(&tree_sitter_powershell::LANGUAGE.into())
            .expect("the grammar fits the library");
        let tree = parser
            .parse(script, None)
            .expect("a parser with a language answers");
        if tree.root_node().has_error() {
            return Err("this is no PowerShell".into());
        }
        Ok(tree)
    }

    fn visit<'tree>(node: Node<'tree>, depth: usize, see: &mut impl FnMut(Node<'tree>, usize)) {
        see(node, depth);
        for child in node.children(&mut node.walk()) {
            visit(child, depth + 1, see);
        }
    }

    /// Every node's depth and kind: the script without the text of its literals.
    fn shape(tree: &Tree) -> Vec<(usize, &'static str)> {
        let mut shape = Vec::new();
        visit(tree.root_node(), 0, &mut |node, depth| {
            shape.push((depth, node.kind()));
        });
        shape
    }

    fn calls_to_microsoft(script: &str) -> Vec<String> {
        let tree = parse(script).expect("it is PowerShell");
        let mut calls = Vec::new();
        visit(tree.root_node(), 0, &mut |node, _| {
            let text = &script[node.byte_range()];
            let name = text.split(' ').next().unwrap_or_default();
            if node.kind() == "command" && name.contains("-Mg") {
                calls.push(text.to_owned());
            }
        });
        calls
    }

    /// What PowerShell would find in the first variable or setting of that name.
    fn value_of(name: &str, tree: &Tree, script: &str) -> Result<String, String> {
        let text = |node: Option<Node>| node.map(|node| &script[node.byte_range()]);
        let mut expression = None;
        visit(tree.root_node(), 0, &mut |node, _| {
            if matches!(node.kind(), "assignment_expression" | "hash_entry")
                && text(node.child(0)) == Some(name)
                && expression.is_none()
            {
                expression = text(node.children(&mut node.walk()).last());
            }
        });
        evaluate(expression.ok_or(format!("{name} is not set"))?)
    }

    /// PowerShell's rules for a single-quoted string, alone or handed to `[regex]::Unescape`.
    fn evaluate(expression: &str) -> Result<String, String> {
        let wrong = || format!("{expression} is no value");
        let call = expression
            .strip_prefix("[regex]::Unescape(")
            .and_then(|rest| rest.strip_suffix(')'));
        let inner = call
            .unwrap_or(expression)
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
            .ok_or_else(wrong)?;

        let quote = |c| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
        let mut text = String::new();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            if quote(c) && !chars.next().is_some_and(quote) {
                return Err(wrong());
            }
            text.push(c);
        }
        if call.is_none() {
            return Ok(text);
        }

        let mut units = Vec::new();
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            if let Some(escape) = rest.strip_prefix(r"\u") {
                let hex = escape.get(..4).ok_or_else(wrong)?;
                units.push(u16::from_str_radix(hex, 16).map_err(|_| wrong())?);
                rest = &escape[4..];
            } else if let Some(after) = rest.strip_prefix(r"\\") {
                units.push(u16::from(b'\\'));
                rest = after;
            } else if c == '\\' {
                return Err(wrong());
            } else {
                units.extend(c.encode_utf16(&mut [0; 2]).iter());
                rest = &rest[c.len_utf8()..];
            }
        }
        String::from_utf16(&units).map_err(|_| wrong())
    }
}
