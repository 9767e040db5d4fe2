//! Conversion of repairs into a minimal JSON patch.
//!
//! Rules and policy types are inserted, so that the user's own rules stay. A field is written as a whole only
//! if it is missing or empty.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::inventory::{Policy, render};
use crate::review::{Repair, Repairs, Request, Subject};
use netpol::Direction;

/// The patch that applies `repairs` to the new object; `None` if there are no repairs or the policy cannot be
/// read.
pub fn patch(repairs: &Repairs, request: &Request, object: Option<&RawValue>) -> Option<Patch> {
    if repairs.repairs.is_empty() {
        return None;
    }
    let Subject::Policy(edit) = &request.subject else {
        return None;
    };
    let after = edit.after.as_ref()?.read()?;
    let written: Written = serde_json::from_str(object?.get()).ok()?;
    let mut patch = Draft::new(written);
    patch.policy_types(&repairs.repairs, after);
    for repair in &repairs.repairs {
        match repair {
            Repair::PodSelector(selector) => patch.pod_selector(render::selector(selector)),
            Repair::Rule {
                direction,
                at,
                rule,
            } => patch.rule(*direction, *at, render::rule(rule, *direction)),
            Repair::PolicyType { .. } => {}
        }
    }
    Some(Patch(patch.operations))
}

/// The fields of the new object, and the lists that can be appended to.
#[derive(Default, Deserialize)]
struct Written {
    spec: Option<WrittenSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenSpec {
    pod_selector: Option<IgnoredAny>,
    policy_types: Option<Vec<IgnoredAny>>,
    ingress: Option<Vec<IgnoredAny>>,
    egress: Option<Vec<IgnoredAny>>,
}

struct Draft {
    spec: WrittenSpec,
    operations: Vec<PatchOperation>,
}

impl Draft {
    fn new(written: Written) -> Self {
        let mut draft = Self {
            operations: Vec::new(),
            spec: WrittenSpec::default(),
        };
        match written.spec {
            Some(spec) => draft.spec = spec,
            None => draft.add(&["spec"], Value::Object(serde_json::Map::new())),
        }
        draft
    }

    fn add(&mut self, path: &[&str], value: Value) {
        let path = PointerBuf::from_tokens(path.iter().copied());
        self.operations
            .push(PatchOperation::Add(AddOperation { path, value }));
    }

    fn pod_selector(&mut self, selector: Value) {
        let path = ["spec", "podSelector"];
        if self.spec.pod_selector.is_none() {
            return self.add(&path, selector);
        }
        let path = PointerBuf::from_tokens(path);
        self.operations
            .push(PatchOperation::Replace(ReplaceOperation {
                path,
                value: selector,
            }));
    }

    /// Adds missing types. If the object has none, the API server's defaults are written too, since a list
    /// with one entry would remove the others. If the object names a type twice, a second type cannot be
    /// added.
    fn policy_types(&mut self, repairs: &[Repair], after: &Policy) {
        let missing: Vec<(Direction, usize)> = repairs
            .iter()
            .filter_map(|repair| match repair {
                Repair::PolicyType { direction, at } => Some((*direction, *at)),
                _ => None,
            })
            .collect();
        if missing.is_empty() {
            return;
        }
        let value = |direction: Direction| Value::from(direction.policy_type());
        let written = self.spec.policy_types.as_ref().map_or(0, Vec::len);
        if written > 0 && written + missing.len() <= Direction::ALL.len() {
            for (direction, at) in missing {
                self.add(&["spec", "policyTypes", &at.to_string()], value(direction));
            }
            return;
        }
        let is_missing = |direction| missing.iter().any(|(missing, _)| *missing == direction);
        let types = Direction::ALL
            .into_iter()
            .filter(|direction| after.isolates(*direction) || is_missing(*direction))
            .map(value)
            .collect();
        self.add(&["spec", "policyTypes"], types);
    }

    fn rule(&mut self, direction: Direction, at: usize, rule: Value) {
        let list = match direction {
            Direction::Ingress => &mut self.spec.ingress,
            Direction::Egress => &mut self.spec.egress,
        };
        let is_list = list.as_ref().is_some_and(|rules| !rules.is_empty());
        // From the second rule on there is a list.
        list.get_or_insert_default().push(IgnoredAny);
        if is_list {
            self.add(&["spec", direction.field(), &at.to_string()], rule);
        } else {
            self.add(&["spec", direction.field()], Value::Array(vec![rule]));
        }
    }
}
