//! `docs/reference/settings.md` and `settings.schema.json`: every setting.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use clap::{Args as _, Command};
use openbao_perimeter::settings::{LIVE, ServeFlags, ServerConfig};
use serde_json::Value;

use super::{assert_fresh, code, page, table};

/// The flags and their variables, by setting.
fn flags() -> BTreeMap<String, [String; 2]> {
    let command = ServeFlags::augment_args(Command::new("settings"));
    let shown = command.get_arguments().map(|flag| {
        let long = flag.get_long().expect("a long flag");
        let env = flag.get_env().expect("an environment variable");
        let texts = [code(&format!("--{long}")), code(&env.to_string_lossy())];
        (camel(flag.get_id().as_str()), texts)
    });
    shown.collect()
}

fn camel(snake: &str) -> String {
    let mut words = snake.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let (initial, rest) = word.split_at(1);
        camel + &initial.to_uppercase() + rest
    })
}

/// The text of a doc comment, and the default at its end.
fn doc(description: &str) -> (String, String) {
    let text = description.replace('\n', " ");
    match text.split_once("[default: ") {
        Some((doc, default)) => {
            let default = default.trim_end().trim_end_matches(']');
            (doc.trim_end().to_owned(), default.to_owned())
        }
        None => (text, String::new()),
    }
}

/// A default as one would say it.
fn spoken(default: &Value) -> String {
    let listed = |parts: Vec<String>| {
        if parts.is_empty() {
            "none".to_owned()
        } else {
            parts.join(", ")
        }
    };
    match default {
        Value::String(text) => text.clone(),
        Value::Array(items) => listed(items.iter().map(spoken).collect()),
        Value::Object(fields) => {
            let pairs = fields.iter();
            listed(
                pairs
                    .map(|(key, value)| format!("{key}={}", spoken(value)))
                    .collect(),
            )
        }
        other => other.to_string(),
    }
}

struct Schema(Value);

impl Schema {
    /// The schema with references resolved, and without the alternative `null`.
    fn behind<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
            return self.behind(self.0.pointer(&path[1..]).expect("a definition"));
        }
        let alternatives = schema.get("anyOf").and_then(Value::as_array);
        let alternatives: Vec<&Value> = alternatives
            .into_iter()
            .flatten()
            .filter(|schema| schema.get("type").is_none_or(|kind| kind != "null"))
            .collect();
        match alternatives[..] {
            [only] if schema.get("type").is_none() => self.behind(only),
            _ => schema,
        }
    }

    /// The type of a setting in a few words.
    fn kind(&self, schema: &Value) -> String {
        let schema = self.behind(schema);
        if let Some(words) = words(schema) {
            return words
                .iter()
                .map(|word| code(word))
                .collect::<Vec<_>>()
                .join(", ");
        }
        if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
            let kinds: Vec<String> = alternatives.iter().map(|one| self.kind(one)).collect();
            return kinds.join("; or ");
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[0].as_str().unwrap_or_default(),
            kind => kind.as_str().unwrap_or_default(),
        };
        match kind {
            "array" => format!("list of: {}", self.kind(&schema["items"])),
            "object" => match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => format!("map to: {}", self.kind(values)),
                _ => "object".to_owned(),
            },
            "integer" => "number".to_owned(),
            kind => kind.to_owned(),
        }
    }

    /// Rows for the keys of an object and of nested objects.
    fn rows(&self, prefix: &str, schema: &Value, rows: &mut Vec<Vec<String>>) {
        let schema = self.behind(schema);
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        for (key, property) in properties {
            let path = format!("{prefix}{key}");
            let (text, mut default) = doc(property["description"].as_str().expect("a description"));
            let known = property.get("default").filter(|known| !known.is_null());
            if let (true, Some(known)) = (default.is_empty(), known) {
                default = spoken(known);
            }
            let behind = self.behind(property);
            if behind.get("properties").is_some() && path != "review.platform" {
                self.rows(&format!("{path}."), behind, rows);
                continue;
            }
            rows.push(vec![code(&path), self.kind(property), default, text]);
            if path == "review.platform" {
                self.rows(&format!("{path}[]."), &behind["items"], rows);
            }
        }
    }
}

/// The values of an enumeration.
fn words(schema: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().filter_map(text).collect());
    }
    let consts = schema.get("oneOf")?.as_array()?;
    consts.iter().map(|one| text(one.get("const")?)).collect()
}

#[test]
fn the_page_about_settings_is_fresh() {
    let about = "Every setting is a key of the file of `--config`. Those that differ between Deployments, or are typed, have a \
                 flag and an environment variable as well: a flag wins over its variable, that over the file, and that over \
                 the default. Lists and maps are not merged: the first of these sources that sets one wins. An \
                 unknown key is an error. [settings.schema.json](settings.schema.json) is the schema of the file: with \
                 `# yaml-language-server: $schema=…` in its first line, editors check and complete it.";
    let mut text = page("Settings", "`src/settings.rs`", about);
    let live = LIVE.map(code).join(", ");
    let _ = write!(
        text,
        "\n`serve` reads the file again when it changes. Changes of {live} take effect together, without a restart. \
         Other changed keys need a restart: the log and `/readyz?verbose` name them. A file that is invalid, or that \
         `serve` would not start with, changes nothing; see [installing](../operations/install.md#settings).\n"
    );
    let schema = Schema(ServerConfig::schema());
    let mut rows = Vec::new();
    schema.rows("", &schema.0, &mut rows);
    let mut flags = flags();
    assert!(flags.remove("config").is_some());
    let (elements, rows): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row[0].contains("[]."));
    let rows = rows.into_iter().map(|row| {
        let [key, kind, default, text] = <[String; 4]>::try_from(row).unwrap();
        let flag = flags.remove(key.trim_matches('`')).unwrap_or_default();
        let [flag, variable] = flag;
        vec![key, flag, variable, kind, default, text]
    });
    let rows: Vec<_> = rows.collect();
    assert!(flags.is_empty(), "flags without a key: {flags:?}");
    table(
        &mut text,
        &[
            "key",
            "flag",
            "environment",
            "value",
            "default",
            "what it says",
        ],
        rows,
    );
    text.push_str("\n## In an element of `review.platform`\n");
    let head = ["key", "value", "default", "what it says"];
    table(&mut text, &head, elements);
    assert_fresh("docs/reference/settings.md", &text);
}

#[test]
fn the_schema_of_the_settings_is_fresh() {
    let schema = serde_json::to_string_pretty(&ServerConfig::schema()).unwrap();
    assert_fresh(
        "docs/reference/settings.schema.json",
        &format!("{schema}\n"),
    );
}

/// So that Helm denies a misspelt setting, which a pod would only tell when it starts.
#[test]
fn the_chart_has_the_schema_of_the_settings() {
    let page = "charts/openbao-perimeter/values.schema.json";
    let mut settings = ServerConfig::schema();
    let root = settings.as_object_mut().unwrap();
    root.remove("$schema");
    let definitions = root.remove("$defs").unwrap();
    let values = fs::read_to_string(super::root().join(page)).unwrap();
    let mut values: Value = serde_json::from_str(&values).unwrap();
    values["$defs"] = definitions;
    values["properties"]["settings"] = settings;
    assert_fresh(page, &format!("{values:#}\n"));
}
