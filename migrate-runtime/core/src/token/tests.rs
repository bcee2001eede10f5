//! What each dialect takes for a token.

use proptest::prelude::*;

use super::*;
use Dialect::{MySql, Postgres, Sqlite};

/// The tokens with a letter for their kind, without white space; `!` marks
/// those that lack their end.
fn show(dialect: Dialect, text: &str) -> String {
    let shown: Vec<String> = tokenize(text, dialect)
        .filter(|token| token.kind != TokenKind::Whitespace)
        .map(|token| {
            let letter = match token.kind {
                TokenKind::Word => "w",
                TokenKind::QuotedIdentifier => "i",
                TokenKind::String => "s",
                TokenKind::Number => "n",
                TokenKind::Parameter => "p",
                TokenKind::Punctuation => "o",
                TokenKind::Terminator => "t",
                TokenKind::Directive => "d",
                TokenKind::ClientCommand => "c",
                TokenKind::Comment => "-",
                TokenKind::Hint => "h",
                TokenKind::Whitespace => "_",
            };
            let mark = if token.terminated { "" } else { "!" };
            format!("{letter}{mark}⟨{}⟩", &text[token.range])
        })
        .collect();
    shown.join(" ")
}

fn table(dialect: Dialect, cases: &[(&str, &str)]) {
    for (text, tokens) in cases {
        assert_eq!(&show(dialect, text), tokens, "{dialect}: {text}");
    }
}

#[test]
fn every_dialect_knows_words_strings_numbers_and_operators() {
    for dialect in Dialect::ALL {
        table(
            dialect,
            &[
                (
                    "SELECT größe, a.b FROM t;",
                    "w⟨SELECT⟩ w⟨größe⟩ o⟨,⟩ w⟨a⟩ o⟨.⟩ w⟨b⟩ w⟨FROM⟩ w⟨t⟩ t⟨;⟩",
                ),
                ("'it''s' ''", "s⟨'it''s'⟩ s⟨''⟩"),
                ("x'00' X'0f'", "s⟨x'00'⟩ s⟨X'0f'⟩"),
                ("1 1.5 .5 1e-5 0x1F", "n⟨1⟩ n⟨1.5⟩ n⟨.5⟩ n⟨1e-5⟩ n⟨0x1F⟩"),
                ("a<=b||c", "w⟨a⟩ o⟨<=⟩ w⟨b⟩ o⟨||⟩ w⟨c⟩"),
                ("a -- b ' c\nd", "w⟨a⟩ -⟨-- b ' c⟩ w⟨d⟩"),
                ("a/* ; ' */b", "w⟨a⟩ -⟨/* ; ' */⟩ w⟨b⟩"),
                ("a-/*b*/1", "w⟨a⟩ o⟨-⟩ -⟨/*b*/⟩ n⟨1⟩"),
                ("select 'open", "w⟨select⟩ s!⟨'open⟩"),
                ("a /* open", "w⟨a⟩ -!⟨/* open⟩"),
                ("(1,2)", "o⟨(⟩ n⟨1⟩ o⟨,⟩ n⟨2⟩ o⟨)⟩"),
                ("", ""),
            ],
        );
    }
}

#[test]
fn postgres_quotes_with_dollars_prefixes_and_over_lines() {
    table(
        Postgres,
        &[
            ("$$a;'$$ $t$ $$ $t$", "s⟨$$a;'$$⟩ s⟨$t$ $$ $t$⟩"),
            ("$é$a$é$", "s⟨$é$a$é$⟩"),
            ("$1 $1$ a$$b $", "p⟨$1⟩ p⟨$1⟩ o⟨$⟩ w⟨a$$b⟩ o⟨$⟩"),
            ("$a$ $b$ open", "s!⟨$a$ $b$ open⟩"),
            (r"E'it\'s' e'\\' '\' b", r"s⟨E'it\'s'⟩ s⟨e'\\'⟩ s⟨'\'⟩ w⟨b⟩"),
            (r"E'a'    'b\' c", r"s⟨E'a'⟩ s⟨'b\'⟩ w⟨c⟩"),
            ("E'a'\n'b\\'c'", "s⟨E'a'⟩ s⟨'b\\'c'⟩"),
            (
                "E'a' -- d\n -- e\n 'b\\'c'",
                "s⟨E'a'⟩ -⟨-- d⟩ -⟨-- e⟩ s⟨'b\\'c'⟩",
            ),
            ("E'a' /*\n*/ 'b\\' c", "s⟨E'a'⟩ -⟨/*\n*/⟩ s⟨'b\\'⟩ w⟨c⟩"),
            ("'a'\n'b\\' c", "s⟨'a'⟩ s⟨'b\\'⟩ w⟨c⟩"),
            (
                "U&'d!0061' U&\"a\"\"b\" B'01' N'x'",
                "s⟨U&'d!0061'⟩ i⟨U&\"a\"\"b\"⟩ s⟨B'01'⟩ s⟨N'x'⟩",
            ),
            ("\"a;b\"\"\" \"open", "i⟨\"a;b\"\"\"⟩ i!⟨\"open⟩"),
            ("/* a /* b */ c */ d", "-⟨/* a /* b */ c */⟩ w⟨d⟩"),
            ("/* a /* b */ c", "-!⟨/* a /* b */ c⟩"),
            (
                "/*+ SeqScan(a) */ /*! x */",
                "h⟨/*+ SeqScan(a) */⟩ -⟨/*! x */⟩",
            ),
            (
                "a::int #> b @> c `d",
                "w⟨a⟩ o⟨::⟩ w⟨int⟩ o⟨#>⟩ w⟨b⟩ o⟨@>⟩ w⟨c⟩ o⟨`⟩ w⟨d⟩",
            ),
            ("a @--c", "w⟨a⟩ o⟨@⟩ -⟨--c⟩"),
            ("a -- b\rc", "w⟨a⟩ -⟨-- b⟩ w⟨c⟩"),
            (
                "\\i a.sql\nselect 1 \\gset x\n",
                "c⟨\\i a.sql⟩ w⟨select⟩ n⟨1⟩ c⟨\\gset x⟩",
            ),
        ],
    );
}

#[test]
fn mysql_knows_backslashes_hashes_and_executable_comments() {
    table(
        MySql,
        &[
            (
                r#"'it\'s' "a\"b" 'c"d'"#,
                r#"s⟨'it\'s'⟩ s⟨"a\"b"⟩ s⟨'c"d'⟩"#,
            ),
            (r"`a``b;` `\`", r"i⟨`a``b;`⟩ i⟨`\`⟩"),
            ("a # b ' ;\nc", "w⟨a⟩ -⟨# b ' ;⟩ w⟨c⟩"),
            ("a #", "w⟨a⟩ -⟨#⟩"),
            (
                "5--3 5--\t3\n4--",
                "n⟨5⟩ o⟨--⟩ n⟨3⟩ n⟨5⟩ -⟨--\t3⟩ n⟨4⟩ -⟨--⟩",
            ),
            ("a-- b", "w⟨a⟩ -⟨-- b⟩"),
            ("/* a /* b */ c", "-⟨/* a /* b */⟩ w⟨c⟩"),
            (
                "/*!40101 SET a='*/;' */ b",
                "h⟨/*!40101 SET a='*/;' */⟩ w⟨b⟩",
            ),
            (
                "/*!50003 a -- it's */\n /* c */ */;",
                "h⟨/*!50003 a -- it's */\n /* c */ */⟩ t⟨;⟩",
            ),
            ("/*M!100 a */ /*+ b */", "h⟨/*M!100 a */⟩ h⟨/*+ b */⟩"),
            ("/*! open", "h!⟨/*! open⟩"),
            ("/*M!999999\\- a */ b", "-⟨/*M!999999\\- a */⟩ w⟨b⟩"),
            (
                "@a @@global.b @'c' root@localhost",
                "p⟨@a⟩ p⟨@@global.b⟩ o⟨@⟩ s⟨'c'⟩ w⟨root⟩ p⟨@localhost⟩",
            ),
            ("a$b $c 1abc ? N'x'", "w⟨a$b⟩ w⟨$c⟩ n⟨1abc⟩ p⟨?⟩ s⟨N'x'⟩"),
            ("a <=> b := c", "w⟨a⟩ o⟨<=>⟩ w⟨b⟩ o⟨:=⟩ w⟨c⟩"),
        ],
    );
}

#[test]
fn mysql_delimiter_lines_rule_what_ends_a_statement() {
    table(
        MySql,
        &[
            (
                "DELIMITER //\na; b//\ndelimiter ;\nc;",
                "d⟨DELIMITER //⟩ w⟨a⟩ o⟨;⟩ w⟨b⟩ t⟨//⟩ d⟨delimiter ;⟩ w⟨c⟩ t⟨;⟩",
            ),
            (
                "delimiter $$\nEND$$ 1$$",
                "d⟨delimiter $$⟩ w⟨END⟩ t⟨$$⟩ n⟨1⟩ t⟨$$⟩",
            ),
            (
                "  Delimiter\t';;'  \r\na;b;;",
                "d⟨Delimiter\t';;'⟩ w⟨a⟩ o⟨;⟩ w⟨b⟩ t⟨;;⟩",
            ),
            (
                "DELIMITER |\na || b|",
                "d⟨DELIMITER |⟩ w⟨a⟩ t⟨|⟩ t⟨|⟩ w⟨b⟩ t⟨|⟩",
            ),
            (
                "DELIMITER //\n'//' `//` -- //\n//",
                "d⟨DELIMITER //⟩ s⟨'//'⟩ i⟨`//`⟩ -⟨-- //⟩ t⟨//⟩",
            ),
            (
                "select 1; DELIMITER //\n",
                "w⟨select⟩ n⟨1⟩ t⟨;⟩ d⟨DELIMITER //⟩",
            ),
            (
                "drop table a\nDELIMITER //\n",
                "w⟨drop⟩ w⟨table⟩ w⟨a⟩ w⟨DELIMITER⟩ o⟨//⟩",
            ),
            (
                "create table a (\ndelimiter char\n)",
                "w⟨create⟩ w⟨table⟩ w⟨a⟩ o⟨(⟩ w⟨delimiter⟩ w⟨char⟩ o⟨)⟩",
            ),
            (
                "select a,\ndelimiter from b",
                "w⟨select⟩ w⟨a⟩ o⟨,⟩ w⟨delimiter⟩ w⟨from⟩ w⟨b⟩",
            ),
            ("delimiter\na", "c⟨delimiter⟩ w⟨a⟩"),
            ("delimiters //", "w⟨delimiters⟩ o⟨//⟩"),
            ("-- DELIMITER //\n;", "-⟨-- DELIMITER //⟩ t⟨;⟩"),
        ],
    );
    for dialect in [Postgres, Sqlite] {
        assert_eq!(show(dialect, "DELIMITER x;"), "w⟨DELIMITER⟩ w⟨x⟩ t⟨;⟩");
    }
}

#[test]
fn mysql_client_commands_stand_where_a_statement_begins() {
    table(
        MySql,
        &[
            (
                "source a.sql;\n\\. b.sql\nselect \\N",
                "c⟨source a.sql;⟩ c⟨\\. b.sql⟩ w⟨select⟩ w⟨\\N⟩",
            ),
            ("select source from a", "w⟨select⟩ w⟨source⟩ w⟨from⟩ w⟨a⟩"),
            ("select 1\\G", "w⟨select⟩ n⟨1⟩ c⟨\\G⟩"),
            ("source: loop", "w⟨source⟩ o⟨:⟩ w⟨loop⟩"),
        ],
    );
}

#[test]
fn sqlite_quotes_four_ways_and_lets_comments_run_on() {
    table(
        Sqlite,
        &[
            (
                "[a;']]b \"c\"\"\" `d``` ",
                "i⟨[a;']⟩ o⟨]⟩ w⟨b⟩ i⟨\"c\"\"\"⟩ i⟨`d```⟩",
            ),
            ("[open", "i!⟨[open⟩"),
            (r"'a\' b", r"s⟨'a\'⟩ w⟨b⟩"),
            ("/* a /* b */ c", "-⟨/* a /* b */⟩ w⟨c⟩"),
            ("/*+ a */ /*! b */", "-⟨/*+ a */⟩ -⟨/*! b */⟩"),
            ("?1 :a @b $c ?", "p⟨?1⟩ p⟨:a⟩ p⟨@b⟩ p⟨$c⟩ p⟨?⟩"),
            (
                ".read a.sql\nselect a.b;\n.mode x",
                "c⟨.read a.sql⟩ w⟨select⟩ w⟨a⟩ o⟨.⟩ w⟨b⟩ t⟨;⟩ c⟨.mode x⟩",
            ),
        ],
    );
}

/// Text with many quotes, comments and keywords, and their halves.
pub(crate) fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "'", "\"", "`", "$$", "$t$", "[", "]", "\\", "--", "-- ", "#", "/*", "*/", "/*!", "/*+", ";", ";;", "\n",
            "\r\n", " ", "(", ")", "E'", "U&'", "N'", "//", "DELIMITER //\n", "DELIMITER ;\n", "@", ":", ".", "é",
        ]),
        3 => prop::sample::select(vec![
            "BEGIN ", "END", "END;", "END IF", "IF ", "CASE ", "WHEN ", "THEN ", "ELSE ", "LOOP ", "REPEAT ", "UNTIL ",
            "WHILE ", "DO ", "CREATE ", "FUNCTION f() ", "PROCEDURE p() ", "TRIGGER t ", "EVENT e ", "RULE r ",
            "ATOMIC ", "FOR EACH ROW ", "DECLARE ", "HANDLER FOR ", "COMMIT;", "COPY t FROM STDIN;", "\n\\.\n",
            "SELECT ", "1", "a", "INSERT ", "ROLLBACK", "TEMP ", "EXPLAIN ",
        ]),
        1 => "\\PC{0,3}".prop_map(|_| "x"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tokens_cover_every_byte(text in prop_oneof![hostile_text(), any::<String>()]) {
        for dialect in Dialect::ALL {
            let mut at = 0;
            for token in tokenize(&text, dialect) {
                prop_assert_eq!(token.range.start, at);
                prop_assert!(token.range.end > at);
                prop_assert!(text.is_char_boundary(token.range.end));
                at = token.range.end;
            }
            prop_assert_eq!(at, text.len());
        }
    }

    #[test]
    fn literals_survive_whatever_they_hold(content in any::<String>()) {
        let doubled = |quote: char| format!("{quote}{}{quote}", content.replace(quote, &format!("{quote}{quote}")));
        let escaped = content.replace('\\', "\\\\").replace('\'', "\\'");
        let cases = [
            (Postgres, doubled('\'')), (Postgres, doubled('"')), (Postgres, format!("E'{escaped}'")),
            (Postgres, format!("$_$ {} $_$", content.replace('$', ""))),
            (MySql, format!("'{escaped}'")), (MySql, doubled('`')),
            (Sqlite, doubled('\'')), (Sqlite, doubled('"')), (Sqlite, doubled('`')),
        ];
        for (dialect, literal) in cases {
            let text = format!("a {literal};");
            let ranges: Vec<_> = tokenize(&text, dialect).map(|token| token.range).collect();
            prop_assert_eq!(&ranges, &vec![0..1, 1..2, 2..2 + literal.len(), text.len() - 1..text.len()], "{}", text);
        }
    }
}
