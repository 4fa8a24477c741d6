// The workload of node.sh: node workload.js N
'use strict';
const { Worker, isMainThread, parentPort, workerData } =
	require('worker_threads');
const { execFile } = require('child_process');
const crypto = require('crypto');
const util = require('util');
const zlib = require('zlib');

const sha = (data) =>
	crypto.createHash('sha256').update(data).digest('hex');

function random(seed) {
	let state = seed;
	return (n) => (state = (state * 16807) % 2147483647) % n;
}

// Buffers of all sizes, kept for a while, filled and summed.
function buffers(seed, count) {
	const rnd = random(seed);
	const kept = new Array(40);
	const hash = crypto.createHash('sha256');
	for (let i = 0; i < count; i++) {
		const b = Buffer.allocUnsafeSlow(1 + rnd(i % 9 ? 3000 : 300000));
		b.fill(rnd(256));
		const slot = rnd(40);
		if (kept[slot])
			hash.update(kept[slot].subarray(0, 500));
		kept[slot] = b;
	}
	return hash.digest('hex');
}

function objects(seed, count) {
	const rnd = random(seed);
	const map = new Map();
	for (let i = 0; i < count * 20; i++)
		map.set('k' + rnd(5000), { i, s: 'v'.repeat(rnd(100)) });
	const text = JSON.stringify([...map]);
	const again = new Map(JSON.parse(text));
	return sha(text) + ' ' + again.size;
}

async function pool(count) {
	const gzip = util.promisify(zlib.gzip);
	const gunzip = util.promisify(zlib.gunzip);
	const brotli = util.promisify(zlib.brotliCompress);
	const pbkdf2 = util.promisify(crypto.pbkdf2);
	const jobs = [];
	for (let i = 0; i < count / 20; i++) {
		const data = Buffer.from(('line ' + i + ' ').repeat(2000 + i));
		jobs.push((async () => {
			const packed = await gzip(data);
			if (!data.equals(await gunzip(packed)))
				throw new Error('gzip');
			const b = await brotli(data,
				{ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } });
			const key = await pbkdf2('p' + i, 'salt', 500, 64, 'sha512');
			return [sha(packed), sha(b), key.toString('hex')].join(' ');
		})());
	}
	return (await Promise.all(jobs)).join('\n');
}

function worker(seed, count) {
	return new Promise((resolve, reject) => {
		const w = new Worker(__filename, { workerData: { seed, count } });
		w.on('message', resolve);
		w.on('error', reject);
	});
}

async function child(i) {
	const { stdout } = await util.promisify(execFile)(process.execPath,
		['-e', `console.log('c'.repeat(${i} * 1000))`]);
	return sha(stdout);
}

async function main() {
	const count = Number(process.argv[2]);
	console.log((await Promise.all([
		worker(1, count), worker(2, count), worker(3, count),
		worker(4, count), pool(count), child(1), child(2),
	])).join('\n'));
	console.log(buffers(5, count), objects(5, count));
}

if (isMainThread)
	main();
else
	parentPort.postMessage(buffers(workerData.seed, workerData.count) +
		objects(workerData.seed, workerData.count));
