//! Exit codes: what a script may rely on. Of several outcomes the gravest is
//! the exit of the whole command.

use std::process::ExitCode;

use migrate_core::{Divergence, PlanError};
use migrate_runtime::Error;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exit {
    /// Done, or nothing to do.
    #[default]
    Fine,
    /// Something failed.
    Failed,
    /// The command line, the workspace or its configuration makes no sense.
    Usage,
    /// Migrations are pending, where that was asked.
    Pending,
    /// Edited, missing or out of order.
    Diverged,
    /// Another runner has the lock.
    LockBusy,
    /// A statement is in doubt.
    InDoubt,
}

impl Exit {
    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Pending => 3,
            Self::Diverged => 4,
            Self::LockBusy => 6,
            Self::InDoubt => 7,
        }
    }

    fn gravity(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Pending => 1,
            Self::LockBusy => 2,
            Self::Diverged => 3,
            Self::InDoubt => 4,
            Self::Failed => 5,
            Self::Usage => 6,
        }
    }

    /// The graver of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.gravity() > self.gravity() {
            other
        } else {
            self
        }
    }

    /// How a run that ended in `error` exits.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Plan(PlanError::Diverged(found)) => found
                .iter()
                .map(Self::of_divergence)
                .fold(Self::Fine, Self::and),
            Error::LockHeld { .. } | Error::StillAtWork { .. } => Self::LockBusy,
            Error::Plan(
                PlanError::Behind { .. }
                | PlanError::NotApplied(_)
                | PlanError::NotInCatalog(_)
                | PlanError::Irreversible { .. },
            )
            | Error::Read(_)
            | Error::Changed(_)
            | Error::Refused(_)
            | Error::Failed(_)
            | Error::LostWithSession { .. }
            | Error::LockLost
            | Error::Pooled
            | Error::PooledByHand { .. }
            | Error::PooledOrNot(_)
            | Error::SingleTransaction(_)
            | Error::ReadOnlyServer
            | Error::ConnectionLost(_)
            | Error::LentConnectionLost(_)
            | Error::NotReconnected { .. }
            | Error::LostAgain { .. }
            | Error::Database { .. }
            | Error::Repair(_)
            | Error::Interrupted => Self::Failed,
        }
    }

    /// How a divergence exits.
    #[must_use]
    pub fn of_divergence(divergence: &Divergence) -> Self {
        match divergence {
            Divergence::Edited { .. }
            | Divergence::Missing { .. }
            | Divergence::Ahead { .. }
            | Divergence::OutOfOrder { .. } => Self::Diverged,
            Divergence::HalfApplied { .. } | Divergence::EditedHalfApplied { .. } => Self::Diverged,
            Divergence::InDoubt { .. } => Self::InDoubt,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_gravest_counts() {
        let order = [
            Exit::Failed,
            Exit::InDoubt,
            Exit::Diverged,
            Exit::LockBusy,
            Exit::Pending,
            Exit::Fine,
        ];
        for pair in order.windows(2) {
            assert_eq!(pair[0].and(pair[1]), pair[0]);
            assert_eq!(pair[1].and(pair[0]), pair[0]);
        }
    }
}
