//! One `migrate` table of a manifest, validated. Pure: from JSON, as Cargo
//! gives it, to values and problems.

use std::collections::BTreeMap;
use std::time::Duration;

use migrate_core::{Ahead, Dialect, OutOfOrder, SameVersion};
use migrate_runtime::DatabaseUrl;
use serde_json::{Map, Value};

use super::finding::{Problem, Spot};
use super::{Lint, UNNAMED_DATABASE};
use crate::workspace::nearest::nearest;

/// PostgreSQL cuts longer names off in silence; MySQL allows one more.
const MAX_NAME_BYTES: usize = 63;

const KEYS: [&str; 18] = [
    "ahead",
    "backend",
    "bin",
    "database-url-command",
    "database-url-env",
    "default-url",
    "directory",
    "history-table",
    "lint",
    "lock-timeout",
    "lock-tries",
    "out-of-order",
    "same-version",
    "schema",
    "schema-file",
    "session-setup",
    "shadow-url-env",
    "statement-timeout",
];

/// Keys of a package's own table alone.
const PACKAGE_KEYS: [&str; 2] = ["database", "service"];

/// What one table says; none for what it does not.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) directory: Option<Vec<String>>,
    pub(super) backend: Option<Dialect>,
    pub(super) url_env: Option<String>,
    pub(super) url_command: Option<String>,
    pub(super) default_url: Option<DatabaseUrl>,
    pub(super) schema: Option<String>,
    pub(super) out_of_order: Option<OutOfOrder>,
    pub(super) ahead: Option<Ahead>,
    pub(super) same_version: Option<SameVersion>,
    pub(super) lock_timeout: Option<Limit>,
    pub(super) lock_tries: Option<u32>,
    pub(super) statement_timeout: Option<Limit>,
    pub(super) history_table: Option<String>,
    pub(super) session_setup: Option<Vec<String>>,
    pub(super) schema_file: Option<String>,
    pub(super) shadow_url_env: Option<String>,
    pub(super) bin: Option<String>,
    pub(super) lint: Option<Lint>,
}

/// A configured duration, where `0` means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit(pub(super) Option<Duration>);

/// A package's table, with those of its further databases.
#[derive(Debug, Clone, Default)]
pub(super) struct PackageLayer {
    pub(super) main: Layer,
    pub(super) databases: BTreeMap<String, Layer>,
    pub(super) standing: Standing,
}

/// Whether a member with migrations is a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// One with databases of its own.
    #[default]
    Service,
    /// None: its migrations are there for others to merge.
    Merged,
}

/// Where a package says that it is none.
pub(super) const SERVICE_KEY: [&str; 4] = ["package", "metadata", "migrate", "service"];

/// Reads `[workspace.metadata.migrate]`.
pub(super) fn workspace(metadata: &Value, problems: &mut Vec<Problem>) -> Layer {
    let Some(value) = metadata.get("migrate") else {
        return Layer::default();
    };
    let Some(mut table) = Table::open(value, &["workspace", "metadata", "migrate"], problems)
    else {
        return Layer::default();
    };
    let layer = table.layer();
    table.refuse_unknown(&KEYS, "it belongs in the Cargo.toml of one package");
    layer
}

/// Reads `[package.metadata.migrate]`; none where there is no such table.
pub(super) fn package(metadata: &Value, problems: &mut Vec<Problem>) -> Option<PackageLayer> {
    let value = metadata.get("migrate")?;
    let at = ["package", "metadata", "migrate"];
    let Some(mut table) = Table::open(value, &at, problems) else {
        return Some(PackageLayer::default());
    };
    let main = table.layer();
    let standing = table.standing();
    let keys: Vec<&str> = KEYS.into_iter().chain(PACKAGE_KEYS).collect();
    table.refuse_unknown(&keys, "");
    let mut package = PackageLayer {
        main,
        databases: BTreeMap::new(),
        standing,
    };
    let Some(value) = value.get("database") else {
        return Some(package);
    };
    let at = [at[0], at[1], at[2], "database"];
    let Some(databases) = Table::open(value, &at, problems).map(|table| table.values) else {
        return Some(package);
    };
    for (name, value) in databases {
        let at = [at[0], at[1], at[2], at[3], name.as_str()];
        if name == UNNAMED_DATABASE {
            problems.push(Problem {
                path: at.map(str::to_owned).to_vec(),
                spot: Spot::Key,
                message: format!("`{UNNAMED_DATABASE}` is the name of the service's main database"),
                help: Some("configure that one in [package.metadata.migrate] itself".into()),
            });
            continue;
        }
        let Some(mut table) = Table::open(value, &at, problems) else {
            continue;
        };
        let layer = table.layer();
        if !table.values.contains_key("directory") {
            table.problem(
                None,
                Spot::Key,
                format!("database `{name}` names no `directory`"),
                Some(format!("add directory = \"{name}/migrations\"")),
            );
        }
        table.refuse_unknown(&KEYS, "it belongs in [package.metadata.migrate]");
        package.databases.insert(name.clone(), layer);
    }
    Some(package)
}

/// A table under inspection.
struct Table<'v, 'p> {
    path: Vec<String>,
    values: &'v Map<String, Value>,
    problems: &'p mut Vec<Problem>,
}

impl<'v, 'p> Table<'v, 'p> {
    fn open(value: &'v Value, path: &[&str], problems: &'p mut Vec<Problem>) -> Option<Self> {
        let path: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
        if let Value::Object(values) = value {
            return Some(Self {
                path,
                values,
                problems,
            });
        }
        let message = format!(
            "`{}` must be a table, not {}",
            path.last().map_or("", String::as_str),
            kind(value)
        );
        problems.push(Problem {
            path,
            spot: Spot::Key,
            message,
            help: None,
        });
        None
    }

    fn layer(&mut self) -> Layer {
        Layer {
            directory: self.directory(),
            backend: self.parsed("backend", |text| {
                text.parse().map_err(|_| {
                    format!("unknown backend `{text}`, expected postgres, mysql or sqlite")
                })
            }),
            url_env: self.parsed("database-url-env", variable),
            url_command: self.parsed("database-url-command", filled),
            default_url: self.default_url(),
            schema: self.parsed("schema", identifier),
            out_of_order: self.choice(
                "out-of-order",
                &[
                    ("refuse", OutOfOrder::Refuse),
                    ("warn", OutOfOrder::Warn),
                    ("allow", OutOfOrder::Allow),
                ],
            ),
            ahead: self.choice(
                "ahead",
                &[
                    ("ok", Ahead::Ok),
                    ("warn", Ahead::Warn),
                    ("fail", Ahead::Fail),
                ],
            ),
            same_version: self.choice(
                "same-version",
                &[("refuse", SameVersion::Refuse), ("last", SameVersion::Last)],
            ),
            lock_timeout: self.parsed("lock-timeout", limit),
            lock_tries: self.tries(),
            statement_timeout: self.parsed("statement-timeout", limit),
            history_table: self.parsed("history-table", identifier),
            session_setup: self.strings("session-setup"),
            schema_file: self.parsed("schema-file", filled),
            shadow_url_env: self.parsed("shadow-url-env", variable),
            bin: self.parsed("bin", filled),
            lint: self.lint(),
        }
    }

    fn standing(&mut self) -> Standing {
        match self.values.get("service") {
            None | Some(Value::Bool(true)) => Standing::Service,
            Some(Value::Bool(false)) => Standing::Merged,
            Some(other) => {
                let message = format!("`service` must be true or false, not {}", kind(other));
                self.problem(Some("service"), Spot::Value, message, None);
                Standing::Service
            }
        }
    }

    fn tries(&mut self) -> Option<u32> {
        let key = "lock-tries";
        let value = self.values.get(key)?;
        let tries = value.as_u64().and_then(|tries| u32::try_from(tries).ok());
        if let Some(tries) = tries.filter(|&tries| tries > 0) {
            return Some(tries);
        }
        let message = format!("`{key}` must be a number from 1 on, not {value}");
        self.problem(Some(key), Spot::Value, message, None);
        None
    }

    fn string(&mut self, key: &str) -> Option<&'v str> {
        let value = self.values.get(key)?;
        if let Value::String(text) = value {
            return Some(text);
        }
        let help = match value {
            Value::Number(number) if key.ends_with("-timeout") => {
                Some(format!("write {key} = \"{number}s\""))
            }
            _ => None,
        };
        self.problem(
            Some(key),
            Spot::Value,
            format!("`{key}` must be a string, not {}", kind(value)),
            help,
        );
        None
    }

    fn parsed<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.string(key)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problem(Some(key), Spot::Value, format!("`{key}`: {reason}"), None);
                None
            }
        }
    }

    /// A URL that cannot be read is never shown: it may hold a password.
    fn default_url(&mut self) -> Option<DatabaseUrl> {
        let key = "default-url";
        DatabaseUrl::parse(self.string(key)?)
            .map_err(|error| {
                let message = format!("`{key}`: {error}");
                let help = error.help().to_owned();
                self.problem(Some(key), Spot::Value, message, Some(help));
            })
            .ok()
    }

    fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "`{key}`: unknown choice `{text}`, expected {}",
            names.join(", ")
        );
        let help = nearest(text, names).map(|name| format!("did you mean `{name}`?"));
        self.problem(Some(key), Spot::Value, message, help);
        None
    }

    fn directory(&mut self) -> Option<Vec<String>> {
        match self.values.get("directory")? {
            Value::String(text) if !text.trim().is_empty() => Some(vec![text.clone()]),
            Value::String(_) => {
                self.problem(
                    Some("directory"),
                    Spot::Value,
                    "`directory` is empty".into(),
                    None,
                );
                None
            }
            Value::Array(_) => {
                let list = self.strings("directory")?;
                if list.is_empty() || list.iter().any(|text| text.trim().is_empty()) {
                    self.problem(
                        Some("directory"),
                        Spot::Value,
                        "`directory` is empty".into(),
                        None,
                    );
                    return None;
                }
                Some(list)
            }
            other => {
                let message = format!(
                    "`directory` must be a string or a list of strings, not {}",
                    kind(other)
                );
                self.problem(Some("directory"), Spot::Value, message, None);
                None
            }
        }
    }

    fn strings(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.values.get(key)?;
        let Value::Array(list) = value else {
            self.problem(
                Some(key),
                Spot::Value,
                format!("`{key}` must be a list of strings, not {}", kind(value)),
                None,
            );
            return None;
        };
        let mut texts = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            if let Value::String(text) = item {
                texts.push(text.clone());
                continue;
            }
            let mut path = self.path.clone();
            path.extend([key.to_owned(), index.to_string()]);
            let message = format!(
                "`{key}` must be a list of strings, and this is {}",
                kind(item)
            );
            self.problems.push(Problem {
                path,
                spot: Spot::Value,
                message,
                help: None,
            });
        }
        (texts.len() == list.len()).then_some(texts)
    }

    fn lint(&mut self) -> Option<Lint> {
        let value = self.values.get("lint")?;
        let path: Vec<&str> = self
            .path
            .iter()
            .map(String::as_str)
            .chain(["lint"])
            .collect();
        let mut table = Table::open(value, &path, self.problems)?;
        let lint = Lint {
            deny: table.strings("deny").unwrap_or_default(),
            allow: table.strings("allow").unwrap_or_default(),
        };
        table.refuse_unknown(&["allow", "deny"], "");
        if let Some(rule) = lint.deny.iter().find(|rule| lint.allow.contains(rule)) {
            table.problem(
                Some("allow"),
                Spot::Value,
                format!("lint rule `{rule}` is both denied and allowed"),
                None,
            );
        }
        Some(lint)
    }

    fn refuse_unknown(&mut self, keys: &[&str], note: &str) {
        for key in self
            .values
            .keys()
            .filter(|key| !keys.contains(&key.as_str()))
        {
            let elsewhere = PACKAGE_KEYS.contains(&key.as_str()) && !note.is_empty();
            let help = match nearest(key, keys.iter().copied()) {
                _ if elsewhere => note.to_owned(),
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the keys are {}", keys.join(", ")),
            };
            let mut path = self.path.clone();
            path.push(key.clone());
            self.problems.push(Problem {
                path,
                spot: Spot::Key,
                message: format!("unknown key `{key}`"),
                help: Some(help),
            });
        }
    }

    fn problem(&mut self, key: Option<&str>, spot: Spot, message: String, help: Option<String>) {
        let mut path = self.path.clone();
        path.extend(key.map(str::to_owned));
        self.problems.push(Problem {
            path,
            spot,
            message,
            help,
        });
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a float",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(text.to_owned())
}

fn variable(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['=', '\0', '$']) || text.contains(char::is_whitespace) {
        return Err("expected the name of a variable, such as CART_DATABASE_URL".to_owned());
    }
    Ok(text.to_owned())
}

fn identifier(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(bad) = text
        .chars()
        .find(|&c| c.is_control() || matches!(c, '.' | ',' | '"' | '`'))
    {
        return Err(format!(
            "expected one name without quotes, but it holds {bad:?}"
        ));
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(format!(
            "the name has {} bytes, databases keep {MAX_NAME_BYTES}",
            text.len()
        ));
    }
    Ok(text.to_owned())
}

fn limit(text: &str) -> Result<Limit, String> {
    if text.trim() == "0" {
        return Ok(Limit(None));
    }
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Ok(Limit(None)),
        Ok(duration) => Ok(Limit(Some(duration))),
        Err(_) => Err(format!(
            "`{text}` is no duration, write 500ms, 2s, 10min, or 0 for no limit"
        )),
    }
}
