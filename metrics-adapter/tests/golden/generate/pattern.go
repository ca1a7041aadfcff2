package main

import (
	"math/rand/v2"
	"regexp"
	"strings"
)

var patternTexts = []string{"", "http_requests_total", "container_cpu_usage_seconds_total", "node:cpu:rate5m", "aaa", "abc", "ABC", "a.b", "a\nb", "0", "_", "é", "ſ", "K", "x-y", "[a]", "{1}", "\\", "ab\v c\td", "☃ß"}

var expansions = []string{"$0", "$1", "${1}_per_second", "$1_x", "$n", "${n}", "$$", "$", "${", "${1", "$1$2$3", "x$10y", "$01", "${é}", "$-", "a", "${0}", "$n$1", "${n}_$2"}

var handPatterns = []string{
	"", ".*", "^container_(.*)_seconds_total$", "^(?P<n>.*)_total", "(.*)_(.*)", "a{1000}", "a{1001}", "a{,2}", "a{2,}", "a{2,1}", "a{0}", "a{0,0}", "a{01}", "a{1", "a{", "a{}", "a{a}", "a{1,2", "a{1,a}", "{1}", "x{1}{2}", "(a{100}){10}", "(a{100}){11}", "((a{10}){10}){10}", "((a{10}){10}){11}", "(a{0}){1000}", "((a{1000}){0}){1000}", "(a{2,}){501}", "(a*){1000}", "a{1000000000}", "a{99999999999999999999}",
	`a\Z`, `a\z`, `\Aa`, `\A\z`, "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", `(a)\1`, `\1`, `\8`, `\0`, `\07`, `\101`, `\1234`, `\x41`, `\x{41}`, `\x{}`, `\x{110000}`, `\x{0000000041}`, `\x4`, `\xg1`, `\x{4g}`, `\x{+41}`, `\x+1`, `\x{D800}`, `[\x{D800}]`, `[\x{D7FF}-\x{E000}]`, `[^\x{D800}]`, `\u0041`, `\cA`, `\e`, `\h`, `\R`, `\X`, `\K`, `\G`, `\N`, `\C`, `\q`, `\_`, `\-`, `\/`, `\"`, `\é`, `\`, `a\`, `\a\f\t\n\r\v`,
	`\d\D\w\W\s\S`, `^\d+$`, `^\w+$`, `^\s$`, `[\d]`, `[^\d]`, `[\D]`, `[\w-]`, `[\w-a]`, `[a-\d]`, `[\s\S]`, `\bc`, `c\b`, `\Ba`, `é\b`, `\bé`, `a\B`, `\B`, `^\B$`, `\b`, `(\b|a)+`, `[\b]`, `\pN`, `\pL`, `\pLu`, `\p{Lu}`, `\p{Greek}`, `\P{Greek}`, `\p{^Greek}`, `\P{^Greek}`, `\p{greek}`, `\p{GREEK}`, `\p{Grek}`, `\p{Latin}`, `\pX`, `\p{X}`, `\p{}`, `\p`, `\p{Lu`, `\p{Alphabetic}`, `\p{Any}`, `\p{Assigned}`, `\p{ASCII}`, `\p{Cs}`, `\P{Cs}`, `\pC`, `\p{Cn}`, `\p{LC}`, `\p{Lc}`, `\p{L_}`, `\p{Letter}`, `\p{Uppercase_Letter}`, `\p{sc=Greek}`, `\p{Script=Greek}`, `\p{Old_Italic}`, `\p{Han}`, `\p{isGreek}`, `[\pN]`, `[^\pN]`, `[\p{^N}a]`, `\p{Zs}`, `\p{Sm}`, `\p{Nd}`, `\p{Common}`, `\p{Inherited}`, `\p{Unknown}`, `\p{Zzzz}`,
	"[[:alpha:]]", "[[:^alpha:]]", "[^[:alpha:]]", "[[:word:]]", "[[:foo:]]", "[[:alpha:]-z]", "[:alpha:]", "[[:alpha]", "[[:space:]]", "[[:punct:]]", "[[:print:]]", "[[:graph:]]", "[[:cntrl:]]", "[[:blank:]]", "[[:ascii:]]", "[[:xdigit:]]", "[[:upper:]]", "(?i)[[:upper:]]", "(?i)[[:^upper:]]", "[[:ALPHA:]]", "[[:", "[[:]]", "[[.a.]]", "[[=a=]]",
	"[", "[]", "[]a]", "[^]a]", "[^", "[a", "[a-]", "[-a]", "[a-z-9]", "[z-a]", "[a-a]", "[--a]", "[+--]", "[a&&b]", "[a--b]", "[a~~b]", "[[a]]", "[[a]", "[a[b]c]", "[\\]a]", "[\\[]", "[\\", "[a\\", "[\\n-\\r]", "[\\x41-\\x43]", "[\\Q]", "[.]", "[$^]", "[^^]", "[é-ü]", "[ ]", "[#]", "]", "}", "a]",
	"(?i)abc", "(?i:b)C", "(?-i)a", "(?i)a(?-i)b", "(?i-s:a)", "(?is)a.b", "(?m)^b", "(?m)a$", "(?s)a.b", "a.b", "(?U)a+", "(?U)(a+)", "(?U)(a+?)", "(?U:(a+))(a*)", "(?x) a", "(?u)a", "(?R)a", "(?i-)a", "(?-)a", "(?)a", "(?:)", "(?i)", "(?ii)a", "(?i-i)a", "(?-i-i)a", "(?i", "(?", "(?:", "(?:a", "(?P", "(?P<", "(?P<>a)", "(?P<n>a)", "(?P<n>a)|(?P<n>b)", "(?P<n>a)(?P<n>b)", "(?<n>a)", "(?'n'a)", "(?P<1>a)", "(?P<1n>a)", "(?P<a-b>c)", "(?P<é>a)", "(?P<n", "(?P=n)", "(?P>n)", "(?#c)a", "(?i)k", "(?i)s", "(?i)ß", "(?i)é", "(?i)[a-z]", "(?i)[^k]", "(?i)\\w", "(?i)\\W", "(?i)[\\W]", "(?i)\\p{Lu}", "(?i)\\P{Lu}", "(?i)\\x{212a}", "a(?i)b|c", "(a(?i)b)c", "(?i)Σ", "(?i)ǅ",
	"*", "+", "?", "a**", "a*+", "a+*", "a*?", "a*??", "a??", "a???", "a+?", "a{2}?", "a{2}??", "a{2}+", "a{2}{3}", "(a*)*", "(a*)+", "(a|b)*", "(|a)*", "(|a)+", "(a|)+", "()*", "(?:)*", "(*)", "(+a)", "|*", "|", "||", "a|", "|a", "a||b", "(|)", "^*", "$*", "^+a", "a$+", "\\b*", "\\b+", "a(?i)*", "a(?i)*(?-i)", "(?i)*", "a|*", "a\\Q\\E*", "a*\\Q\\E*", "\\Q\\E*", "\\Qab\\E*", "\\Q.*\\E", "\\Q.*", "\\Qa\\E\\E", "\\E", "\\Q\\", "\\Qa\\\\E", "(a", "a)", "(", ")", "()", "((a)", "(a))", "(a)(b)?(c)*", "((a)|b)+", "(a*)(a*)", "(a*?)(a*)", "(a+)(b+)", "(a|ab)(c|bcd)(d*)", "x*", "^$", "^", "$", "a^b", "a$b", ".", "..", "(.)", "^.$", "(?s)^.$", "\x00", "é", "☃?", "a b", "a#b", "\n", "a\nb", "(?m)^$", "(?m:^)b", "(?-m:^)b", "~", "&&", "--", "\\<a\\>", "<a>", "=!", "a.b", "a\\.b", "container_.+_total", "^container_.*_total$", "_(seconds|bytes)_total$", "^.*(?:_total|_sum)$",
}

// patternCase is [pattern] for an error, else [pattern, [[text, template, expanded or null]...]].
func patternCase(random *rand.Rand, pattern string) vector {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return []any{pattern}
	}
	var results []any
	// All texts would be too many: those that match are the interesting ones.
	var matching, others []string
	for _, text := range patternTexts {
		if compiled.MatchString(text) {
			matching = append(matching, text)
		} else {
			others = append(others, text)
		}
	}
	try := func(texts []string, count int) {
		for range min(count, len(texts)) {
			text := pick(random, texts)
			template := pick(random, expansions)
			match := compiled.FindStringSubmatchIndex(text)
			if match == nil {
				results = append(results, []any{text, template, nil})
			} else {
				results = append(results, []any{text, template, string(compiled.ExpandString(nil, template, text, match))})
			}
		}
	}
	try(matching, 4)
	try(others, 2)
	return []any{pattern, results}
}

func patterns(random *rand.Rand) (any, []vector) {
	var vectors []vector
	for _, pattern := range unique(handPatterns) {
		vectors = append(vectors, patternCase(random, pattern))
	}
	var texts []string
	for range 3000 {
		text := patternText(random, 3)
		if random.IntN(5) == 0 {
			text = mutate(random, text, []string{"(", ")", "[", "]", "{", "}", "*", "?", "\\", "|", "^", "-", ":", "(?i)", "{2}", "\\d", "[:"})
		}
		if len(text) < 80 {
			texts = append(texts, text)
		}
	}
	for _, pattern := range unique(texts) {
		vectors = append(vectors, patternCase(random, pattern))
	}
	return []string{}, vectors
}

func patternText(random *rand.Rand, depth int) string {
	var out strings.Builder
	for range 1 + random.IntN(3) {
		var atom string
		if depth > 0 && random.IntN(3) == 0 {
			open := pick(random, []string{"(", "(", "(?:", "(?P<n>", "(?i:", "(?s:", "(?U:", "(?m:", "(?<n>"})
			atom = open + patternText(random, depth-1) + ")"
			if random.IntN(4) == 0 {
				atom = open + patternText(random, depth-1) + "|" + patternText(random, depth-1) + ")"
			}
		} else {
			atom = pick(random, []string{"a", "b", "c", "_", ".", "[a-c]", "[^a]", "[_a-z]", "\\w", "\\d", "\\s", "\\W", "\\b", "^", "$", "\\.", "total", "http", "x", "é", "\\pL", "\\p{Nd}", "[[:alpha:]]", "\\x61", "\\Qa.\\E", "(?i)", "K", "[[:^digit:]_]", "\\B", "s", "[\\w.]", "0"})
		}
		out.WriteString(atom)
		if random.IntN(3) == 0 {
			out.WriteString(pick(random, []string{"*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,}", "{1,3}?"}))
		}
	}
	return out.String()
}
