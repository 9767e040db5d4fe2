//! A CEL expression of ours, as far as it is looked at: its text without spaces, and the lists of
//! quoted names in it, whose order says nothing.

use std::collections::BTreeSet;

/// An expression in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expression {
    /// The text without spaces, with `[]` in place of each list.
    pub skeleton: String,
    /// The lists, in order.
    pub lists: Vec<BTreeSet<String>>,
}

impl Expression {
    /// The parts of an expression. A list that is not one of plain quoted names stays in the
    /// skeleton.
    pub fn of(text: &str) -> Self {
        let mut parts = Self::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('[') {
            parts.push(before);
            let Some((list, then)) = after.split_once(']') else {
                parts.skeleton.push('[');
                rest = after;
                continue;
            };
            match names(list) {
                Some(names) => {
                    parts.skeleton.push_str("[]");
                    parts.lists.push(names);
                }
                None => parts.push(&format!("[{list}]")),
            }
            rest = then;
        }
        parts.push(rest);
        parts
    }

    fn push(&mut self, text: &str) {
        self.skeleton
            .extend(text.chars().filter(|c| !c.is_whitespace()));
    }
}

/// The names of a list such as `'a', 'b'`.
fn names(list: &str) -> Option<BTreeSet<String>> {
    let name = |item: &str| {
        let item = item.trim();
        let single = item
            .strip_prefix('\'')
            .and_then(|item| item.strip_suffix('\''));
        let double = || {
            item.strip_prefix('"')
                .and_then(|item| item.strip_suffix('"'))
        };
        let name = single.or_else(double)?;
        (!name.contains(['\'', '"', '\\'])).then(|| name.to_owned())
    };
    list.split(',').map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_quotes_and_the_order_of_names_say_nothing() {
        let one = Expression::of("!(request.userInfo.username in\n  ['b', 'a'])");
        let other = Expression::of("!(request.userInfo.username in [\"a\",\"b\"])");
        assert_eq!(one, other);
        assert_eq!(one.skeleton, "!(request.userInfo.usernamein[])");
        assert_eq!(
            one.lists,
            [BTreeSet::from(["a".to_owned(), "b".to_owned()])]
        );
    }

    #[test]
    fn what_is_no_list_of_names_stays_as_it_is() {
        for text in [
            "x[0]",
            "x in [y]",
            "x in ['a' + 'b']",
            "x in [",
            "x in ['a\\'']",
        ] {
            let parts = Expression::of(text);
            assert!(parts.lists.is_empty(), "{text}: {parts:?}");
            assert_eq!(parts.skeleton, text.replace(' ', ""));
        }
    }
}
