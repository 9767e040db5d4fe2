//! `docs/reference/check.schema.json` and `show.schema.json`: the JSON of `check` and `show`.

use openbao_perimeter::cli::{report_schema, view_schema};

use super::assert_fresh;

#[test]
fn the_schema_of_the_report_is_fresh() {
    let schema = serde_json::to_string_pretty(&report_schema()).unwrap();
    assert_fresh("docs/reference/check.schema.json", &(schema + "\n"));
}

#[test]
fn the_schema_of_the_view_is_fresh() {
    let schema = serde_json::to_string_pretty(&view_schema()).unwrap();
    assert_fresh("docs/reference/show.schema.json", &(schema + "\n"));
}
