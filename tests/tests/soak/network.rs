//! A network that goes away under a runner: its host is a network namespace
//! whose link is taken down, so that nobody says goodbye. The lock is free
//! within 40 s of what the server still works at, another runner completes,
//! and the old one writes nothing later.

use std::process::Command;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use tests::tally::{Tally, scaled};
use tests::workspace::{Workspace, eventually};

use crate::server::{Mariadb, Postgres};
use crate::started;

/// How long a lock may outlive its runner's host.
const LONGEST: Duration = Duration::from_secs(40);

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

/// A host of its own, behind a link; gone with its value.
struct Host {
    name: String,
}

impl Host {
    /// The servers' address as this host sees it.
    const SERVER: &str = "10.213.77.1";

    fn new() -> Self {
        let name = format!("cm{}", std::process::id());
        let host = Self { name };
        let (outer, inner) = (format!("{}a", host.name), host.link());
        ip(&["netns", "add", &host.name]);
        ip(&[
            "link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", &host.name,
        ]);
        ip(&["addr", "add", "10.213.77.1/24", "dev", &outer]);
        ip(&["link", "set", &outer, "up"]);
        ip(&[
            "-n",
            &host.name,
            "addr",
            "add",
            "10.213.77.2/24",
            "dev",
            &inner,
        ]);
        ip(&["-n", &host.name, "link", "set", &inner, "up"]);
        ip(&["-n", &host.name, "link", "set", "lo", "up"]);
        host
    }

    fn link(&self) -> String {
        format!("{}b", self.name)
    }

    fn cut(&self) {
        ip(&["-n", &self.name, "link", "set", &self.link(), "down"]);
    }

    fn mend(&self) {
        ip(&["-n", &self.name, "link", "set", &self.link(), "up"]);
    }

    fn command(&self, workspace: &Workspace, url: &str, args: &[&str]) -> Command {
        let mut command = workspace.command(args);
        command.env("SHOP_DATABASE_URL", url);
        started::by(&["ip", "netns", "exec", &self.name], &command)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The namespace goes when its last process does, and would keep the
        // link, and the address with it.
        let outer = format!("{}a", self.name);
        for args in [["link", "del", &outer], ["netns", "del", &self.name]] {
            Command::new("ip").args(args).status().ok();
        }
    }
}

#[track_caller]
fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().expect("ip starts");
    assert!(
        output.status.success(),
        "ip {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Marks, a statement that waits for the test's gate, and more marks.
fn gated(wait: &str, steps: bool) -> Workspace {
    let workspace = Workspace::new();
    // It waits at the gate, and not for a little while again and again.
    workspace.service("shop", "lock-timeout = \"0\"");
    let marked = |n: u32| format!("INSERT INTO marks VALUES ({n});");
    workspace.migration(
        "shop",
        "1_marks",
        "CREATE TABLE marks (n INTEGER);\nINSERT INTO marks VALUES (1);",
        "DROP TABLE marks;",
    );
    workspace.migration(
        "shop",
        "2_gate",
        &format!("{}\n{wait}\n{}", marked(2), marked(3)),
        "DELETE FROM marks WHERE n > 1;",
    );
    if steps {
        workspace.write(
            "services/shop/migrations/2_gate/metadata.toml",
            "run_in_transaction = false\n",
        );
    }
    workspace.migration(
        "shop",
        "3_last",
        &marked(4),
        "DELETE FROM marks WHERE n = 4;",
    );
    workspace
}

const MARKS: [&str; 4] = ["1", "2", "3", "4"];

fn texts<C>(connection: &mut C, sql: &str) -> Vec<String>
where
    C: diesel::connection::LoadConnection,
    diesel::query_builder::SqlQuery: for<'q> diesel::query_dsl::LoadQuery<'q, C, Row>,
{
    let rows: Vec<Row> = sql_query(sql).load(connection).expect("rows");
    rows.into_iter().map(|row| row.text).collect()
}

const MARKS_QUERY: &str = "SELECT concat(n, '') AS text FROM marks ORDER BY n";

#[test]
fn postgresql_frees_the_lock_of_a_host_that_is_gone_busy_or_idle() {
    let mut tally = Tally::new(7, "network cut, PostgreSQL");
    let mut worst = Duration::ZERO;
    for _ in 0..scaled(2) {
        for (steps, idle) in [(false, false), (true, false), (true, true)] {
            let (server, host) = (Postgres::primary(), Host::new());
            // In a transaction the wait is a query's, in steps a statement's.
            let workspace = gated("SELECT pg_advisory_lock_shared(77);", steps);
            let mut gate = server.connect();
            gate.batch_execute("SELECT pg_advisory_lock(77)")
                .expect("the gate");
            let child =
                started::start(host.command(&workspace, &server.url(Host::SERVER), &["run"]));
            let waiting = "SELECT pid::text AS text FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted";
            eventually("the runner is at the gate", || {
                !texts(&mut gate, waiting).is_empty()
            });
            let pid = texts(&mut gate, waiting).remove(0);
            if idle {
                // The runner doesn't hear the answer, and its server waits for it.
                signal("STOP", child.id());
                gate.batch_execute("SELECT pg_advisory_unlock(77)")
                    .expect("the gate opens");
                let idles = format!(
                    "SELECT pid::text AS text FROM pg_stat_activity WHERE pid = {pid} AND state LIKE 'idle%'"
                );
                eventually("the server has answered", || {
                    !texts(&mut gate, &idles).is_empty()
                });
            }
            host.cut();
            let cut = Instant::now();
            let held = format!(
                "SELECT pid::text AS text FROM pg_locks WHERE locktype = 'advisory' AND pid = {pid}"
            );
            worst = worst.max(freed(cut, || texts(&mut gate, &held).is_empty()));
            if !idle {
                gate.batch_execute("SELECT pg_advisory_unlock(77)")
                    .expect("the gate opens");
            }
            complete(&workspace, &server.url("127.0.0.1"), &mut tally);
            let marks = texts(&mut gate, MARKS_QUERY);
            host.mend();
            signal("CONT", child.id());
            child.wait_with_output().expect("the old runner ends");
            assert_eq!(texts(&mut gate, MARKS_QUERY), marks, "it wrote later");
            assert_eq!(marks, MARKS);
            tally.add("cuts");
        }
    }
    tally.note(format!(
        "lock free after {:.1} s at worst",
        worst.as_secs_f64()
    ));
    tally.finish("cuts", 6);
}

#[test]
fn mariadb_frees_the_lock_of_a_host_that_is_gone() {
    let mut tally = Tally::new(7, "network cut, MariaDB");
    let mut worst = Duration::ZERO;
    for _ in 0..scaled(2) {
        let (server, host) = (Mariadb::start(), Host::new());
        let workspace = gated("DO GET_LOCK('gate', 600);", false);
        let mut gate = server.connect();
        texts(&mut gate, "SELECT concat(GET_LOCK('gate', 0), '') AS text");
        let child = started::start(host.command(&workspace, &server.url(Host::SERVER), &["run"]));
        let waiting = "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST WHERE STATE = 'User lock'";
        eventually("the runner is at the gate", || {
            !texts(&mut gate, waiting).is_empty()
        });
        let id = texts(&mut gate, waiting).remove(0);
        host.cut();
        // MariaDB looks at nobody's connection before it has an answer.
        texts(&mut gate, "SELECT concat(RELEASE_LOCK('gate'), '') AS text");
        let cut = Instant::now();
        let held = format!(
            "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST WHERE ID = {id}"
        );
        worst = worst.max(freed(cut, || texts(&mut gate, &held).is_empty()));
        complete(&workspace, &server.url("127.0.0.1"), &mut tally);
        let marks = texts(&mut gate, MARKS_QUERY);
        host.mend();
        child.wait_with_output().expect("the old runner ends");
        assert_eq!(texts(&mut gate, MARKS_QUERY), marks, "it wrote later");
        assert_eq!(marks, MARKS);
        tally.add("cuts");
    }
    tally.note(format!(
        "lock free after {:.1} s at worst",
        worst.as_secs_f64()
    ));
    tally.finish("cuts", 2);
}

/// How long after `cut` it is free.
fn freed(cut: Instant, mut is_free: impl FnMut() -> bool) -> Duration {
    while !is_free() {
        assert!(cut.elapsed() < LONGEST, "the lock is still held");
        std::thread::yield_now();
    }
    cut.elapsed()
}

/// Another runner goes on; the statement that may be in doubt is the wait at
/// the gate, which may be repeated.
fn complete(workspace: &Workspace, url: &str, tally: &mut Tally) {
    let run = |args: &[&str]| {
        let mut command = workspace.command(args);
        command.env("SHOP_DATABASE_URL", url);
        workspace.finish(command)
    };
    let next = run(&["run"]);
    if next.code == Some(7) {
        run(&["resolve", "2", "--step", "2", "--retry"]).ok();
        run(&["run"]).ok();
        tally.add("resolves");
    } else {
        next.ok();
    }
}

fn signal(name: &str, pid: u32) {
    let done = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(done.expect("kill starts").success());
}
