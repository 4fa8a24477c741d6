// The Java program of the suite: java NativeWork N. What the runtime does in
// memory of malloc's: compressors, direct buffers, archives, threads.

import java.io.*;
import java.nio.ByteBuffer;
import java.util.*;
import java.util.zip.*;

public final class NativeWork {
	static byte[] text(int seed, int words) {
		Random random = new Random(seed);
		StringBuilder s = new StringBuilder();
		for (int i = 0; i < words; i++)
			s.append(Integer.toString(random.nextInt(3000), 36))
				.append(' ');
		return s.toString().getBytes();
	}

	// A state for each, as servers that compress their answers have it.
	static long deflate(byte[] data, int count) throws Exception {
		byte[] packed = new byte[data.length + 100];
		byte[] again = new byte[data.length];
		long sum = 0;
		for (int i = 0; i < count; i++) {
			Deflater d = new Deflater(1 + i % 6);
			d.setInput(data, 0, data.length / (1 + i % 4));
			d.finish();
			int n = d.deflate(packed);
			d.end();
			Inflater inflater = new Inflater();
			inflater.setInput(packed, 0, n);
			sum = sum * 31 + n + inflater.inflate(again);
			inflater.end();
		}
		return sum;
	}

	static long direct(int count) {
		Random random = new Random(2);
		ByteBuffer[] kept = new ByteBuffer[40];
		long sum = 0;
		for (int i = 0; i < count; i++) {
			int size = 64 + random.nextInt(i % 20 == 0 ? 300000 : 8000);
			ByteBuffer b = ByteBuffer.allocateDirect(size);
			b.putInt(0, i).putInt(size - 4, i);
			int slot = random.nextInt(kept.length);
			if (kept[slot] != null)
				sum = sum * 31 + kept[slot].getInt(0);
			kept[slot] = b;
		}
		return sum;
	}

	static long archive(byte[] data, int entries) throws Exception {
		File file = File.createTempFile("native", ".zip");
		try (ZipOutputStream out = new ZipOutputStream(
				new FileOutputStream(file))) {
			for (int i = 0; i < entries; i++) {
				out.putNextEntry(new ZipEntry("entry" + i));
				out.write(data, i, 1000 + i % 500);
			}
		}
		long sum = 0;
		try (ZipFile zip = new ZipFile(file)) {
			for (ZipEntry e : Collections.list(zip.entries()))
				sum += zip.getInputStream(e).readAllBytes().length;
		}
		file.delete();
		return sum;
	}

	static int threads(int count) throws Exception {
		int[] sums = new int[count];
		for (int i = 0; i < count; i++) {
			int n = i;
			Thread t = new Thread(() -> sums[n] = n * n);
			t.start();
			t.join();
		}
		return Arrays.hashCode(sums);
	}

	public static void main(String[] args) throws Exception {
		int count = Integer.parseInt(args[0]);
		byte[] data = text(1, 4000);
		System.out.println(deflate(data, count * 20));
		System.out.println(direct(count * 100));
		System.out.println(archive(data, count * 20));
		System.out.println(threads(count * 10));
	}
}
