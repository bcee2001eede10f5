//! Questions to the catalogue, as scalar SQL expressions. Their answers are
//! kept over a crash and compared in another session, so they depend on no
//! limit or collation of a session; where the server itself shows a
//! definition by the session's settings, the answer says by which.

use migrate_core::Dialect;

use super::words::Name;
use crate::backend::Settled;
use crate::quote;

/// As many objects as the answer's record has place for.
const MAX_OBJECTS: usize = 32;

/// Something in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    /// A table, view or sequence: they share their names.
    Table(Name),
    Procedure(Name),
    Function(Name),
    Event(Name),
    Database(String),
    /// With its table where that is known: the server then looks at no other.
    Trigger {
        name: Name,
        table: Option<String>,
    },
}

/// Something of a table's that has a name.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) kind: PartKind,
    pub(super) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    Column,
    Index,
    ForeignKey,
    Check,
    /// Of whatever kind.
    Constraint,
}

/// A scalar SQL expression, and how to read its answers: at most 64 ASCII
/// characters each, `<session>:<state>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    expression: String,
    /// The state once the statement has taken effect, if that is known.
    done: Option<String>,
}

impl Question {
    /// The expression; `SELECT` and parentheses are the caller's.
    pub(super) fn expression(&self) -> &str {
        &self.expression
    }

    /// What became of the statement, by the answer from before it and the one
    /// of now. Both must come from sessions with the same settings and
    /// current database; where they didn't, or a part of the effect is there,
    /// the answer is that we don't know.
    pub(super) fn settled(&self, before: Option<&str>, now: Option<&str>) -> Settled {
        let parts = |answer: Option<&str>| {
            let (session, state) = answer?.split_once(':')?;
            // A table that could not be looked at.
            (!state.contains('?')).then(|| (session.to_owned(), state.to_owned()))
        };
        let (Some((session, before)), Some((session_now, now))) = (parts(before), parts(now))
        else {
            return Settled::Unknown;
        };
        match &self.done {
            _ if session != session_now => Settled::Unknown,
            _ if now == before => Settled::Repeat,
            Some(done) if now == *done => Settled::Done,
            // Somebody may have changed it by hand.
            Some(_) | None => Settled::Unknown,
        }
    }

    /// Which of the objects are there, and which will be once it is done.
    pub(super) fn existence(objects: &[Object], done: &[bool]) -> Option<Self> {
        if objects.is_empty() || objects.len() > MAX_OBJECTS {
            return None;
        }
        let found: Vec<String> = objects.iter().map(Object::state).collect();
        let unqualified = objects.iter().any(Object::is_in_current_schema);
        let state = done.iter().map(|&there| if there { '1' } else { '0' });
        Some(Self {
            expression: format!("CONCAT({},':',{})", session(unqualified), found.join(",")),
            done: Some(state.collect()),
        })
    }

    /// How many of the parts are there, of those that will be once it is done
    /// and of those that won't.
    pub(super) fn parts(table: &Name, there: &[Part], gone: &[Part]) -> Self {
        let of_table = condition("TABLE_SCHEMA", "TABLE_NAME", table);
        let count = |kind, parts: &[Part]| {
            let names: Vec<String> = parts
                .iter()
                .filter(|part| part.kind == kind)
                .map(|part| literal(&part.name))
                .collect();
            let found = format!("{} IN({})", kind.name_condition(), names.join(","));
            (!names.is_empty()).then_some((found, names.len()))
        };
        let both = |kind| {
            let gone = count(kind, gone).map(|(found, _)| (found, 0));
            count(kind, there).into_iter().chain(gone)
        };
        let (columns, mut done): (Vec<_>, Vec<_>) = both(PartKind::Column)
            .map(|(found, number)| (format!("SUM({found})"), number.to_string()))
            .unzip();
        let in_columns = |counts: &str| {
            // Every table has a column: of one without, that can't be looked
            // at, this view has no rows.
            select(&format!("IF(COUNT(*),{counts},'?')"), "COLUMNS", &of_table)
        };
        let mut found = vec![match &columns[..] {
            [] => {
                done.push("1".to_owned());
                // The cheaper view, where only the table itself matters.
                select(&looked_at("1", "'?'"), "TABLES", &of_table)
            }
            [count] => in_columns(count),
            counts => in_columns(&format!("CONCAT({})", counts.join(",'/',"))),
        }];
        for kind in [
            PartKind::Index,
            PartKind::ForeignKey,
            PartKind::Check,
            PartKind::Constraint,
        ] {
            for (named, number) in both(kind) {
                let condition = format!("{of_table} AND {named}");
                found.push(select("COUNT(*)", kind.view(), &condition));
                done.push(number.to_string());
            }
        }
        Self {
            expression: format!(
                "CONCAT({},':',{})",
                session(table.schema.is_none()),
                found.join(",'/',")
            ),
            done: Some(done.join("/")),
        }
    }

    /// All of a table's definition: columns, indexes, constraints, options
    /// and partitions; nothing that rows or statistics change.
    pub(super) fn definition(table: &Name) -> Self {
        let of = |schema: &str, name: &str| condition(schema, name, table);
        let table_itself = select(
            &format!(
                "CONCAT({},{})",
                text(&looked_at("'+'", "'-'")),
                sum(
                    "TABLE_TYPE ENGINE ROW_FORMAT TABLE_COLLATION CREATE_OPTIONS TABLE_COMMENT",
                    ""
                )
            ),
            "TABLES",
            &of("TABLE_SCHEMA", "TABLE_NAME"),
        );
        let columns = digest(
            "COLUMNS",
            "COLUMN_NAME ORDINAL_POSITION COLUMN_DEFAULT IS_NULLABLE COLUMN_TYPE CHARACTER_SET_NAME COLLATION_NAME \
             EXTRA COLUMN_COMMENT GENERATION_EXPRESSION",
            "",
            &of("TABLE_SCHEMA", "TABLE_NAME"),
        );
        // The two servers have different columns here; each reads its own
        // comment. MariaDB skips all those of MySQL 5.7 and later.
        let indexes = digest(
            "STATISTICS",
            "INDEX_NAME NON_UNIQUE SEQ_IN_INDEX COLUMN_NAME COLLATION SUB_PART INDEX_TYPE COMMENT INDEX_COMMENT",
            &format!(
                "/*!80013 ,{},{} */ /*M!100600 ,{} */",
                quoted("EXPRESSION"),
                quoted("IS_VISIBLE"),
                quoted("IGNORED")
            ),
            &of("TABLE_SCHEMA", "TABLE_NAME"),
        );
        let keys = digest(
            "KEY_COLUMN_USAGE",
            "CONSTRAINT_NAME COLUMN_NAME ORDINAL_POSITION REFERENCED_TABLE_SCHEMA REFERENCED_TABLE_NAME \
             REFERENCED_COLUMN_NAME",
            "",
            &of("TABLE_SCHEMA", "TABLE_NAME"),
        );
        let references = digest(
            "REFERENTIAL_CONSTRAINTS",
            "CONSTRAINT_NAME MATCH_OPTION UPDATE_RULE DELETE_RULE UNIQUE_CONSTRAINT_NAME",
            "",
            &of("CONSTRAINT_SCHEMA", "TABLE_NAME"),
        );
        let partitions = digest(
            "PARTITIONS",
            "PARTITION_NAME SUBPARTITION_NAME PARTITION_ORDINAL_POSITION SUBPARTITION_ORDINAL_POSITION PARTITION_METHOD \
             SUBPARTITION_METHOD PARTITION_EXPRESSION SUBPARTITION_EXPRESSION PARTITION_DESCRIPTION PARTITION_COMMENT",
            "",
            &of("TABLE_SCHEMA", "TABLE_NAME"),
        );
        // MySQL has no table's name beside its checks.
        let checks = format!(
            "/*M!100310 ,{} */ /*!80016 ,{},{} */",
            digest(
                "CHECK_CONSTRAINTS",
                "CONSTRAINT_NAME CHECK_CLAUSE",
                "",
                &of("CONSTRAINT_SCHEMA", "TABLE_NAME"),
            ),
            digest(
                "TABLE_CONSTRAINTS",
                "CONSTRAINT_NAME CONSTRAINT_TYPE ENFORCED",
                "",
                &of("TABLE_SCHEMA", "TABLE_NAME"),
            ),
            digest(
                "CHECK_CONSTRAINTS",
                "CONSTRAINT_NAME CHECK_CLAUSE",
                "",
                &format!(
                    "CONSTRAINT_SCHEMA = {} AND CONSTRAINT_NAME IN (SELECT CONSTRAINT_NAME FROM \
                     information_schema.TABLE_CONSTRAINTS WHERE {} AND CONSTRAINT_TYPE = 'CHECK')",
                    schema(table),
                    of("TABLE_SCHEMA", "TABLE_NAME")
                ),
            )
        );
        let settings = [
            "DATABASE()",
            "@@sql_mode",
            "@@time_zone",
            "@@sql_quote_show_create",
            "VERSION()",
            "CURRENT_USER()",
        ]
        .map(quoted)
        .join(",");
        let comma = mark(',');
        let session = text(&format!("CRC32(CONCAT_WS({comma},{settings}))"));
        let rest = text(&format!(
            "MD5(CONCAT_WS({comma},{columns},{indexes},{keys},{references},{partitions} {checks}))"
        ));
        Self {
            expression: format!(
                "CONCAT({session},{},{table_itself},{comma},{rest})",
                mark(':')
            ),
            done: None,
        }
    }
}

impl Object {
    fn is_in_current_schema(&self) -> bool {
        match self {
            Self::Table(name)
            | Self::Procedure(name)
            | Self::Function(name)
            | Self::Event(name)
            | Self::Trigger { name, .. } => name.schema.is_none(),
            Self::Database(_) => false,
        }
    }

    /// One character: whether the object is there.
    fn state(&self) -> String {
        let count = |view: &str, condition: String| select("COUNT(*)", view, &condition);
        let routine = |name: &Name, kind: &str| {
            let named = condition("ROUTINE_SCHEMA", "ROUTINE_NAME", name);
            count("ROUTINES", format!("{named} AND ROUTINE_TYPE='{kind}'"))
        };
        match self {
            Self::Table(name) => {
                let named = condition("TABLE_SCHEMA", "TABLE_NAME", name);
                // MariaDB shows those of the session since version 11.2.
                let lasting = format!("{named} AND COALESCE(TABLE_TYPE,'.')<>'TEMPORARY'");
                select(&looked_at("1", "0"), "TABLES", &lasting)
            }
            Self::Procedure(name) => routine(name, "PROCEDURE"),
            Self::Function(name) => routine(name, "FUNCTION"),
            Self::Event(name) => count("EVENTS", condition("EVENT_SCHEMA", "EVENT_NAME", name)),
            Self::Database(name) => count("SCHEMATA", format!("SCHEMA_NAME={}", literal(name))),
            Self::Trigger { name, table } => {
                let named = condition("EVENT_OBJECT_SCHEMA", "TRIGGER_NAME", name);
                let Some(table) = table else {
                    return count("TRIGGERS", named);
                };
                let on = format!("{named} AND EVENT_OBJECT_TABLE={}", literal(table));
                let table = Name {
                    schema: name.schema.clone(),
                    name: table.clone(),
                };
                select(
                    &format!("IF(COUNT(*),{},'?')", count("TRIGGERS", on)),
                    "COLUMNS",
                    &condition("TABLE_SCHEMA", "TABLE_NAME", &table),
                )
            }
        }
    }
}

impl Part {
    /// Whether it may be the same for the server, whatever the case: a
    /// constraint may be any of the others but a column.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        let constrains = |this: &Self, other: &Self| {
            this.kind == PartKind::Constraint && other.kind != PartKind::Column
        };
        let kinds = self.kind == other.kind || constrains(self, other) || constrains(other, self);
        kinds && self.name.to_lowercase() == other.name.to_lowercase()
    }
}

impl PartKind {
    pub(super) fn named(self, name: String) -> Part {
        Part { kind: self, name }
    }

    fn view(self) -> &'static str {
        match self {
            Self::Column => "COLUMNS",
            Self::Index => "STATISTICS",
            Self::ForeignKey | Self::Check | Self::Constraint => "TABLE_CONSTRAINTS",
        }
    }

    /// What is true of one row for each, up to the name.
    fn name_condition(self) -> &'static str {
        match self {
            Self::Column => "COLUMN_NAME",
            Self::Index => "SEQ_IN_INDEX=1 AND INDEX_NAME",
            Self::ForeignKey => "CONSTRAINT_TYPE='FOREIGN KEY' AND CONSTRAINT_NAME",
            Self::Check => "CONSTRAINT_TYPE='CHECK' AND CONSTRAINT_NAME",
            Self::Constraint => "CONSTRAINT_NAME",
        }
    }
}

/// Who asks, for not everybody sees everything, and in which database, if a
/// name stands without one.
fn session(unqualified: bool) -> &'static str {
    // Both are in the catalogue's character set, whatever the session's.
    if unqualified {
        "(CRC32(CURRENT_USER())^CRC32(DATABASE()))"
    } else {
        "CRC32(CURRENT_USER())"
    }
}

/// Whether there is a table, or `?` for one that is locked or broken: MariaDB
/// then shows a row without an engine, and says why in a warning only.
fn looked_at(there: &str, absent: &str) -> String {
    // The expressions do without NOT, which binds by sql_mode.
    format!("COALESCE(MAX(IF(LENGTH(ENGINE) OR TABLE_TYPE='VIEW',{there},'?')),{absent})")
}

/// The rows of a catalogue's view as their number and a sum, whatever their
/// order.
fn digest(view: &str, columns: &str, more: &str, condition: &str) -> String {
    let count = text("COUNT(*)");
    let value = format!("CONCAT({count},{},{})", mark('/'), sum(columns, more));
    select(&value, view, condition)
}

fn select(value: &str, view: &str, condition: &str) -> String {
    format!("(SELECT {value} FROM information_schema.{view} WHERE {condition})")
}

/// The sum of the rows' checksums: GROUP_CONCAT is cut at a length that the
/// session sets.
fn sum(columns: &str, more: &str) -> String {
    let columns: Vec<String> = columns.split_ascii_whitespace().map(quoted).collect();
    let row = format!("CONCAT_WS({},{}{more})", mark(','), columns.join(","));
    text(&format!("IFNULL(SUM(CRC32({row})),0)"))
}

/// A value as text in quotes, so that NULL, commas and what stands between
/// them are told apart.
fn quoted(value: &str) -> String {
    format!("QUOTE({})", text(value))
}

/// A value in the one character set: its bytes must not depend on the
/// session's.
fn text(value: &str) -> String {
    format!("CONVERT({value} USING utf8mb4)")
}

/// A character of our own between values.
fn mark(character: char) -> String {
    format!("_utf8mb4 X'{:02X}'", u32::from(character))
}

fn condition(schema_column: &str, name_column: &str, name: &Name) -> String {
    format!(
        "{schema_column}={} AND {name_column}={}",
        schema(name),
        literal(&name.name)
    )
}

fn schema(name: &Name) -> String {
    name.schema
        .as_deref()
        .map_or_else(|| "DATABASE()".to_owned(), literal)
}

/// A name as a literal that the server compares in the character set of the
/// catalogue: were its column converted, every table would be opened for it.
fn literal(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
    if name.bytes().all(plain) {
        return quote::literal(Dialect::MySql, name);
    }
    let hex: String = name.bytes().map(|byte| format!("{byte:02X}")).collect();
    format!("_utf8mb3 X'{hex}'")
}
