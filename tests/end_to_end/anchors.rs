//! ImmutableIDs on the command line: files as PowerShell writes them, and what stays once it is in use.

use std::fs;

use harness::{Database, Ran, Setup, databases};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::company::{Contoso, text};

const ALICE: &str = "alice@contoso.com";
const ADA: &str = "ada@contoso.com";

impl Contoso {
    fn import(&self, file: &str, more: &[&str]) -> Ran {
        let command = [&["anchor", "import", file, "--json"], more].concat();
        self.server.cli(&command)
    }

    fn anchor(&self, upn: &str) -> Value {
        let listed = self.server.cli_json(&["anchor", "list"]);
        let mut found = listed.as_array().expect("a list").iter();
        found.find(|one| one["upn"] == upn).expect(upn).clone()
    }
}

fn written(folder: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("the folder takes files");
    path.to_string_lossy().into_owned()
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

/// As `… | ConvertTo-Json` of Windows PowerShell 5.1 writes it: escapes, and with `>` UTF-16.
fn powershell_5(people: &[(&str, Option<&str>)]) -> Vec<u8> {
    let users: Vec<String> = people
        .iter()
        .map(|(upn, anchor)| {
            let anchor = anchor.map_or("null".to_owned(), |anchor| format!("\"{anchor}\""));
            let upn = upn.replace('\'', "\\u0027");
            format!("    {{\r\n        \"Id\":  \"0f8fad5b-d9cb-469f-a165-70867728950e\",\r\n        \"UserPrincipalName\":  \"{upn}\",\r\n        \"OnPremisesImmutableId\":  {anchor},\r\n        \"OnPremisesSyncEnabled\":  null\r\n    }}")
        })
        .collect();
    let text = format!("\u{FEFF}[\r\n{}\r\n]\r\n", users.join(",\r\n"));
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn files_of_both_powershells_are_imported() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let folder = tempfile::tempdir().expect("a folder");
        let carols = text(&contoso.anchor("carol@contoso.com"), "immutable_id").to_owned();
        let json_5 = powershell_5(&[
            ("Alice@contoso.com", Some("MyIRAFVEd2aImaq7zN3u/w==")),
            ("carol@contoso.com", Some(&carols)),
            ("dave@contoso.com", None),
            ("o'neil@contoso.com", Some("x")),
        ]);
        let file = written(&folder, "users.json", &json_5);
        let before = contoso.anchor(ALICE);
        let dry = contoso.import(&file, &["--dry-run"]);
        assert!(dry.success, "{}", dry.stderr);
        assert_eq!(report(&dry)["imported"], false);
        assert_eq!(contoso.anchor(ALICE), before);

        let ran = contoso.import(&file, &[]);
        assert!(ran.success, "{}", ran.stderr);
        let found = report(&ran);
        assert_eq!(found["imported"], true);
        assert_eq!((&found["rows"], &found["equal"]), (&json!(4), &json!(1)));
        assert_eq!(found["set"][0]["upn"], ALICE);
        assert_eq!(found["without_anchor"], json!(["dave@contoso.com"]));
        assert_eq!(found["missing_here"], json!(["o'neil@contoso.com"]));
        assert_eq!(found["missing_in_file"], json!([ADA, "frank@fabrikam.com"]));
        let alice = contoso.anchor(ALICE);
        assert_eq!(alice["immutable_id"], "MyIRAFVEd2aImaq7zN3u/w==");
        assert_eq!(
            (&alice["source"], &alice["entra"]),
            (&json!("imported"), &json!("same"))
        );
        let newest = &contoso.audit()[0];
        assert_eq!(newest["event"], "anchors.imported");

        let csv_5 = "#TYPE Selected.Microsoft.Graph.PowerShell.Models.MicrosoftGraphUser\r\n\"UserPrincipalName\",\"OnPremisesImmutableId\"\r\n\"ada@contoso.com\",\"+yIRAFVEd2aImaq7zN3u/w==\"\r\n";
        let csv_7 =
            "\"UserPrincipalName\",\"OnPremisesImmutableId\"\n\"frank@fabrikam.com\",\"f\"\n";
        let excel = "\u{FEFF}Name;ImmutableId;UserPrincipalName\r\n\"Dave; \"\"D\"\"\";d;dave@contoso.com\r\n";
        for (name, bytes, upn, anchor) in [
            ("5.csv", csv_5, ADA, "+yIRAFVEd2aImaq7zN3u/w=="),
            ("7.csv", csv_7, "frank@fabrikam.com", "f"),
            ("excel.csv", excel, "dave@contoso.com", "d"),
        ] {
            let ran = contoso.import(&written(&folder, name, bytes.as_bytes()), &[]);
            assert!(ran.success, "{name}: {}", ran.stderr);
            assert_eq!(contoso.anchor(upn)["immutable_id"], anchor, "{name}");
        }

        // What a spreadsheet would compute is written as text, and read back.
        let spreadsheet = contoso.server.cli(&["anchor", "list", "--csv"]).succeeded();
        assert!(spreadsheet.contains("ada@contoso.com,'+yIRAFVEd2aImaq7zN3u/w==,"));
        let ran = contoso
            .server
            .cli_with_input(&["anchor", "import", "-", "--json"], &spreadsheet);
        assert!(ran.success, "{}", ran.stderr);
        assert_eq!(report(&ran)["equal"], 5);
        let listed = contoso
            .server
            .cli_json(&["anchor", "list", "--domain", "fabrikam.com"]);
        assert_eq!(listed.as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn a_file_with_a_bad_row_changes_nothing() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let folder = tempfile::tempdir().expect("a folder");
        let before = contoso.server.cli_json(&["anchor", "list"]);
        let lines = contoso.audit().len();
        let page = written(
            &folder,
            "page.json",
            b"\xEF\xBB\xBF<!DOCTYPE html><html><title>Sign in</title>",
        );
        let half = written(
            &folder,
            "half.json",
            b"[{\"UserPrincipalName\": \"alice@contoso.com\", \"OnPrem",
        );
        let table = written(
            &folder,
            "table.txt",
            b"UserPrincipalName OnPremisesImmutableId\n",
        );
        for (file, words) in [
            (&*page, "HTML"),
            (&half, "JSON"),
            (&table, "Export-Csv"),
            ("/no/such/file", "cannot open"),
        ] {
            let refused = contoso.import(file, &[]).failed();
            assert!(refused.contains(words), "{refused}");
        }
        let file = written(
            &folder,
            "bad.csv",
            b"UserPrincipalName,ImmutableId\nalice@contoso.com,good\ncarol@contoso.com,\"=HYPERLINK(\"\"https://evil.example\"\")\"\nada@contoso.com,a_b\n\x1b[31m@contoso.com,x\n",
        );
        let ran = contoso.server.cli(&["anchor", "import", &file]);
        assert!(!ran.success);
        assert!(ran.stderr.contains("3 bad rows") && ran.stderr.contains("--skip-bad"));
        for named in [
            "row 3: carol@contoso.com",
            "row 4: ada@contoso.com",
            "row 5: ",
        ] {
            assert!(ran.stdout.contains(named), "{named}: {}", ran.stdout);
        }
        assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
        assert_eq!(contoso.server.cli_json(&["anchor", "list"]), before);
        assert_eq!(contoso.audit().len(), lines);

        let ran = contoso.import(&file, &["--skip-bad"]);
        assert!(ran.success, "{}", ran.stderr);
        assert_eq!(report(&ran)["bad"].as_array().map(Vec::len), Some(3));
        assert_eq!(contoso.anchor(ALICE)["immutable_id"], "good");
    }
}

#[tokio::test]
async fn an_anchor_stays_once_somebody_has_signed_in_with_it() {
    for database in databases() {
        let contoso = Contoso::on(database).await;
        let folder = tempfile::tempdir().expect("a folder");
        let before = contoso.anchor(ALICE);
        assert_eq!(
            (&before["source"], &before["used_at"]),
            (&json!("made"), &Value::Null)
        );
        let browser = contoso.browser_of(ALICE).await;
        browser.open(&contoso.wsfed("+")).await;
        assert_eq!(contoso.anchor(ALICE)["used_by"], "token");

        let set = ["anchor", "set", ALICE, "other"];
        let refused = contoso.server.cli(&set).failed();
        assert!(
            refused.contains("AADSTS51004") && refused.contains("--override"),
            "{refused}"
        );
        let refused = contoso
            .server
            .cli(&["anchor", "generate", ADA, ALICE])
            .failed();
        assert!(refused.contains(ALICE), "{refused}");
        assert_eq!(
            contoso.anchor(ALICE)["immutable_id"],
            before["immutable_id"]
        );
        let file = written(
            &folder,
            "a.csv",
            b"UserPrincipalName,ImmutableId\nalice@contoso.com,other\n",
        );
        let ran = contoso.import(&file, &[]);
        assert!(!ran.success);
        assert_eq!(report(&ran)["bad"][0]["kind"], "used");

        let changed = contoso
            .server
            .cli_json(&[&set[..], &["--override", "typed wrongly"]].concat());
        assert!(
            text(&changed, "consequences").contains("onmicrosoft.com"),
            "{changed}"
        );
        let newest = &contoso.audit()[0];
        assert_eq!(newest["event"], "user.anchor-changed");
        assert_eq!(newest["details"]["override"], "typed wrongly");
        assert_eq!(contoso.anchor(ALICE)["immutable_id"], "other");

        let generated = contoso.server.cli_json(&["anchor", "generate", ALICE]);
        assert_eq!(text(&generated[0], "immutable_id").len(), 32);
    }
}

#[tokio::test]
async fn a_guid_is_converted_without_settings_and_database() {
    let setup = Setup::new(Database::Sqlite).with("COUNTERSIGN_DATABASE_URL", "no database");
    setup.cli(&["anchor", "list"]).failed();
    let converted = setup.cli_json(&[
        "anchor",
        "convert",
        "{00112233-4455-6677-8899-AABBCCDDEEFF}",
    ]);
    assert_eq!(
        converted["readings"][0]["base64"],
        "MyIRAFVEd2aImaq7zN3u/w=="
    );
    let hex = "33221100554477668899aabbccddeeff";
    let twice = setup.cli(&["anchor", "convert", hex]).succeeded();
    assert!(twice.contains("without its hyphens"), "{twice}");
    assert_eq!(twice.matches("Read as").count(), 2, "{twice}");
    let refused = setup.cli(&["anchor", "convert", "Zm9vYmFy"]).failed();
    assert!(refused.contains("6 bytes"), "{refused}");
}
