//! A URL on the screen: its password, and whatever may be a part of one, left
//! out. Safe also for a text that [`DatabaseUrl::parse`] would have refused.

use std::fmt;

use migrate_core::Dialect;

use super::server::Parts;
use super::{DatabaseUrl, decode};

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dialect == Dialect::Sqlite {
            let (base, query) = self
                .text
                .split_once('?')
                .map_or((&*self.text, None), |(base, query)| (base, Some(query)));
            f.write_str(if base.starts_with("file:") {
                ""
            } else {
                "sqlite:"
            })?;
            f.write_str(base)?;
            return show_query(f, query);
        }
        let parts = Parts::of(&self.text);
        let Parts { scheme, hosts, .. } = parts;
        let path = parts
            .path
            .map_or_else(String::new, |path| format!("/{path}"));
        write!(f, "{scheme}://")?;
        // An `@` behind the hosts may be the one that ends a password with a
        // raw `/`: nothing from the first colon on is sure to be none.
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let before_the_last_at = rest.rfind('@').map_or("", |at| &rest[..at]);
        if let (true, Some((user, _))) = (path.contains('@'), before_the_last_at.split_once(':')) {
            return write!(f, "{user}:***");
        }
        if parts.userinfo.is_some() {
            let (user, password) = parts.credentials();
            let secret = password.map_or("", |_| ":***");
            write!(f, "{}{secret}@", user.unwrap_or_default())?;
        } else if !hosts.is_empty() && parts.check().is_err() {
            // What should be a port may be a password that lost its `@host`.
            let host = hosts.split(':').next().unwrap_or_default();
            return write!(f, "{host}:***");
        }
        write!(f, "{hosts}{path}")?;
        show_query(f, parts.query)
    }
}

fn show_query(f: &mut fmt::Formatter<'_>, query: Option<&str>) -> fmt::Result {
    let Some(query) = query else { return Ok(()) };
    for (n, pair) in query.split('&').enumerate() {
        let sign = if n == 0 { '?' } else { '&' };
        let Some((key, value)) = pair.split_once('=') else {
            // Half of a value with a raw `&`.
            let shown = if pair.is_empty() { "" } else { "***" };
            write!(f, "{sign}{shown}")?;
            continue;
        };
        let name = decode(key).to_ascii_lowercase();
        let secret = ["pass", "pwd", "secret", "token", "key"]
            .iter()
            .any(|word| name.contains(word))
            && !["sslkey", "passfile"].contains(&&*name.replace(['-', '_'], ""));
        let hidden = secret || value.contains('@');
        write!(f, "{sign}{key}={}", if hidden { "***" } else { value })?;
    }
    Ok(())
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
