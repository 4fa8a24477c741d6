"""The workload of python.sh: python3 workload.py N

Objects of many sizes made in threads and passed between them, big buffers
that grow, child processes that are started while the threads run.
"""
import collections
import concurrent.futures
import hashlib
import json
import queue
import random
import re
import subprocess
import sys
import threading
import zlib


def documents(seed, count):
    """A list of nested objects, the same for the same seed."""
    rng = random.Random(seed)
    return [
        {
            "id": i,
            "name": "".join(rng.choices("abcdefgh", k=rng.randrange(1, 90))),
            "tags": [rng.randrange(1000) for _ in range(rng.randrange(30))],
            "text": "x" * rng.randrange(4000),
            "sub": {str(k): [k] * k for k in range(rng.randrange(12))},
        }
        for i in range(count)
    ]


def digest(value):
    text = json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()


def json_round_trip(seed, count):
    docs = documents(seed, count)
    again = json.loads(json.dumps(docs))
    assert again == docs
    return digest(again)


def growing_buffers(seed, count):
    rng = random.Random(seed)
    data = bytearray()
    kept = collections.deque(maxlen=50)
    total = 0
    for _ in range(count):
        data += rng.randbytes(rng.randrange(600))
        if len(data) > 300000:
            total = zlib.crc32(zlib.compress(bytes(data), 1), total)
            kept.append(bytes(data[:rng.randrange(len(data))]))
            del data[rng.randrange(100000):]
    return total, hashlib.sha256(b"".join(kept)).hexdigest()


def pipeline(count):
    """Producers allocate, consumers free: objects cross threads."""
    todo, done = queue.Queue(100), queue.Queue()

    def produce(seed):
        for doc in documents(seed, count):
            todo.put(doc)
        todo.put(None)

    def consume():
        n = size = 0
        while (doc := todo.get()) is not None:
            words = re.findall(r"[a-d]+", doc["name"])
            n += len(words)
            size += sum(map(len, words)) + len(doc["text"])
        done.put((n, size))

    threads = [threading.Thread(target=produce, args=(i,)) for i in range(3)]
    threads += [threading.Thread(target=consume) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    parts = [done.get() for _ in range(3)]
    return [sum(p[i] for p in parts) for i in (0, 1)]


def short_threads(count):
    """Threads by the hundred, a few alive at a time."""
    sums = []

    def work(i):
        sums.append(sum(len(str(k) * (i % 17)) for k in range(100)))

    for start in range(0, count, 8):
        batch = [threading.Thread(target=work, args=(i,))
                 for i in range(start, start + 8)]
        for t in batch:
            t.start()
        for t in batch:
            t.join()
    return sum(sums)


def child(i):
    code = ("import sys; d = {n: str(n) * 9 for n in range(3000)}; "
            "sys.stdout.write(''.join(d.values())[-%d:])" % (i * 100 + 1))
    out = subprocess.run([sys.executable, "-c", code], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return hashlib.sha256(out.encode()).hexdigest()


def main():
    n = int(sys.argv[1])
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(json_round_trip, i, n // 20) for i in range(3)]
        jobs += [pool.submit(growing_buffers, i, n) for i in range(3)]
        jobs += [pool.submit(child, i) for i in range(max(4, n // 2000))]
        for job in jobs:
            print(job.result())
    print(pipeline(n // 20))
    print(short_threads(n // 20))


main()
