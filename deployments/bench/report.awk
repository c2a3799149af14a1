# Prints a table for each case.
END {
	for (c = 1; c <= case_count; c++) {
		name = case_names[c]
		printf "\n%-26s %10s %10s %9s %9s %8s   %s\n", title[name], "req/s", "CPU us", "p50 ms", "p99 ms", "RSS MiB", "gate451 per CPU, this = 1"
		for (s = 1; s <= subject_count; s++) {
			subject = subject_names[s]
			key = name SUBSEP subject
			if (!(key in rounds)) continue
			if (subject == "direct")
				printf "  %-24s %10s %10s %9.3f %9.3f %8s   %s\n", subject, "-", "-", median(middle, key), median(tail, key), "-", "-"
			else
				printf "  %-24s %10s %10s %9.3f %9.3f %8.1f   %s\n", subject, figure(median(rate, key)), figure(median(cost, key)),
					median(middle, key), median(tail, key), median(resident, key), subject == "gate451" ? "1" : ratio(name, subject)
		}
	}
}
