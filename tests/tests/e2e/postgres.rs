//! The service `cart` on a PostgreSQL database of its own, for a role that may
//! do no more than the test says; the password in its URL is the canary.

use std::process::Command;

use diesel::connection::SimpleConnection;
use tests::env::{PostgresDatabase, postgres_program};
use tests::workspace::{CANARY, Workspace};

use crate::session::Session;

/// A workspace whose service `cart` finds the role's URL in its `.env`.
pub(crate) struct OnPostgres {
    pub(crate) workspace: Workspace,
    pub(crate) database: PostgresDatabase,
    pub(crate) role: String,
}

impl OnPostgres {
    /// The database is the role's own.
    pub(crate) fn owned() -> Self {
        let made = Self::of_another();
        made.execute(&format!(
            "ALTER DATABASE {} OWNER TO {}",
            made.database.name(),
            made.role
        ));
        made
    }

    /// The role may connect, and nothing else.
    pub(crate) fn of_another() -> Self {
        let database = PostgresDatabase::create();
        let role = format!("{}_role", database.name());
        let workspace = Workspace::new();
        workspace.service("cart", "");
        let made = Self {
            workspace,
            database,
            role,
        };
        made.execute(&format!(
            "CREATE ROLE {} LOGIN PASSWORD '{CANARY}'; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            made.role
        ));
        made.point_at(&made.database.url_as(&made.role, CANARY));
        made
    }

    /// Has the service use another URL.
    pub(crate) fn point_at(&self, url: &str) {
        self.workspace
            .write("services/cart/.env", format!("CART_DATABASE_URL={url}\n"));
    }

    /// Executes SQL as the superuser.
    pub(crate) fn execute(&self, sql: &str) {
        let done = self.database.connect().batch_execute(sql);
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// A session in which what differs from server to server is blotted out.
    pub(crate) fn session(&self) -> Session<'_> {
        let (_, place) = self.database.url().rsplit_once('@').expect("a user");
        let (server, _) = place.rsplit_once('/').expect("a database");
        let (host, port) = server.rsplit_once(':').expect("a port");
        let mut session = Session::new(&self.workspace);
        session
            .hide(self.role.as_str(), "[ROLE]")
            .hide(self.database.name(), "[DATABASE]")
            .hide(server, "[SERVER]")
            .hide(format!("\"{host}\", port {port}"), "[SERVER]");
        session
    }

    /// Schema and rows.
    pub(crate) fn dump(&self) -> String {
        self.dumped(&[])
    }

    /// The same without the journal, in which a failed attempt is recorded.
    pub(crate) fn dump_without_journal(&self) -> String {
        self.dumped(&["--exclude-table=__migrate_journal*"])
    }

    fn dumped(&self, args: &[&str]) -> String {
        let output = Command::new(postgres_program("pg_dump"))
            .arg("--inserts")
            .args(args)
            .args(["--dbname", self.database.url()])
            .output()
            .expect("pg_dump starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        // `\restrict` names a random word.
        let lines = text.lines().filter(|line| !line.starts_with('\\'));
        lines.collect::<Vec<_>>().join("\n")
    }
}
