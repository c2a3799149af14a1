# Reads the samples of run.sh. What is printed of a case and a subject is the median over the rounds.
BEGIN {
	FS = OFS = "\t"
	case_count = split(cases, case_names, ",")
	subject_count = split(subjects, subject_names, " ")
	split("refusal,1k,64k,download,post,h2,new", known, ",")
	split("refusal|1 KiB|64 KiB|download of 100 MiB|POST of 2 KiB JSON|1 KiB over TLS and HTTP/2|1 KiB, a connection each", words, "|")
	for (i in known) title[known[i]] = words[i]
}

{
	key = $2 SUBSEP $3
	n = ++rounds[key]
	if ($4 > 0) {
		rate[key, n] = $4 / $5 * 1e6
		cost[key, n] = $6 / $4
		cost_in[$1, key] = cost[key, n]
	}
	resident[key, n] = $7 / 1024
	middle[key, n] = $8 / 1000
	tail[key, n] = $9 / 1000
	if ($1 > last) last = $1
}

# sorted copies n values of a key into order and sorts them.
function sorted(values, key, n,    i, j, x) {
	for (i = 1; i <= n; i++) {
		x = values[key, i] + 0
		for (j = i; j > 1 && order[j - 1] > x; j--) order[j] = order[j - 1]
		order[j] = x
	}
}

function median(values, key,    n) {
	n = rounds[key]
	sorted(values, key, n)
	return n % 2 ? order[(n + 1) / 2] : (order[n / 2] + order[n / 2 + 1]) / 2
}

# ratio says how much the gateway does with the CPU with which a subject does 1: the median of the rounds, the least and the most.
function ratio(name, subject,    i, n, own) {
	for (i = 1; i <= last; i++) {
		own = cost_in[i, name, "gate451"]
		if (own > 0 && (i, name, subject) in cost_in) quotient["", ++n] = cost_in[i, name, subject] / own
	}
	if (!n) return "-"
	rounds[""] = n
	i = median(quotient, "")
	return sprintf("%.2f (%.2f-%.2f)", i, order[1], order[n])
}

# figure prints a number with three digits that count.
function figure(x) {
	return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x)
}
