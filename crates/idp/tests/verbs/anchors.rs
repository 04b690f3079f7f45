//! Anchors: who gets which, until when it may change, and what is written down of it.

use idp::anchors::{
    AnchorInfo, BadKind, Changed, Comparison, ImportOptions, ImportReport, Progress,
};
use serde_json::json;
use store::{AnchorSource, AnchorUse};

use super::*;

const ALICE: &str = "alice@contoso.com";
const BOB: &str = "bob@contoso.com";

impl Contoso {
    async fn anchor(&self, upn: &str) -> AnchorInfo {
        let anchors = self.idp.anchors(None).await.expect("anchors");
        let mut found = anchors.into_iter().filter(|anchor| anchor.upn == upn);
        found.next().expect("the user")
    }

    // Lines of the same microsecond have no order, so each change takes a second.
    async fn set_anchor(
        &self,
        upn: &str,
        value: &str,
        why: Option<&str>,
    ) -> Result<Changed, Error> {
        self.clock.advance(TimeDelta::seconds(1));
        let origin = at("command line");
        self.idp.set_anchor(upn, value, why, &origin).await
    }

    async fn generate(&self, upns: &[&str], why: Option<&str>) -> Result<Vec<Changed>, Error> {
        let upns: Vec<String> = upns.iter().map(|upn| (*upn).to_owned()).collect();
        self.clock.advance(TimeDelta::seconds(1));
        let origin = at("command line");
        self.idp.generate_anchors(&upns, why, &origin).await
    }

    async fn import(&self, file: &str, options: ImportOptions) -> Result<ImportReport, Error> {
        let file = std::io::Cursor::new(file.to_owned().into_bytes());
        self.clock.advance(TimeDelta::seconds(1));
        let origin = at("command line");
        let import = self.idp.import_anchors(file, options, |_| (), &origin);
        import.await
    }

    /// The events and details of the newest lines, newest first.
    async fn newest(&self, number: u32) -> Vec<(String, serde_json::Value)> {
        let lines = self.idp.audit(number, None).await.expect("an audit");
        let told = |line: store::AuditLine| (line.event, line.details.into());
        lines.into_iter().map(told).collect()
    }
}

fn users(people: &[(&str, Option<&str>)]) -> String {
    let user = |(upn, anchor): &(&str, Option<&str>)| json!({"userPrincipalName": upn, "onPremisesImmutableId": anchor});
    json!(people.iter().map(user).collect::<Vec<_>>()).to_string()
}

fn why(text: &str) -> ImportOptions {
    ImportOptions {
        reason: Some(text.to_owned()),
        ..ImportOptions::default()
    }
}

fn words<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::Invalid(words)) => words,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_anchor_is_used_from_the_first_token_that_carries_it() {
    let contoso = Contoso::new().await;
    assert_eq!(contoso.anchor(ALICE).await.used_at, None);
    assert_eq!(contoso.anchor(ALICE).await.source, AnchorSource::Made);
    let new = NewWsFed {
        label: "Wiki".to_owned(),
        realm: "urn:wiki".to_owned(),
        replies: vec!["https://wiki.example/a".to_owned()],
        name_id: None,
        attributes: Vec::new(),
    };
    let origin = at("command line");
    let wiki = contoso.idp.add_wsfed(new, &origin).await.expect("an app");
    contoso
        .idp
        .grant("Wiki", "Staff", &origin)
        .await
        .expect("a grant");
    let session = contoso.alice().await;
    let Message::SignIn(request) =
        protocol::wsfed::parse("wa=wsignin1.0&wtrealm=urn:wiki", b"").expect("a request")
    else {
        panic!("a sign-in")
    };
    let now = contoso.idp.now();
    let asked = contoso
        .idp
        .wsfed_sign_on(&wiki.id, &request, Some(&session), now, &at("192.0.2.1"))
        .await;
    posted(asked);
    let after = contoso.anchor(ALICE).await.used_at;
    assert_eq!(after, None, "the wiki was told the UPN only");

    contoso.clock.advance(TimeDelta::minutes(1));
    let first = contoso.idp.now();
    posted(contoso.ask("", &session).await);
    contoso.clock.advance(TimeDelta::minutes(1));
    posted(contoso.ask("", &session).await);
    let anchor = contoso.anchor(ALICE).await;
    assert_eq!(anchor.used_at, Some(first));
    assert_eq!(anchor.used_by, Some(AnchorUse::Token));
}

#[tokio::test]
async fn a_token_by_saml_uses_the_anchor_too() {
    let contoso = Contoso::new().await;
    let session = contoso.alice().await;
    let name = open_wiki(&contoso, &contoso.app_id, &session).await;
    let anchor = contoso.anchor(ALICE).await;
    assert_eq!(anchor.immutable_id, name);
    assert_eq!(anchor.used_by, Some(AnchorUse::Token));
}

#[tokio::test]
async fn an_anchor_changes_until_it_is_used_and_then_with_a_reason_only() {
    let contoso = Contoso::new().await;
    contoso.add(BOB).await;
    let before = contoso.anchor(ALICE).await.immutable_id;
    let changed = contoso
        .set_anchor("ALICE@contoso.com", "first+/==", None)
        .await;
    let changed = changed.expect("a new anchor");
    assert_eq!((changed.changed, changed.consequences), (true, None));
    let anchor = contoso.anchor(ALICE).await;
    assert_eq!(anchor.immutable_id, "first+/==");
    assert_eq!(anchor.source, AnchorSource::Given);
    let line = json!({"from": before, "to": "first+/==", "source": "given"});
    assert_eq!(
        contoso.newest(1).await,
        [("user.anchor-changed".to_owned(), line)]
    );

    let taken = words(contoso.set_anchor(BOB, "first+/==", None).await);
    assert!(taken.contains(ALICE), "{taken}");
    let nobody = words(contoso.set_anchor("nobody@contoso.com", "x", None).await);
    assert!(nobody.contains("there is no user"), "{nobody}");
    for refused in ["a_b", "a$b", "", "a b"] {
        assert!(words(contoso.set_anchor(BOB, refused, None).await).contains("ImmutableID"));
    }

    let session = contoso.alice().await;
    posted(contoso.ask("", &session).await);
    let lines = contoso.idp.audit(100, None).await.expect("an audit").len();
    let refused = words(contoso.set_anchor(ALICE, "second", None).await);
    assert!(refused.contains("AADSTS51004"), "{refused}");
    assert!(refused.contains("onmicrosoft.com"), "{refused}");
    let refused = words(contoso.generate(&[BOB, ALICE], None).await);
    assert!(refused.contains(ALICE), "{refused}");
    assert!(words(contoso.set_anchor(ALICE, "second", Some(" ")).await).contains("reason"));
    let same = contoso.set_anchor(ALICE, "first+/==", None).await;
    assert!(!same.expect("no change").changed);
    assert_eq!(contoso.anchor(ALICE).await.immutable_id, "first+/==");
    let after = contoso.idp.audit(100, None).await.expect("an audit").len();
    assert_eq!(after, lines, "nothing has happened");

    let changed = contoso
        .set_anchor(ALICE, "second", Some("wrong file"))
        .await;
    let consequences = changed.expect("a new anchor").consequences;
    assert!(consequences.is_some_and(|text| text.contains("AADSTS51004")));
    let line =
        json!({"from": "first+/==", "to": "second", "source": "given", "override": "wrong file"});
    assert_eq!(contoso.newest(1).await[0].1, line);
    let anchor = contoso.anchor(ALICE).await;
    assert_eq!((anchor.used_at, anchor.used_by), (None, None));
    let post = posted(contoso.ask("", &session).await);
    assert!(post.fields[1].1.contains(">second<"), "the token has it");
}

#[tokio::test]
async fn a_generated_anchor_replaces_what_was_typed_and_keeps_what_was_made() {
    let contoso = Contoso::new().await;
    contoso.add(BOB).await;
    contoso.set_anchor(ALICE, "typed", None).await.expect("set");
    let bobs = contoso.anchor(BOB).await.immutable_id;
    let generated = contoso
        .generate(&[ALICE, BOB], None)
        .await
        .expect("anchors");
    assert_eq!(generated[0].before, "typed");
    assert_eq!(generated[0].immutable_id.len(), 32);
    assert!(!generated[1].changed);
    let alice = contoso.anchor(ALICE).await;
    assert_eq!(alice.immutable_id, generated[0].immutable_id);
    assert_eq!(alice.source, AnchorSource::Made);
    assert_eq!(contoso.anchor(BOB).await.immutable_id, bobs);
}

#[tokio::test]
async fn an_import_takes_over_what_entra_has() {
    let contoso = Contoso::new().await;
    for upn in [BOB, "carol@contoso.com", "dave@sub.contoso.com"] {
        contoso.add(upn).await;
    }
    let bobs = contoso.anchor(BOB).await.immutable_id;
    let before = contoso.anchor(ALICE).await.immutable_id;
    let file = users(&[
        ("Alice@contoso.com", Some("MyIRAFVEd2aImaq7zN3u/w==")),
        (BOB, Some(&bobs)),
        ("carol@contoso.com", None),
        ("guest@fabrikam.com", Some("x")),
    ]);
    let dry = ImportOptions {
        dry_run: true,
        ..ImportOptions::default()
    };
    let report = contoso.import(&file, dry).await.expect("a report");
    assert!(!report.imported);
    assert_eq!(report.findings.set.len(), 1);
    assert_eq!(contoso.anchor(ALICE).await.immutable_id, before);
    assert_eq!(contoso.anchor(BOB).await.entra, None);

    let report = contoso.import(&file, ImportOptions::default()).await;
    let report = report.expect("a report");
    assert!(report.imported);
    assert_eq!(report.findings.equal, 1);
    assert_eq!(report.findings.missing_here, ["guest@fabrikam.com"]);
    assert_eq!(report.findings.missing_in_file, ["dave@sub.contoso.com"]);
    let alice = contoso.anchor(ALICE).await;
    assert_eq!(alice.immutable_id, "MyIRAFVEd2aImaq7zN3u/w==");
    assert_eq!(alice.source, AnchorSource::Imported);
    assert_eq!(alice.used_by, Some(AnchorUse::Entra));
    let line = json!({"changes": {ALICE: format!("{before} -> MyIRAFVEd2aImaq7zN3u/w==")}});
    assert_eq!(
        contoso.newest(1).await,
        [("anchors.imported".to_owned(), line)]
    );
    for (upn, entra) in [
        (ALICE, Some(Comparison::Same)),
        (BOB, Some(Comparison::Same)),
        ("carol@contoso.com", Some(Comparison::None)),
        ("dave@sub.contoso.com", None),
    ] {
        assert_eq!(contoso.anchor(upn).await.entra, entra, "{upn}");
    }
    assert_eq!(
        contoso
            .idp
            .anchors(Some("sub.contoso.com"))
            .await
            .expect("one")
            .len(),
        1
    );
    assert_eq!(
        contoso
            .idp
            .anchors(Some("contoso.com"))
            .await
            .expect("all")
            .len(),
        4
    );
    assert!(contoso.idp.anchors(Some("contoso")).await.is_err());

    for (value, entra) in [
        (
            "00112233-4455-6677-8899-aabbccddeeff",
            Comparison::OtherForm,
        ),
        ("myirafved2aimaq7zn3u/w==", Comparison::OtherCase),
        ("another", Comparison::Different),
    ] {
        let changed = contoso.set_anchor(ALICE, value, Some("test")).await;
        changed.expect("another anchor");
        assert_eq!(contoso.anchor(ALICE).await.entra, Some(entra));
    }
}

#[tokio::test]
async fn of_a_file_with_a_bad_row_nothing_is_imported_unless_that_is_meant() {
    let contoso = Contoso::new().await;
    contoso.add(BOB).await;
    let session = contoso.alice().await;
    posted(contoso.ask("", &session).await);
    let before = contoso.idp.anchors(None).await.expect("anchors");
    let lines = contoso.idp.audit(100, None).await.expect("an audit").len();
    let file = users(&[
        (ALICE, Some("entra")),
        (BOB, Some("bob")),
        ("x@y.com", Some("a_b")),
    ]);
    let report = contoso.import(&file, ImportOptions::default()).await;
    let report = report.expect("a report");
    let bad: Vec<_> = report
        .findings
        .bad
        .iter()
        .map(|bad| (bad.row, bad.kind))
        .collect();
    assert_eq!(bad, [(1, BadKind::Used), (3, BadKind::NotAllowed)]);
    assert!(!report.imported);
    for broken in ["[{\"UserPrincipalName\": ", "<html>", "", "a,b\n"] {
        let refused = contoso.import(broken, ImportOptions::default()).await;
        assert!(words(refused).contains("file") || broken.starts_with(['[', 'a']));
    }
    assert_eq!(contoso.idp.anchors(None).await.expect("anchors"), before);
    let after = contoso.idp.audit(100, None).await.expect("an audit").len();
    assert_eq!(after, lines, "nothing has happened");

    let skip = ImportOptions {
        skip_bad: true,
        ..ImportOptions::default()
    };
    let report = contoso.import(&file, skip).await.expect("a report");
    assert!(report.imported);
    assert_eq!(contoso.anchor(BOB).await.immutable_id, "bob");
    let alice = contoso.anchor(ALICE).await;
    assert_eq!(alice.immutable_id, before[0].immutable_id);
    assert_eq!(alice.entra, Some(Comparison::Different), "it is known now");

    let file = users(&[(ALICE, Some("entra")), (BOB, Some("bob"))]);
    let report = contoso.import(&file, why("Entra was first")).await;
    let report = report.expect("a report");
    assert!(report.consequences.is_some());
    assert_eq!(contoso.anchor(ALICE).await.immutable_id, "entra");
    let (event, details) = contoso.newest(1).await.remove(0);
    assert_eq!(event, "anchors.imported");
    assert_eq!(details["override"], "Entra was first");
}

#[tokio::test]
async fn an_import_says_how_far_it_is_and_audits_every_change() {
    const PEOPLE: usize = 1_200;
    let contoso = Contoso::new().await;
    let mut write = contoso.store.write().await.expect("a write");
    let mut people = Vec::new();
    let someone = write
        .user_by_upn(ALICE)
        .await
        .expect("a look-up")
        .expect("Alice");
    for number in 0..PEOPLE {
        let upn = format!("user{number}@contoso.com");
        let user = store::User {
            id: uuid::Uuid::from_u128(number as u128),
            upn_key: upn.clone(),
            immutable_id: format!("made{number}"),
            upn,
            ..someone.clone()
        };
        write.add_user(&user).await.expect("a user");
        people.push(user.upn);
    }
    write.commit().await.expect("users");
    let strangers = (0..20_000).map(|number| format!("stranger{number}@contoso.com,s{number}\n"));
    let ours = people
        .iter()
        .enumerate()
        .map(|(n, upn)| format!("{upn},entra{n}\n"));
    let rows: String = ours.chain(strangers).collect();
    let file = format!("UserPrincipalName,ImmutableId\n{rows}");
    contoso.clock.advance(TimeDelta::seconds(1));
    let (sender, told) = std::sync::mpsc::channel();
    let report = contoso
        .idp
        .import_anchors(
            std::io::Cursor::new(file),
            ImportOptions::default(),
            move |progress| sender.send(progress).expect("a listener"),
            &at("command line"),
        )
        .await
        .expect("a report");
    assert_eq!(report.findings.set.len(), PEOPLE);
    assert_eq!(report.findings.missing_here.len(), 20_000);
    let told: Vec<Progress> = told.iter().collect();
    assert_eq!(told, [Progress::Read(10_000), Progress::Read(20_000)]);
    let lines = contoso.newest(3).await;
    let changes: usize = lines
        .iter()
        .filter(|(event, _)| event == "anchors.imported")
        .map(|(_, details)| {
            details["changes"]
                .as_object()
                .map_or(0, serde_json::Map::len)
        })
        .sum();
    assert_eq!(changes, PEOPLE);
    let anchor = contoso.anchor("user1199@contoso.com").await;
    assert_eq!(anchor.immutable_id, "entra1199");
}
