#!/bin/sh
# Makes a Debian package of the program, the units of ../systemd and a configuration to start from:
#     build.sh VERSION [PROGRAM]
# writes gate451_VERSION_ARCHITECTURE.deb into the current folder, of a program that is there or else of one that it builds.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=${1:?write a version, such as 1.0.0}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
umask 022
chmod 755 "$tree" # it is the root of the machine that installs it

program=$tree/usr/bin/gate451
mkdir -p "$tree/DEBIAN" "$tree/usr/bin" "$tree/usr/lib/systemd/system" "$tree/usr/share/doc/gate451"
if [ $# -gt 1 ]; then
	install -m 755 "$2" "$program"
else
	(cd "$here/../.." && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X gate451/gateway.Version=$version" -o "$program" ./gateway/cmd/gate451)
fi
"$program" init --dir "$tree/etc/gate451" >"$tree/said"
"$program" version >"$tree/usr/share/doc/gate451/copyright" # the data in it has a license of its own, which it tells
rm "$tree/said"
for unit in gate451.service gate451.socket; do
	sed 's|/usr/local/bin/|/usr/bin/|' "$here/../systemd/$unit" >"$tree/usr/lib/systemd/system/$unit"
done

cat >"$tree/DEBIAN/control" <<EOF
Package: gate451
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: ${DEBFULLNAME:-The operator} <${DEBEMAIL:-root@localhost}>
Section: net
Priority: optional
Installed-Size: $(du -sk "$tree/usr" "$tree/etc" | awk '{ sum += $1 } END { print sum }')
Description: gateway that refuses what may not be sold or updated
 It stands before a shop or an update server, finds out which country a
 request comes from, answers 451 Unavailable For Legal Reasons where dated
 rules say so, and passes everything else on untouched.
EOF
printf '/etc/gate451/%s\n' gateway.yaml policy.yaml >"$tree/DEBIAN/conffiles"
install -m 755 "$here/postinst" "$here/prerm" "$here/postrm" "$tree/DEBIAN/"
dpkg-deb --build --root-owner-group "$tree" .
