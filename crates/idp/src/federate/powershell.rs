//! The run-book in PowerShell, for one paste into Windows PowerShell 5.1 or PowerShell 7.

use std::fmt::Write as _;

use super::{Action, Anchor, Federation};

/// The script for one action: with the cmdlets of Microsoft.Graph, or with `Invoke-MgGraphRequest` alone.
///
/// It is printable ASCII with no empty line. `anchors` matter to `check` and `users` only.
pub fn script(
    federation: &Federation,
    anchors: &[Anchor],
    action: Action,
    cmdlets: bool,
) -> String {
    write(federation, anchors, action, cmdlets, quoted)
}

/// The script around the parts, each of which takes the place of one comment.
const FRAME: &str = include_str!("powershell/frame.ps1");
/// What every action needs, whichever way it speaks to Microsoft.
const COMMON: &str = include_str!("powershell/common.ps1");
/// How `check` and `users` compare our users with Microsoft's.
const PEOPLE: &str = include_str!("powershell/people.ps1");

/// What an action does, after the lines of comment that stand above the script.
fn action_part(action: Action) -> (&'static str, &'static str) {
    let part = match action {
        Action::Check => include_str!("powershell/check.ps1"),
        Action::Enable => include_str!("powershell/enable.ps1"),
        Action::Show => include_str!("powershell/show.ps1"),
        Action::Rotate => include_str!("powershell/rotate.ps1"),
        Action::Promote => include_str!("powershell/promote.ps1"),
        Action::Disable => include_str!("powershell/disable.ps1"),
        Action::Restore => include_str!("powershell/restore.ps1"),
        Action::Users => include_str!("powershell/users.ps1"),
    };
    let code = part.find("\n ").expect("the code is indented") + 1;
    part.split_at(code)
}

/// How the script reads and writes at Microsoft.
fn flavor_part(cmdlets: bool) -> &'static str {
    if cmdlets {
        include_str!("powershell/graph.ps1")
    } else {
        include_str!("powershell/rest.ps1")
    }
}

/// Whether the action looks at users one by one.
fn concerns_people(action: Action) -> bool {
    matches!(action, Action::Check | Action::Users)
}

fn write(
    federation: &Federation,
    anchors: &[Anchor],
    action: Action,
    cmdlets: bool,
    quoted: impl Fn(&str) -> String,
) -> String {
    let (title, code) = action_part(action);
    let mut values = values(federation, &quoted);
    let mut flavor = flavor_part(cmdlets).to_owned();
    if concerns_people(action) {
        values += &list(anchors, &quoted);
        flavor += PEOPLE;
        if cmdlets {
            flavor += "    $modules += 'Microsoft.Graph.Users'\n";
        }
    }
    // Only the frame is searched for the marks: a value may look like one.
    let mut script = String::new();
    let mut rest = FRAME;
    for (mark, part) in [
        ("# title\n", title),
        ("    # values\n", &values),
        ("    # common\n", COMMON),
        ("    # flavor\n", &flavor),
        ("        # action\n", code),
    ] {
        let (before, after) = rest.split_once(mark).expect("the frame marks its parts");
        script += before;
        script += part;
        rest = after;
    }
    script + rest
}

/// The only lines that differ from app to app.
fn values(federation: &Federation, quoted: impl Fn(&str) -> String) -> String {
    let next = federation.next.as_ref();
    format!(
        r"    $domain = {domain}
    $environment = {environment}
    $source = {source}
    $thumbprint = {thumbprint}
    $next = {next}
    $nextThumbprint = {next_thumbprint}
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
        next = quoted(next.map_or("", |next| &next.certificate)),
        next_thumbprint = quoted(next.map_or("", |next| &next.thumbprint)),
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

/// User names and ImmutableIDs by turns; 100 000 hash tables would take PowerShell minutes to read.
fn list(anchors: &[Anchor], quoted: impl Fn(&str) -> String) -> String {
    let mut list = "    $anchors = @(\n".to_owned();
    for Anchor { upn, immutable_id } in anchors {
        writeln!(list, "        {}; {}", quoted(upn), quoted(immutable_id))
            .expect("a String takes every write");
    }
    list + "    )\n"
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
    use crate::federate::{MfaBehavior, NextCertificate, PromptLogin};

    #[test]
    fn the_whole_script_by_either_protocol() {
        insta::with_settings!({
            prepend_module_to_snapshot => false,
            snapshot_path => ".",
            omit_expression => true,
        }, {
            insta::assert_snapshot!("commands", enable(&federation(&contoso())));
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
    fn what_the_app_chose_is_written_as_graph_spells_it() {
        let chosen = |change: fn(&mut Federation), name, expected: &str| {
            let mut federation = federation(&contoso());
            change(&mut federation);
            let script = enable(&federation);
            let tree = parse(&script).expect("it is PowerShell");
            assert_eq!(value_of(name, &tree, &script), Ok(expected.into()));
        };
        chosen(|it| it.cloud = Cloud::Worldwide, "$environment", "Global");
        chosen(|it| it.cloud = Cloud::China, "$environment", "China");
        chosen(|it| it.cloud = Cloud::UsGov, "$environment", "USGov");
        chosen(
            |it| it.mfa_behavior = MfaBehavior::Enforce,
            "FederatedIdpMfaBehavior",
            "enforceMfaByFederatedIdp",
        );
        chosen(
            |it| it.prompt_login = PromptLogin::Translate,
            "PromptLoginBehavior",
            "translateToFreshPasswordAuthentication",
        );
        chosen(|it| it.next = None, "$next", "");
        chosen(|it| it.next = None, "$nextThumbprint", "");
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
        // A case parses two scripts twice.
        #![proptest_config(ProptestConfig::with_cases(192))]

        #[test]
        fn no_value_leaves_its_quotes(
            values in prop::array::uniform14(hostile()),
            action in prop::sample::select(Action::ALL),
            cmdlets: bool,
        ) {
            for speaking in [federation, by_saml] {
                let script = script(&speaking(&values), &anchors(&values), action, cmdlets);
                prop_assert_eq!(check(&values, speaking, action, cmdlets, &script), Ok(()));
            }
        }
    }

    #[test]
    fn a_domain_by_saml_has_another_protocol_and_no_addresses_of_ws_trust() {
        let script = enable(&federation(&contoso()));
        let tree = parse(&script).expect("it is PowerShell");
        let protocol = value_of("PreferredAuthenticationProtocol", &tree, &script);
        assert_eq!(protocol, Ok("wsFed".into()));
        let expected: String = script
            .replace("'wsFed'", "'saml'")
            .split_inclusive('\n')
            .filter(|line| !line.contains("/trust/"))
            .collect();
        assert_eq!(enable(&by_saml(&contoso())), expected);
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
            let (action, cmdlets) = (Action::Users, false);
            let script = write(
                &federation(values),
                &anchors(values),
                action,
                cmdlets,
                quoted,
            );
            check(values, federation, action, cmdlets, &script).is_err()
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
        for (name, script, tree) in every_script() {
            let calls: Vec<_> = commands_of(&tree, &script)
                .into_iter()
                .filter(|(command, _)| command.contains("-Mg"))
                .collect();
            assert!(calls.len() >= 4, "{name}: {calls:#?}");
            for (command, text) in calls {
                assert!(text.contains(" -ErrorAction Stop"), "{name}: {text}");
                if name.ends_with("rest") {
                    let known = ["Connect-MgGraph", "Get-MgContext", "Invoke-MgGraphRequest"];
                    assert!(known.contains(&command.as_str()), "{name}: {text}");
                }
            }
        }
    }

    #[test]
    fn windows_powershell_knows_every_command() {
        let known = [
            "ConvertFrom-Json",
            "ConvertTo-Json",
            "ForEach-Object",
            "Format-List",
            "Get-ChildItem",
            "Get-Content",
            "Get-Module",
            "Get-Variable",
            "Import-Module",
            "Join-Path",
            "New-Object",
            "Out-File",
            "Out-Host",
            "Out-Null",
            "Set-StrictMode",
            "Sort-Object",
            "Start-Sleep",
            "Where-Object",
            "Write-Host",
        ];
        for (name, script, tree) in every_script() {
            let mut functions = Vec::new();
            visit(tree.root_node(), 0, &mut |node, _| {
                if node.kind() == "function_name" {
                    functions.push(script[node.byte_range()].to_owned());
                }
            });
            assert!(functions.len() > 20, "{name}: {functions:?}");
            for (command, text) in commands_of(&tree, &script) {
                let is_known = known.contains(&command.as_str())
                    || functions.contains(&command)
                    || command.contains("-Mg");
                assert!(is_known, "{name}: {text}");
            }
        }
    }

    #[test]
    fn windows_powershell_knows_every_operator() {
        let newer = [
            "??",
            "?.",
            "&&",
            "||",
            " ? ",
            "::new(",
            "-NoWelcome",
            "-Parallel",
            "-AsHashtable",
            "-AsUTC",
            "$IsWindows",
            "utf8NoBOM",
        ];
        for (name, script, _) in every_script() {
            for newer in newer {
                assert!(!script.contains(newer), "{name}: {newer}");
            }
        }
    }

    #[test]
    fn every_variable_gets_its_value_somewhere() {
        let automatic = ["$_", "$true", "$false", "$null", "$HOME", "$Matches"];
        for (name, script, tree) in every_script() {
            let mut assigned = Vec::new();
            let mut used = Vec::new();
            visit(tree.root_node(), 0, &mut |node, _| {
                let text = &script[node.byte_range()];
                let is_target = match node.parent() {
                    Some(parent) => {
                        matches!(parent.kind(), "foreach_statement" | "script_parameter")
                    }
                    None => false,
                };
                if node.kind() == "left_assignment_expression" || is_target {
                    assigned.push(text);
                }
                if node.kind() == "variable" {
                    used.push(text.replace(['{', '}'], "").replace('@', "$"));
                }
            });
            assert!(used.len() > 100, "{name}");
            for variable in used {
                let has_value = automatic.contains(&variable.as_str())
                    || assigned
                        .iter()
                        .any(|name| name.eq_ignore_ascii_case(&variable));
                assert!(has_value, "{name}: {variable}");
            }
        }
    }

    #[test]
    fn what_is_changed_is_saved_before() {
        for action in [
            Action::Enable,
            Action::Rotate,
            Action::Promote,
            Action::Disable,
            Action::Restore,
        ] {
            let (_, code) = action_part(action);
            let saved = code.find(" Save-State $state ").expect("it is saved");
            for change in ["Add-Configuration", "Edit-Configuration", "Invoke-Change"] {
                let changed = code.find(change).unwrap_or(code.len());
                assert!(saved < changed, "{action}: {change}");
            }
        }
    }

    #[test]
    fn only_check_and_users_carry_people() {
        for &action in Action::ALL {
            let (federation, anchors) = (federation(&contoso()), anchors(&contoso()));
            for cmdlets in [true, false] {
                let script = script(&federation, &anchors, action, cmdlets);
                let carries = script.contains("alice@contoso.com");
                assert_eq!(carries, concerns_people(action), "{action}");
            }
        }
    }

    /// Every script with its name.
    fn every_script() -> Vec<(String, String, Tree)> {
        let (federation, anchors) = (federation(&contoso()), anchors(&contoso()));
        let mut scripts = Vec::new();
        for &action in Action::ALL {
            for (cmdlets, flavor) in [(true, "graph"), (false, "rest")] {
                let script = script(&federation, &anchors, action, cmdlets);
                let tree = parse(&script).expect("it is PowerShell");
                scripts.push((format!("{action} {flavor}"), script, tree));
            }
        }
        scripts
    }

    fn enable(federation: &Federation) -> String {
        script(federation, &[], Action::Enable, true)
    }

    /// The values by which one app's script differs from another's, in the order of `NAMES`, then a
    /// user's name and ImmutableID.
    type Values = [String; 14];

    const NAMES: [&str; 12] = [
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
        "$next",
        "$nextThumbprint",
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
            "MIIC+zCCAeOgAwIBAgIR".into(),
            "89ABCDEF0123456789ABCDEF0123456789ABCDEF".into(),
            "alice@contoso.com".into(),
            "0dfe3f1c-6a3c-4f6e-9b8e-3f5b7e1c2d4a".into(),
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
            next,
            next_thumbprint,
            ..,
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
            next: Some(NextCertificate {
                certificate: next,
                thumbprint: next_thumbprint,
            }),
            mfa_behavior: MfaBehavior::default(),
            prompt_login: PromptLogin::default(),
            cloud: Cloud::Worldwide,
            commands_url: commands,
        }
    }

    fn anchors(values: &Values) -> Vec<Anchor> {
        let [.., upn, immutable_id] = values.clone();
        vec![Anchor { upn, immutable_id }]
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
            1 => prop::sample::select(vec!["    # values\n", "        # action\n", "'@\n", "\n'@", r"\u0027", "; x '"])
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
        action: Action,
        cmdlets: bool,
        script: &str,
    ) -> Result<(), String> {
        if let Some(odd) = script.chars().find(|c| !matches!(c, ' '..='~' | '\n')) {
            return Err(format!("{odd:?} stands in the script"));
        }
        if script.lines().any(|line| line.trim().is_empty()) {
            return Err("an empty line ends the block in a plain console".into());
        }
        let tree = parse(script)?;
        let words = values.each_ref().map(|value| word_for(value));
        let harmless = self::script(&speaking(&words), &anchors(&words), action, cmdlets);
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
        if concerns_people(action) {
            let found = list_of_anchors(&tree, script);
            if found != values[12..] {
                return Err(format!("the anchors are {found:?}"));
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

    /// Each command's name and text.
    fn commands_of(tree: &Tree, script: &str) -> Vec<(String, String)> {
        let mut commands = Vec::new();
        visit(tree.root_node(), 0, &mut |node, _| {
            if let Some(name) = node.child_by_field_name("command_name")
                && name.kind() == "command_name"
            {
                let text = |node: Node| script[node.byte_range()].to_owned();
                commands.push((text(name), text(node)));
            }
        });
        commands
    }

    fn list_of_anchors(tree: &Tree, script: &str) -> Vec<String> {
        let mut list = Vec::new();
        visit(tree.root_node(), 0, &mut |node, _| {
            let assigned = node.kind() == "assignment_expression";
            if assigned && script[node.byte_range()].starts_with("$anchors =") {
                visit(node, 0, &mut |node, _| {
                    if node.kind() == "pipeline" {
                        list.extend(evaluate(&script[node.byte_range()]));
                    }
                });
            }
        });
        list
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
