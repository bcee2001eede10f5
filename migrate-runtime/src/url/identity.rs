//! Which database a URL names, whoever asks for it and however it is spelt.

use migrate_core::Dialect;

use super::{DatabaseUrl, canonical, decode};

/// Where MySQL's and MariaDB's packages put their socket. The server behind it
/// is the one at the default port.
pub(crate) const MYSQL_SOCKETS: [&str; 4] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

impl DatabaseUrl {
    /// A text that is equal for equal databases: host, port and name, or the
    /// file; without user, password and options.
    #[must_use]
    pub fn identity(&self) -> String {
        match self.dialect {
            Dialect::Sqlite => match self.sqlite_path() {
                Some(path) => format!("sqlite:{}", canonical(path).display()),
                None => format!("sqlite:{}", self.text),
            },
            Dialect::Postgres => {
                let given = self
                    .parameter("host")
                    .unwrap_or_else(|| self.parts().hosts.to_owned());
                let port = self.parameter("port");
                let port = port.as_deref().unwrap_or("5432");
                let hosts: Vec<String> = given.split(',').map(|host| place(host, port)).collect();
                // libpq's default is a database of the user's name.
                let name = self.database_name().or_else(|| self.user());
                let name = name.unwrap_or_default();
                format!("{}://{}/{name}", self.dialect, hosts.join(","))
            }
            Dialect::MySql => {
                let host = decode(self.parts().hosts);
                let socket = self.socket();
                let place = match socket.as_deref() {
                    Some(path) if MYSQL_SOCKETS.contains(&path) => place("localhost", "3306"),
                    Some(path) => canonical(std::path::Path::new(path)).display().to_string(),
                    None if host.is_empty() => place("localhost", "3306"),
                    None => place(&host, "3306"),
                };
                let name = self.database_name().unwrap_or_default();
                format!("{}://{place}/{name}", self.dialect)
            }
        }
    }

    /// The socket that a MySQL URL names, as a parameter or in the place of a
    /// host.
    pub(crate) fn socket(&self) -> Option<String> {
        let named = self
            .options()
            .into_iter()
            .find(|(key, _)| {
                ["socket", "unixsocket"].contains(&&*key.to_lowercase().replace(['-', '_'], ""))
            })
            .map(|(_, value)| value);
        named.or_else(|| {
            let host = decode(self.parts().hosts);
            host.starts_with('/').then_some(host)
        })
    }
}

/// A host with its port, the names of this machine being one.
fn place(host: &str, default_port: &str) -> String {
    let host = host.to_ascii_lowercase();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        Some(_) | None => (&*host, ""),
    };
    let port = if port.is_empty() { default_port } else { port };
    match name {
        "localhost" | "[::1]" => format!("127.0.0.1:{port}"),
        "" if default_port == "3306" => format!("127.0.0.1:{port}"),
        name => format!("{name}:{port}"),
    }
}
