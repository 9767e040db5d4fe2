//! `docs/reference/check.schema.json` and `show.schema.json`: the JSON of `check` and `show`. `crds.yaml`: the output of
//! `crds`.

use openbao_perimeter::cli::{crds, report_schema, view_schema};

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

#[test]
fn the_custom_resource_definitions_are_fresh() {
    assert_fresh("docs/reference/crds.yaml", &crds::derived().unwrap());
}
