//! `docs/reference/settings.md` and `settings.schema.json`: every setting.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args as _, Command};
use openbao_perimeter::settings::{LIVE, Settings};
use serde_json::Value;

use super::{assert_fresh, code, page, table};

/// A flag and its environment variable.
struct Flag {
    long: String,
    env: String,
}

/// The flags by what their doc comment says, which is that of the key as well.
fn flags() -> BTreeMap<String, Flag> {
    let command = Settings::augment_args(Command::new("settings"));
    let mut flags = BTreeMap::new();
    for flag in command.get_arguments() {
        let long = flag.get_long().expect("a long flag");
        let env = flag.get_env().expect("an environment variable");
        let help = flag.get_help().expect("a doc comment").to_string();
        let shown = Flag {
            long: format!("--{long}"),
            env: env.to_string_lossy().into_owned(),
        };
        let (told, _) = doc(&help);
        assert!(flags.insert(told, shown).is_none(), "twice: {help}");
    }
    flags
}

/// What a doc comment says, and the default at its end.
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

struct Schema(Value);

impl Schema {
    /// The schema behind references, and without the alternative `null`.
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

    /// What may be written, in a few words.
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

    /// Rows for the keys of an object, those of objects below it with them.
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
                default = known.to_string();
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

/// The words of a closed set.
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
    let about = "A flag wins over its environment variable, that over the file of `--config`, and that over the default. A \
                 list or map is taken whole from the first of them that sets it. Of those under `review`, an empty value as in \
                 `--dns-namespace=` sets an empty one. `--level OBP304=warn,OBP304@check=deny` is `levels: {OBP304: {webhook: warn, check: deny, audit: warn}}`. A \
                 key that is not known is an error. [settings.schema.json](settings.schema.json) is the schema of the \
                 file: with `# yaml-language-server: $schema=…` in its first line, editors check and complete it.";
    let mut text = page("Settings", "`src/settings.rs`", about);
    let live = LIVE.map(code).join(", ");
    let _ = write!(
        text,
        "\n`serve` reads the file again when it changes. What it says of {live} is then in force without a restart, in one \
         step, and the other keys wait for one: logs and `/readyz?verbose` say which. A file that is broken, or that \
         `serve` would not start with, changes nothing; see [installing](../operations/install.md#settings).\n"
    );
    let schema = Schema(Settings::schema());
    let mut rows = Vec::new();
    schema.rows("", &schema.0, &mut rows);
    let mut flags = flags();
    let config = "File with settings, YAML".to_owned();
    let flag_only = flags.remove(&config).map(|flag| {
        vec![
            String::new(),
            code(&flag.long),
            code(&flag.env),
            "path".into(),
            String::new(),
            config,
        ]
    });
    let (elements, with_flags): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row[0].contains("[]."));
    let with_flags: Vec<Vec<String>> = with_flags
        .into_iter()
        .map(|row| {
            let [key, kind, default, told] = <[String; 4]>::try_from(row).unwrap();
            let flag = flags.remove(&told);
            let flag = flag.unwrap_or_else(|| panic!("no flag for {key}: {told}"));
            vec![key, code(&flag.long), code(&flag.env), kind, default, told]
        })
        .collect();
    assert!(flags.is_empty(), "flags without a key: {:?}", flags.keys());
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
        flag_only.into_iter().chain(with_flags),
    );
    text.push_str("\n## In an element of `review.platform`\n");
    let head = ["key", "value", "default", "what it says"];
    table(&mut text, &head, elements);
    assert_fresh("docs/reference/settings.md", &text);
}

#[test]
fn the_schema_of_the_settings_is_fresh() {
    let schema = serde_json::to_string_pretty(&Settings::schema()).unwrap();
    assert_fresh(
        "docs/reference/settings.schema.json",
        &format!("{schema}\n"),
    );
}
