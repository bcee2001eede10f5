//! Row 16: SQL of the users' own that would take our session, our lock or our
//! transaction from us. It is refused before anything is sent, or it fails and
//! leaves nothing, or it does no harm; whichever it is, the history is in its
//! place, and the next migration finds the session as the first one did.

mod mariadb;
mod postgres;
mod sqlite;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tests::service::{Engine, Shop};
use tests::tally::Tally;

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Not sent.
    Refused,
    /// Sent, and the server or we had none of it: nothing remains.
    Fails,
    /// It runs, and the migration after it, too.
    Harmless,
    /// It took our lock: the run ends and says so, and the next one goes on.
    Stops,
    /// The same where nobody knows what else it did: a person settles it.
    InDoubt,
}

/// How the file is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Transaction,
    Steps,
    SingleTransaction,
}

struct Case {
    sql: &'static str,
    fates: &'static [(Mode, Fate)],
}

impl Case {
    const fn new(sql: &'static str, fates: &'static [(Mode, Fate)]) -> Self {
        Self { sql, fates }
    }
}

const EVERYWHERE_HARMLESS: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Harmless),
    (Mode::Steps, Fate::Harmless),
    (Mode::SingleTransaction, Fate::Harmless),
];
const EVERYWHERE_REFUSED: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Refused),
    (Mode::Steps, Fate::Refused),
    (Mode::SingleTransaction, Fate::Refused),
];
const EVERYWHERE_FAILS: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Fails),
    (Mode::Steps, Fate::Fails),
    (Mode::SingleTransaction, Fate::Fails),
];

/// What an engine's test brings along.
struct Ground {
    engine: Engine,
    /// Made by the administrator before; `{name}` is the database's.
    before: &'static str,
    after: &'static str,
    /// A table by name, as the next migration makes it, and where it must be.
    in_place: &'static str,
    /// Tables of the history's name, wherever they are.
    histories: &'static str,
    /// What a session is like, as one text.
    session: &'static str,
}

const MODES: [Mode; 3] = [Mode::Transaction, Mode::Steps, Mode::SingleTransaction];

impl Mode {
    fn args(self) -> &'static [&'static str] {
        match self {
            Self::SingleTransaction => &["run", "--single-transaction"],
            Self::Transaction | Self::Steps => &["run"],
        }
    }
}

fn try_out(ground: &Ground, cases: &[Case]) {
    let mut tally = Tally::new(16, ground.engine);
    let mut failed = Vec::new();
    for mode in MODES {
        let of = |wanted: Fate| -> Vec<&'static str> {
            let fits = |case: &&Case| case.fates.contains(&(mode, wanted));
            cases.iter().filter(fits).map(|case| case.sql).collect()
        };
        let refused = of(Fate::Refused);
        if !refused.is_empty() {
            all_are_refused(ground, &refused, mode);
            tally.add_many("refused", refused.len());
        }
        let harmless = of(Fate::Harmless);
        if !harmless.is_empty() {
            none_does_harm(ground, &harmless, mode);
            tally.add_many("harmless", harmless.len());
        }
        for fate in [Fate::Fails, Fate::Stops, Fate::InDoubt] {
            for sql in of(fate) {
                // The rest of the table is worth knowing, too.
                let tried = || it_ends_the_run(ground, sql, mode, fate);
                if catch_unwind(AssertUnwindSafe(tried)).is_err() {
                    failed.push(format!("{sql} ({mode:?}, {fate:?})"));
                }
                tally.add(match fate {
                    Fate::Stops | Fate::InDoubt => "stopped and gone on",
                    Fate::Fails | Fate::Refused | Fate::Harmless => "failed and left nothing",
                });
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let all = cases.iter().map(|case| case.fates.len()).sum();
    let counts = [
        "refused",
        "harmless",
        "stopped and gone on",
        "failed and left nothing",
    ];
    tally.add_many("files", counts.iter().map(|what| tally.count(what)).sum());
    tally.finish("files", all);
}

/// A shop on ground that the administrator has laid.
struct Site<'g> {
    ground: &'g Ground,
    shop: Shop,
    name: String,
}

impl<'g> Site<'g> {
    fn new(ground: &'g Ground) -> Self {
        let shop = Shop::new(ground.engine);
        let name = match ground.engine {
            Engine::Postgres => shop.postgres().name().to_owned(),
            Engine::Mariadb => shop.mariadb().name().to_owned(),
            Engine::Sqlite => "shop".to_owned(),
        };
        let site = Self { ground, shop, name };
        let mut administrator = site.shop.connect();
        administrator.execute("CREATE TABLE marks (n INTEGER)");
        if !ground.before.is_empty() {
            administrator.execute(&site.fill(ground.before));
        }
        site
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{name}", &self.name)
    }

    /// Notes what the session is like, makes a mark, and does theirs last.
    fn theirs(&self, n: usize, sql: &str, mode: Mode) {
        let up = self.fill(&format!(
            "CREATE TABLE seen_{n} AS SELECT {} AS text;\nINSERT INTO marks VALUES ({n});\n{sql}\n",
            self.ground.session
        ));
        let name = format!("{n:03}_theirs");
        match mode {
            Mode::Steps => self.shop.steps(&name, &up, "SELECT 1;"),
            Mode::Transaction | Mode::SingleTransaction => {
                self.shop.migration(&name, &up, "SELECT 1;");
            }
        }
    }

    fn marks(&self) -> Vec<String> {
        self.shop
            .texts("SELECT concat(n, '') AS text FROM marks ORDER BY n")
    }

    /// All of `migrations` are applied once, in the place that is theirs, and
    /// each has seen the same session.
    #[track_caller]
    fn is_in_order(&self, migrations: usize, told: &str) {
        let numbers: Vec<String> = (0..migrations).map(|n| n.to_string()).collect();
        assert_eq!(self.marks(), numbers, "{told}");
        let versions: Vec<String> = (0..migrations).map(|n| format!("{n:03}")).collect();
        assert_eq!(self.shop.history(), versions, "{told}");
        let done =
            "SELECT version AS text FROM __migrate_journal WHERE state = 'done' ORDER BY version";
        assert_eq!(self.shop.texts(done), versions, "{told}");
        let in_place = self.shop.texts(&self.fill(self.ground.in_place));
        assert_eq!(in_place.len(), migrations, "{told}");
        let seen = |n: usize| self.shop.texts(&format!("SELECT text FROM seen_{n}"));
        let first = seen(0);
        for n in 1..migrations {
            assert_eq!(
                seen(n),
                first,
                "migration {n} found another session: {told}"
            );
        }
        let histories = self.shop.texts(&self.fill(self.ground.histories));
        assert_eq!(histories.len(), 1, "{histories:?} {told}");
        self.shop.run(&["status", "--exit-code"]).ok();
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        if !self.ground.after.is_empty() && !std::thread::panicking() {
            self.shop.connect().execute(&self.fill(self.ground.after));
        }
    }
}

fn all_are_refused(ground: &Ground, files: &[&str], mode: Mode) {
    let site = Site::new(ground);
    for (n, sql) in files.iter().enumerate() {
        site.theirs(n, sql, mode);
    }
    let run = site.shop.run(mode.args()).exits(1);
    for (n, sql) in files.iter().enumerate() {
        let words = format!("{n:03}_theirs cannot be run");
        assert!(
            run.stderr.contains(&words),
            "{sql} ({mode:?}): {}",
            run.stderr
        );
    }
    let run = run.says(&["nothing was sent", "help: "]);
    assert!(site.marks().is_empty(), "{mode:?}: {}", run.stderr);
}

fn none_does_harm(ground: &Ground, files: &[&str], mode: Mode) {
    let site = Site::new(ground);
    for (n, sql) in files.iter().enumerate() {
        site.theirs(n, sql, mode);
    }
    site.theirs(files.len(), "SELECT 1;", mode);
    let run = site.shop.run(mode.args()).ok();
    site.is_in_order(files.len() + 1, &format!("{mode:?}: {}", run.stderr));
}

fn it_ends_the_run(ground: &Ground, sql: &str, mode: Mode, fate: Fate) {
    let site = Site::new(ground);
    site.theirs(0, sql, mode);
    site.theirs(1, "SELECT 1;", mode);
    let run = site.shop.run(mode.args());
    let told = format!("{sql} ({mode:?}): {}", run.stderr);
    assert_eq!(run.code, Some(1), "{told}");
    if [Fate::Stops, Fate::InDoubt].contains(&fate) {
        assert!(run.stderr.contains("was lost"), "{told}");
    } else {
        let named = ["000_theirs", "cannot record the migration"];
        assert!(
            named.iter().any(|words| run.stderr.contains(words)),
            "{told}"
        );
        if mode != Mode::Steps {
            assert!(site.marks().is_empty(), "{told}");
        }
        // Without it the same file goes to its end.
        site.theirs(0, "", mode);
    }
    assert!(run.stderr.contains("help: "), "{told}");
    if fate == Fate::InDoubt {
        let next = site.shop.run(mode.args()).exits(7);
        let step = next.stderr.split("--step ").nth(1).expect("a step");
        let step = step.split(' ').next().expect("a number");
        site.shop
            .run(&["resolve", "000", "--step", step, "--done"])
            .ok();
    }
    site.shop.run(mode.args()).ok();
    site.is_in_order(2, &told);
}
