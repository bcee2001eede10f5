//! Questions to the catalogue, as scalar SQL expressions. Their answers are
//! kept over a crash and compared in another session, so they depend on no
//! limit or collation of a session; where the server itself shows a
//! definition by the session's settings, the answer says by which.

use super::words::Name;
use crate::backend::Settled;

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
    Index {
        table: Name,
        index: String,
    },
    /// With its table where that is known: the server then looks at no other.
    Trigger {
        name: Name,
        table: Option<String>,
    },
}

/// A scalar SQL expression, and how to read its answers: at most 64 ASCII
/// characters each, `<session>:<state>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    expression: String,
    /// The state once the statement has taken effect; any other than before
    /// if there is none.
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
            Some(done) if now != *done => Settled::Unknown,
            _ => Settled::Done,
        }
    }

    /// Which of the objects are there, and which will be once it is done.
    pub(super) fn existence(objects: &[Object], done: &[bool]) -> Option<Self> {
        if objects.is_empty() || objects.len() > MAX_OBJECTS {
            return None;
        }
        let found: Vec<String> = objects.iter().map(Object::state).collect();
        let session = if objects.iter().any(Object::is_in_current_schema) {
            text(&format!("CRC32({})", text("DATABASE()")))
        } else {
            mark('0')
        };
        let state = done.iter().map(|&there| if there { '1' } else { '0' });
        Some(Self {
            expression: format!("CONCAT({session},{},{})", mark(':'), found.join(",")),
            done: Some(state.collect()),
        })
    }

    /// All of a table's definition: columns, indexes, constraints, options
    /// and partitions; nothing that rows or statistics change.
    pub(super) fn definition(table: &Name) -> Self {
        let of = |schema: &str, name: &str| condition(schema, name, table);
        let table_itself = select(
            &format!(
                "CONCAT({},{})",
                looked_at('+', '-'),
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
            | Self::Index { table: name, .. }
            | Self::Trigger { name, .. } => name.schema.is_none(),
            Self::Database(_) => false,
        }
    }

    /// One character: whether the object is there.
    fn state(&self) -> String {
        let exists = |view: &str, condition: String| {
            text(&format!(
                "EXISTS(SELECT 1 FROM information_schema.{view} WHERE {condition})"
            ))
        };
        // Of a table that can't be looked at these views have no rows.
        let of_table = |table: &Name, exists: String| {
            let table = select(
                &looked_at('1', '0'),
                "TABLES",
                &condition("TABLE_SCHEMA", "TABLE_NAME", table),
            );
            let unknown = mark('?');
            format!("IF({table} = {unknown},{unknown},{exists})")
        };
        let routine = |name: &Name, kind: &str| {
            let named = condition("ROUTINE_SCHEMA", "ROUTINE_NAME", name);
            exists("ROUTINES", format!("{named} AND ROUTINE_TYPE = '{kind}'"))
        };
        match self {
            Self::Table(name) => {
                let named = condition("TABLE_SCHEMA", "TABLE_NAME", name);
                // MariaDB shows those of the session since version 11.2.
                let lasting = format!("{named} AND NOT TABLE_TYPE <=> 'TEMPORARY'");
                select(&looked_at('1', '0'), "TABLES", &lasting)
            }
            Self::Procedure(name) => routine(name, "PROCEDURE"),
            Self::Function(name) => routine(name, "FUNCTION"),
            Self::Event(name) => exists("EVENTS", condition("EVENT_SCHEMA", "EVENT_NAME", name)),
            Self::Database(name) => exists("SCHEMATA", format!("SCHEMA_NAME = {}", literal(name))),
            Self::Index { table, index } => {
                let named = condition("TABLE_SCHEMA", "TABLE_NAME", table);
                let index = format!("{named} AND INDEX_NAME = {}", literal(index));
                of_table(table, exists("STATISTICS", index))
            }
            Self::Trigger { name, table } => {
                let named = condition("EVENT_OBJECT_SCHEMA", "TRIGGER_NAME", name);
                match table {
                    None => exists("TRIGGERS", named),
                    Some(table) => {
                        let on = format!("{named} AND EVENT_OBJECT_TABLE = {}", literal(table));
                        let table = Name {
                            schema: name.schema.clone(),
                            name: table.clone(),
                        };
                        of_table(&table, exists("TRIGGERS", on))
                    }
                }
            }
        }
    }
}

/// Whether there is a table, or `?` for one that is locked or broken: MariaDB
/// then shows a row without an engine, and says why in a warning only.
fn looked_at(there: char, absent: char) -> String {
    format!(
        "IFNULL(MAX(IF(ENGINE IS NULL AND NOT TABLE_TYPE <=> 'VIEW',{},{})),{})",
        mark('?'),
        mark(there),
        mark(absent)
    )
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
        "{schema_column} = {} AND {name_column} = {}",
        schema(name),
        literal(&name.name)
    )
}

fn schema(name: &Name) -> String {
    name.schema
        .as_deref()
        .map_or_else(|| "DATABASE()".to_owned(), literal)
}

/// A name as a literal of the character set that the catalogue has: were its
/// column converted, the server would open every table to compare.
fn literal(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02X}")).collect();
    format!("_utf8mb3 X'{hex}'")
}
