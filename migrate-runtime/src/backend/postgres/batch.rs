//! A text that is sent in one round trip, with the migration in its middle, and
//! where in it an error points.

use std::ops::Range;

use diesel::connection::SimpleConnection;
use migrate_core::Script;

use crate::backend::Work;
use crate::error::DatabaseError;

/// What ends a migration's last statement, whatever it ends in itself: a
/// comment ends at the newline.
pub(super) const END: &str = "\n;\n";

/// A migration that is larger goes in pieces of about this size: the text is
/// copied for each of the client's layers, and the server's parser takes many
/// times its size.
const LARGEST: usize = 1 << 20;

/// Our own statements around a migration's.
pub(super) struct Batch<'a> {
    pub(super) before: String,
    pub(super) body: &'a str,
    pub(super) after: String,
}

/// Where in a batch an error points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The byte of the migration.
    Body(usize),
    /// Into our own statements.
    Ours,
    /// The server gave no position.
    Unknown,
}

impl Part {
    pub(super) fn offset(self) -> Option<usize> {
        match self {
            Self::Body(byte) => Some(byte),
            Self::Ours | Self::Unknown => None,
        }
    }
}

impl Batch<'_> {
    /// Sends the batch; an error leaves an open transaction to the caller.
    pub(super) fn send(
        &self,
        connection: &mut impl SimpleConnection,
    ) -> Result<(), (Part, DatabaseError)> {
        let mut text = String::with_capacity(
            self.before.len() + self.body.len() + END.len() + self.after.len(),
        );
        text.push_str(&self.before);
        text.push_str(self.body);
        text.push_str(END);
        text.push_str(&self.after);
        connection.batch_execute(&text).map_err(|error| {
            let error = DatabaseError::from(error);
            (self.part(error.position), error)
        })
    }

    /// Sends the batch of a whole migration: in one piece, or where it is large
    /// in several, within the transaction that it opens. Fails as [`Self::send`].
    pub(super) fn send_script(
        &self,
        work: &Work<'_>,
        connection: &mut impl SimpleConnection,
    ) -> Result<(), (Part, DatabaseError)> {
        if self.body.len() <= LARGEST {
            return self.send(connection);
        }
        execute(connection, &self.before).map_err(|error| (ours(&error), error))?;
        for piece in pieces(work.script) {
            // What is cancelled between two pieces is not.
            if work.interrupt.is_asked() {
                return Err((Part::Unknown, DatabaseError::interrupted()));
            }
            execute(connection, &self.body[piece.clone()]).map_err(|error| {
                let part = error.position.map_or(Part::Unknown, |position| {
                    Part::Body(byte_of(self.body, &piece, position))
                });
                (part, error)
            })?;
        }
        execute(connection, &self.after).map_err(|error| (ours(&error), error))
    }

    /// PostgreSQL counts characters from 1, over the whole text.
    fn part(&self, position: Option<usize>) -> Part {
        let Some(position) = position else {
            return Part::Unknown;
        };
        let Some(within) = position.checked_sub(self.before.chars().count() + 1) else {
            return Part::Ours;
        };
        match self.body.char_indices().nth(within) {
            Some((byte, _)) => Part::Body(byte),
            // The terminator that we put after it: its last statement ends
            // too early.
            None if within < self.body.chars().count() + END.len() => {
                Part::Body(self.body.trim_end().len().saturating_sub(1))
            }
            None => Part::Ours,
        }
    }
}

fn execute(connection: &mut impl SimpleConnection, sql: &str) -> Result<(), DatabaseError> {
    connection.batch_execute(sql).map_err(DatabaseError::from)
}

fn ours(error: &DatabaseError) -> Part {
    match error.position {
        Some(_) => Part::Ours,
        None => Part::Unknown,
    }
}

/// The bytes of a script's body in pieces of whole statements, each as large as
/// may be, or of one statement that is larger.
fn pieces(script: &Script) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for statement in &script.statements {
        let range =
            statement.range.start - script.body.start..statement.range.end - script.body.start;
        match pieces.last_mut() {
            Some(piece) if range.end - piece.start <= LARGEST => piece.end = range.end,
            _ => pieces.push(range),
        }
    }
    pieces
}

/// The byte of `body` that is the character `position` (from 1) of its `piece`,
/// or where that is behind its end the last of the piece.
fn byte_of(body: &str, piece: &Range<usize>, position: usize) -> usize {
    let text = &body[piece.clone()];
    let within = text.char_indices().nth(position.saturating_sub(1));
    let last = || text.trim_end().len().saturating_sub(1);
    piece.start + within.map_or_else(last, |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use migrate_core::{Dialect, RunMode};

    use super::*;

    #[test]
    fn pieces_are_whole_statements_and_leave_out_none() {
        let text =
            "SELECT 'é';\n".repeat(300_000) + "SELECT '" + &"x".repeat(LARGEST) + "';SELECT 2";
        let script = Script::admit(&text, Dialect::Postgres, RunMode::Transaction).unwrap();
        let pieces = pieces(&script);
        let (large, small) = pieces.split_last().unwrap();
        let (one, small) = small.split_last().unwrap();
        assert!(
            small.iter().all(|piece| piece.len() <= LARGEST),
            "{small:?}"
        );
        assert!(small.len() >= 3 && one.len() > LARGEST, "{pieces:?}");
        let body = &text[script.body.clone()];
        assert_eq!(&body[large.clone()], "SELECT 2");
        let counted: usize = pieces
            .iter()
            .map(|piece| {
                migrate_core::split(&body[piece.clone()], Dialect::Postgres)
                    .unwrap()
                    .len()
            })
            .sum();
        assert_eq!(counted, script.statements.len());
        // The é before it is two bytes, and one character.
        assert_eq!(byte_of(body, &small[0], 11), 11);
        assert_eq!(byte_of(body, &small[1], 1), small[1].start);
        assert_eq!(byte_of(body, large, 9), body.len() - 1);
    }

    #[test]
    fn a_position_is_counted_in_characters_and_given_in_bytes() {
        let batch = Batch {
            before: "é;".into(),
            body: "üx y",
            after: "COMMIT".into(),
        };
        assert_eq!(batch.part(None), Part::Unknown);
        assert_eq!(batch.part(Some(2)), Part::Ours);
        assert_eq!(batch.part(Some(3)), Part::Body(0));
        assert_eq!(batch.part(Some(4)), Part::Body(2));
        assert_eq!(batch.part(Some(7)), Part::Body(4));
        assert_eq!(batch.part(Some(8)), Part::Body(4));
        assert_eq!(batch.part(Some(10)), Part::Ours);
    }
}
