# Draws the CPU time of a request, a group of bars for each case; each group has a scale of its own.
END {
	bar = 16
	group = subject_count * bar + 34
	height = case_count * group + 46
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 %d\" width=\"720\" height=\"%d\" role=\"img\" aria-label=\"CPU time of a request, by proxy and case\">\n", height, height
	print "<style>"
	print "text { font: 12px system-ui, sans-serif; fill: #1b1f24 } .title { font-weight: 600 } .own { fill: #0a5bd3 } .other { fill: #8b949e }"
	print "@media (prefers-color-scheme: dark) { text { fill: #e8eaed } .own { fill: #8ab4f8 } .other { fill: #6e7681 } }"
	print "</style>"
	print "<text x=\"8\" y=\"20\" class=\"title\">CPU time of a request in microseconds: less is better</text>"
	for (c = 1; c <= case_count; c++) {
		top = 40 + (c - 1) * group
		printf "<text x=\"8\" y=\"%d\" class=\"title\">%s</text>\n", top + 14, title[case_names[c]]
		most = 0
		for (s = 1; s <= subject_count; s++) {
			value[s] = median(cost, case_names[c] SUBSEP subject_names[s])
			if (value[s] > most) most = value[s]
		}
		for (s = 1; s <= subject_count; s++) {
			width = most ? value[s] / most * 500 : 0
			own = index(subject_names[s], "gate451") == 1
			y = top + 20 + (s - 1) * bar
			printf "<text x=\"120\" y=\"%d\" text-anchor=\"end\">%s</text>", y + 12, subject_names[s]
			printf "<rect x=\"128\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"%s\"/>", y + 2, width, bar - 4, (own ? "own" : "other")
			printf "<text x=\"%.1f\" y=\"%d\">%s</text>\n", 134 + width, y + 12, figure(value[s])
		}
	}
	print "</svg>"
}
