//! A text that is sent in one round trip, with the migration in its middle, and
//! where in it an error points.

use diesel::connection::SimpleConnection;

use crate::error::DatabaseError;

/// What ends a migration's last statement, whatever it ends in itself: a
/// comment ends at the newline.
pub(super) const END: &str = "\n;\n";

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

#[cfg(test)]
mod tests {
    use super::*;

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
