//! What a file from Entra says about our users, compared with what we have. Pure.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use store::{Anchor, AnchorChange};

use super::read::Row;
use crate::parse;

/// What an import found, and what it did or would do.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Rows in the file.
    pub rows: u64,
    /// Of them, users whom Entra Connect synchronises: it owns their ImmutableIDs.
    pub synced: u64,
    /// Users who get the ImmutableID that Entra has.
    pub set: Vec<Set>,
    /// Users who have it already.
    pub equal: u64,
    /// Users of ours for whom Entra has none.
    pub without_anchor: Vec<String>,
    /// Users of Entra who are not here.
    pub missing_here: Vec<String>,
    /// Users of ours who are not in the file.
    pub missing_in_file: Vec<String>,
    /// Rows that cannot be imported.
    pub bad: Vec<Bad>,
    /// What is worth a look.
    pub remarks: Vec<Remark>,
}

/// A user who gets another ImmutableID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Set {
    pub row: u64,
    pub upn: String,
    pub from: String,
    pub to: String,
    /// The old one was out in the world.
    pub used: bool,
}

/// A row that cannot be imported, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    pub row: u64,
    pub upn: Option<String>,
    pub kind: BadKind,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BadKind {
    /// It is no user with an ImmutableID.
    Unreadable,
    /// A spreadsheet would compute it.
    Formula,
    /// Characters or a length that Entra does not take.
    NotAllowed,
    /// The user stands in the file twice, with different ImmutableIDs.
    Repeated,
    /// Somebody else has this ImmutableID, in the file or here.
    Collision,
    /// The user's present ImmutableID is out in the world.
    Used,
}

/// Something about a row that does not keep it from being imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    pub row: u64,
    pub upn: String,
    pub kind: RemarkKind,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// The user stands in the file twice, with one ImmutableID.
    Repeated,
    /// The UPN is written in another case here.
    UpnCase,
    /// Another ImmutableID differs from this one in case only.
    AnchorCase,
}

/// What to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub findings: Findings,
    pub changes: Vec<AnchorChange>,
    /// By key, what Entra has.
    pub seen: Vec<(String, Option<String>)>,
}

/// A row that can be read, of whoever it is.
struct Entry {
    row: u64,
    upn: String,
    key: String,
    anchor: Option<String>,
}

/// Compares. `even_used` also changes what is out in the world.
pub(super) fn reconcile(ours: &[Anchor], rows: Vec<Row>, even_used: bool) -> Plan {
    let mut found = Findings::default();
    let mut in_file = HashSet::new();
    let entries = readable(rows, &mut found, &mut in_file);
    let entries = without_repetitions(entries, &mut found);
    let entries = without_shared(entries, &mut found);

    let by_key: HashMap<&str, &Anchor> = ours.iter().map(|a| (&*a.upn_key, a)).collect();
    let mut seen = Vec::new();
    let mut candidates = Vec::new();
    for entry in entries {
        let Some(our) = by_key.get(&*entry.key) else {
            found.missing_here.push(entry.upn);
            continue;
        };
        if our.upn != entry.upn {
            found.remarks.push(Remark {
                row: entry.row,
                upn: entry.upn.clone(),
                kind: RemarkKind::UpnCase,
                text: format!("here the user is written {}", our.upn),
            });
        }
        seen.push((entry.key.clone(), entry.anchor.clone()));
        match &entry.anchor {
            None => found.without_anchor.push(our.upn.clone()),
            Some(anchor) if *anchor == our.immutable_id => found.equal += 1,
            Some(anchor) if our.anchor_used_at.is_some() && !even_used => {
                found.bad.push(Bad {
                    row: entry.row,
                    upn: Some(entry.upn.clone()),
                    kind: BadKind::Used,
                    reason: format!(
                        "Entra has “{anchor}”, here it is “{}”, which {}; --override REASON changes it all the same",
                        our.immutable_id,
                        super::used_in_words(our.anchor_used_by),
                    ),
                });
            }
            Some(_) => candidates.push((entry, *our)),
        }
    }
    let candidates = without_taken(candidates, ours, &mut found);
    remark_on_case(&candidates, ours, &mut found);
    let changes = candidates
        .iter()
        .map(|(entry, our)| AnchorChange {
            upn_key: our.upn_key.clone(),
            from: our.immutable_id.clone(),
            to: entry.anchor.clone().unwrap_or_default(),
        })
        .collect();
    let set = candidates.into_iter().map(|(entry, our)| Set {
        row: entry.row,
        upn: our.upn.clone(),
        from: our.immutable_id.clone(),
        to: entry.anchor.unwrap_or_default(),
        used: our.anchor_used_at.is_some(),
    });
    found.set = set.collect();
    let absent = ours.iter().filter(|our| !in_file.contains(&our.upn_key));
    found.missing_in_file = absent.map(|our| our.upn.clone()).collect();
    found.bad.sort_by_key(|bad| bad.row);
    found.remarks.sort_by_key(|remark| remark.row);
    Plan {
        findings: found,
        changes,
        seen,
    }
}

/// The rows with a user and an ImmutableID that can be one. A UPN that cannot be ours is a user of Entra's,
/// such as a guest, all the same.
fn readable(rows: Vec<Row>, found: &mut Findings, in_file: &mut HashSet<String>) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        found.rows += 1;
        let bad = |upn: Option<&str>, kind, reason| Bad {
            row: row.number,
            upn: upn.map(parse::shown),
            kind,
            reason,
        };
        let content = match row.content {
            Ok(content) => content,
            Err(why) => {
                in_file.extend(why.upn.as_deref().map(str::to_ascii_lowercase));
                found
                    .bad
                    .push(bad(why.upn.as_deref(), why.kind, why.reason));
                continue;
            }
        };
        found.synced += u64::from(content.synced);
        let upn = content.upn;
        if !upn.contains('@') || upn.len() > 1024 || upn.chars().any(char::is_control) {
            let reason = format!("“{}” is not a user principal name", parse::shown(&upn));
            found.bad.push(bad(Some(&upn), BadKind::Unreadable, reason));
            continue;
        }
        let key = upn.to_ascii_lowercase();
        in_file.insert(key.clone());
        if let Some(anchor) = &content.anchor
            && let Err(refused) = parse::immutable_id(anchor)
        {
            found
                .bad
                .push(bad(Some(&upn), BadKind::NotAllowed, refused.to_string()));
            continue;
        }
        entries.push(Entry {
            row: row.number,
            upn,
            key,
            anchor: content.anchor,
        });
    }
    entries
}

/// One row for each user. Of two that differ nobody knows which one is right.
fn without_repetitions(entries: Vec<Entry>, found: &mut Findings) -> Vec<Entry> {
    let mut first: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    let mut contradicted = HashSet::new();
    let mut repeated = HashSet::new();
    for (place, entry) in entries.iter().enumerate() {
        let Some(other) = first.get(&entry.key) else {
            first.insert(entry.key.clone(), place);
            continue;
        };
        repeated.insert(place);
        let other = &entries[*other];
        if other.anchor == entry.anchor {
            found.remarks.push(Remark {
                row: entry.row,
                upn: entry.upn.clone(),
                kind: RemarkKind::Repeated,
                text: format!("the same stands in row {}", other.row),
            });
        } else {
            contradicted.insert(first[&entry.key]);
            found.bad.push(Bad {
                row: entry.row,
                upn: Some(entry.upn.clone()),
                kind: BadKind::Repeated,
                reason: format!("row {} has another ImmutableID for this user", other.row),
            });
        }
    }
    let mut kept = Vec::with_capacity(entries.len());
    for (place, entry) in entries.into_iter().enumerate() {
        if contradicted.contains(&place) {
            found.bad.push(Bad {
                row: entry.row,
                upn: Some(entry.upn),
                kind: BadKind::Repeated,
                reason: "a row further down has another ImmutableID for this user".to_owned(),
            });
        } else if !repeated.contains(&place) {
            kept.push(entry);
        }
    }
    kept
}

/// An ImmutableID belongs to one user; two that differ in case only are remarked on.
fn without_shared(entries: Vec<Entry>, found: &mut Findings) -> Vec<Entry> {
    let mut holders: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, entry) in entries.iter().enumerate() {
        if let Some(anchor) = &entry.anchor {
            let folded = anchor.to_ascii_lowercase();
            holders.entry(folded).or_default().push(place);
        }
    }
    let mut shared = HashSet::new();
    for alike in holders.values().filter(|alike| alike.len() > 1) {
        // Everybody is compared with one other, however many there are.
        let mut exact: HashMap<&str, Vec<usize>> = HashMap::new();
        for place in alike {
            let anchor = entries[*place].anchor.as_deref().unwrap_or_default();
            exact.entry(anchor).or_default().push(*place);
        }
        for same in exact.values() {
            for (n, place) in same.iter().enumerate().filter(|_| same.len() > 1) {
                let other = &entries[same[usize::from(n == 0)]];
                shared.insert(*place);
                found.bad.push(Bad {
                    row: entries[*place].row,
                    upn: Some(entries[*place].upn.clone()),
                    kind: BadKind::Collision,
                    reason: format!(
                        "{} in row {} has the same ImmutableID",
                        other.upn, other.row
                    ),
                });
            }
        }
        for (n, place) in alike.iter().enumerate().filter(|_| exact.len() > 1) {
            let entry = &entries[*place];
            let others = [alike[usize::from(n == 0)], alike[alike.len() - 1]];
            let other = others.map(|other| &entries[other]);
            if let Some(other) = other.iter().find(|other| other.anchor != entry.anchor) {
                found.remarks.push(Remark {
                    row: entry.row,
                    upn: entry.upn.clone(),
                    kind: RemarkKind::AnchorCase,
                    text: format!(
                        "the ImmutableID of {} in row {} differs in letter case only; Entra takes them for two",
                        other.upn, other.row
                    ),
                });
            }
        }
    }
    let kept = entries.into_iter().enumerate();
    kept.filter(|(place, _)| !shared.contains(place))
        .map(|(_, entry)| entry)
        .collect()
}

type Candidate<'a> = (Entry, &'a Anchor);

/// Nobody gets an ImmutableID that somebody keeps. Who cannot change keeps theirs, which may be wanted too.
fn without_taken<'a>(
    candidates: Vec<Candidate<'a>>,
    ours: &[Anchor],
    found: &mut Findings,
) -> Vec<Candidate<'a>> {
    let wanted: HashMap<&str, usize> = candidates
        .iter()
        .enumerate()
        .filter_map(|(place, (entry, _))| Some((entry.anchor.as_deref()?, place)))
        .collect();
    let moving: HashSet<&str> = candidates.iter().map(|(_, our)| &*our.upn_key).collect();
    let mut keeping: Vec<&Anchor> = ours
        .iter()
        .filter(|our| !moving.contains(&*our.upn_key))
        .collect();
    let mut refused = HashSet::new();
    while let Some(keeper) = keeping.pop() {
        if let Some(place) = wanted.get(&*keeper.immutable_id)
            && refused.insert(*place)
        {
            let (entry, our) = &candidates[*place];
            found.bad.push(Bad {
                row: entry.row,
                upn: Some(entry.upn.clone()),
                kind: BadKind::Collision,
                reason: format!(
                    "here {} has the ImmutableID “{}”; an ImmutableID belongs to one user",
                    keeper.upn, keeper.immutable_id
                ),
            });
            keeping.push(our);
        }
    }
    let kept = candidates.into_iter().enumerate();
    kept.filter(|(place, _)| !refused.contains(place))
        .map(|(_, candidate)| candidate)
        .collect()
}

fn remark_on_case(candidates: &[Candidate], ours: &[Anchor], found: &mut Findings) {
    let folded: HashMap<String, &Anchor> = ours
        .iter()
        .map(|our| (our.immutable_id.to_ascii_lowercase(), our))
        .collect();
    for (entry, our) in candidates {
        let anchor = entry.anchor.as_deref().unwrap_or_default();
        if let Some(other) = folded.get(&anchor.to_ascii_lowercase())
            && other.immutable_id != anchor
        {
            let whose = if other.upn_key == our.upn_key {
                "the present one".to_owned()
            } else {
                format!("the ImmutableID of {} here", other.upn)
            };
            found.remarks.push(Remark {
                row: entry.row,
                upn: entry.upn.clone(),
                kind: RemarkKind::AnchorCase,
                text: format!("{whose} differs in letter case only; Entra takes them for two"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use store::{AnchorSource, AnchorUse};

    use super::super::read::Content;
    use super::*;

    fn our(upn: &str, anchor: &str, used: bool) -> Anchor {
        Anchor {
            upn: upn.to_owned(),
            upn_key: upn.to_ascii_lowercase(),
            immutable_id: anchor.to_owned(),
            anchor_source: AnchorSource::Made,
            anchor_used_at: used.then(chrono::DateTime::default),
            anchor_used_by: used.then_some(AnchorUse::Token),
            entra_anchor: None,
            entra_seen_at: None,
        }
    }

    fn rows(people: &[(&str, &str)]) -> Vec<Row> {
        let numbered = people.iter().zip(1..);
        let row = |((upn, anchor), number): (&(&str, &str), u64)| Row {
            number,
            content: Ok(Content {
                upn: (*upn).to_owned(),
                anchor: (!anchor.is_empty()).then(|| (*anchor).to_owned()),
                synced: false,
            }),
        };
        numbered.map(row).collect()
    }

    fn bad(plan: &Plan) -> Vec<(u64, BadKind)> {
        let bad = plan.findings.bad.iter();
        bad.map(|bad| (bad.row, bad.kind)).collect()
    }

    fn set(plan: &Plan) -> Vec<(&str, &str)> {
        let set = plan.findings.set.iter();
        set.map(|set| (&*set.upn, &*set.to)).collect()
    }

    #[test]
    fn each_user_is_found_by_upn_whatever_its_case() {
        let ours = [
            our("Alice@contoso.com", "a", false),
            our("bob@contoso.com", "b", true),
            our("carol@contoso.com", "c", false),
            our("dave@contoso.com", "d", false),
        ];
        let file = rows(&[
            ("alice@CONTOSO.com", "new"),
            ("bob@contoso.com", "b"),
            ("carol@contoso.com", ""),
            ("guest_x.com#EXT#@contoso.onmicrosoft.com", ""),
        ]);
        let plan = reconcile(&ours, file, false);
        let found = &plan.findings;
        assert_eq!(set(&plan), [("Alice@contoso.com", "new")]);
        assert_eq!((found.rows, found.equal), (4, 1));
        assert_eq!(found.without_anchor, ["carol@contoso.com"]);
        assert_eq!(
            found.missing_here,
            ["guest_x.com#EXT#@contoso.onmicrosoft.com"]
        );
        assert_eq!(found.missing_in_file, ["dave@contoso.com"]);
        assert_eq!(bad(&plan), []);
        assert_eq!(found.remarks[0].kind, RemarkKind::UpnCase);
        assert_eq!(plan.seen.len(), 3);
    }

    #[test]
    fn what_is_in_use_changes_only_when_that_is_meant() {
        let ours = [our("alice@contoso.com", "a", true)];
        let file = || rows(&[("alice@contoso.com", "new")]);
        let plan = reconcile(&ours, file(), false);
        assert_eq!(bad(&plan), [(1, BadKind::Used)]);
        assert_eq!(set(&plan), []);
        let plan = reconcile(&ours, file(), true);
        assert_eq!(bad(&plan), []);
        assert!(plan.findings.set[0].used);
    }

    #[test]
    fn an_anchor_that_entra_refuses_is_bad() {
        let ours = [our("alice@contoso.com", "a", false)];
        for anchor in ["a_b", "a$b", "a b", "ä", &"x".repeat(65)] {
            let plan = reconcile(&ours, rows(&[("alice@contoso.com", anchor)]), false);
            assert_eq!(bad(&plan), [(1, BadKind::NotAllowed)], "{anchor}");
            assert_eq!(plan.findings.missing_in_file, [""; 0]);
        }
        let plan = reconcile(&ours, rows(&[("alice", "a"), ("a\u{1b}@x", "a")]), false);
        assert_eq!(
            bad(&plan),
            [(1, BadKind::Unreadable), (2, BadKind::Unreadable)]
        );
        assert!(!plan.findings.bad[1].reason.contains('\u{1b}'));
    }

    #[test]
    fn of_rows_that_contradict_each_other_none_is_taken() {
        let ours = ["alice", "bob", "carol", "dave"]
            .map(|name| our(&format!("{name}@contoso.com"), name, false));
        let file = rows(&[
            ("alice@contoso.com", "one"),
            ("bob@contoso.com", "same"),
            ("ALICE@contoso.com", "two"),
            ("alice@contoso.com", "one"),
            ("carol@contoso.com", "same"),
            ("dave@contoso.com", "twice"),
            ("dave@contoso.com", "twice"),
        ]);
        let plan = reconcile(&ours, file, false);
        assert_eq!(
            bad(&plan),
            [
                (1, BadKind::Repeated),
                (2, BadKind::Collision),
                (3, BadKind::Repeated),
                (5, BadKind::Collision),
            ]
        );
        assert_eq!(set(&plan), [("dave@contoso.com", "twice")]);
    }

    #[test]
    fn nobody_gets_what_somebody_keeps() {
        let ours = [
            our("alice@contoso.com", "a", false),
            our("bob@contoso.com", "b", false),
            our("carol@contoso.com", "c", true),
            our("dave@contoso.com", "d", false),
        ];
        // Bob cannot have Carol's, so he keeps his own, which Alice wanted.
        let file = || {
            rows(&[
                ("alice@contoso.com", "b"),
                ("bob@contoso.com", "c"),
                ("carol@contoso.com", "a"),
                ("dave@contoso.com", "new"),
            ])
        };
        let plan = reconcile(&ours, file(), false);
        assert_eq!(
            bad(&plan),
            [
                (1, BadKind::Collision),
                (2, BadKind::Collision),
                (3, BadKind::Used)
            ]
        );
        assert_eq!(set(&plan), [("dave@contoso.com", "new")]);
        let plan = reconcile(&ours, file(), true);
        assert_eq!(plan.findings.set.len(), 4, "they go round");
    }

    #[test]
    fn anchors_that_differ_in_case_only_are_remarked_on() {
        let ours = [
            our("alice@contoso.com", "abc", false),
            our("bob@contoso.com", "xyz", false),
            our("carol@contoso.com", "c", false),
            our("dave@contoso.com", "d", false),
        ];
        let file = rows(&[
            ("alice@contoso.com", "ABC"),
            ("bob@contoso.com", "aBc"),
            ("carol@contoso.com", "same"),
            ("dave@contoso.com", "SAME"),
        ]);
        let plan = reconcile(&ours, file, false);
        assert_eq!(bad(&plan), []);
        let mut remarked: Vec<_> = plan.findings.remarks.iter().map(|r| r.row).collect();
        remarked.dedup();
        assert_eq!(remarked, [1, 2, 3, 4]);
        let kinds = plan.findings.remarks.iter().map(|remark| remark.kind);
        assert!(kinds.into_iter().all(|kind| kind == RemarkKind::AnchorCase));
    }

    proptest! {
        /// Whatever the file says: afterwards nobody shares an anchor, nobody's used anchor has changed, and
        /// whoever is set has what the file says.
        #[test]
        fn a_plan_leaves_one_anchor_to_each(
            here in proptest::collection::btree_map("[a-e]", ("[a-fA-F]", any::<bool>()), 0..5),
            file in proptest::collection::vec(("[a-eA-E]", "[a-fA-F_]?"), 0..8),
            even_used: bool,
        ) {
            let mut taken = HashSet::new();
            let ours: Vec<Anchor> = here.iter()
                .filter(|(_, (anchor, _))| taken.insert(anchor.clone()))
                .map(|(name, (anchor, used))| our(&format!("{name}@contoso.com"), anchor, *used))
                .collect();
            let people: Vec<_> = file.iter()
                .map(|(name, anchor)| (format!("{name}@contoso.com"), anchor.clone()))
                .collect();
            let people: Vec<_> = people.iter().map(|(upn, anchor)| (&**upn, &**anchor)).collect();
            let plan = reconcile(&ours, rows(&people), even_used);
            let mut after: HashMap<&str, &str> = ours.iter()
                .map(|our| (&*our.upn_key, &*our.immutable_id)).collect();
            for change in &plan.changes {
                prop_assert_eq!(after.insert(&change.upn_key, &change.to), Some(&*change.from));
                prop_assert!(people.iter().any(|(upn, anchor)|
                    upn.eq_ignore_ascii_case(&change.upn_key) && **anchor == *change.to));
                let our = ours.iter().find(|our| our.upn_key == change.upn_key).expect("ours");
                prop_assert!(even_used || our.anchor_used_at.is_none());
            }
            let distinct: HashSet<_> = after.values().collect();
            prop_assert_eq!(distinct.len(), ours.len());
            let named = plan.findings.bad.len() + plan.findings.set.len() + plan.findings.missing_here.len()
                + plan.findings.without_anchor.len()
                + plan.findings.remarks.iter().filter(|r| r.kind == RemarkKind::Repeated).count();
            prop_assert_eq!(named as u64 + plan.findings.equal, plan.findings.rows);
        }
    }
}
