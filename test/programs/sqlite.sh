#!/bin/sh
# sqlite3: a database made of joins, indices, full text and JSON, sorted with
# helper threads; the answers, the dump and the file itself must be the same.
. "$(dirname "$0")/program_lib.sh"
need sqlite3

prepare()
{
	rows=$(size 20000 150000)
	text "$((rows / 20))" >"$INPUT/text"
	cat >"$INPUT/sql" <<-EOT
	.bail on
	PRAGMA page_size = 4096;
	PRAGMA threads = 4;
	PRAGMA cache_size = 500;
	CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, size INT, body BLOB);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
	    WHERE i < $rows)
	INSERT INTO item SELECT i, printf('name-%d-%x', i * 7919 % 10007, i),
	    i * i % 1009, zeroblob(i % 97) FROM n;
	CREATE INDEX item_name ON item (name, size);
	CREATE INDEX item_size ON item (size, id);
	CREATE TABLE line (body TEXT);
	.import $INPUT/text line
	SELECT size, count(*), sum(length(body)), min(name), max(name)
	    FROM item GROUP BY size ORDER BY 2 DESC, 1 LIMIT 200;
	SELECT a.name, b.name FROM item a JOIN item b ON a.size = b.size
	    AND b.id = a.id + 1009 WHERE a.id < 3000 ORDER BY b.name LIMIT 300;
	SELECT name, row_number() OVER (PARTITION BY size ORDER BY name),
	    sum(id) OVER (PARTITION BY size ORDER BY id)
	    FROM item ORDER BY name LIMIT 2000;
	SELECT group_concat(substr(body, 1, 40), '|') FROM line;
	SELECT upper(hex(body)) FROM line ORDER BY body LIMIT 100;
	BEGIN;
	DELETE FROM item WHERE id % 3 = 0;
	UPDATE item SET name = name || '-' || size, body = zeroblob(id % 5000)
	    WHERE id % 7 = 0;
	SAVEPOINT s;
	DELETE FROM item;
	ROLLBACK TO s;
	COMMIT;
	VACUUM;
	PRAGMA integrity_check;
	ANALYZE;
	.backup out/backup.db
	EOT
	cat >"$INPUT/extras" <<-EOT
	SELECT json_group_array(json_object('id', id, 'n', json(json_array(
	    name, size)))) FROM (SELECT * FROM item ORDER BY id LIMIT 3000);
	SELECT count(*), sum(json_extract(value, '\$.id')) FROM json_each((SELECT
	    json_group_array(json_object('id', id)) FROM item));
	CREATE VIRTUAL TABLE words USING fts5(body);
	INSERT INTO words SELECT body FROM line;
	INSERT INTO words(words) VALUES ('optimize');
	SELECT rowid, highlight(words, 0, '<', '>') FROM words
	    WHERE words MATCH 'a* OR b*' ORDER BY rowid LIMIT 100;
	EOT
}

# JSON and FTS5 are options of the build of sqlite3.
has_extras()
{
	sqlite3 :memory: 'CREATE VIRTUAL TABLE t USING fts5(x);
		SELECT json_array(1);' >/dev/null 2>&1
}

work()
{
	prove sqlite3 :memory: 'SELECT 1'
	run sqlite3 main.db <"$INPUT/sql"
	if has_extras; then
		run sqlite3 main.db <"$INPUT/extras"
	fi
	run sqlite3 main.db .dump >out/dump.sql
	run sqlite3 copy.db <out/dump.sql
	run sqlite3 copy.db .dump | cmp - out/dump.sql
	cp main.db out/main.db
}

compare
