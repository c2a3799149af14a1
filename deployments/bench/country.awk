# Writes a country database as small as it is made up: blocks of 2^20 addresses from 1.0.0.0 to 223.255.255.255, one in 25 of them
# American and one German. Given format=csv, as gate451 geoip build reads it; map, as HAProxy does; american, as Caddy's
# matcher takes the networks.
BEGIN {
	split("FR GB IT ES PL NL BE AT CH SE NO DK FI PT IE CZ HU RO BG GR BR AR JP", other, " ")
	for (block = 16; block < 224 * 16; block++) {
		if (block == 160 || block == 2032) block += 16 # 10.0.0.0/8 and 127.0.0.0/8
		rest = block % 25
		country = rest == 7 ? "US" : rest == 23 ? "DE" : other[block % 23 + 1]
		network = int(block / 16) "." block % 16 * 16 ".0.0/12"
		if (format == "csv") printf "%.0f,%.0f,%s\n", block * 1048576, (block + 1) * 1048576 - 1, country
		if (format == "map") print network, country
		if (format == "american" && country == "US") printf "%s ", network
	}
}
