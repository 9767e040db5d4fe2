//! The message of a denial: at most 14 lines of a terminal.

use std::fmt::Write as _;

use super::{cut, example, reason};
use crate::inventory::ObjectRef;
use crate::printable;
use crate::review::verdict::Verdict;
use crate::rules::remedy::Remedy;
use crate::rules::{Finding, Level};

/// Maximum number of lines of a message, including kubectl's own text before it.
const LINES: usize = 14;
/// Width of a line in characters.
const WIDTH: usize = 120;
/// Characters that kubectl and the API server print before a message: the file, and the webhook's name.
const BEFORE: usize = 200;
/// Maximum number of lines of a reason, and of an example.
const REASON: usize = 3;
const EXAMPLE: usize = 2;
/// Maximum number of remedies shown for one finding.
const REMEDIES: usize = 2;
/// Minimum number of YAML lines for which a remedy is shown in part.
const MIN_YAML: usize = 3;

/// One remedy as text: a sentence and lines of YAML. There are none for a help text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The sentence.
    pub heading: String,
    /// The changed lines.
    pub yaml: String,
}

impl Step {
    fn of(remedy: &Remedy, written: &ObjectRef) -> Self {
        Self {
            heading: printable::line(&remedy.heading(written)).into_owned(),
            yaml: printable::lines(&remedy.yaml()).into_owned(),
        }
    }
}

/// All remedies of a finding, the best first. Its help text if there are none.
pub fn steps(finding: &Finding) -> Vec<Step> {
    if finding.remedies.is_empty() && !finding.help.is_empty() {
        let (heading, yaml) = finding.help.split_once('\n').unwrap_or((&finding.help, ""));
        return vec![Step {
            heading: heading.to_owned(),
            yaml: yaml.to_owned(),
        }];
    }
    let remedies = finding.remedies.iter();
    remedies
        .map(|remedy| Step::of(remedy, &finding.object))
        .collect()
}

/// The message of a denial: the findings that deny, with connections and remedies; then the permission that a
/// user lacks who marked the write as maintenance.
pub fn message(verdict: &Verdict) -> String {
    let denied = verdict.findings.iter();
    let denied: Vec<&Finding> = denied
        .filter(|finding| finding.level == Level::Deny)
        .collect();
    let Some(first) = denied.first() else {
        return String::new();
    };
    let mut text = Text::new();
    let missing_permission = verdict.missing_permission.as_ref();
    let end = [
        Some(format!(
            "see docs/why-denied.md of openbao-perimeter, or `openbao-perimeter explain {}`",
            first.code
        )),
        missing_permission.map(|missing_permission| format!("maintenance: {missing_permission}")),
    ];
    let end: Vec<String> = end.into_iter().flatten().collect();
    text.room -= end
        .iter()
        .map(|line| height(line))
        .sum::<usize>()
        .min(text.room);
    text.push(&block(first));
    let best = steps(first).into_iter().next();
    let reserved = best.as_ref().map_or(0, |best| lines(best, "to do").len());
    let mut count = 1;
    while let Some(finding) = denied.get(count) {
        let block = block(finding);
        let is_last = count + 1 == denied.len();
        let rest = reserved + usize::from(!is_last);
        if total(&block) + rest > text.room {
            break;
        }
        text.push(&block);
        count += 1;
    }
    let left: Vec<String> = denied[count..]
        .iter()
        .map(|finding| short(finding))
        .collect();
    if !left.is_empty() {
        let listed = format!(
            "and {} more (`openbao-perimeter check` prints all): {}",
            left.len(),
            left.join("; ")
        );
        text.push(&[cut(&listed, WIDTH)]);
    }
    let mut shown: Vec<Step> = Vec::new();
    for finding in &denied {
        for (at, step) in steps(finding).into_iter().take(REMEDIES).enumerate() {
            let prefix = if at == 0 { "to do" } else { "or" };
            if !shown.contains(&step) && text.step(&step, prefix, shown.is_empty()) {
                shown.push(step);
            }
        }
    }
    text.push_all(&end);
    printable::lines(&text.done).into_owned()
}

/// One finding with its best remedies, on several lines.
pub fn long(finding: &Finding) -> String {
    let mut all = block(finding);
    for (at, step) in steps(finding).iter().take(REMEDIES).enumerate() {
        all.extend(lines(step, if at == 0 { "to do" } else { "or" }));
    }
    all.join("\n")
}

/// The text so far, and the number of lines left.
struct Text {
    done: String,
    room: usize,
}

impl Text {
    const fn new() -> Self {
        Self {
            done: String::new(),
            // The first line of the message follows kubectl's text.
            room: LINES - BEFORE.div_ceil(WIDTH),
        }
    }

    fn push(&mut self, lines: &[String]) {
        self.room = self.room.saturating_sub(total(lines));
        self.push_all(lines);
    }

    fn push_all(&mut self, lines: &[String]) {
        for line in lines {
            let newline = if self.done.is_empty() { "" } else { "\n" };
            let _ = write!(self.done, "{newline}{line}");
        }
    }

    /// Writes a remedy if there is room. The first one may be written in part.
    fn step(&mut self, step: &Step, prefix: &str, is_first: bool) -> bool {
        let mut all = lines(step, prefix);
        if total(&all) > self.room {
            if !is_first || self.room <= MIN_YAML {
                return false;
            }
            while total(&all) + 1 > self.room && all.len() > 1 {
                all.pop();
            }
            all.push("    # … `openbao-perimeter check` prints all of it".to_owned());
        }
        self.push(&all);
        true
    }
}

/// Rule, object and field, reason, example.
fn block(finding: &Finding) -> Vec<String> {
    let (code, name) = (finding.code, finding.code.name());
    let path = if finding.path.is_empty() {
        String::new()
    } else {
        format!(", {}", finding.path)
    };
    let mut all = vec![
        cut(
            &format!("{code} {name}: {}{path}", finding.object),
            2 * WIDTH,
        ),
        cut(&format!("  {}", reason(finding)), REASON * WIDTH),
    ];
    if let Some(example) = example(finding) {
        let label = finding.example_label;
        all.push(cut(&format!("  {label}: {example}"), EXAMPLE * WIDTH));
    }
    let effective = finding.effective.iter();
    all.extend(effective.map(|text| cut(&format!("  note: {text}"), EXAMPLE * WIDTH)));
    all
}

/// A finding without room for details.
fn short(finding: &Finding) -> String {
    let text = format!("{} {}", finding.code, finding.path);
    text.trim_end().to_owned()
}

fn lines(step: &Step, prefix: &str) -> Vec<String> {
    let heading = format!("  {prefix}: {}", step.heading);
    let yaml = step.yaml.lines().map(|line| format!("    {line}"));
    std::iter::once(heading).chain(yaml).collect()
}

/// Number of terminal lines of these lines.
fn total(lines: &[String]) -> usize {
    lines.iter().map(|line| height(line)).sum()
}

fn height(line: &str) -> usize {
    line.chars().count().div_ceil(WIDTH).max(1)
}
