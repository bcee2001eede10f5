//! Many problems that say one thing of one target, told as one: the first few
//! are named, the others counted. Pure; whoever wants each asks for each.

use std::borrow::Cow;
use std::iter;

use super::Problem;

/// How many are named, and shown with their files.
const NAMED: usize = 3;

impl Problem {
    /// It and the others, each in its own right.
    #[must_use]
    pub fn each(&self) -> Vec<Cow<'_, Self>> {
        iter::once(self)
            .chain(&self.others)
            .map(Cow::Borrowed)
            .collect()
    }

    /// It and the others, with those of a kind as one.
    #[must_use]
    pub fn folded(&self) -> Vec<Cow<'_, Self>> {
        let mut groups: Vec<Vec<&Self>> = Vec::new();
        for problem in iter::once(self).chain(&self.others) {
            let alike = |group: &&mut Vec<&Self>| {
                problem.alike.is_some()
                    && group[0].alike == problem.alike
                    && group[0].label == problem.label
            };
            match groups.iter_mut().find(alike) {
                Some(group) => group.push(problem),
                None => groups.push(vec![problem]),
            }
        }
        groups.into_iter().map(|group| one(&group)).collect()
    }
}

fn one<'p>(group: &[&'p Problem]) -> Cow<'p, Problem> {
    let (first, Some(alike)) = (group[0], &group[0].alike) else {
        return Cow::Borrowed(group[0]);
    };
    if group.len() == 1 {
        return Cow::Borrowed(first);
    }
    let names: Vec<&str> = group
        .iter()
        .filter_map(|problem| Some(problem.migration.as_ref()?.name.as_str()))
        .collect();
    let mut list = names[..names.len().min(NAMED)].join(", ");
    if names.len() > NAMED {
        list.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    let shown = group.iter().take(NAMED);
    Cow::Owned(Problem {
        title: format!("{} migrations {alike}: {list}", group.len()),
        excerpts: shown
            .flat_map(|problem| problem.excerpts.iter().cloned())
            .collect(),
        diffs: group
            .iter()
            .take(NAMED)
            .flat_map(|problem| problem.diffs.iter().cloned())
            .collect(),
        notes: different(group.iter().flat_map(|problem| &problem.notes)),
        // Of commands that name one of them, one is enough.
        help: first.help.clone(),
        others: Vec::new(),
        ..first.clone()
    })
}

/// Each text once, in order.
fn different<'t>(texts: impl Iterator<Item = &'t String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        if !all.contains(text) {
            all.push(text.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use migrate_core::Direction;

    use super::super::Subject;
    use super::*;

    fn problem(label: &str, name: &str, alike: Option<&str>) -> Problem {
        let mut problem =
            Problem::new(crate::exit::Exit::Failed, format!("migration {name} is so"))
                .of(label)
                .with_help("do this");
        problem.alike = alike.map(str::to_owned);
        problem.migration = Some(Subject {
            name: name.to_owned(),
            version: name.to_owned(),
            direction: Direction::Up,
            statement: None,
        });
        problem
    }

    fn titles(mut problems: Vec<Problem>) -> Vec<String> {
        let mut first = problems.remove(0);
        first.others = problems;
        let told = first.folded();
        assert!(told.iter().all(|problem| problem.help == ["do this"]));
        told.iter().map(|problem| problem.headline()).collect()
    }

    #[test]
    fn those_of_a_kind_are_one_and_the_rest_stay_themselves() {
        let so = |name| problem("cart", name, Some("are so"));
        assert_eq!(titles(vec![so("1")]), ["cart: migration 1 is so"]);
        assert_eq!(
            titles(vec![so("1"), so("2")]),
            ["cart: 2 migrations are so: 1, 2"]
        );
        assert_eq!(
            titles(vec![
                so("1"),
                problem("cart", "a", None),
                so("2"),
                so("3"),
                problem("cart", "b", None),
                so("4"),
                problem("users", "1", Some("are so")),
                so("5"),
            ]),
            [
                "cart: 5 migrations are so: 1, 2, 3 and 2 more",
                "cart: migration a is so",
                "cart: migration b is so",
                "users: migration 1 is so",
            ]
        );
    }
}
