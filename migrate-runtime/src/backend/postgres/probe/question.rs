//! Questions to the catalogue, as scalar SQL expressions, and what two answers
//! to one of them mean.

use migrate_core::{Checksum, Dialect};

use super::words::Name;
use crate::quote::literal;

/// The answer's place in its record, less the mark of its question.
const LONGEST_ANSWER: usize = 240;
/// What stands for an answer that is longer.
const TOO_LONG: &str = "?";

/// What is asked before a statement and after it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::backend::postgres) struct Question {
    pub(in crate::backend::postgres) subject: Subject,
    expression: String,
    mark: String,
}

/// What a question is about.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::backend::postgres) enum Subject {
    /// An index that is built: the answer is which ones its table has.
    Build(Built),
    /// Indexes that are rebuilt: the answer is which half-built ones there are.
    Rebuild,
    /// Something that is there or not: the answer is its identity.
    Object(Presence),
    /// A partition: the answer is whose it is, and whether it is on its way.
    Detach(Detached),
}

/// An index that `CREATE INDEX CONCURRENTLY` builds.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::backend::postgres) struct Built {
    pub(in crate::backend::postgres::probe) name: Option<String>,
    pub(in crate::backend::postgres::probe) table: Name,
    /// IF NOT EXISTS.
    pub(in crate::backend::postgres) tolerant: bool,
    pub(in crate::backend::postgres::probe) unique: bool,
    /// What stands behind the table's name.
    pub(in crate::backend::postgres::probe) rest: String,
}

/// A partition that is detached concurrently.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::backend::postgres) struct Detached {
    pub(in crate::backend::postgres::probe) parent: Name,
    pub(in crate::backend::postgres::probe) partition: Name,
}

/// What `REINDEX CONCURRENTLY` rebuilds.
#[derive(Debug)]
pub(super) enum Rebuilt {
    Index(Name),
    Table(Name),
    Schema(String),
    Database,
}

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend::postgres) enum Presence {
    Appears,
    Disappears,
}

/// What two answers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend::postgres) enum Judgement {
    Done,
    Repeat,
    /// It took effect by half, and can be brought to its end.
    Finish,
    Unknown,
}

impl Question {
    fn new(subject: Subject, answer: &str, about: &str) -> Self {
        let mark = Checksum::raw(&format!("{about}\n{answer}")).to_string();
        Self {
            subject,
            expression: answer.to_owned(),
            mark: mark[..8].to_owned(),
        }
    }

    pub(super) fn of_build(built: Built, statement: &str) -> Self {
        let table = built.table.as_text();
        let answer = format!(
            "SELECT string_agg(i.indexrelid::text, ' ' ORDER BY i.indexrelid) FROM pg_catalog.pg_index i \
             WHERE i.indrelid = pg_catalog.to_regclass({table})"
        );
        // What has a name may be corrected and is the same index still.
        let about = match &built.name {
            Some(name) => name.clone(),
            None => Checksum::statement(statement).to_string(),
        };
        Self::new(Subject::Build(built), &answer, &about)
    }

    pub(super) fn of_rebuild(rebuilt: &Rebuilt) -> Self {
        let tables = rebuilt.tables();
        let answer = format!(
            "SELECT string_agg(i.indexrelid::text, ' ' ORDER BY i.indexrelid) FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND {tables}"
        );
        Self::new(Subject::Rebuild, &answer, "")
    }

    pub(super) fn of_index(presence: Presence, name: &Name) -> Self {
        let answer = format!("SELECT pg_catalog.to_regclass({})::oid", name.as_text());
        Self::new(Subject::Object(presence), &answer, "")
    }

    /// Of what belongs to no schema.
    pub(super) fn of_presence(presence: Presence, kind: &str, name: &str) -> Self {
        let name = literal(Dialect::Postgres, name);
        let answer = match kind {
            "DATABASE" => {
                format!("SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = {name}")
            }
            "TABLESPACE" => {
                format!("SELECT t.oid FROM pg_catalog.pg_tablespace t WHERE t.spcname = {name}")
            }
            // Not everybody may see more of it.
            _ => format!(
                "SELECT 1 FROM pg_catalog.pg_subscription s WHERE s.subname = {name} \
                 AND s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())"
            ),
        };
        Self::new(Subject::Object(presence), &answer, "")
    }

    /// Of a value, a literal, that is added to a type.
    pub(super) fn of_enum(kind: &Name, value: &str) -> Self {
        let answer = format!(
            "SELECT e.oid FROM pg_catalog.pg_enum e WHERE e.enumtypid = pg_catalog.to_regtype({}) AND e.enumlabel = {value}",
            kind.as_text()
        );
        Self::new(Subject::Object(Presence::Appears), &answer, "")
    }

    pub(super) fn of_detachment(detached: Detached) -> Self {
        // The column is new in version 14; before that the statement is wrong,
        // and the server is the one to say so.
        let answer = format!(
            "SELECT concat_ws(' ', h.inhparent::oid, to_jsonb(h) ->> 'inhdetachpending') FROM pg_catalog.pg_inherits h \
             WHERE h.inhrelid = pg_catalog.to_regclass({})",
            detached.partition.as_text()
        );
        Self::new(Subject::Detach(detached), &answer, "")
    }

    /// The scalar expression; its answer is marked as one to this question.
    pub(in crate::backend::postgres) fn expression(&self) -> String {
        let Self {
            expression, mark, ..
        } = self;
        format!(
            "(SELECT '{mark}:' || CASE WHEN length(q.a) > {LONGEST_ANSWER} THEN '{TOO_LONG}' ELSE q.a END \
             FROM (SELECT coalesce(({expression})::text, '') AS a) q)"
        )
    }

    /// The answer in what was kept, if it is one to this question.
    pub(in crate::backend::postgres) fn answer<'f>(&self, kept: &'f str) -> Option<&'f str> {
        let answer = kept.strip_prefix(&*self.mark)?.strip_prefix(':')?;
        (answer != TOO_LONG).then_some(answer)
    }

    /// What became of the statement, where the two answers alone say it.
    pub(in crate::backend::postgres) fn judge(&self, before: &str, now: &str) -> Judgement {
        match &self.subject {
            Subject::Object(_) if before == now => Judgement::Repeat,
            Subject::Object(Presence::Appears) if before.is_empty() => Judgement::Done,
            Subject::Object(Presence::Disappears) if now.is_empty() => Judgement::Done,
            Subject::Detach(_) if before == now => Judgement::Repeat,
            Subject::Detach(_) if now.is_empty() => Judgement::Done,
            Subject::Detach(_)
                if before
                    .strip_suffix("false")
                    .is_some_and(|parent| now.strip_suffix("true") == Some(parent)) =>
            {
                Judgement::Finish
            }
            // Somebody has made another one of that name.
            Subject::Object(_) | Subject::Detach(_) => Judgement::Unknown,
            // By what they look like.
            Subject::Build(_) | Subject::Rebuild => Judgement::Repeat,
        }
    }
}

impl Rebuilt {
    /// Whether the index `i`, with its name `c`, is of these tables.
    fn tables(&self) -> String {
        let with_toast = |tables: &str| {
            format!(
                "(i.indrelid IN ({tables}) OR i.indrelid IN (SELECT t.reltoastrelid FROM pg_catalog.pg_class t WHERE t.oid IN ({tables})))"
            )
        };
        match self {
            Self::Index(name) => {
                let index = format!("pg_catalog.to_regclass({})", name.as_text());
                format!(
                    "i.indrelid IN (SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid = {index} \
                     OR x.indexrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree({index}) p))"
                )
            }
            Self::Table(name) => {
                let table = format!("pg_catalog.to_regclass({})", name.as_text());
                with_toast(&format!(
                    "SELECT {table}::oid UNION ALL SELECT p.relid::oid FROM pg_catalog.pg_partition_tree({table}) p"
                ))
            }
            Self::Schema(name) => with_toast(&format!(
                "SELECT s.oid FROM pg_catalog.pg_class s JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace \
                 WHERE n.nspname = {}",
                literal(Dialect::Postgres, name)
            )),
            Self::Database => "true".to_owned(),
        }
    }
}

impl Built {
    /// Its own name, as the catalogue has it.
    pub(in crate::backend::postgres) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its table as a string, for `to_regclass`.
    pub(in crate::backend::postgres) fn table_as_text(&self) -> String {
        self.table.as_text()
    }

    /// Makes the index on an empty copy of its table: the server itself says
    /// then what the statement's definition looks like. For a transaction that
    /// is rolled back.
    pub(in crate::backend::postgres) fn copy(&self) -> String {
        let copy = self.copy_name();
        let unique = if self.unique { "UNIQUE " } else { "" };
        format!(
            "CREATE TEMPORARY TABLE {copy} (LIKE {});\nCREATE {unique}INDEX ON {copy} {}",
            self.table.quoted(),
            self.rest
        )
    }

    /// Which of the indexes `oids` are like the copy.
    pub(in crate::backend::postgres) fn like_the_copy(&self, oids: &[&str]) -> String {
        // Behind the names of index and table.
        let definition =
            |index: &str| format!("substring(pg_get_indexdef({index}) from ' USING .*')");
        format!(
            "SELECT i.indexrelid::text AS text FROM pg_catalog.pg_index i, pg_catalog.pg_index mine \
             WHERE mine.indrelid = {}::regclass AND i.indexrelid IN ({}) AND i.indisunique = mine.indisunique AND {} = {}",
            literal(Dialect::Postgres, &self.copy_name()),
            oids.join(", "),
            definition("i.indexrelid"),
            definition("mine.indexrelid"),
        )
    }

    /// The table's own name: a predicate may name it.
    fn copy_name(&self) -> String {
        let name = Name {
            schema: Some("pg_temp".to_owned()),
            name: self.table.name.clone(),
        };
        name.quoted()
    }
}

impl Detached {
    /// What brings a detachment that was begun to its end.
    pub(in crate::backend::postgres) fn finish(&self) -> String {
        format!(
            "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
            self.parent.quoted(),
            self.partition.quoted()
        )
    }
}
