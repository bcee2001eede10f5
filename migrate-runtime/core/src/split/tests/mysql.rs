//! Texts as MySQL's and MariaDB's users and tools write them, each with its
//! pieces and their kinds. All of them were run on MariaDB 10.11 piece by
//! piece and as a whole, with the same schema and rows in the end.

use super::*;

/// Rows of kinds (`d` DML, `a` alone) and of a text with `¦` behind each
/// statement.
fn rows(cases: &[(&str, &str)]) {
    for (kinds, case) in cases {
        pieces_table(MySql, &[case]);
        let text = case.replace('¦', "");
        let found: String = split(&text, MySql)
            .unwrap()
            .iter()
            .map(|statement| match statement.kind {
                StatementKind::Dml => 'd',
                StatementKind::Alone => 'a',
                kind => panic!("{kind:?}: {text}"),
            })
            .collect();
        assert_eq!(&found, kinds, "{text}");
    }
}

#[test]
fn a_dump_is_read_as_its_client_reads_it() {
    let text = "/*M!999999\\- enable the sandbox mode */ \n\
                -- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\n\
                /*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n\
                DROP TABLE IF EXISTS `u`;\n\
                LOCK TABLES `u` WRITE;\n\
                /*!40000 ALTER TABLE `u` DISABLE KEYS */;\n\
                INSERT INTO `u` VALUES\n(1,'it\\'s; \\\\ \"q\" /* */ -- x'),\n(2,'\\n;;\\nDELIMITER ;');\n\
                UNLOCK TABLES;\n\
                DELIMITER ;;\n\
                /*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER tr BEFORE INSERT ON u \
                FOR EACH ROW begin set new.a = 1; end */;;\n\
                DELIMITER ;\n\
                /*!50003 SET sql_mode = @saved_sql_mode */ ;\n\
                DELIMITER ;;\n\
                /*!50106 CREATE*/ /*!50117 DEFINER=`root`@`localhost`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY \
                DO begin delete from log; end */ ;;\n\
                CREATE DEFINER=`root`@`localhost` PROCEDURE `p`(in x int)\n    COMMENT 'semi; colon'\n\
                begin declare i int; l: loop leave l; end loop l; end ;;\n\
                DELIMITER ;\n\
                /*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n-- Dump completed\n";
    let shown: Vec<String> = split(text, MySql)
        .unwrap()
        .iter()
        .map(|s| {
            let words: Vec<_> = text[s.range.clone()]
                .split_ascii_whitespace()
                .take(3)
                .collect();
            format!("{:?} {}", s.kind, words.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Dml /*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT",
            "Alone DROP TABLE IF",
            "Alone LOCK TABLES `u`",
            "Alone /*!40000 ALTER TABLE",
            "Dml INSERT INTO `u`",
            "Alone UNLOCK TABLES",
            "Alone /*!50003 CREATE*/ /*!50017",
            "Alone /*!50003 SET sql_mode",
            "Alone /*!50106 CREATE*/ /*!50117",
            "Alone CREATE DEFINER=`root`@`localhost` PROCEDURE",
            "Alone /*!40111 SET SQL_NOTES=@OLD_SQL_NOTES",
        ]
    );
}

#[test]
fn executable_comments_are_what_stands_in_them() {
    rows(&[
        (
            "a",
            "create table t (a int) /*!50100 partition by range (a) (partition p values less than (10)) */;¦",
        ),
        ("d", "/*!40000 insert into t values (1) */;¦"),
        ("d", "/*! insert into t values (2) */;¦"),
        (
            "d",
            "insert into t values (3 /*!100000 + 4 */ /*M! + 5 */);¦",
        ),
        // A server that is older, or the other one, finds these empty.
        ("a", "/*!50701 insert into t values (1) */;¦"),
        ("a", "/*M!100100 insert into t values (1) */;¦"),
        ("a", "/*!80000 create table t (a int) */;¦"),
    ]);
    // A comment to every server: it begins no statement.
    let text = "/*M!999999\\- enable the sandbox mode */ insert into t values (1);";
    assert_eq!(parts(MySql, text), ["insert into t values (1)"]);
}

#[test]
fn programs_are_one_piece_each() {
    rows(&[
        (
            "aa",
            "create procedure p(out n int)\nouter_block: begin\n declare done int default 0;\n set n = 0;\n a: while n < 10 \
             do\n b: repeat\n set n = n + 1;\n if n = 3 then iterate a; end if;\n if n > 5 then leave a; end if;\n until \
             n % 2 = 0 end repeat b;\n end while a;\n inner_block: begin leave outer_block; end inner_block;\nend \
             outer_block;¦ call p(@x);¦",
        ),
        (
            "aa",
            "create procedure p() begin declare c condition for sqlstate '23000'; declare continue handler for c, sqlstate \
             value '42S02', 1051, not found, sqlwarning begin end; declare exit handler for sqlexception begin get \
             diagnostics condition 1 @m = message_text; resignal; end; begin declare x int; end; end;¦ call p();¦",
        ),
        (
            "aa",
            "create procedure p() begin declare v int; declare cur cursor for select a from t; declare continue handler for \
             not found set done = true; open cur; l: loop fetch cur into v; if done then leave l; end if; case when v > 1 \
             then update t set a = 1; else update t set a = case a when 1 then 100 else a end where a = v; end case; end \
             loop; close cur; end;¦ call p();¦",
        ),
        (
            "aaa",
            "create or replace trigger a before update on t for each row if old.a <> new.a then set new.b = 0; end if;¦ \
             create definer = current_user trigger b after insert on t for each row follows a begin if new.a then insert \
             into l values (concat('a', ';')); end if; end;¦ create trigger c after insert on t for each row precedes b \
             insert into l values ('x;');¦",
        ),
        (
            "aaa",
            "create event e on schedule every 1 hour starts '2030-01-01' ends '2031-01-01' on completion preserve disable \
             comment 'do; begin' do insert into t values (1);¦ create event if not exists f on schedule at '2031-01-01' do \
             begin if 1 then delete from t; end if; end;¦ alter event e rename to g;¦",
        ),
        (
            "aaa",
            "create function f(a set('x','y;'), b enum('a','b')) returns set('x;','y') deterministic return 'y';¦ create \
             function g(a varchar(10) character set utf8mb4) returns varchar(20) charset latin1 language sql not \
             deterministic contains sql sql security invoker comment 'c;' begin declare v varchar(10) default 'x;'; return \
             v; end;¦ create or replace function h() returns int return (select 1);¦",
        ),
        (
            "aa",
            "create aggregate function agg(x int) returns int begin declare s int default 0; declare continue handler for \
             not found return s; loop fetch group next row; set s = s + x; end loop; end;¦ create function if not exists \
             f() returns decimal(10,2) begin if 1 then return 1; end if; return case when 1 then 2 else 3 end; end;¦",
        ),
        (
            "aaaa",
            "create procedure a() while (select count(*) from t) < 2 do if 1 then insert into t values (1); end if; end \
             while;¦ create procedure b() `quoted lbl`: loop leave `quoted lbl`; end loop `quoted lbl`;¦ create procedure \
             c() begin a: begin b: begin end b; end a; end;¦ create procedure d() repeat select 1; until true end \
             repeat;¦",
        ),
        (
            "aaaaa",
            "create procedure a() with r as (select 1 as a) select * from r;¦ create procedure b() do 1;¦ create procedure \
             c() signal sqlstate '45000' set message_text = 'x;';¦ create procedure d() set @x = 1, @y = 2;¦ create \
             procedure e() begin prepare s from 'select 1'; execute s; truncate t; create temporary table x (a int); \
             end;¦",
        ),
        (
            "aa",
            "create procedure p() begin for r in (select a from t) do insert into t values (r.a); end for; for i in reverse \
             1..2 do insert into t values (i); end for; end;¦ call p();¦",
        ),
        (
            "aa",
            "create trigger tr before insert on t for each row set new.end = new.begin, new.at = 4;¦ create procedure q() \
             begin select end, begin from t where end = 1; select t.end from t; insert into t (end) values (9); end;¦",
        ),
    ]);
}

#[test]
fn mariadb_runs_programs_without_a_name() {
    rows(&[
        (
            "ad",
            "begin not atomic declare exit handler for sqlexception begin insert into t values (-1); end; insert into u \
             values (1); end;¦ insert into t values (5);¦",
        ),
        (
            "ad",
            "begin not atomic declare i int default 0; while i < 3 do set i = i + 1; end while; end;¦ select 1;¦",
        ),
        (
            "ad",
            "if (select count(*) from t) > 1 then delete from t; else delete from u; end if;¦ select 1;¦",
        ),
        (
            "aad",
            "for i in 1..3 do delete from t; end for;¦ for r in (select a from t) do delete from u; end for;¦ select 1;¦",
        ),
        (
            "aad",
            "while @a do delete from t; end while;¦ repeat delete from t; until true end repeat;¦ select 1;¦",
        ),
        (
            "ad",
            "case when @a = 0 then delete from t; else delete from u; end case;¦ select 1;¦",
        ),
    ]);
}

#[test]
fn plain_statements_have_their_kinds() {
    rows(&[
        (
            "daaa",
            "set @s = concat('select ', 1);¦ prepare s from @s;¦ execute s using @a;¦ deallocate prepare s;¦",
        ),
        (
            "aa",
            "execute immediate 'create table t (a int)';¦ drop prepare s;¦",
        ),
        (
            "ddd",
            "select max(a) into @m from t;¦ select @r := 0;¦ set @a = (select 5), @b := if(1, 2, 3);¦",
        ),
        (
            "dddd",
            "with q as (select 1 as s) select s into @y from q;¦ (select 4) union (select 5);¦ values (1), (2);¦ do sleep(0);¦",
        ),
        (
            "dddd",
            "insert into t select 1;¦ insert into t set a = 4;¦ replace t values (3);¦ delete from t returning a;¦",
        ),
        (
            "dd",
            "insert into t with r as (select 3 as n) select n from r;¦ with r as (select 1) delete from t;¦",
        ),
        (
            "dd",
            "load data infile '/tmp/a;' into table t;¦ select 1 into outfile '/tmp/b';¦",
        ),
        (
            "aaa",
            "create table b select 1 as x;¦ create temporary table t as select 1;¦ create table d like b;¦",
        ),
        (
            "aaaa",
            "set names utf8mb4;¦ set session sql_mode = 'ANSI_QUOTES';¦ set global x = 1;¦ set password = password('a;');¦",
        ),
        (
            "da",
            "set statement max_statement_time = 1, sort_buffer_size = 2 for insert into t values (1);¦ \
               set statement sql_mode = (select 'for') for alter table t add c int;¦",
        ),
        (
            "aaaa",
            "handler t open as h;¦ handler h read `PRIMARY` first;¦ handler h close;¦ call p(1, @a);¦",
        ),
        (
            "aaaaaa",
            "show tables;¦ describe t;¦ explain select 1;¦ analyze table t;¦ flush tables;¦ use other;¦",
        ),
    ]);
}

#[test]
fn quotes_and_delimiters_keep_what_looks_like_an_end() {
    rows(&[
        (
            "d",
            r#"insert into t values ('it''s; \' \\'), ("dq; \" '' "), (_utf8mb4'é;'), (N'n;'), ('a' 'b;' 'c'), (';
;'), ('DELIMITER //
;'), (\N);¦"#,
        ),
        (
            "ad",
            "create table `a;b` (`x``y` int, `-- z` int, `/*` int);¦ insert into `a;b` (`x``y`, `-- z`) values (1, 2);¦",
        ),
        (
            "ad",
            "create table 1t (2c int, c$d int, $e int, über int, `end` int);¦ insert into 1t values (1.5, .5, 1e3, 1, 0x1F);¦",
        ),
        (
            "dd",
            "insert into t values (1--1, 2);¦ insert into t values (1 -- x;\n, 5--2);¦",
        ),
    ]);
    assert_eq!(
        parts(
            MySql,
            "delimiter ;;\ncreate table t (a int);;\ninsert into t values (1); insert into t values (2);;\n\
             create procedure p() begin select 1; select 2; end;;\ndelimiter '//'\ncall p()//\n\
             delimiter END_OF\ncall p() END_OF\ndelimiter ;\ncall p();\n"
        ),
        [
            "create table t (a int)",
            "insert into t values (1)",
            "insert into t values (2)",
            "create procedure p() begin select 1; select 2; end",
            "call p()",
            "call p()",
            "call p()",
        ]
    );
    assert_eq!(
        parts(
            MySql,
            "create table t (a int);\r\nDELIMITER //\r\ncreate procedure p()\r\nbegin\r\n  select 1;\r\nend//\r\n\
             DELIMITER ;\r\ncall p();\r\n"
        ),
        [
            "create table t (a int)",
            "create procedure p()\r\nbegin\r\n  select 1;\r\nend",
            "call p()"
        ]
    );
}
