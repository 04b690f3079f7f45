//! What we refuse to read, before it costs anything.

use countersign_crypto::xml_signature::{Limits, NotRead, read, text_of};

fn refused(xml: impl AsRef<[u8]>) -> NotRead {
    read(xml.as_ref(), &Limits::default()).expect_err("the document must be refused")
}

fn is_read(xml: impl AsRef<[u8]>) -> bool {
    read(xml.as_ref(), &Limits::default()).is_ok()
}

fn repeat(times: usize, text: impl Fn(usize) -> String) -> String {
    (0..times).map(text).collect()
}

#[test]
fn an_ordinary_document_is_read() {
    assert!(is_read(
        "<?xml version=\"1.0\" encoding=\"utf-8\" standalone='yes'?>\r\n<!-- c --><?pi x?><a b='>'><![CDATA[<]]></a>\n"
    ));
    assert!(
        is_read("\u{FEFF}<?xml version='1.0' encoding = 'UTF-8'?><a/>"),
        "a UTF-8 byte order mark is UTF-8"
    );
}

#[test]
fn a_document_type_is_refused_in_every_form() {
    let forms = [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a []><a/>",
        "<!doctype a><a/>",
        "<?xml version='1.0'?>\n<!-- --><!DOCTYPE a SYSTEM 'http://127.0.0.1/x.dtd'><a/>",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://127.0.0.1/'> %x;]><a/>",
        "<!DOCTYPE a [<!ATTLIST a ID CDATA '_1'>]><a/>",
        "<a><!ENTITY x 'y'></a>",
    ];
    for form in forms {
        assert_eq!(refused(form), NotRead::DocumentType, "{form}");
    }
}

#[test]
fn a_billion_laughs_are_refused() {
    let entities = repeat(9, |n| {
        format!("<!ENTITY l{} '{}'>", n + 1, format!("&l{n};").repeat(10))
    });
    let xml = format!("<!DOCTYPE a [<!ENTITY l0 'lol'>{entities}]><a>&l9;</a>");
    assert_eq!(refused(xml), NotRead::DocumentType);
}

#[test]
fn an_entity_that_nobody_declared_is_refused() {
    assert!(matches!(refused("<a>&nbsp;</a>"), NotRead::Malformed(_)));
}

#[test]
fn other_encodings_are_refused() {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    assert_eq!(
        refused([b"\xFF\xFE".to_vec(), utf16("<a/>")].concat()),
        NotRead::NotUtf8
    );
    assert!(
        matches!(refused(utf16("<a/>")), NotRead::Malformed(_)),
        "NUL is not a character of XML"
    );
    assert_eq!(refused(b"<a>\xE9</a>"), NotRead::NotUtf8);
    assert_eq!(
        refused(b"<a>\xC0\xBC</a>"),
        NotRead::NotUtf8,
        "an overlong <"
    );
    for encoding in ["ISO-8859-1", "UTF-16", "UTF-7", ""] {
        assert_eq!(
            refused(format!("<?xml version=\"1.0\" encoding='{encoding}'?><a/>")),
            NotRead::NotUtf8
        );
    }
}

#[test]
fn other_versions_and_second_declarations_are_refused() {
    assert_eq!(refused("<?xml version='1.1'?><a/>"), NotRead::NotXml10);
    for odd in [
        "<?xml\tversion='1.1'?><a/>",
        "<?XML version='1.0'?><a/>",
        " <?xml version='1.0'?><a/>",
        "<a><?xml version='1.0'?></a>",
        "<a><?xml?></a>",
    ] {
        assert!(!is_read(odd), "{odd}");
    }
}

#[test]
fn a_lone_carriage_return_is_refused() {
    for lone in [
        "<a>&lt;\r</a>",
        "<a>\r</a>",
        "<a b='\r'/>",
        "<a>\r\r\n</a>",
        "<a/>\r",
    ] {
        assert_eq!(refused(lone), NotRead::CarriageReturn, "{lone:?}");
    }
    let document = read(b"<a>&lt;\r\n&#13;</a>", &Limits::default()).unwrap();
    assert_eq!(text_of(document.root_element()), "<\n\r");
}

#[test]
fn size_is_limited_to_the_byte() {
    let xml = |length: usize| format!("<a>{}</a>", "x".repeat(length - 7));
    assert!(is_read(xml(256 * 1024)));
    assert_eq!(refused(xml(256 * 1024 + 1)), NotRead::TooLarge);
}

#[test]
fn depth_is_limited_to_the_level() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    assert!(is_read(nested(64)));
    assert_eq!(refused(nested(65)), NotRead::TooDeep);
    assert_eq!(refused("<a>".repeat(80_000)), NotRead::TooDeep);
    assert!(
        is_read(format!("<a>{}</a>", "<b/><c></c>".repeat(1000))),
        "siblings are not depth"
    );
    assert!(
        is_read(format!(
            "<a>{}{}</a>",
            "<!--<b>-->".repeat(100),
            "<![CDATA[<b>]]>".repeat(100)
        )),
        "nor is text"
    );
    assert!(
        is_read(format!("<a>{}</a>", "<b x='/>'></b>".repeat(100))),
        "a quoted > ends nothing"
    );
}

#[test]
fn attributes_are_limited_to_the_one() {
    let with = |count| format!("<a{}/>", repeat(count, |n| format!(" a{n}='='")));
    assert!(is_read(with(64)));
    assert_eq!(refused(with(65)), NotRead::TooManyAttributes);
    let generous = Limits {
        bytes: 4 << 20,
        ..Limits::default()
    };
    assert_eq!(
        read(with(100_000).as_bytes(), &generous).unwrap_err(),
        NotRead::TooManyAttributes
    );
}

#[test]
fn namespaces_in_scope_are_limited_however_they_are_spread() {
    let level = |level| {
        format!(
            "<a{}>",
            repeat(8, |n| format!(" xmlns:p{level}_{n}='urn:{n}'"))
        )
    };
    let spread = |levels| repeat(levels, level) + &"</a>".repeat(levels);
    assert!(is_read(spread(4)));
    assert_eq!(refused(spread(5)), NotRead::TooManyNamespaces);
    assert!(
        is_read(format!(
            "<a>{}</a>",
            "<b xmlns='urn:b'/><c xmlns:c='urn:c'></c>".repeat(500)
        )),
        "siblings do not add up"
    );
}

#[test]
fn nodes_are_limited() {
    let limits = Limits {
        nodes: 100,
        ..Limits::default()
    };
    assert_eq!(
        read(format!("<a>{}</a>", "<b/>".repeat(100)).as_bytes(), &limits).unwrap_err(),
        NotRead::TooManyNodes
    );
    assert!(read(format!("<a>{}</a>", "<b/>".repeat(90)).as_bytes(), &limits).is_ok());
}

#[test]
fn nothing_may_follow_or_precede_the_document() {
    for xml in [
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a/>&amp;",
        "<a/>\0",
        "",
        " ",
        "<a>",
        "<a></b>",
        "</a>",
        "<a",
        "<a b='",
        "<!--",
        "<![CDATA[",
        "<?",
        "<a/><",
    ] {
        assert!(matches!(refused(xml), NotRead::Malformed(_)), "{xml:?}");
    }
}

#[test]
fn characters_that_xml_does_not_allow_are_refused() {
    for xml in [
        "<a>\0</a>",
        "<a>\x01</a>",
        "<a>&#0;</a>",
        "<a>&#1;</a>",
        "<a>&#xFFFE;</a>",
        "<a>\u{FFFF}</a>",
        "<a b='\x02'/>",
        "<a b='<'/>",
        "<a b='1' b='2'/>",
    ] {
        assert!(matches!(refused(xml), NotRead::Malformed(_)), "{xml:?}");
    }
}

#[test]
fn the_text_of_an_element_is_all_of_its_own_text() {
    let document = read(
        b"<a>one<!-- x --> two<?pi?> three<b>not this</b> <![CDATA[<four>]]></a>",
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(text_of(document.root_element()), "one two three <four>");
}
