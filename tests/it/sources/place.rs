//! The location of a field of a document in its file.

use openbao_perimeter::sources::files::place::{Source, path_in};

/// The marked part of the line for a path, in the document that starts at `line`.
fn shown(text: &str, line: usize, path: &str) -> Option<(usize, String)> {
    let source = Source::new(text);
    let place = source.places(line, &[path.to_owned()]).pop().flatten()?;
    let line = source.line(place.line).unwrap();
    let marked = line.chars().skip(place.column - 1).take(place.length);
    Some((place.line, marked.collect()))
}

const TWO: &str = r#"# a comment
kind: Other
spec: {ingress: [{from: none}]}
---
# another
kind: It   # told by the kind
metadata:
  labels:
    openbao.org/cluster: "the # one"
spec:
  # before the list
  ingress:
    - ports:
        - port: 8200
    - from:
        - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}
  anchors: &rules
    a: 1
  again: *rules
  text: |
    spec:
      ingress: wrong
"#;

#[test]
fn a_field_is_found_by_its_path() {
    for (path, line, marked) in [
        ("kind", 6, "kind: It"),
        ("spec.ingress", 12, "ingress"),
        ("spec.ingress[0]", 13, "ports:"),
        ("spec.ingress[0].ports[0].port", 14, "port: 8200"),
        (
            "spec.ingress[1].from[0]",
            16,
            "ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}",
        ),
        (
            "spec.ingress[1].from[0].ipBlock.cidr",
            16,
            "cidr: 10.0.0.0/8",
        ),
        (
            "spec.ingress[1].from[0].ipBlock.except[1]",
            16,
            "10.2.0.0/16",
        ),
        (
            "metadata.labels[openbao.org/cluster]",
            9,
            "openbao.org/cluster: \"the # one\"",
        ),
        (
            "metadata.labels.openbao.org/cluster",
            9,
            "openbao.org/cluster: \"the # one\"",
        ),
    ] {
        assert_eq!(
            shown(TWO, 6, path),
            Some((line, marked.to_owned())),
            "{path}"
        );
    }
    assert_eq!(
        shown(TWO, 2, "spec.ingress[0].from"),
        Some((3, "from: none".to_owned()))
    );
}

#[test]
fn where_the_path_ends_early_the_deepest_part_is_shown() {
    for (path, line, marked) in [
        ("spec.ingress[1].ports", 15, "from:"),
        ("spec.ingress[7]", 12, "ingress"),
        ("spec.policyTypes", 10, "spec"),
        ("spec.again.a", 19, "again"),
        ("spec.text.ingress", 20, "text"),
    ] {
        assert_eq!(
            shown(TWO, 6, path),
            Some((line, marked.to_owned())),
            "{path}"
        );
    }
    assert_eq!(shown(TWO, 6, "status"), None);
    assert_eq!(shown(TWO, 600, "kind"), None);
}

#[test]
fn items_of_a_list_and_json_have_places_too() {
    let list = "{\"kind\": \"List\", \"items\": [\n\t{\"kind\": \"A\"},\n\t{\"kind\": \"B\", \"spec\": {\"é\": [1, 22]}}\n]}";
    let path = path_in(&[1], "spec.é[1]");
    assert_eq!(path, "items[1].spec.é[1]");
    assert_eq!(shown(list, 1, &path), Some((3, "22".to_owned())));
    assert_eq!(
        shown(list, 1, "items[0].kind"),
        Some((2, "\"kind\": \"A\"".to_owned()))
    );
    assert_eq!(path_in(&[2, 0], "kind"), "items[2].items[0].kind");
}

#[test]
fn several_paths_are_looked_for_at_once_and_broken_text_has_no_places_behind_the_break() {
    let source = Source::new("a: 1\nb: [2\nc: {{ 3\n");
    let paths = ["b[0]", "a", "c"].map(str::to_owned);
    let lines: Vec<Option<usize>> = source
        .places(1, &paths)
        .iter()
        .map(|place| place.map(|place| place.line))
        .collect();
    assert_eq!((lines[0], lines[1]), (Some(2), Some(1)));
    assert_eq!(lines[2], None);
}
