//! What URLs ask for, and what is refused.

use super::*;

const CANARY: &str = "s3cret-canary";

fn around() -> Surroundings {
    Surroundings {
        password: Some("from-environment".to_owned()),
        user: Some("os".to_owned()),
        socket: Some("/run/mysqld/mysqld.sock".into()),
    }
}

fn options(text: &str) -> Options {
    let url = DatabaseUrl::parse(text).unwrap();
    match read(&url, around()) {
        Ok(options) => options,
        Err(error) => panic!("{text}: {error:?}"),
    }
}

fn refused(text: &str) -> Unusable {
    let url = DatabaseUrl::parse(text).unwrap();
    match read(&url, around()) {
        Ok(_) => panic!("{text}"),
        Err(error) => error,
    }
}

fn tcp(host: &str, port: u16) -> Place {
    let host = host.to_owned();
    Place::Tcp { host, port }
}

#[test]
fn this_machine_is_its_socket_unless_a_port_or_tls_is_named() {
    let socket = || Place::Socket("/run/mysqld/mysqld.sock".into());
    let other = || Place::Socket("/x y.sock".into());
    for (text, place, mode) in [
        ("mysql:///d", socket(), Mode::Disabled),
        ("mysql://u@localhost/d", socket(), Mode::Disabled),
        ("mysql://u@LOCALHOST", socket(), Mode::Disabled),
        (
            "mysql://localhost:3307/d",
            tcp("localhost", 3307),
            Mode::Disabled,
        ),
        ("mysql://u@:3307/d", tcp("127.0.0.1", 3307), Mode::Disabled),
        (
            "mysql://127.0.0.1/d",
            tcp("127.0.0.1", 3306),
            Mode::Disabled,
        ),
        ("mysql://[::1]:5/d", tcp("::1", 5), Mode::Disabled),
        ("mysql://[::1]/d", tcp("::1", 3306), Mode::Disabled),
        (
            "mariadb://db.example/d",
            tcp("db.example", 3306),
            Mode::Preferred,
        ),
        ("mysql://h:5/d?socket=/x%20y.sock", other(), Mode::Disabled),
        (
            "mysql:///d?unix_socket=/x%20y.sock",
            other(),
            Mode::Disabled,
        ),
        ("mysql://u@%2Fx%20y.sock/d", other(), Mode::Disabled),
        (
            "mysql://localhost/d?ssl-mode=required",
            tcp("localhost", 3306),
            Mode::Required,
        ),
        ("mysql:///d?ssl-mode=preferred", socket(), Mode::Preferred),
        (
            "mysql:///d?ssl-ca=/ca.pem",
            tcp("127.0.0.1", 3306),
            Mode::VerifyCa,
        ),
    ] {
        let options = options(text);
        assert_eq!((options.place, options.tls.mode), (place, mode), "{text}");
    }
    let url = DatabaseUrl::parse("mysql:///d").unwrap();
    let around = Surroundings {
        socket: None,
        ..around()
    };
    let options = read(&url, around).ok().unwrap();
    assert_eq!(options.place, tcp("127.0.0.1", 3306));
}

#[test]
fn parameters_are_read_with_either_dash_and_in_any_case() {
    let made = options(
        "mysql://h/d?SSL_MODE=Verify-Identity&ssl_ca=/a%20b.pem&ssl-cert=/c&sslKey=/k\
         &CONNECT_TIMEOUT=3&charset=utf8&time-zone=%2B00:00&pool_max=5",
    );
    assert_eq!(made.tls.mode, Mode::VerifyIdentity);
    assert_eq!(made.tls.authority, Some("/a b.pem".into()));
    assert_eq!(made.tls.identity, Some(("/c".into(), "/k".into())));
    assert_eq!(made.timeout, Duration::from_secs(3));
    assert_eq!(options("mysql://h/d").timeout, Duration::from_secs(10));
    for (text, mode) in [
        ("mysql://h/d?ssl-ca=/ca", Mode::VerifyCa),
        (
            "mysql://h/d?ssl-cert=/c&ssl-key=/k&ssl-mode=REQUIRED",
            Mode::Required,
        ),
        (
            "mysql://127.0.0.1/d?ssl-cert=/c&ssl-key=/k",
            Mode::Preferred,
        ),
        ("mysql://h/d?ssl-mode=disabled", Mode::Disabled),
    ] {
        assert_eq!(options(text).tls.mode, mode, "{text}");
    }
}

#[test]
fn what_would_do_nothing_is_refused() {
    for (parameters, says) in [
        ("ssl-ca=/x&ssl-mode=DISABLED", "`ssl-ca` does nothing"),
        ("ssl-ca=/x&ssl-mode=PREFERRED", "`ssl-ca` does nothing"),
        ("ssl-mode=REQUIRED&ssl-ca=/x", "`ssl-mode=REQUIRED`"),
        (
            "ssl-cert=/c&ssl-key=/k&ssl-mode=DISABLED",
            "`ssl-cert` does nothing",
        ),
        (
            "ssl-cert=/c&ssl-key=/k&socket=/s",
            "TLS is not to be had over a socket",
        ),
        ("charset=latin1", "`charset` is not utf8mb4"),
        ("charset=utf8mb4,latin1", "`charset` is not utf8mb4"),
        ("charset=utf16", "`charset` is not utf8mb4"),
        ("collation=latin1_bin", "`collation` is not utf8mb4"),
        ("time_zone=Europe/Berlin", "`time_zone` is not UTC"),
        ("timezone=%2B01:00", "`timezone` is not UTC"),
        ("serverTimezone=SYSTEM", "`serverTimezone` is not UTC"),
    ] {
        let error = refused(&format!("mysql://u@h/d?{parameters}"));
        assert!(error.message.contains(says), "{parameters}: {error:?}");
    }
    for parameters in [
        "charset=utf8",
        "charset=UTF-8",
        "charset=utf8mb3",
        "charset=utf8mb4,utf8",
        "collation=utf8mb4_unicode_ci",
        "time_zone=%27%2B00:00%27",
        "timezone=Z",
        "serverTimezone=utc",
        "ssl-ca=/x&ssl-mode=VERIFY_CA",
    ] {
        options(&format!("mysql://u@h/d?{parameters}"));
    }
    // It is for TLS, which a socket has not.
    let made = options("mysql:///d?ssl-cert=/c&ssl-key=/k");
    assert_eq!(made.place, tcp("127.0.0.1", 3306));
}

#[test]
fn user_and_password_come_from_the_url_first() {
    let made = options("mysql://a%40b:p%2Fw@h/d");
    assert_eq!(
        (&*made.user, made.password.as_deref()),
        ("a@b", Some("p/w"))
    );
    let made = options("mysql://h/d");
    assert_eq!(
        (&*made.user, made.password.as_deref()),
        ("os", Some("from-environment"))
    );
    // An empty one is one.
    assert_eq!(options("mysql://u:@h/d").password.as_deref(), Some(""));
}

#[test]
fn what_is_not_known_is_refused_and_named_without_its_value() {
    for (text, named) in [
        ("useSSL", "parameter `useSSL` is unknown"),
        ("require_ssl", "parameter `require_ssl` is unknown"),
        ("password", "parameter `password` is unknown"),
        ("a%26b", "parameter `…` is unknown"),
        ("ssl-mode", "its `ssl-mode` is none that MySQL has"),
        ("connect-timeout", "its `connect-timeout` is no number"),
        ("ssl-cert", "it has `ssl-cert` and no `ssl-key`"),
        ("ssl-key", "it has `ssl-key` and no `ssl-cert`"),
    ] {
        let error = refused(&format!("mysql://u:{CANARY}@h/d?{text}={CANARY}"));
        let shown = format!("{error:?}");
        assert!(error.message.contains(named), "{shown}");
        assert!(!shown.contains(CANARY), "{shown}");
    }
    refused("mysql://h/d?connect-timeout=0");
    refused("mysql://h/d?ssl-mode=");
    assert_eq!(refused("mysql://h,i/d").message, "it names several hosts");
    let error = refused("mysql:///d?socket=/s&ssl-mode=VERIFY_CA");
    assert_eq!(error.message, "TLS is not to be had over a socket");
    let url = DatabaseUrl::parse("mysql://h/d").unwrap();
    let error = read(&url, Surroundings::default()).err().unwrap();
    assert_eq!(error.message, "it names no user");
}
