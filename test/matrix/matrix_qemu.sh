# Sourced by matrix.sh: aarch64, by qemu's user mode. No sections are written
# for it, so every thread is on the fallback.
#
# Its variables are those of matrix.sh.
# shellcheck shell=sh disable=SC2034,SC2154

cells_of_aarch64() {
	programs=$matrix/programs/aarch64 preload=''
	launch=qemu-aarch64
	settings="PCM_STRESS_LIMIT=300"
	limit=360
	nstorm=300
	# Not those that read the resident memory, which is qemu's, nor the one
	# that forks in threads, which qemu's user mode does not survive.
	only="cell_identity small_work detached_storm stress_pattern
		stress_migrate stress_twice stress_signal"
	cell "aarch64 by qemu, static glibc" \
		"fallback, no sections for this architecture"
}

if ! command -v qemu-aarch64 >/dev/null; then
	not_a_cell "aarch64 by qemu" skipped "no qemu-aarch64"
elif sh test/matrix/build_programs.sh "$matrix/programs/aarch64" \
	aarch64-linux-gnu-gcc -static "$matrix/aarch64/libpcmalloc.a"; then
	cells_of_aarch64
else
	not_a_cell "aarch64 by qemu" failed "programs do not build"
fi
