# Prints a line for each subject of scale.sh: the medians of its rounds.
BEGIN { FS = "\t" }
FNR == NR { name[++subjects] = $1; next } # first their names, in order

{
	n = ++rounds[$2]
	cost[$2, n] = $4 / $3
	resident[$2, n] = $5 / 1024
}

function median(values, key,    n, i, j, x) {
	n = rounds[key]
	for (i = 1; i <= n; i++) {
		x = values[key, i] + 0
		for (j = i; j > 1 && order[j - 1] > x; j--) order[j] = order[j - 1]
		order[j] = x
	}
	return n % 2 ? order[(n + 1) / 2] : (order[n / 2] + order[n / 2 + 1]) / 2
}

END {
	printf "%-44s %8s %8s\n", "", "CPU us", "RSS MiB"
	for (s = 1; s <= subjects; s++) {
		split(name[s], words, " ")
		if (s > 1 && words[1] != last) print ""
		last = words[1]
		printf "%-44s %8.1f %8.1f\n", name[s], median(cost, name[s]), median(resident, name[s])
	}
}
