# Writes the SQL of the sqlite test: awk -v rows=N -f sqlite_work.awk. Tables
# that are filled, joined, grouped, changed and thinned out, all in memory.

BEGIN {
	print "PRAGMA temp_store = memory;"
	print "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, city INT,"
	print " born INT, note TEXT);"
	print "CREATE TABLE sale(id INTEGER PRIMARY KEY, person INT, what TEXT,"
	print " price REAL);"
	print "CREATE INDEX person_city ON person(city, born);"
	print "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	print " WHERE i < " rows ") INSERT INTO person SELECT i,"
	print " printf('name %d', i * 7919 % 10007), i * 31 % 97,"
	print " 1900 + i % 100, substr(hex(zeroblob(300)), 1, i % 400) FROM n;"
	print "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	print " WHERE i < " rows * 2 ") INSERT INTO sale SELECT i,"
	print " 1 + i * 7907 % " rows ", printf('thing %d', i % 500),"
	print " (i % 1000) / 8.0 FROM n;"
	print "CREATE INDEX sale_person ON sale(person);"
	print "SELECT city, count(*), sum(price), group_concat(DISTINCT born)"
	print " FROM person JOIN sale ON person.id = sale.person"
	print " GROUP BY city ORDER BY 3 DESC LIMIT 5;"
	print "UPDATE person SET note = note || name || city WHERE born % 3 = 0;"
	print "DELETE FROM sale WHERE id % 4 = 1;"
	print "SELECT what, max(price), length(group_concat(note))"
	print " FROM sale JOIN person ON person.id = sale.person"
	print " GROUP BY what ORDER BY 3 DESC, 1 LIMIT 5;"
	for (i = 0; i < rows / 10; i++) {
		print "INSERT INTO sale VALUES(NULL, " i % 99 + 1 ", 'late " i \
			"', " i % 50 ");"
		if (i % 8 == 0)
			print "SELECT count(*), sum(price) FROM sale WHERE person = " \
				i % 99 + 1 ";"
	}
	print "SELECT json_group_array(json_object('n', name, 'c', city))"
	print " FROM (SELECT * FROM person ORDER BY name, id LIMIT 2000);"
}
