//! The suggestions as YAML with comments.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde_json::Value;

use super::Part;
use crate::config::Waiver;
use crate::inventory::ObjectRef;
use crate::printable;
use crate::rules::remedy::{Change, Rank};
use crate::rules::{Code, Finding, FindingKey};

/// Comment above patches that are printed alone.
const APPLY: &str = "\
# Review each entry, and then, with each document in a file of its own:
#   kubectl patch openbaocluster NAME -n NAMESPACE --type merge --patch-file FILE
# Never use `kubectl apply`, not even server-side: it can remove what is not in the file. Where the OpenBaoClusters come
# from a repository, change them there.
";

/// All suggestions.
#[derive(Default)]
pub(super) struct Suggested {
    pub(super) patches: Vec<SuggestedPatch>,
    pub(super) waivers: Vec<SuggestedWaiver>,
    /// The findings that stood.
    pub(super) standing: BTreeSet<FindingKey>,
    /// The findings that still stand.
    pub(super) left: BTreeSet<Left>,
    /// Number of reviewed objects.
    pub(super) objects: usize,
    /// Remarks about the input.
    pub(super) notes: Vec<String>,
    pub(super) is_live: bool,
    /// The baseline, and the reason for which it was taken.
    pub(super) baseline: String,
}

/// A patch of an OpenBaoCluster.
pub(super) struct SuggestedPatch {
    pub(super) cluster: ObjectRef,
    /// Place of the cluster in the input.
    pub(super) origin: Option<String>,
    /// Each new entry with the findings that it ends.
    pub(super) entries: Vec<String>,
    pub(super) value: Value,
}

/// A waiver.
pub(super) struct SuggestedWaiver {
    pub(super) waiver: Waiver,
    /// The change of the policy that would end its first finding.
    better: Option<String>,
}

impl SuggestedWaiver {
    pub(super) fn new(waiver: Waiver, finding: &Finding) -> Self {
        let narrows = |rank| {
            matches!(
                rank,
                Rank::NarrowPorts
                    | Rank::NarrowPeers
                    | Rank::Exclude
                    | Rank::NarrowShared
                    | Rank::LeaveOut
            )
        };
        let mut remedies = finding.remedies.iter();
        let better = remedies.find_map(|remedy| match &remedy.change {
            Change::Policy(..) if narrows(remedy.rank) => Some(remedy.action.clone()),
            _ => None,
        });
        Self { waiver, better }
    }
}

/// A finding that still stands, with the reason.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Left {
    code: Code,
    object: ObjectRef,
    path: String,
    reason: String,
}

impl Left {
    pub(super) fn new(finding: &Finding, reason: String) -> Self {
        Self {
            code: finding.code,
            object: finding.object.clone(),
            path: finding.path.clone(),
            reason,
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            object,
            path,
            reason,
        } = self;
        let separator = if path.is_empty() { "" } else { " " };
        let name = code.name();
        write!(f, "{code} {name}: {object}{separator}{path}: {reason}")
    }
}

impl Suggested {
    /// The YAML of a part.
    pub(super) fn text(&self, part: Part) -> String {
        let mut text = String::new();
        if part == Part::All {
            comment(&mut text, &self.summary());
            comment(&mut text, &self.baseline);
            for left in &self.left {
                comment(&mut text, &format!("left: {left}"));
            }
        }
        let patches = self.patches.iter().filter(|_| part != Part::Waivers);
        for (at, patch) in patches.enumerate() {
            if at > 0 {
                text.push_str("---\n");
            } else if part == Part::Patch {
                text.push_str(APPLY);
            }
            patch.write(&mut text);
        }
        if part != Part::Patch && !self.waivers.is_empty() {
            if part == Part::All && !self.patches.is_empty() {
                text.push_str("---\n");
            }
            self.write_waivers(&mut text);
        }
        text
    }

    /// Everything else to say.
    pub(super) fn lines(&self, part: Part) -> Vec<String> {
        let mut lines = self.notes.clone();
        if part != Part::All {
            lines.push(self.summary());
            lines.push(self.baseline.clone());
        }
        lines
    }

    /// The summary in one line.
    fn summary(&self) -> String {
        if self.standing.is_empty() {
            let objects = counted(self.objects, "object");
            return format!("nothing to suggest: no finding stands about {objects}");
        }
        let stands = if self.standing.len() == 1 {
            "stands"
        } else {
            "stand"
        };
        let left = match self.left.len() {
            0 => "with them, nothing is left".to_owned(),
            left => format!("{} left", counted(left, "finding")),
        };
        format!(
            "{} {stands}; suggested: {}, {}; {left}",
            counted(self.standing.len(), "finding"),
            counted(self.patches.len(), "patch"),
            counted(self.waivers.len(), "waiver"),
        )
    }

    fn write_waivers(&self, text: &mut String) {
        comment(
            text,
            "Settings: add these entries to review.waivers, and give each its real reason.",
        );
        let how = if self.is_live {
            "`check --live` prints the change"
        } else {
            "`check --fix` makes it"
        };
        text.push_str("review:\n  waivers:\n");
        for SuggestedWaiver { waiver, better } in &self.waivers {
            if let Some(better) = better {
                let better = format!("better: narrow the policy ({better}); {how}");
                let _ = writeln!(text, "    # {}", printable::line(&better));
            }
            let mut mark = "    - ";
            for line in yaml(waiver).lines() {
                let _ = writeln!(text, "{mark}{line}");
                mark = "      ";
            }
        }
    }
}

impl SuggestedPatch {
    fn write(&self, text: &mut String) {
        let origin = self.origin.as_ref();
        let origin = origin.map_or_else(String::new, |origin| format!(" ({origin})"));
        comment(text, &format!("{}{origin}, new entries:", self.cluster));
        for entry in &self.entries {
            comment(text, &format!("  {entry}"));
        }
        text.push_str(&yaml(&self.value));
        text.push('\n');
    }
}

/// Adds a comment of one line.
fn comment(text: &mut String, line: &str) {
    let _ = writeln!(text, "# {}", printable::line(line));
}

/// A value as block YAML, without the line break at its end.
fn yaml(value: &impl serde::Serialize) -> String {
    // Every value of these types has a YAML form.
    let text = serde_saphyr::to_string(value).unwrap_or_default();
    text.trim_end().to_owned()
}

fn counted(number: usize, word: &str) -> String {
    let plural = match (number, word) {
        (1, _) => "",
        (_, "patch") => "es",
        _ => "s",
    };
    format!("{number} {word}{plural}")
}
