//! `docs/reference/check.schema.json`: the JSON of `check`.

use openbao_perimeter::cli::report_schema;

use super::assert_fresh;

#[test]
fn the_schema_of_the_report_is_fresh() {
    let schema = serde_json::to_string_pretty(&report_schema()).unwrap();
    assert_fresh("docs/reference/check.schema.json", &(schema + "\n"));
}
