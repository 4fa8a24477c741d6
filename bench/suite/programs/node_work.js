// The node program of the suite: node node_work.js N. Parses and writes JSON,
// holds objects in maps, and keeps buffers outside the JavaScript heap, some of
// them compressed; prints one hash of it all.
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');

function random(seed) {
	let state = seed;
	return (n) => (state = (state * 16807) % 2147483647) % n;
}

function objects(count, hash) {
	const rnd = random(1);
	let map = new Map();
	for (let i = 0; i < count * 4000; i++)
		map.set('k' + rnd(3000), { i, s: 'v'.repeat(rnd(50)) });
	for (let i = 0; i < count; i++) {
		const text = JSON.stringify([...map]);
		hash.update(text);
		map = new Map(JSON.parse(text));
	}
}

function buffers(count, hash) {
	const rnd = random(2);
	const kept = new Array(60);
	for (let i = 0; i < count * 800; i++) {
		const b = Buffer.allocUnsafeSlow(1 + rnd(i % 30 ? 6000 : 200000));
		b.fill(rnd(256));
		const slot = rnd(60);
		if (kept[slot])
			hash.update(kept[slot].subarray(0, 100));
		kept[slot] = b;
	}
}

function packed(count, hash) {
	const rnd = random(3);
	for (let i = 0; i < count * 6; i++) {
		const data = Buffer.from(('line ' + rnd(99) + ' ').repeat(1500));
		const small = zlib.deflateSync(data, { level: 1 + i % 6 });
		if (!data.equals(zlib.inflateSync(small)))
			throw new Error('inflate');
		hash.update(small);
	}
}

const hash = crypto.createHash('sha256');
const count = Number(process.argv[2]);
objects(count, hash);
buffers(count, hash);
packed(count, hash);
console.log(hash.digest('hex'));
