#!/bin/sh
# A private redis-server on a socket of its own: writes of every type, with
# background saves meanwhile, read back; restarted from its dump and read back
# again.  Lazy frees, and I/O threads where there are CPUs for them, put several
# threads on one heap.
. "$(dirname "$0")/program_lib.sh"
need redis-server redis-cli redis-benchmark

# Commands for redis-cli: strings, lists, hashes, sets, sorted sets, streams.
writes()
{
	awk -v keys="$1" '
	function filler(n,  s) {
		s = "0123456789abcdefghijklmnopqrstuvwxyz"
		while (length(s) < n)
			s = s s
		return substr(s, 1, n)
	}
	BEGIN {
		for (i = 0; i < keys; i++) {
			print "SET str:" i " " filler(i * 37 % 3000 + 1) i
			print "RPUSH list:" i % 50 " " filler(i % 200) i
			print "HSET hash:" i % 70 " f" i " " filler(i % 90) i
			print "SADD set:" i % 30 " member" i " " i
			print "ZADD zset:" i % 20 " " i * 7919 % 1000 " z" i
			print "XADD stream:" i % 5 " " i + 1 "-1 k " filler(i % 64 + 1)
			if (i % 3 == 0)
				print "APPEND str:" i " " filler(i % 700 + 1)
			if (i % 5 == 0)
				print "UNLINK str:" i - 10
			if (i % 7 == 0)
				print "SETRANGE big:" i % 4 " " i * 100 " x" i
		}
	}'
}

# Everything that the server holds, in an order that hash seeds do not change.
dump_script='
local function sorted(t) table.sort(t) return table.concat(t, " ") end
local out = {}
local keys = redis.call("KEYS", "*")
table.sort(keys)
for _, key in ipairs(keys) do
	local kind = redis.call("TYPE", key).ok
	local value
	if kind == "string" then value = redis.call("GET", key)
	elseif kind == "list" then
		value = table.concat(redis.call("LRANGE", key, 0, -1), " ")
	elseif kind == "hash" then
		local all, pairs_of = redis.call("HGETALL", key), {}
		for i = 1, #all, 2 do
			pairs_of[#pairs_of + 1] = all[i] .. "=" .. all[i + 1]
		end
		value = sorted(pairs_of)
	elseif kind == "set" then value = sorted(redis.call("SMEMBERS", key))
	elseif kind == "zset" then
		value = table.concat(
			redis.call("ZRANGE", key, 0, -1, "WITHSCORES"), " ")
	else value = tostring(redis.call("XLEN", key)) end
	out[#out + 1] = key .. " " .. kind .. " " .. redis.sha1hex(value)
	if #value < 200 then out[#out + 1] = value end
end
return out'

# Builds of redis 7.4 and later that are linked with jemalloc allocate by
# jemalloc's own mallocx and ask malloc_usable_size about it: they run on no
# malloc that lacks mallocx.
wants_jemalloc()
{
	grep -aqw mallocx "$(command -v redis-server)" &&
		! grep -aqw mallocx "$PCM_SO"
}

prepare()
{
	writes "$(size 3000 60000)" >"$INPUT/writes"
	split -n l/4 "$INPUT/writes" "$INPUT/part."
}

cli()
{
	run redis-cli -s redis.sock "$@"
}

# I/O threads spin for one another, which takes minutes on two busy CPUs.
io_threads()
{
	if [ "$(getconf _NPROCESSORS_ONLN)" -ge 4 ]; then
		echo 3
	else
		echo 1
	fi
}

# A server that still loads its dump answers with an error.
ready()
{
	redis-cli -s redis.sock PING | grep -q PONG
}

# start_server: its pid is in $server.
start_server()
{
	start redis-server --port 0 --unixsocket redis.sock --dir "$PWD" \
		--daemonize no --save "" --io-threads "$(io_threads)" \
		--io-threads-do-reads yes --lazyfree-lazy-user-del yes \
		--logfile "$PWD/redis.log" --dbfilename dump.rdb
	server=$!
	await 60 ready
	prove_pid "$server"
}

saved()
{
	cli INFO persistence | grep -q rdb_bgsave_in_progress:0
}

work()
{
	prove redis-server --version
	start_server
	for part in "$INPUT"/part.*; do
		cli --pipe <"$part" | tail -n 1
		await 60 saved
		cli BGSAVE >/dev/null
	done
	run redis-benchmark -s redis.sock -q -c 20 -P 8 \
		-n "$(size 20000 400000)" -r 2000 -d 300 \
		-t set,get,lpush,rpop,sadd,hset >/dev/null
	cli DEL mylist myset myhash key:__rand_int__ counter:__rand_int__ \
		>/dev/null
	cli --raw EVAL "for _, k in ipairs(redis.call('KEYS', 'key:*')) do
		redis.call('DEL', k) end
		return redis.call('DBSIZE')" 0 >out/dbsize
	cli --raw EVAL "$dump_script" 0 >out/dump
	await 60 saved
	cli SHUTDOWN SAVE
	stop "$server"
	start_server
	cli --raw EVAL "$dump_script" 0 >out/dump-after-restart
	cmp out/dump out/dump-after-restart
	cli SHUTDOWN NOSAVE
	stop "$server"
}

if wants_jemalloc; then
	skip "this redis-server calls mallocx, which is jemalloc's own"
fi
compare
