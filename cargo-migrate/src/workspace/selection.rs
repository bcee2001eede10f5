//! Which members a command means: Cargo's `-p`, `--workspace` and `--exclude`,
//! or the place where the command was started.

use glob::Pattern;

use super::nearest::nearest;
use super::{Member, Workspace};

/// What the selection flags say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// `-p`: names and globs.
    pub packages: Vec<String>,
    /// `--exclude`: names and globs.
    pub exclude: Vec<String>,
    /// Which members where `-p` names none.
    pub scope: Scope,
}

/// Which members are meant where none is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// The member around the current directory; at the root, all.
    #[default]
    Default,
    /// All, wherever we are.
    Workspace,
}

/// The members that a selection chose.
#[derive(Debug, Clone)]
pub struct Chosen<'w> {
    /// In Cargo's order.
    pub members: Vec<(&'w Member, Choice)>,
    /// Patterns of `--exclude` that no member matches: worth a warning.
    pub unmatched_excludes: Vec<String>,
}

/// How a member came to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// By its name: that it has no migrations is an error.
    Named,
    /// Along with others: without migrations it is passed over.
    Swept,
}

/// Why a selection selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// `-p` names no member.
    #[error("package `{name}` is not a member of the workspace")]
    NoSuchPackage {
        /// As it was typed.
        name: String,
        /// A member that may have been meant.
        nearest: Option<String>,
    },
    /// `-p` with a glob matches no member.
    #[error("no member of the workspace matches `{pattern}`")]
    NoMatch {
        /// As it was typed.
        pattern: String,
    },
    /// A malformed glob.
    #[error("`{pattern}` is not a pattern: {reason}")]
    BadPattern {
        /// As it was typed.
        pattern: String,
        /// What the parser says.
        reason: String,
    },
    /// `--exclude` left nothing.
    #[error("every selected package is excluded")]
    AllExcluded,
}

impl SelectionError {
    /// What to type instead; `services` are the members with migrations.
    #[must_use]
    pub fn help(&self, services: &[String]) -> String {
        let list = match services {
            [] => "no member has migrations; `cargo migrate init -p <package>` makes one a service"
                .to_owned(),
            services => format!("members with migrations: {}", services.join(", ")),
        };
        match self {
            Self::NoSuchPackage {
                nearest: Some(nearest),
                ..
            } => format!("did you mean `{nearest}`? {list}"),
            Self::NoSuchPackage { nearest: None, .. }
            | Self::NoMatch { .. }
            | Self::AllExcluded => list,
            Self::BadPattern { .. } => {
                "`*`, `?` and `[…]` are special in a package's name".to_owned()
            }
        }
    }
}

impl Workspace {
    /// The members that `selection` means.
    ///
    /// # Errors
    /// When a name or pattern of `-p` matches no member, a pattern is
    /// malformed, or `--exclude` leaves nothing.
    pub fn select(&self, selection: &Selection) -> Result<Chosen<'_>, SelectionError> {
        let include = specs(&selection.packages)?;
        let exclude = specs(&selection.exclude)?;
        for spec in &include {
            if !self.members.iter().any(|member| spec.matches(&member.name)) {
                return Err(self.unmatched(spec));
            }
        }
        let choice = |index: usize, member: &Member| {
            if !include.is_empty() {
                let mut matching = include
                    .iter()
                    .filter(|spec| spec.matches(&member.name))
                    .peekable();
                matching.peek()?;
                let named = matching.any(|spec| matches!(spec, Spec::Name(_)));
                return Some(if named { Choice::Named } else { Choice::Swept });
            }
            match (selection.scope, self.current) {
                (Scope::Default, Some(current)) => (current == index).then_some(Choice::Named),
                (Scope::Default, None) | (Scope::Workspace, _) => Some(Choice::Swept),
            }
        };
        let chosen = self
            .members
            .iter()
            .enumerate()
            .filter_map(|(index, member)| Some((member, choice(index, member)?)));
        let members: Vec<_> = chosen
            .filter(|(member, _)| !exclude.iter().any(|spec| spec.matches(&member.name)))
            .collect();
        if members.is_empty() && !exclude.is_empty() {
            return Err(SelectionError::AllExcluded);
        }
        let unmatched = exclude
            .iter()
            .filter(|spec| !self.members.iter().any(|member| spec.matches(&member.name)));
        Ok(Chosen {
            unmatched_excludes: unmatched.map(|spec| spec.text().to_owned()).collect(),
            members,
        })
    }

    fn unmatched(&self, spec: &Spec) -> SelectionError {
        match spec {
            Spec::Glob(pattern) => SelectionError::NoMatch {
                pattern: pattern.as_str().to_owned(),
            },
            Spec::Name(name) => SelectionError::NoSuchPackage {
                name: name.clone(),
                nearest: nearest(name, self.members.iter().map(|member| member.name.as_str()))
                    .map(str::to_owned),
            },
        }
    }
}

enum Spec {
    Name(String),
    Glob(Pattern),
}

impl Spec {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Glob(pattern) => pattern.matches(name),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Glob(pattern) => pattern.as_str(),
        }
    }
}

fn specs(texts: &[String]) -> Result<Vec<Spec>, SelectionError> {
    let spec = |text: &String| {
        if !text.contains(['*', '?', '[']) {
            return Ok(Spec::Name(text.clone()));
        }
        Pattern::new(text)
            .map(Spec::Glob)
            .map_err(|error| SelectionError::BadPattern {
                pattern: text.clone(),
                reason: error.msg.to_owned(),
            })
    };
    texts.iter().map(spec).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn workspace(current: Option<usize>) -> Workspace {
        let members = ["users", "cart", "cart-api", "orders"].map(|name| Member {
            name: name.to_owned(),
            root: format!("/shop/{name}").into(),
            manifest: format!("/shop/{name}/Cargo.toml").into(),
            metadata: Value::Null,
        });
        Workspace {
            root: "/shop".into(),
            metadata: Value::Null,
            members: members.into(),
            current,
        }
    }

    fn select(
        current: Option<usize>,
        packages: &[&str],
        exclude: &[&str],
        scope: Scope,
    ) -> Result<String, SelectionError> {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        let selection = Selection {
            packages: texts(packages),
            exclude: texts(exclude),
            scope,
        };
        let workspace = workspace(current);
        let chosen = workspace.select(&selection)?;
        let names = chosen.members.iter().map(|(member, choice)| match choice {
            Choice::Named => format!("{}!", member.name),
            Choice::Swept => member.name.clone(),
        });
        Ok(names
            .chain(
                chosen
                    .unmatched_excludes
                    .iter()
                    .map(|text| format!("?{text}")),
            )
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn selection_is_cargos() {
        use Scope::{Default, Workspace};
        for (current, packages, exclude, scope, expected) in [
            (
                None,
                &[][..],
                &[][..],
                Default,
                "users cart cart-api orders",
            ),
            (Some(1), &[], &[], Default, "cart!"),
            (Some(1), &[], &[], Workspace, "users cart cart-api orders"),
            (
                Some(1),
                &["orders", "users"],
                &[],
                Default,
                "users! orders!",
            ),
            (None, &["cart*"], &[], Default, "cart cart-api"),
            (None, &["cart*", "cart"], &[], Default, "cart! cart-api"),
            (
                None,
                &[],
                &["cart*", "nobody"],
                Workspace,
                "users orders ?nobody",
            ),
        ] {
            assert_eq!(select(current, packages, exclude, scope).unwrap(), expected);
        }
    }

    #[test]
    fn a_package_that_is_no_member_is_named_with_the_nearest() {
        let error = select(None, &["crat"], &[], Scope::Default).unwrap_err();
        assert_eq!(
            error.to_string(),
            "package `crat` is not a member of the workspace"
        );
        assert_eq!(
            error.help(&["users".into(), "cart".into()]),
            "did you mean `cart`? members with migrations: users, cart"
        );
        let error = select(None, &["x*"], &[], Scope::Default).unwrap_err();
        assert_eq!(error.to_string(), "no member of the workspace matches `x*`");
        assert!(error.help(&[]).contains("cargo migrate init"));
    }

    #[test]
    fn selecting_nothing_is_an_error() {
        assert_eq!(
            select(None, &["cart"], &["c*"], Scope::Default),
            Err(SelectionError::AllExcluded)
        );
        assert!(matches!(
            select(None, &["[a"], &[], Scope::Default),
            Err(SelectionError::BadPattern { .. })
        ));
    }
}
