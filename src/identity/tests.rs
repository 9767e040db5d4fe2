use std::collections::BTreeSet;

use super::*;

fn guard(level: Level) -> IdentityGuard {
    IdentityGuard {
        level,
        operator_accounts: BTreeSet::from(["operator".to_owned()]),
        accounts: BTreeSet::new(),
        own_namespace: "perimeter".to_owned(),
        ports: [8200, 8201],
    }
}

#[test]
fn the_level_becomes_actions_that_the_api_accepts_together() {
    let actions = |level| Some(guard(level).binding()?.spec.validation_actions);
    let named = |actions: &[&str]| Some(actions.iter().map(ToString::to_string).collect());
    assert_eq!(actions(Level::Deny), named(&["Deny"]));
    assert_eq!(actions(Level::Warn), named(&["Warn", "Audit"]));
    assert_eq!(actions(Level::Audit), named(&["Audit"]));
    assert_eq!(actions(Level::Off), None);
}

#[test]
fn the_binding_names_the_policy_and_the_policy_fails_closed() {
    let guard = guard(Level::Deny);
    let policy = guard.policy();
    let binding = guard.binding().unwrap();
    assert_eq!(policy.metadata.name, Some(binding.spec.policy_name));
    let spec = policy.spec.unwrap();
    assert_eq!(spec.failure_policy.as_deref(), Some("Fail"));
    assert_eq!(spec.param_kind, None);
}

#[test]
fn all_accounts_stand_once_in_the_condition_and_are_quoted() {
    let guard = IdentityGuard {
        accounts: ["velero", r"o'neil\", "operator"].map(str::to_owned).into(),
        ..guard(Level::Deny)
    };
    let conditions = guard.policy().spec.unwrap().match_conditions.unwrap();
    assert_eq!(
        conditions[0].expression,
        "!(request.userInfo.username in [\n  'o\\'neil\\\\',\n  'operator',\n  'velero'\n])"
    );
}

#[test]
fn our_own_namespace_is_left_out_and_the_operators_is_not() {
    let policy = guard(Level::Deny).policy();
    let matched = policy.spec.unwrap().match_constraints.unwrap();
    let selector = matched.namespace_selector.unwrap();
    let left_out = selector.match_expressions.unwrap().remove(0);
    assert_eq!(left_out.operator, "NotIn");
    let names = ["kube-system", "kube-node-lease", "perimeter"].map(str::to_owned);
    assert_eq!(left_out.values, Some(names.to_vec()));
}
