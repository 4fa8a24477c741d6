#!/bin/sh
# Fetches the kernel of a Debian release:
#
#	get_kernel.sh SUITE DIRECTORY [amd64|arm64]
#
# The archive's list and the package are downloaded by apt, with a configuration
# of its own, so that signatures and checksums are verified and nothing of the
# machine's own apt is touched. DIRECTORY/vmlinuz is there if all went well; the
# package's name and version are in DIRECTORY/package.
set -eu

suite=$1 arch=${3:-amd64}
mkdir -p "$2/lists/partial" "$2/cache/archives/partial"
directory=$(cd "$2" && pwd)
: "${PCM_DEBIAN_MIRROR:=http://deb.debian.org/debian}"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Releases out of support live on in the security archive.
{
	echo "deb [arch=$arch signed-by=$keyring] $PCM_DEBIAN_MIRROR" \
		"$suite main"
	echo "deb [arch=$arch signed-by=$keyring]" \
		"$PCM_DEBIAN_MIRROR-security $suite-security main"
} >"$directory/sources.list"
: >"$directory/status"

# run_apt COMMAND ARGUMENT...
run_apt() {
	command=$1
	shift
	"$command" -q -o Dir::Etc::sourcelist="$directory/sources.list" \
		-o Dir::Etc::sourceparts=- -o Dir::State="$directory" \
		-o Dir::State::lists="$directory/lists" \
		-o Dir::State::status="$directory/status" \
		-o Dir::Cache="$directory/cache" -o APT::Architecture="$arch" \
		-o APT::Architectures::="$arch" -o Acquire::Languages=none \
		-o APT::Sandbox::User=root "$@"
}

run_apt apt-get update
# The newest of the release: what the package of no version depends on.
package=$(run_apt apt-cache show --no-all-versions "linux-image-cloud-$arch" |
	sed -n "s|^Depends: \(linux-image-[^ ,]*\).*|\1|p")
[ -n "$package" ]
(cd "$directory" && rm -f ./*.deb && run_apt apt-get download "$package")
dpkg-deb --fsys-tarfile "$directory"/*.deb |
	tar -xOf - --wildcards './boot/vmlinuz-*' >"$directory/vmlinuz.part"
dpkg-deb --show "$directory"/*.deb >"$directory/package"
rm -rf "$directory"/*.deb "$directory/lists" "$directory/cache"
mv "$directory/vmlinuz.part" "$directory/vmlinuz"
