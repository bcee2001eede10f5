//! What a text is read as, what is refused, and what is shown of it.

use super::*;

fn url(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap()
}

#[test]
fn a_scheme_names_its_dialect_and_a_driver_is_dropped() {
    for (text, dialect, client) in [
        ("postgres://u@h/d", Dialect::Postgres, "postgresql://u@h/d"),
        (
            "postgresql+asyncpg://u@h/d",
            Dialect::Postgres,
            "postgresql://u@h/d",
        ),
        ("mariadb://u@h/d", Dialect::MySql, "mysql://u@h/d"),
        ("sqlite:a.db", Dialect::Sqlite, "a.db"),
        ("sqlite://a.db?mode=rwc", Dialect::Sqlite, "a.db"),
        ("sqlite:///tmp/a.db", Dialect::Sqlite, "/tmp/a.db"),
        ("sqlite::memory:", Dialect::Sqlite, ":memory:"),
        ("file:a.db?mode=ro", Dialect::Sqlite, "file:a.db?mode=ro"),
        ("a/b.db", Dialect::Sqlite, "a/b.db"),
        ("sqlite:////tmp/a.db", Dialect::Sqlite, "/tmp/a.db"),
        ("sqlite+pysqlite:///a.db", Dialect::Sqlite, "/a.db"),
        ("C:\\x.db", Dialect::Sqlite, "C:\\x.db"),
        ("c:/x@y.db", Dialect::Sqlite, "c:/x@y.db"),
        ("sqlite:a:b@c.db", Dialect::Sqlite, "a:b@c.db"),
        ("/a:b@c.db", Dialect::Sqlite, "/a:b@c.db"),
        ("a/user=x.db", Dialect::Sqlite, "a/user=x.db"),
        ("a;b=c.db", Dialect::Sqlite, "a;b=c.db"),
        ("my sql -p.db", Dialect::Sqlite, "my sql -p.db"),
        ("data/mysql", Dialect::Sqlite, "data/mysql"),
        ("sqlite:mysql -pcanary", Dialect::Sqlite, "mysql -pcanary"),
    ] {
        assert_eq!(
            (url(text).dialect(), url(text).expose()),
            (dialect, client),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_url_is_refused_without_repeating_it() {
    assert_eq!(DatabaseUrl::parse(" "), Err(UrlError::Empty));
    assert_eq!(
        DatabaseUrl::parse("host=h password=canary"),
        Err(UrlError::KeyValue)
    );
    assert_eq!(
        DatabaseUrl::parse("oracle://u:canary@h"),
        Err(UrlError::Scheme("oracle".into()))
    );
    for (text, expected) in [
        ("postgres:canary", UrlError::NoScheme),
        ("u:canary@localhost/db", UrlError::NoScheme),
        ("u:can/ary@localhost/db", UrlError::NoScheme),
        ("postgres//u:canary@h/db", UrlError::NoScheme),
        ("postgres/u:canary@h/db", UrlError::NoScheme),
        ("/postgres//canary@h/db", UrlError::NoScheme),
        ("u:canary@localhost/db?x=http://y", UrlError::NoScheme),
        ("sslmode=require password=canary", UrlError::KeyValue),
        ("sslmode = require user = 'u'", UrlError::KeyValue),
        ("application_name=x service=s", UrlError::KeyValue),
        ("a b password=canary", UrlError::KeyValue),
        ("host=h password=a://canary@b", UrlError::KeyValue),
        (
            "Server=127.0.0.1;Uid=root;Pwd=canary;Database=x",
            UrlError::KeyValue,
        ),
        ("user id=root;pwd=canary", UrlError::KeyValue),
        ("USER  ID = canary", UrlError::KeyValue),
        (
            "Data Source=h; User ID=u; Password=canary",
            UrlError::KeyValue,
        ),
        ("server=canary.example", UrlError::KeyValue),
        ("MYSQL_PWD=canary mysql -u root", UrlError::KeyValue),
        ("PGPASSWORD=canary psql d", UrlError::KeyValue),
        ("mysql -uroot -pcanary db", UrlError::CommandLine),
        (
            "sudo /usr/bin/mariadb --password canary",
            UrlError::CommandLine,
        ),
        ("postgres://u:canary?x@h/d", UrlError::Password),
        ("postgres://u:canary#x@h/d", UrlError::Password),
        ("postgres://u:can@ary@h/d", UrlError::Password),
        ("postgres://u:can/ary@h/d", UrlError::Password),
        ("postgres://u:can@ry/canary@h/d", UrlError::Password),
        ("postgres://u:123456/canary@h/d", UrlError::Password),
        ("postgres://u:canary", UrlError::Password),
        ("postgres://h?user=u@x", UrlError::Password),
        ("postgres://u:p@h:canary/d", UrlError::Port),
        ("postgres://u:canary@[::1]x:1/d", UrlError::Port),
        ("postgres://u:canary@[x/d", UrlError::Port),
        ("postgres://h/d?password=can&ary", UrlError::Parameter),
        ("postgres://u:can%ary@h/d", UrlError::Percent),
        ("postgres://u:can%00ary@h/d", UrlError::Percent),
        ("postgres://h/d?password=can%ry", UrlError::Percent),
        ("file:a%00b.db", UrlError::Percent),
    ] {
        let error = DatabaseUrl::parse(text).expect_err(text);
        assert_eq!(error, expected, "{text}");
        let shown = format!("{error} {error:?} {}", error.help());
        assert!(
            !shown.contains("canary") && !shown.contains("ary@"),
            "{shown}"
        );
    }
}

#[test]
fn a_password_is_never_shown() {
    for text in [
        "postgres://u:canary@h/d",
        "postgres://u:canary@h:1,i:2/d?user=u@x",
        "postgres://u:canary@[::1]:5/d",
        "postgres://u:12/canary@h/d",
        "postgres://h/d?%70assword=canary",
        "postgres://h/d?application_name=u:canary@x",
        "postgres://h/d?user=u&password=canary",
        "mysql://u:canary@h:3306/d?sslpassword=canary",
    ] {
        let shown = format!("{0} {0:?}", url(text));
        assert!(
            !shown.contains("canary") && !shown.contains("can@ry"),
            "{shown}"
        );
        assert!(shown.contains("***"), "{shown}");
    }
}

#[test]
fn equal_databases_have_equal_identities() {
    let a = url("postgres://u:x@LOCALHOST/d?sslmode=disable").identity();
    assert_eq!(a, url("postgresql://v@127.0.0.1:5432/d").identity());
    assert_ne!(a, url("postgres://u@localhost/e").identity());
    assert_eq!(url("sqlite:./x.db").identity(), url("x.db").identity());
    assert_eq!(a, url("postgres://u@[::1]/d").identity());
    assert_ne!(a, url("postgres://u@localhost:1/d").identity());
    assert_ne!(a, url("mysql://u@localhost/d").identity());
}

#[test]
fn mysql_on_this_machine_is_one_database_by_socket_and_by_address() {
    let here = url("mysql://u@127.0.0.1:3306/d").identity();
    for text in [
        "mysql://localhost/d",
        "mysql:///d",
        "mariadb://v:w@LOCALHOST:3306/d?ssl-mode=DISABLED",
        "mysql://[::1]/d",
        "mysql://[::1]:3306/d",
        "mysql://h/d?socket=/run/mysqld/mysqld.sock",
        "mysql://%2Ftmp%2Fmysql.sock/d",
    ] {
        assert_eq!(url(text).identity(), here, "{text}");
    }
    let socket = url("mysql:///d?socket=/a/b.sock").identity();
    assert_eq!(url("mysql://u@%2Fa%2Fb.sock/d").identity(), socket);
    assert_eq!(url("mysql:///d?Unix_Socket=/a/b.sock").identity(), socket);
    for text in [
        "mysql://localhost:3307/d",
        "mysql://[::2]/d",
        "mysql://h/d",
        "mysql:///e",
        "mysql:///d?socket=/a/b.sock",
    ] {
        assert_ne!(url(text).identity(), here, "{text}");
    }
}

#[test]
fn what_only_libpq_reads_is_no_part_of_a_mysql_url() {
    let made = url("mysql://u:p%40w@[::1]:5/d%20x?user=v&dbname=e&host=h&ssl-key=/k&SSL_KEY=/l");
    assert_eq!(made.user().as_deref(), Some("u"));
    assert_eq!(made.database_name().as_deref(), Some("d x"));
    assert_eq!(
        (made.hosts(), made.password().as_deref()),
        ("[::1]:5", Some("p@w"))
    );
    assert_eq!(
        made.to_string(),
        "mysql://u:***@[::1]:5/d%20x?user=v&dbname=e&host=h&ssl-key=/k&SSL_KEY=/l"
    );
    assert!(!url("mysql:///d?host=h").names_host());
    assert_eq!(url("mysql://u@h/").database_name(), None);
    assert_eq!(
        url("mysql://u:p@h/d?ssl-mode=REQUIRED")
            .with_database("a b")
            .expose(),
        "mysql://u:p@h/a%20b?ssl-mode=REQUIRED"
    );
}

#[test]
fn another_database_keeps_the_server_and_the_options() {
    let other = url("postgres://u:p@h:1/d%20x?sslmode=require&dbname=y").with_database("a b");
    assert_eq!(other.expose(), "postgresql://u:p@h:1/a%20b?sslmode=require");
    assert_eq!(other.database_name().as_deref(), Some("a b"));
    assert_eq!(
        url("postgres://u@h/d%20x").database_name().as_deref(),
        Some("d x")
    );
}

/// What [`DatabaseUrl::parse`] refuses, had it come in by another way.
#[test]
fn a_password_is_not_even_shown_where_it_is_no_url() {
    for text in [
        "postgres://u:canary?x@h/d",
        "postgres://u:canary#x@h/d",
        "postgres://u:canary@canary@h/d",
        "postgres://u:canary/canary@h/d",
        "postgres://u:12/canary@h/d",
        "postgres://u:x@canary/canary@h/d",
        "postgres://u:canary",
        "postgres://u:12?canary/canary@h/d",
        "postgres://h/d?password=x&canary",
    ] {
        let url = DatabaseUrl {
            dialect: Dialect::Postgres,
            text: text.to_owned(),
            path: None,
        };
        for url in [url.clone().with_parameter("connect_timeout", "1"), url] {
            let shown = format!("{url} {url:?}");
            assert!(!shown.contains("canary"), "{text}: {shown}");
            assert!(shown.contains("***"), "{text}: {shown}");
        }
    }
}

#[test]
fn the_parts_of_a_url_are_those_that_libpq_reads() {
    let made = url("postgres://u%40x:p%2Fq@h:1,[::1]:2/d?user=v&sslpassword=s%40s");
    assert_eq!(made.user().as_deref(), Some("u@x"));
    assert_eq!(made.database_name().as_deref(), Some("d"));
    assert_eq!(made.parameter("sslpassword").as_deref(), Some("s@s"));
    assert_eq!(made.secrets(), ["p%2Fq", "s%40s", "p/q", "s@s"]);
    assert_eq!(
        made.to_string(),
        "postgresql://u%40x:***@h:1,[::1]:2/d?user=v&sslpassword=***"
    );
    let more = made.with_parameter("a", "b c");
    assert!(more.expose().ends_with("&a=b%20c"), "{}", more.expose());
    let bare = url("postgres://h").with_parameter("a", "b");
    assert_eq!(bare.expose(), "postgresql://h?a=b");
    let bare = url("postgres://h/?user=u");
    assert_eq!(
        (bare.user().as_deref(), bare.database_name()),
        (Some("u"), None)
    );
    assert!(!url("postgres:///d").names_host());
    assert_eq!(
        url("postgres://h/a@b").database_name().as_deref(),
        Some("a@b")
    );
}

#[test]
fn a_certificate_starts_where_a_file_of_sqlites_would() {
    let root = Path::new("/work space");
    for (text, client) in [
        (
            "mysql://h/d?ssl-ca=a%20b/ca.pem",
            "mysql://h/d?ssl-ca=/work%20space/a%20b/ca.pem",
        ),
        (
            "mysql://u:p@h/d?charset=utf8&SSL_CERT=c.pem&sslKey=../k%26.pem&",
            "mysql://u:p@h/d?charset=utf8&SSL_CERT=/work%20space/c.pem&sslKey=/work%20space/../k%26.pem&",
        ),
        ("mysql://h/d?ssl-ca=/ca.pem", "mysql://h/d?ssl-ca=/ca.pem"),
        ("mysql://h/d?ssl-ca=", "mysql://h/d?ssl-ca="),
        ("mysql://h/d?socket=s", "mysql://h/d?socket=s"),
        ("mysql://h/d", "mysql://h/d"),
        // libpq reads its own.
        (
            "postgres://h/d?sslcert=c.pem",
            "postgresql://h/d?sslcert=c.pem",
        ),
    ] {
        assert_eq!(url(text).resolve_from(root).expose(), client, "{text}");
    }
}

#[test]
fn a_file_uri_is_decoded_and_resolved_as_a_path_is() {
    let root = Path::new("/work space");
    for (text, path, client) in [
        (
            "file:a%20b.db",
            "/work space/a b.db",
            "file:/work%20space/a%20b.db",
        ),
        (
            "file:a.db?mode=ro#x",
            "/work space/a.db",
            "file:/work%20space/a.db?mode=ro#x",
        ),
        ("file:/a.db", "/a.db", "file:/a.db"),
        ("file:///a.db", "/a.db", "file:///a.db"),
        ("file:////a.db", "/a.db", "file:////a.db"),
        ("file://localhost/a.db", "/a.db", "file://localhost/a.db"),
        ("a%20b.db", "/work space/a%20b.db", "/work space/a%20b.db"),
    ] {
        let url = url(text).resolve_from(root);
        assert_eq!(url.sqlite_path(), Some(Path::new(path)), "{text}");
        assert_eq!(url.expose(), client, "{text}");
    }
    for text in [
        "file::memory:",
        "file:x?cache=shared&mode=memory",
        ":memory:",
    ] {
        let url = url(text).resolve_from(root);
        assert_eq!((url.sqlite_path(), url.expose()), (None, text));
    }
}

#[cfg(unix)]
#[test]
fn links_to_one_file_are_one_database_also_before_it_is_made() {
    let home = std::env::temp_dir().join(format!("migrate-url-{}", crate::lock::random()));
    std::fs::create_dir_all(home.join("real")).unwrap();
    std::os::unix::fs::symlink("real", home.join("link")).unwrap();
    std::os::unix::fs::symlink("link/a.db", home.join("b.db")).unwrap();
    let identity = |path: &str| url(&home.join(path).to_string_lossy()).identity();
    let expected = identity("real/a.db");
    assert_eq!(identity("link/a.db"), expected);
    assert_eq!(identity("b.db"), expected);
    std::fs::write(home.join("real/a.db"), "").unwrap();
    assert_eq!(identity("b.db"), expected);
    std::fs::remove_dir_all(home).unwrap();
}
