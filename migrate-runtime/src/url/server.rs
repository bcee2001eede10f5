//! The parts of a server's URL, split in one place and as libpq splits them:
//! who takes a password for a port shows it, or sends it to another host.

use super::UrlError;

/// The parts as they stand, percent-encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    pub(super) scheme: &'t str,
    /// `user`, `user:password`; without its `@`.
    pub(super) userinfo: Option<&'t str>,
    /// `host:port`, also several.
    pub(super) hosts: &'t str,
    /// What follows the `/`: the database.
    pub(super) path: Option<&'t str>,
    pub(super) query: Option<&'t str>,
}

impl<'t> Parts<'t> {
    /// Splits `text`. The user ends at the last `@` before the first `/`, and
    /// only what comes after that can be a query: a `?` may stand in a
    /// password.
    pub(super) fn of(text: &'t str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let head = rest.split('/').next().unwrap_or_default();
        let (userinfo, after) = match head.rfind('@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let (base, query) = split(after, '?');
        let (hosts, path) = split(base, '/');
        Self {
            scheme,
            userinfo,
            hosts,
            path,
            query,
        }
    }

    /// The user and the password, encoded still.
    pub(super) fn credentials(&self) -> (Option<&'t str>, Option<&'t str>) {
        self.userinfo.map_or((None, None), |userinfo| {
            let (user, password) = split(userinfo, ':');
            ((!user.is_empty()).then_some(user), password)
        })
    }

    /// The query's pairs, encoded still.
    pub(super) fn pairs(self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let query = self.query.unwrap_or_default();
        query.split('&').filter_map(|pair| pair.split_once('='))
    }

    /// Refuses what another reader would split elsewhere: libpq quotes the
    /// halves in its errors, and one of them is a password.
    pub(super) fn check(&self) -> Result<(), UrlError> {
        let has_password = self.credentials().1.is_some();
        let is_open = |text: &str| text.contains(['?', '#', '@']);
        if self.userinfo.is_some_and(is_open)
            || has_password && self.path.is_some_and(|path| path.contains('@'))
        {
            return Err(UrlError::Password);
        }
        if !self.hosts.split(',').all(has_a_port_or_none) {
            // `user:password` without its `@host`, or with a raw `/` in it.
            return Err(match self.userinfo {
                Some(_) => UrlError::Port,
                None => UrlError::Password,
            });
        }
        let query = self.query.unwrap_or_default();
        let is_whole = |pair: &str| pair.is_empty() || pair.contains('=');
        if !query.split('&').all(is_whole) {
            return Err(UrlError::Parameter);
        }
        let parts = [self.userinfo, Some(self.hosts), self.path, self.query];
        if parts.into_iter().flatten().all(is_encoded) {
            Ok(())
        } else {
            Err(UrlError::Percent)
        }
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

fn has_a_port_or_none(host: &str) -> bool {
    let port = if let Some(address) = host.strip_prefix('[') {
        // The colons of an IPv6 address stand in brackets.
        match address.split_once(']') {
            Some((_, "")) => "",
            Some((_, after)) if after.starts_with(':') => &after[1..],
            Some(_) | None => return false,
        }
    } else {
        split(host, ':').1.unwrap_or_default()
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    port.is_empty() || digits && port.parse::<u16>().is_ok()
}

/// Whether each `%` begins two hexadecimal digits, and none a NUL.
pub(super) fn is_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2).unwrap_or_default();
        digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00"
    })
}
