//! Users in a file: JSON of Graph or of PowerShell, or a spreadsheet as CSV, read row by row.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

use encoding_rs_io::DecodeReaderBytesBuilder;
use serde::Serialize;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use super::convert::is_base64_of_guid;
use super::reconcile::BadKind;
use crate::error::{Error, Result};
use crate::parse::shown;

/// The largest file that is read.
pub const LARGEST_FILE: u64 = 512 << 20;
/// One user takes some kilobytes; a quote that is never closed would take the rest of the file.
const LONGEST_ROW: u64 = 1 << 20;

/// A user in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The line in a spreadsheet, the how-manieth user in JSON.
    pub number: u64,
    pub content: Result<Content, Unusable>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub upn: String,
    /// As it stands there; `None` when Entra has none.
    pub anchor: Option<String>,
    pub synced: bool,
}

/// Why a row cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub upn: Option<String>,
    pub kind: BadKind,
    pub reason: String,
}

impl Unusable {
    fn unreadable(reason: impl Into<String>) -> Self {
        Self {
            upn: None,
            kind: BadKind::Unreadable,
            reason: reason.into(),
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    Json,
}

/// What there is to know about a file as a whole.
#[derive(Debug)]
pub(super) struct File {
    pub format: Format,
    /// Graph says that there are more users on another page.
    pub more_pages: bool,
}

/// Reads all rows in their order.
pub(super) fn read(source: impl Read, each: &mut dyn FnMut(Row)) -> Result<File> {
    let row = Rc::new(Cell::new(0));
    let guarded = Guarded {
        inner: source,
        total: 0,
        row: Rc::clone(&row),
    };
    // By its byte order mark; without one it is UTF-8.
    let decoded = DecodeReaderBytesBuilder::new().build(guarded);
    let mut text = BufReader::with_capacity(64 << 10, decoded);
    let mut next = || {
        row.set(0);
    };
    let first = loop {
        let buffer = text.fill_buf().map_err(unreadable)?;
        if buffer.contains(&0) {
            return Err(invalid(
                "the file has NUL bytes in it: save it as UTF-8, or as UTF-16 with a byte order mark",
            ));
        }
        let blank = |b: &u8| b.is_ascii_whitespace() || b"\xEF\xBB\xBF".contains(b);
        let skipped = buffer.iter().take_while(|b| blank(b)).count();
        match buffer.get(skipped) {
            Some(first) => break *first,
            None if skipped == 0 => return Err(invalid("the file is empty")),
            None => text.consume(skipped),
        }
    };
    match first {
        b'[' | b'{' => {
            let mark = text.fill_buf().map_err(unreadable)?;
            let mark = mark.iter().take_while(|b| **b >= 0x80).count();
            text.consume(mark);
            json(text, each, &mut next)
        }
        b'<' => Err(invalid(
            "the file is HTML or XML, perhaps a page that asks to sign in: give the output of “Get-MgUser … | ConvertTo-Json” or a CSV file",
        )),
        _ => csv(text, each, &mut next),
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::Invalid(text.into())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: io::Error) -> Error {
    invalid(format!("the file cannot be read: {error}"))
}

/// Reads so much of a file and of each row, and no more.
struct Guarded<R> {
    inner: R,
    total: u64,
    /// Bytes since the last row.
    row: Rc<Cell<u64>>,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.total += read as u64;
        self.row.set(self.row.get() + read as u64);
        if self.total > LARGEST_FILE {
            return Err(io::Error::other(format!(
                "it is larger than {} MiB; write fewer properties of each user, by “Select-Object UserPrincipalName, OnPremisesImmutableId, OnPremisesSyncEnabled”",
                LARGEST_FILE >> 20
            )));
        }
        if self.row.get() > LONGEST_ROW {
            return Err(io::Error::other(
                "one user takes more than 1 MiB; look for a quote that is not closed",
            ));
        }
        Ok(read)
    }
}

/// A spreadsheet, as `Export-Csv` and others write it.
fn csv(mut text: impl BufRead, each: &mut dyn FnMut(Row), next: &mut dyn FnMut()) -> Result<File> {
    let mut line = Vec::new();
    let mut above = 0;
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            return Err(invalid("the file has no header row"));
        }
        let start = line.trim_ascii();
        let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
        let told = start.starts_with(b"#TYPE ")
            || (start.len() == 5 && start[..4].eq_ignore_ascii_case(b"sep="));
        if !start.is_empty() && !told {
            line = start.to_vec();
            line.push(b'\n');
            break;
        }
        above += 1;
    }
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(separator(&line))
        .has_headers(false)
        .flexible(true)
        // A carriage return is taken off below: left to the reader, it would shift the numbers of lines.
        .terminator(::csv::Terminator::Any(b'\n'))
        .from_reader(Cursor::new(line).chain(text).chain(&b"\n"[..]));
    let mut record = ::csv::ByteRecord::new();
    let failed = |error: ::csv::Error| match error.into_kind() {
        ::csv::ErrorKind::Io(error) => unreadable(error),
        other => invalid(format!("the CSV cannot be read: {other:?}")),
    };
    reader.read_byte_record(&mut record).map_err(failed)?;
    let columns = Columns::find(&record)?;
    while reader.read_byte_record(&mut record).map_err(failed)? {
        next();
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        let lines = record.as_slice().split(|b| *b == b'\n').count();
        each(Row {
            number: above + reader.position().line() - lines as u64,
            content: columns.row(&record),
        });
    }
    Ok(File {
        format: Format::Csv,
        more_pages: false,
    })
}

/// What the header row is divided by: comma, semicolon or tab, whichever stands there most often.
fn separator(header: &[u8]) -> u8 {
    let count = |separator: u8| {
        let mut quoted = false;
        let outside = |b: &&u8| {
            quoted ^= **b == b'"';
            !quoted && **b == separator
        };
        header.iter().filter(outside).count()
    };
    // Of those that stand there equally often, the last one wins.
    *b"\t;,"
        .iter()
        .max_by_key(|separator| count(**separator))
        .expect("there are three")
}

/// Which columns matter.
struct Columns {
    all: usize,
    upn: usize,
    anchor: usize,
    synced: Option<usize>,
}

impl Columns {
    fn find(header: &::csv::ByteRecord) -> Result<Self> {
        let names: Vec<String> = header
            .iter()
            .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
            .collect();
        let find = |wanted: &str| -> Result<Option<usize>> {
            let mut places = names.iter().enumerate().filter(|(_, name)| *name == wanted);
            match (places.next(), places.next()) {
                (Some(_), Some(_)) => Err(invalid(format!(
                    "the header row has two columns {wanted}; remove one"
                ))),
                (place, _) => Ok(place.map(|(place, _)| place)),
            }
        };
        let either = |one, other| Ok::<_, Error>(find(one)?.or(find(other)?));
        let missing = |name: &str| {
            invalid(format!(
                "the header row has no column {name}; it says “{}”. Write the file by “Export-Csv”, not from a table on the screen",
                shown(&names.join(", "))
            ))
        };
        Ok(Self {
            all: names.len(),
            upn: find("userprincipalname")?.ok_or_else(|| missing("UserPrincipalName"))?,
            anchor: either("onpremisesimmutableid", "immutableid")?
                .ok_or_else(|| missing("OnPremisesImmutableId"))?,
            synced: either("onpremisessyncenabled", "dirsyncenabled")?,
        })
    }

    fn row(&self, record: &::csv::ByteRecord) -> Result<Content, Unusable> {
        let beyond = record.iter().skip(self.all);
        let beyond = beyond.into_iter().all(|cell| matches!(cell, b"" | b"\r"));
        if record.len() < self.all || !beyond {
            return Err(Unusable::unreadable(format!(
                "it has {} cells, the header row has {}; a quote or a separator is missing or too much",
                record.len(),
                self.all
            )));
        }
        let cell = |place: usize| {
            let cell = record.get(place).unwrap_or_default();
            let last = place + 1 == record.len();
            let cell = cell.strip_suffix(b"\r").filter(|_| last).unwrap_or(cell);
            std::str::from_utf8(cell).map_err(|_| Unusable::unreadable("it is not UTF-8 text"))
        };
        let upn = cell(self.upn)?.trim();
        let anchor = cell(self.anchor)?;
        if upn.is_empty() {
            return Err(Unusable::unreadable("it has no user principal name"));
        }
        Ok(Content {
            upn: upn.to_owned(),
            anchor: text_of_cell(anchor).map_err(|reason| Unusable {
                upn: Some(upn.to_owned()),
                kind: BadKind::Formula,
                reason,
            })?,
            synced: match self.synced {
                Some(place) => cell(place)?.trim().eq_ignore_ascii_case("true"),
                None => false,
            },
        })
    }
}

/// A cell that a spreadsheet does not compute. What [`super::for_spreadsheet`] wrote is read back.
fn text_of_cell(cell: &str) -> Result<Option<String>, String> {
    if let Some(text) = cell.strip_prefix('\'')
        && super::is_formula(text)
    {
        return Ok(Some(text.to_owned()));
    }
    // One in 64 GUIDs begins with a plus in base64.
    if super::is_formula(cell) && !is_base64_of_guid(cell) {
        return Err(format!(
            "“{}” is a formula to a spreadsheet; if it is really the ImmutableID, write ' before it",
            shown(cell)
        ));
    }
    Ok((!cell.is_empty()).then(|| cell.to_owned()))
}

/// An array of users, Graph's answer with such an array in it, or one user.
fn json(text: impl BufRead, each: &mut dyn FnMut(Row), next: &mut dyn FnMut()) -> Result<File> {
    let mut file = File {
        format: Format::Json,
        more_pages: false,
    };
    let mut deserializer = serde_json::Deserializer::from_reader(text);
    let users = Users {
        each,
        next,
        more_pages: &mut file.more_pages,
    };
    let outcome = users.deserialize(&mut deserializer);
    outcome
        .and_then(|()| deserializer.end())
        .map_err(|error| match error.io_error_kind() {
            Some(_) => invalid(format!("the file cannot be read: {error}")),
            None => invalid(format!("the JSON cannot be read: {error}")),
        })?;
    Ok(file)
}

struct Users<'a> {
    each: &'a mut dyn FnMut(Row),
    next: &'a mut dyn FnMut(),
    more_pages: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Users<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Users<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("users, as “Get-MgUser … | ConvertTo-Json” writes them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut users: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(user) = users.next_element::<User>()? {
            (self.next)();
            number += 1;
            (self.each)(Row {
                number,
                content: user.content(),
            });
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut alone = Properties::default();
        let mut listed = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.to_ascii_lowercase().as_str() {
                "value" => {
                    listed = true;
                    map.next_value_seed(Users {
                        each: &mut *self.each,
                        next: &mut *self.next,
                        more_pages: &mut *self.more_pages,
                    })?;
                }
                "@odata.nextlink" => *self.more_pages = !map.next_value::<Value>()?.is_null(),
                "error" => {
                    return Err(serde::de::Error::custom(
                        "it is an error of Graph, and no users",
                    ));
                }
                key => alone.take(key, &mut map)?,
            }
        }
        match (listed, alone.upn.is_some()) {
            (true, _) => {}
            (false, true) => (self.each)(Row {
                number: 1,
                content: User::Object(alone).content(),
            }),
            (false, false) => {
                return Err(serde::de::Error::custom(
                    "there is neither a user in it nor a list of users",
                ));
            }
        }
        Ok(())
    }
}

/// One element of the list.
enum User {
    Object(Properties),
    Something,
}

#[derive(Default)]
struct Properties {
    upn: Option<Value>,
    anchor: Option<Value>,
    synced: Option<Value>,
}

impl Properties {
    /// Keeps what matters. Graph writes `userPrincipalName`, PowerShell `UserPrincipalName`.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let place = match key.to_ascii_lowercase().as_str() {
            "userprincipalname" => &mut self.upn,
            "onpremisesimmutableid" | "immutableid" => &mut self.anchor,
            "onpremisessyncenabled" | "dirsyncenabled" => &mut self.synced,
            _ => return map.next_value::<IgnoredAny>().map(drop),
        };
        *place = Some(map.next_value()?);
        Ok(())
    }
}

impl<'de> Deserialize<'de> for User {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Element)
    }
}

/// Takes whatever stands in the list: one that is no user must not hide the others.
struct Element;

macro_rules! something {
    ($($visit:ident: $type:ty),+) => {
        $(fn $visit<E>(self, _: $type) -> Result<User, E> {
            Ok(User::Something)
        })+
    };
}

impl<'de> Visitor<'de> for Element {
    type Value = User;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<User, A::Error> {
        let mut properties = Properties::default();
        while let Some(key) = map.next_key::<String>()? {
            properties.take(&key, &mut map)?;
        }
        Ok(User::Object(properties))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<User, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(User::Something)
    }

    fn visit_unit<E>(self) -> Result<User, E> {
        Ok(User::Something)
    }

    something!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
}

impl User {
    fn content(self) -> Result<Content, Unusable> {
        let Self::Object(properties) = self else {
            return Err(Unusable::unreadable("it is no user, but something else"));
        };
        let upn = match properties.upn {
            Some(Value::String(upn)) if !upn.trim().is_empty() => upn.trim().to_owned(),
            _ => return Err(Unusable::unreadable("it has no userPrincipalName")),
        };
        let unreadable = |reason: &str| Unusable {
            upn: Some(upn.clone()),
            ..Unusable::unreadable(reason)
        };
        let anchor = match properties.anchor {
            // Graph leaves it out unless it is asked for, which does not mean that there is none.
            None => {
                return Err(unreadable(
                    "it has no onPremisesImmutableId; ask for it by -Property or $select",
                ));
            }
            Some(Value::Null) => None,
            Some(Value::String(anchor)) => (!anchor.is_empty()).then_some(anchor),
            Some(_) => return Err(unreadable("its onPremisesImmutableId is not a text")),
        };
        Ok(Content {
            upn,
            anchor,
            synced: properties.synced == Some(Value::Bool(true)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(file: &[u8]) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        read(file, &mut |row| rows.push(row))?;
        Ok(rows)
    }

    fn row(number: u64, upn: &str, anchor: &str, synced: bool) -> Row {
        Row {
            number,
            content: Ok(Content {
                upn: upn.to_owned(),
                anchor: (!anchor.is_empty()).then(|| anchor.to_owned()),
                synced,
            }),
        }
    }

    fn refusal(file: &[u8]) -> String {
        rows(file).expect_err("refused").to_string()
    }

    fn bad(row: &Row) -> (u64, BadKind, &str) {
        match &row.content {
            Err(why) => (row.number, why.kind, &why.reason),
            Ok(content) => panic!("not bad: {content:?}"),
        }
    }

    /// As `>` of Windows PowerShell 5.1 writes it, or the other byte order.
    fn utf16(text: &str, little_endian: bool) -> Vec<u8> {
        let units = "\u{FEFF}".encode_utf16().chain(text.encode_utf16());
        units
            .flat_map(|unit| {
                if little_endian {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            })
            .collect()
    }

    const PEOPLE: [(&str, &str, bool); 3] = [
        ("alice@contoso.com", "MyIRAFVEd2aImaq7zN3u/w==", true),
        ("O'Neil@contoso.com", "", false),
        ("zoë@contoso.com", "+yIRAFVEd2aImaq7zN3u/w==", false),
    ];

    #[test]
    fn json_is_read_as_each_tool_writes_it() {
        let pascal = r#"[
            {"Id": "1", "UserPrincipalName": "alice@contoso.com", "OnPremisesImmutableId": "MyIRAFVEd2aImaq7zN3u/w==",
             "OnPremisesSyncEnabled": true, "Manager": {"Id": null, "Of": [1, [2.5, {"x": "\u00e4"}]]}},
            {"UserPrincipalName": "O\u0027Neil@contoso.com", "OnPremisesImmutableId": null, "OnPremisesSyncEnabled": null},
            {"UserPrincipalName": "zoë@contoso.com", "OnPremisesImmutableId": "+yIRAFVEd2aImaq7zN3u/w=="}
        ]"#;
        let camel = pascal
            .replace("UserPrincipalName", "userPrincipalName")
            .replace("OnPremises", "onPremises");
        let graph = format!(
            r#"{{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users", "value": {camel}}}"#
        );
        let expected = PEOPLE
            .iter()
            .zip(1..)
            .map(|((upn, anchor, synced), number)| row(number, upn, anchor, *synced));
        let expected: Vec<_> = expected.collect();
        for text in [pascal, &camel, &graph, &pascal.replace('\n', "\r\n")] {
            assert_eq!(rows(text.as_bytes()).expect("JSON"), expected, "{text}");
            for encoded in [utf16(text, true), utf16(text, false)] {
                assert_eq!(rows(&encoded).expect("UTF-16"), expected, "{text}");
            }
            let marked = format!("\u{FEFF}\r\n{text}");
            assert_eq!(rows(marked.as_bytes()).expect("UTF-8"), expected, "{text}");
        }
        let one =
            r#"{"UserPrincipalName": "bob@contoso.com", "OnPremisesImmutableId": "b", "Id": "2"}"#;
        assert_eq!(
            rows(one.as_bytes()).expect("one user"),
            [row(1, "bob@contoso.com", "b", false)]
        );
        assert_eq!(rows(b"[]").expect("nobody"), []);
    }

    #[test]
    fn csv_is_read_as_each_tool_writes_it() {
        let powershell_5 = "#TYPE Selected.Microsoft.Graph.PowerShell.Models.MicrosoftGraphUser\r\n\
            \"UserPrincipalName\",\"OnPremisesImmutableId\",\"OnPremisesSyncEnabled\"\r\n\
            \"alice@contoso.com\",\"MyIRAFVEd2aImaq7zN3u/w==\",\"True\"\r\n\
            \"O'Neil@contoso.com\",,\r\n\
            \"zoë@contoso.com\",\"+yIRAFVEd2aImaq7zN3u/w==\",\"\"\r\n";
        let (_, powershell_7) = powershell_5.split_once('\n').expect("a line");
        let excel = format!("sep=;\n{}", powershell_7.replace(',', ";"));
        let plain = "onpremisessyncenabled\timmutableid\tDisplay name\tUSERPRINCIPALNAME\n\
            true\tMyIRAFVEd2aImaq7zN3u/w==\t\"Alice, \"\"A\"\"\n\tArcher\"\talice@contoso.com\n\
            \t\t=1+1\tO'Neil@contoso.com\n\
            \n\t\t\t\n\
            false\t'+yIRAFVEd2aImaq7zN3u/w==\t\tzoë@contoso.com\t";
        for (text, numbers) in [
            (powershell_5, [3, 4, 5]),
            (powershell_7, [2, 3, 4]),
            (&excel, [3, 4, 5]),
            (plain, [2, 4, 7]),
        ] {
            let expected = PEOPLE
                .iter()
                .zip(numbers)
                .map(|((upn, anchor, synced), number)| row(number, upn, anchor, *synced));
            let expected: Vec<_> = expected.collect();
            assert_eq!(rows(text.as_bytes()).expect("CSV"), expected, "{text}");
            let marked = format!("\u{FEFF}{text}");
            assert_eq!(rows(marked.as_bytes()).expect("CSV"), expected, "{text}");
            for encoded in [utf16(text, true), utf16(text, false)] {
                assert_eq!(rows(&encoded).expect("UTF-16"), expected, "{text}");
            }
        }
    }

    #[test]
    fn formulas_are_no_anchors() {
        for formula in [
            "=1+1",
            "=HYPERLINK(\"\"https://evil.example\"\")",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "+cmd|' /C calc'!A0",
        ] {
            let file = format!(
                "UserPrincipalName,ImmutableId\na@contoso.com,\"{formula}\"\nb@contoso.com,b\n"
            );
            let rows = rows(file.as_bytes()).expect("CSV");
            let (number, kind, reason) = bad(&rows[0]);
            assert_eq!((number, kind), (2, BadKind::Formula), "{formula}");
            assert!(reason.contains("formula"), "{reason}");
            assert_eq!(rows[1], row(3, "b@contoso.com", "b", false));
        }
    }

    #[test]
    fn what_a_spreadsheet_would_compute_is_written_so_that_it_is_read_back() {
        for anchor in ["+yIRAFVEd2aImaq7zN3u/w==", "=x", "-x", "@x", "x", "a+b="] {
            let cell = super::super::for_spreadsheet(anchor).into_owned();
            assert!(!super::super::is_formula(&cell), "{cell}");
            assert_eq!(text_of_cell(&cell), Ok(Some(anchor.to_owned())));
        }
    }

    #[test]
    fn a_bad_row_is_named_and_hides_no_other() {
        let json = br#"[5, null, "x", [1], {"Id": "1"}, {"UserPrincipalName": 7, "OnPremisesImmutableId": "a"},
            {"UserPrincipalName": "a@contoso.com"}, {"UserPrincipalName": "a@contoso.com", "OnPremisesImmutableId": 7},
            {"UserPrincipalName": "b@contoso.com", "OnPremisesImmutableId": "b"}]"#;
        let read = rows(json).expect("JSON");
        for (place, words) in [
            (0, "no user"),
            (1, "no user"),
            (2, "no user"),
            (3, "no user"),
            (4, "no userPrincipalName"),
            (5, "no userPrincipalName"),
            (6, "ask for it"),
            (7, "not a text"),
        ] {
            let (number, kind, reason) = bad(&read[place]);
            assert_eq!((number, kind), (place as u64 + 1, BadKind::Unreadable));
            assert!(reason.contains(words), "{reason}");
        }
        assert_eq!(read[8], row(9, "b@contoso.com", "b", false));

        let csv = b"UserPrincipalName,ImmutableId\na@contoso.com\nb@contoso.com,b,b\n\xff@contoso.com,c\n,d\ne@contoso.com,e\n";
        let read = rows(csv).expect("CSV");
        for (place, words) in [
            (0, "1 cells"),
            (1, "3 cells"),
            (2, "not UTF-8"),
            (3, "no user principal name"),
        ] {
            let (number, _, reason) = bad(&read[place]);
            assert_eq!(number, place as u64 + 2);
            assert!(reason.contains(words), "{reason}");
        }
        assert_eq!(read[4], row(6, "e@contoso.com", "e", false));
    }

    #[test]
    fn a_file_that_is_something_else_is_refused_with_what_to_do() {
        for (file, words) in [
            (&b""[..], "empty"),
            (b" \r\n\t ", "empty"),
            (b"\xEF\xBB\xBF", "empty"),
            (b"<!DOCTYPE html><html></html>", "HTML"),
            (b"\xEF\xBB\xBF <html>", "HTML"),
            (b"[{\"UserPrincipalName\": \"a@b", "JSON"),
            (b"[] []", "JSON"),
            (b"[1", "JSON"),
            (b"{\"a\": 1}", "neither a user"),
            (b"{\"value\": 1}", "Get-MgUser"),
            (
                b"{\"error\": {\"code\": \"Authentication_Error\"}}",
                "error of Graph",
            ),
            (b"#TYPE x\r\n", "no header row"),
            (
                b"UserPrincipalName OnPremisesImmutableId\n---- ----\n",
                "Export-Csv",
            ),
            (
                b"UserPrincipalName,Mail\n",
                "no column OnPremisesImmutableId",
            ),
            (
                b"ImmutableId,UserPrincipalName,immutableid\n",
                "two columns",
            ),
            (b"\0\0\0\0", "NUL"),
            (b"U\0s\0e\0r\0", "NUL"),
            (&[b'['; 200], "JSON"),
        ] {
            let refused = refusal(file);
            assert!(refused.contains(words), "{refused}");
        }
        let page = br#"{"@odata.nextLink": "https://graph.microsoft.com/", "value": []}"#;
        let file = read(&page[..], &mut |_| ()).expect("a page");
        assert!(file.more_pages);
    }

    #[test]
    fn no_more_is_read_than_a_row_or_a_file_may_have() {
        let header = &b"UserPrincipalName,ImmutableId\n"[..];
        let endless = || io::repeat(b'x').take(LARGEST_FILE * 2);
        let quote = header.chain(&b"a@contoso.com,\""[..]).chain(endless());
        let refused = read(quote, &mut |_| ()).expect_err("too long").to_string();
        assert!(refused.contains("quote that is not closed"), "{refused}");
        let text = (&b"[\""[..]).chain(endless());
        let refused = read(text, &mut |_| ()).expect_err("too long").to_string();
        assert!(refused.contains("more than 1 MiB"), "{refused}");
        let refused = read(endless(), &mut |_| ()).expect_err("too long");
        assert!(refused.to_string().contains("more than 1 MiB"), "{refused}");

        let total = LARGEST_FILE - 1;
        let mut guarded = Guarded {
            inner: &b"ab"[..],
            total,
            row: Rc::default(),
        };
        let refused = guarded.read(&mut [0; 8]).expect_err("too large");
        assert!(refused.to_string().contains("512 MiB"), "{refused}");
    }

    proptest! {
        #[test]
        fn whatever_it_is_is_read_or_refused(file: Vec<u8>) {
            let _ = rows(&file);
        }

        #[test]
        fn whatever_a_spreadsheet_holds_is_read_or_refused(cells in "[a@.,;\"'\t\r\n=+-]{0,80}") {
            let _ = rows(format!("UserPrincipalName,ImmutableId\n{cells}").as_bytes());
        }
    }
}
