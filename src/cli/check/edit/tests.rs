use serde_json::json;

use super::*;

/// The document after a change.
fn edited(text: &str, path: &str, verb: Verb, value: &Value) -> Result<String, Unfit> {
    let edits = edits(text, 1, (path, verb, value))?;
    let apply = |text: String, edit: &TextEdit| applied(&text, edit);
    Ok(edits.iter().try_fold(text.to_owned(), apply).unwrap())
}

type Case<'a> = (Verb, &'a str, &'a Value, &'a str, &'a str);

fn assert_edited(cases: &[Case<'_>]) {
    for (verb, path, value, before, after) in cases {
        let found = edited(before, path, *verb, value);
        assert_eq!(found.as_deref(), Ok(*after), "{before}");
        let windows = |text: &str| text.replace('\n', "\r\n");
        let found = edited(&windows(before), path, *verb, value);
        assert_eq!(found, Ok(windows(after)), "{before}");
    }
}

#[test]
fn an_item_is_removed_and_everything_else_stays() {
    let null = Value::Null;
    assert_edited(&[
        // An item with its lines. Comments above it and behind others stay.
        (
            Verb::Remove,
            "a[1]",
            &null,
            "a: # x\n  # 0\n  - b: 0 # y\n  # 1\n  - b: 1\n    c: 1 # z\n  # 2\n  - b: 2 # w\n",
            "a: # x\n  # 0\n  - b: 0 # y\n  # 1\n  # 2\n  - b: 2 # w\n",
        ),
        (
            Verb::Remove,
            "a[1]",
            &null,
            "a:\n- 0 # y\n- 1",
            "a:\n- 0 # y\n",
        ),
        (
            Verb::Remove,
            "a[0]",
            &null,
            "a:\n  - b: 1\nc: 2\n",
            "a: []\nc: 2\n",
        ),
        (
            Verb::Remove,
            "a[0]",
            &null,
            "a: # x\n  - b: 1 # y\n",
            "a: # x\n  [] # y\n",
        ),
        (
            Verb::Remove,
            "a[0]",
            &null,
            "{a: [0, 1]} # x",
            "{a: [1]} # x",
        ),
        (Verb::Remove, "a[1]", &null, "{a: [0, {b: 1}]}", "{a: [0]}"),
        (Verb::Remove, "a[0]", &null, "{a: [0]}", "{a: []}"),
    ]);
}

#[test]
fn keys_and_items_are_set_and_everything_else_stays() {
    let ports = json!({"ports": [{"port": 1, "protocol": "TCP"}]});
    let peers = json!({"from": [{"podSelector": {}}]});
    assert_edited(&[
        // Ports without a protocol are TCP.
        (
            Verb::Set,
            "a[0]",
            &ports,
            "a:\n- ports:\n  - port: 2\n  # x\n  - port: 1 # y\n",
            "a:\n- ports:\n  # x\n  - port: 1 # y\n",
        ),
        (
            Verb::Set,
            "a[0]",
            &ports,
            "a: [{ports: [{port: 1}, {port: 2}]}]",
            "a: [{ports: [{port: 1}]}]",
        ),
        (
            Verb::Set,
            "a[0]",
            &ports,
            "a:\n  - ports:\n      - port: 3\n    # x\n    b: 1\n",
            "a:\n  - ports:\n      - {port: 1, protocol: TCP}\n    # x\n    b: 1\n",
        ),
        (
            Verb::Set,
            "a[0]",
            &peers,
            "a:\n  - # x\n    b: 1\n",
            "a:\n  - # x\n    from:\n    - podSelector: {}\n    b: 1\n",
        ),
        (
            Verb::Set,
            "a[0]",
            &peers,
            "a: [{}]",
            "a: [{from: [{podSelector: {}}]}]",
        ),
        (
            Verb::Set,
            "a[0]",
            &peers,
            "{\"a\": [{}]}",
            "{\"a\": [{\"from\":[{\"podSelector\":{}}]}]}",
        ),
        (
            Verb::Add,
            "s.e",
            &json!([{"k": 1}]),
            "s:\n  e: # x\n    - k: 0\n",
            "s:\n  e: # x\n    - k: 1\n    - k: 0\n",
        ),
        (
            Verb::Add,
            "s.e",
            &json!([1]),
            "s: {e: [0]}",
            "s: {e: [1, 0]}",
        ),
        (Verb::Add, "s.e", &json!([1]), "s: {}", "s: {e: [1]}"),
        (
            Verb::Insert,
            "s[1]",
            &json!([{"k": 1}, {"k": 2}]),
            "s: # x\n  - k: 0 # y\n  # z\n  - k: 3\n",
            "s: # x\n  - k: 0 # y\n  # z\n  - k: 1\n  - k: 2\n  - k: 3\n",
        ),
        (
            Verb::Insert,
            "s[1]",
            &json!([1]),
            "s: [0, 2] # x",
            "s: [0, 1, 2] # x",
        ),
        (
            Verb::Insert,
            "s[0]",
            &json!([1]),
            "{\"s\": [2]}",
            "{\"s\": [1, 2]}",
        ),
        (
            Verb::Replace,
            "a.b",
            &json!("x y"),
            "a: {b: 1} # x\n",
            "a: {b: \"x y\"} # x\n",
        ),
    ]);
}

#[test]
fn only_the_document_at_the_line_is_edited() {
    let edit = |text, line| edits(text, line, ("a", Verb::Replace, &json!(9))).unwrap();
    assert_eq!(edit("a: 1\n---\na: 2\n---\na: 3\n", 3)[0].start, (3, 4));
    assert_eq!(
        edit("{\"a\": 1}\n{\"a\": 2}\n{\"a\": 3}\n", 2)[0].start,
        (2, 7)
    );
}

#[test]
fn a_text_is_left_alone_where_an_edit_is_not_sure() {
    let remove = |text| edited(text, "a[0]", Verb::Remove, &Value::Null);
    for (text, reason) in [
        ("x: &x [0]\na: *x\n", Unfit::Alias),
        ("x: &x {k: [0]}\na: [1]\n<<: *x\n", Unfit::Alias),
        ("a: [0, 1]\na: [2, 3]\n", Unfit::Unsure),
        ("b: [0]\n", Unfit::Unsure),
        ("a: [", Unfit::Unsure),
        ("- - a\n", Unfit::Unsure),
    ] {
        assert_eq!(remove(text), Err(reason), "{text}");
    }
}
