//! All that a workspace holds, byte for byte: what a refused command must leave
//! as it was, and where no password may lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use tests::workspace::Workspace;

/// Every file below a directory: its bytes, or where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<PathBuf, Vec<u8>>);

impl Tree {
    /// Reads it.
    pub(crate) fn of(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        read(root, root, &mut files);
        Self(files)
    }

    /// Fails where something differs, and names it.
    #[track_caller]
    pub(crate) fn is_still(&self, root: &Path) {
        let now = Self::of(root);
        let names = |tree: &Self| tree.0.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(&now), "files came or went");
        for (path, bytes) in &self.0 {
            assert!(now.0[path] == *bytes, "{} was changed", path.display());
        }
    }

    /// The files that hold these bytes.
    pub(crate) fn holding(&self, text: &str) -> Vec<&Path> {
        let holds = |bytes: &[u8]| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        let found = self.0.iter().filter(|(_, bytes)| holds(bytes));
        found.map(|(path, _)| path.as_path()).collect()
    }
}

fn read(root: &Path, directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let below = path.strip_prefix(root).expect("below the root").to_owned();
        if path.is_symlink() {
            let target = std::fs::read_link(&path).expect("a link");
            files.insert(below, target.into_os_string().into_encoded_bytes());
        } else if path.is_dir() {
            files.insert(below, Vec::new());
            read(root, &path, files);
        } else {
            files.insert(below, std::fs::read(&path).expect("a file"));
        }
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    value: String,
}

/// The text column `value` that a query gives on a SQLite file of the workspace.
pub(crate) fn values(workspace: &Workspace, file: &str, query: &str) -> Vec<String> {
    let path = workspace.path(file);
    assert!(path.exists(), "{file} is not there");
    let mut connection = SqliteConnection::establish(&path.to_string_lossy()).expect("a database");
    let rows: Vec<Row> = sql_query(query).load(&mut connection).expect("rows");
    rows.into_iter().map(|row| row.value).collect()
}

/// The applied versions, by Diesel's own table.
pub(crate) fn applied(workspace: &Workspace, file: &str) -> Vec<String> {
    let query = "SELECT version AS value FROM __diesel_schema_migrations ORDER BY version";
    values(workspace, file, query)
}

/// Executes SQL on a SQLite file of the workspace.
pub(crate) fn execute(workspace: &Workspace, file: &str, sql: &str) {
    let path = workspace.path(file).to_string_lossy().into_owned();
    let mut connection = SqliteConnection::establish(&path).expect("a database");
    connection.batch_execute(sql).expect("the statements run");
}
