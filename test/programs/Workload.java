// The workload of java.sh: java Workload N

import java.io.*;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;

public final class Workload {
	static String hex(byte[] data) throws Exception {
		byte[] d = MessageDigest.getInstance("SHA-256").digest(data);
		StringBuilder s = new StringBuilder();
		for (byte b : d)
			s.append(String.format("%02x", b));
		return s.toString();
	}

	// Direct buffers are malloc's; they are dropped by the collector.
	static String direct(int seed, int count) throws Exception {
		Random random = new Random(seed);
		ByteBuffer[] kept = new ByteBuffer[30];
		CRC32 crc = new CRC32();
		for (int i = 0; i < count; i++) {
			ByteBuffer b = ByteBuffer.allocateDirect(
				1 + random.nextInt(i % 10 == 0 ? 400000 : 5000));
			while (b.remaining() >= 8)
				b.putLong(random.nextLong());
			b.flip();
			int slot = random.nextInt(kept.length);
			if (kept[slot] != null)
				crc.update(kept[slot]);
			kept[slot] = b;
			if (i % 500 == 499)
				System.gc();
		}
		return "direct " + seed + " " + crc.getValue();
	}

	// Each Deflater and Inflater has its state in malloc's memory.
	static String deflate(int seed, int count) throws Exception {
		StringBuilder text = new StringBuilder();
		Random random = new Random(seed);
		for (int i = 0; i < 3000; i++)
			text.append(Integer.toString(random.nextInt(5000), 36));
		byte[] data = text.toString().getBytes("UTF-8");
		String last = "";
		for (int i = 0; i < count / 10; i++) {
			Deflater d = new Deflater(1 + i % 9);
			d.setInput(data);
			d.finish();
			byte[] packed = new byte[data.length + 100];
			int n = d.deflate(packed);
			d.end();
			Inflater inflater = new Inflater();
			inflater.setInput(packed, 0, n);
			byte[] again = new byte[data.length];
			if (inflater.inflate(again) != data.length
				|| !Arrays.equals(data, again))
				throw new IllegalStateException("inflate");
			inflater.end();
			last = hex(Arrays.copyOf(packed, n));
		}
		return "deflate " + seed + " " + last;
	}

	static String maps(int seed, int count) {
		Random random = new Random(seed);
		TreeMap<String, List<Integer>> map = new TreeMap<>();
		for (int i = 0; i < count * 50; i++)
			map.computeIfAbsent("k" + random.nextInt(2000),
				k -> new ArrayList<>()).add(i);
		return "maps " + seed + " " + map.hashCode();
	}

	static String child(int i) throws Exception {
		ProcessBuilder b = new ProcessBuilder("sh", "-c",
			"echo child " + i + "; wc -c");
		b.redirectErrorStream(true);
		Process p = b.start();
		try (OutputStream out = p.getOutputStream()) {
			out.write(new byte[i * 1000]);
		}
		String text = new String(p.getInputStream().readAllBytes());
		return text.replaceAll("\\s+", " ") + p.waitFor();
	}

	static int shortThreads(int count) throws Exception {
		int[] sums = new int[count];
		for (int start = 0; start + 8 <= count; start += 8) {
			List<Thread> batch = new ArrayList<>();
			for (int i = start; i < start + 8; i++) {
				int n = i;
				Thread t = new Thread(() -> sums[n] =
					Integer.toString(n).repeat(n % 100).hashCode());
				t.start();
				batch.add(t);
			}
			for (Thread t : batch)
				t.join();
		}
		return Arrays.hashCode(sums);
	}

	public static void main(String[] args) throws Exception {
		int count = Integer.parseInt(args[0]);
		ExecutorService pool = Executors.newFixedThreadPool(8);
		List<Future<String>> jobs = new ArrayList<>();
		for (int i = 1; i <= 4; i++) {
			int seed = i;
			jobs.add(pool.submit(() -> direct(seed, count)));
			jobs.add(pool.submit(() -> deflate(seed, count)));
			jobs.add(pool.submit(() -> maps(seed, count)));
			jobs.add(pool.submit(() -> child(seed)));
		}
		for (Future<String> job : jobs)
			System.out.println(job.get());
		pool.shutdown();
		System.out.println(shortThreads(count));
		System.out.println(new TreeMap<>(IntStream.range(0, count * 1000)
			.parallel().mapToObj(Integer::toString).collect(
				Collectors.groupingByConcurrent(String::length,
					Collectors.counting()))));
	}
}
