//! Exclusive canonicalization, by example.

use countersign_crypto::exclusive_c14n::canonicalize;
use proptest::prelude::*;

use crate::fixture::parse;

fn check(xml: &str, expected: &str) {
    assert_eq!(canonicalize(parse(xml).root_element(), None, &[]), expected);
}

/// The canonical form of the first element named `e`, with these inclusive prefixes.
fn check_inside(xml: &str, inclusive: &[&str], expected: &str) {
    let document = parse(xml);
    let apex = document
        .descendants()
        .find(|node| node.tag_name().name() == "e")
        .unwrap();
    assert_eq!(canonicalize(apex, None, inclusive), expected);
}

#[test]
fn tags_are_written_in_one_way() {
    check("<a  b = 'x'\n/>", r#"<a b="x"></a>"#);
    check("<?xml version='1.0'?><a><b /></a >\n", "<a><b></b></a>");
}

#[test]
fn characters_are_escaped_as_the_standard_says() {
    check(
        "<a b='&#9;&#10;&#13;&quot;&apos;&lt;>&amp;'>&#13;\"'&lt;&gt;&amp;</a>",
        "<a b=\"&#x9;&#xA;&#xD;&quot;'&lt;>&amp;\">&#xD;\"'&lt;&gt;&amp;</a>",
    );
    check(
        "<a b='x\n\ty'>\u{85}\u{2028}é\r\n</a>",
        "<a b=\"x  y\">\u{85}\u{2028}é\n</a>",
    );
}

#[test]
fn comments_go_and_instructions_stay() {
    check(
        "<a>x<!-- c -->y<?p  q r ?><?p?><?p\r\na\r\nb?></a>",
        "<a>xy<?p q r ?><?p?><?p a\nb?></a>",
    );
}

#[test]
fn attributes_are_in_the_order_of_namespace_and_name() {
    check(
        "<a z='1' b:a='2' c:a='3' a='4' xml:lang='x' xmlns:c='urn:1' xmlns:b='urn:2'/>",
        r#"<a xmlns:b="urn:2" xmlns:c="urn:1" a="4" z="1" xml:lang="x" c:a="3" b:a="2"></a>"#,
    );
}

#[test]
fn a_namespace_is_declared_where_it_is_used() {
    check(
        "<a:x xmlns:a='urn:a' xmlns:b='urn:b' xmlns='urn:d'><b:y><b:z/></b:y><b:y/><w/></a:x>",
        r#"<a:x xmlns:a="urn:a"><b:y xmlns:b="urn:b"><b:z></b:z></b:y><b:y xmlns:b="urn:b"></b:y><w xmlns="urn:d"></w></a:x>"#,
    );
    check(
        "<a xmlns='urn:a'><b xmlns=''><c/></b></a>",
        r#"<a xmlns="urn:a"><b xmlns=""><c></c></b></a>"#,
    );
    check(
        "<p:a xmlns:p='urn:1'><p:b xmlns:p='urn:2'><p:c xmlns:p='urn:1'/></p:b></p:a>",
        r#"<p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2"><p:c xmlns:p="urn:1"></p:c></p:b></p:a>"#,
    );
}

#[test]
fn an_element_inside_of_a_document_takes_only_what_it_uses() {
    let xml = "<a xmlns='urn:d' xmlns:p='urn:p' xmlns:q='urn:q' xml:lang='x'><p:e p:b='1'/></a>";
    check_inside(xml, &[], r#"<p:e xmlns:p="urn:p" p:b="1"></p:e>"#);
    check_inside(
        xml,
        &["q"],
        r#"<p:e xmlns:p="urn:p" xmlns:q="urn:q" p:b="1"></p:e>"#,
    );
    check_inside(
        xml,
        &["#default", "unknown", "xml"],
        r#"<p:e xmlns="urn:d" xmlns:p="urn:p" p:b="1"></p:e>"#,
    );
}

#[test]
fn one_node_can_be_left_out() {
    let document = parse("<a>1<b>2<c/></b>3<b/></a>");
    let root = document.root_element();
    assert_eq!(
        canonicalize(root, root.first_element_child(), &[]),
        "<a>13<b></b></a>"
    );
    assert_eq!(
        canonicalize(root, root.last_child(), &[]),
        "<a>1<b>2<c></c></b>3</a>"
    );
}

proptest! {
    #[test]
    fn the_canonical_form_of_the_canonical_form_is_itself(xml in element(5)) {
        let once = canonicalize(parse(&xml).root_element(), None, &[]);
        prop_assert_eq!(canonicalize(parse(&once).root_element(), None, &[]), once.as_str());
    }
}

fn element(depth: u32) -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "p:a", "q:a"]);
    let start = (
        name,
        prop::sample::select(vec!["urn:1", "urn:2"]),
        prop::sample::select(vec!["", "urn:1", "urn:3"]),
    );
    let text = prop::sample::select(vec![
        "",
        "x",
        "&lt;",
        "&#13;",
        "\r\n",
        "<!-- -->",
        "<?p q?>",
        "<![CDATA[<]]>",
    ]);
    let leaf = text.prop_map(str::to_owned);
    let content = leaf.prop_recursive(depth, 32, 4, move |inner| {
        (start.clone(), prop::collection::vec(inner, 0..4))
            .prop_map(|(start, children)| wrap(start, &children.concat()))
    });
    content.prop_map(|content| wrap(("a", "urn:1", "urn:3"), &content))
}

fn wrap((name, prefixed, default): (&str, &str, &str), content: &str) -> String {
    format!(
        "<{name} xmlns:q='urn:q' c='&#9;' xmlns:p='{prefixed}' p:b='\"' xmlns='{default}'>{content}</{name}>"
    )
}
