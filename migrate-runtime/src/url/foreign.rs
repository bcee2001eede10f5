//! Other ways to name a database, which are no URL. As paths of SQLite's they
//! would be shown, and made, password and all: so they are known and refused.

use super::strip_prefix_ignore_case;

/// Keys that tell such a text from a path, where it begins with a key.
const TELLING: [&str; 9] = [
    "host", "hostaddr", "port", "user", "dbname", "service", "server", "uid", "user id",
];

/// What a key ends in whose value is a secret: that tells by itself.
const SECRET: [&str; 3] = ["password", "passwd", "pwd"];

/// Programs that are told the server by options.
const CLIENTS: [&str; 8] = [
    "mysql",
    "mysqldump",
    "mysqladmin",
    "mariadb",
    "mariadb-dump",
    "mariadb-admin",
    "psql",
    "pg_dump",
];

/// Whether a text is libpq's `key=value` form, or ADO's with its semicolons.
pub(super) fn is_key_value(text: &str) -> bool {
    // The keys are the words before the signs; the form begins with one.
    let mut keys = text.match_indices('=').map(|(at, _)| {
        let before = text[..at].trim_end();
        let rest = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let key = before[rest.len()..].to_ascii_lowercase();
        match before_user(rest).filter(|_| key == "id") {
            Some(rest) => (rest, "user id".to_owned()),
            None => (rest, key),
        }
    });
    let begins_with_a_key = keys
        .clone()
        .next()
        .is_some_and(|(before, key)| before.is_empty() && !key.is_empty());
    keys.any(|(before, key)| {
        let is_word =
            before.is_empty() || before.ends_with(|c: char| c.is_whitespace() || c == ';');
        let is_secret = SECRET.iter().any(|secret| key.ends_with(secret));
        is_word && (is_secret || begins_with_a_key && TELLING.contains(&&*key))
    })
}

/// What stands before a `user` and the space behind it.
fn before_user(text: &str) -> Option<&str> {
    let word = text.trim_end();
    let at = word.len().checked_sub("user".len())?;
    let is_user = word.len() < text.len() && word.get(at..)?.eq_ignore_ascii_case("user");
    is_user.then(|| &word[..at])
}

/// Whether a text is what somebody types to reach a server: `mysql -uroot
/// -psecret db`, also behind `sudo` or the like.
pub(super) fn is_command_line(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let is_client = |word: &str| {
        let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
        CLIENTS.contains(&name)
    };
    words.any(is_client) && words.any(|word| word.starts_with('-'))
}

/// Whether a text without `://` is a server's URL with its scheme mistyped or
/// missing.
pub(super) fn is_like_a_server(text: &str) -> bool {
    let schemes = ["postgres:", "postgresql:", "mysql:", "mariadb:"];
    if schemes
        .iter()
        .any(|scheme| strip_prefix_ignore_case(text, scheme).is_some())
    {
        return true;
    }
    let has_drive =
        matches!(text.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    let from_the_colon = text.find(':').map_or("", |at| &text[at..]);
    let has_password = from_the_colon.contains('@') && !text.starts_with(['/', '.', '\\']);
    let authority = text
        .split_once("//")
        .map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    !has_drive && (has_password || authority.contains('@'))
}
