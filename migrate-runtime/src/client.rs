//! Where a URL becomes a connection of Diesel's: one module a client. Knows
//! what each client lacks and how it says no, and nothing of migrations.

#[cfg(feature = "mysql")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

/// The client's message without the secrets, should it ever repeat one.
fn redact(message: &str, secrets: &[String]) -> String {
    secrets
        .iter()
        .fold(message.trim_end().to_owned(), |message, secret| {
            message.replace(secret.as_str(), "***")
        })
}
